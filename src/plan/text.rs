//! The plan, and what became of it, for a person at a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use matrix_sdk::ruma::OwnedRoomAliasId;

use super::count::Count;
use super::lines::{held_lines, lines};
use super::{Digest, HoldReason, Orphan, Plan, Refusal, RoomPlan, allowance};
use super::{estimate, show};
use crate::printable::harmless;
use crate::report::{Outcome, Report};

/// How long a plan must take, at the least, for its time to be told.
const WORTH_TELLING: Duration = Duration::from_mins(1);

/// How text is dressed.
#[derive(Debug, Clone, Copy)]
pub struct Dress {
    colored: bool,
}

impl Dress {
    /// Text with colours, or without.
    #[must_use]
    pub fn new(colored: bool) -> Self {
        Self { colored }
    }

    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        if self.colored { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    pub(crate) fn color(self, color: AnsiColor, text: &str) -> String {
        self.paint(Style::new().fg_color(Some(color.into())), text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }
}

/// The plan: rooms with something to tell, a line for each change, then a summary.
#[must_use]
pub fn plan(plan: &Plan, refusals: &[Refusal], dress: Dress) -> String {
    let mut text = String::new();
    for problem in &plan.problems {
        let _ = writeln!(text, "{} {}", dress.color(AnsiColor::Red, "problem:"), harmless(problem));
    }
    for warning in &plan.warnings {
        let _ = writeln!(text, "{} {}", dress.color(AnsiColor::Yellow, "warning:"), harmless(warning));
    }
    for room in plan.rooms.iter().filter(|room| room.is_worth_telling()) {
        if !text.is_empty() {
            text.push('\n');
        }
        section(&mut text, Some(&room.alias), room, None, dress);
    }
    for orphan in &plan.orphans {
        if !text.is_empty() {
            text.push('\n');
        }
        section(&mut text, orphan.alias.as_ref(), &orphan.plan, Some(orphan), dress);
    }
    if !refusals.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&refused(plan, refusals, dress));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let _ = writeln!(text, "{}", dress.bold(&summary(plan)));
    if let Some(time) = time(plan) {
        let _ = writeln!(text, "{time}");
    }
    text
}

/// How long the plan takes, if that is worth telling.
pub(super) fn time(plan: &Plan) -> Option<String> {
    let time = estimate::rate_limited(plan);
    let minutes = time.as_secs().div_ceil(60);
    (time >= WORTH_TELLING).then(|| format!("With Synapse's default rate limits this takes about {minutes} min."))
}

/// The limits that the plan is over, and the ways to go on: what stands in the plan is indented.
pub(super) fn refused(plan: &Plan, refusals: &[Refusal], dress: Dress) -> String {
    let stopped = plan.all().flat_map(|room| &room.withheld).any(|held| held.why == HoldReason::Stopped);
    let what = if stopped { "The guard stopped this run:" } else { "The guard refused to remove or demote anybody:" };
    let mut text = format!("{}\n", dress.color(AnsiColor::Red, what));
    for refusal in refusals {
        let _ = writeln!(text, "  {}", harmless(&refusal.to_string()));
    }
    if let Some(kicks) = allowance(plan, refusals) {
        let _ = writeln!(
            text,
            "If this is right, repeat with --allow-kicks {kicks}, go room by room with --room ALIAS, or change a key \
             that is named above (under [policy], if no section is)."
        );
    } else if refusals.iter().any(Refusal::is_final) {
        text.push_str("Nothing lets that pass: change the configuration, or leave the room out with --room ALIAS.\n");
    }
    text
}

/// The digest of a plan, as `--expect` wants it.
#[must_use]
pub fn digest(digest: &Digest) -> String {
    format!("Digest: {digest}\n")
}

impl RoomPlan {
    pub(super) fn is_worth_telling(&self) -> bool {
        !(self.changes.is_empty() && self.withheld.is_empty() && self.problems.is_empty() && self.warnings.is_empty())
    }
}

fn section(
    text: &mut String,
    alias: Option<&OwnedRoomAliasId>,
    room: &RoomPlan,
    orphan: Option<&Orphan>,
    dress: Dress,
) {
    let (alias, id) = names(alias, room);
    let _ = writeln!(text, "{}  {id}", dress.bold(&alias));
    body(text, room, orphan, dress);
}

/// What a room is called, and its ID.
pub(super) fn names<'a>(alias: Option<&'a OwnedRoomAliasId>, room: &'a RoomPlan) -> (Cow<'a, str>, Cow<'a, str>) {
    let alias = alias.map_or_else(|| "(no alias)".into(), |alias| harmless(alias.as_str()));
    (alias, room.room_id.as_ref().map_or_else(|| "no room yet".into(), |id| harmless(id.as_str())))
}

/// What there is to tell of a room: a line for each thing, indented by two, with its mark in front.
pub(super) fn body(text: &mut String, room: &RoomPlan, orphan: Option<&Orphan>, dress: Dress) {
    if let Some(orphan) = orphan {
        let _ = writeln!(text, "  {} {orphan}", dress.color(AnsiColor::Yellow, "! warning:"));
    }
    for change in &room.changes {
        for line in lines(change) {
            let color = match line.mark {
                '+' => AnsiColor::Green,
                '-' => AnsiColor::Red,
                _ => AnsiColor::Cyan,
            };
            let what = dress.color(color, &format!("{} {}", line.mark, harmless(&line.what)));
            let _ = match line.why {
                Some(why) => writeln!(text, "  {what}  ({})", harmless(&why)),
                None => writeln!(text, "  {what}"),
            };
        }
    }
    for withheld in &room.withheld {
        for (what, why) in held_lines(&withheld.change) {
            let reason = why.map_or_else(String::new, |why| format!("{why}; "));
            let _ = writeln!(text, "  . {}", harmless(&format!("withheld: {what}  ({reason}{})", withheld.why)));
        }
    }
    for problem in &room.problems {
        let _ = writeln!(text, "  {} {}", dress.color(AnsiColor::Red, "! problem:"), harmless(&problem.to_string()));
    }
    for warning in &room.warnings {
        let _ = writeln!(text, "  {} {}", dress.color(AnsiColor::Yellow, "! warning:"), harmless(warning));
    }
}

/// The plan in one line.
pub(super) fn summary(plan: &Plan) -> String {
    let count = Count::of(plan);
    let mut parts = Vec::new();
    let mut part = |number: usize, one: &str, many: &str| {
        if number > 0 {
            parts.push(format!("{number} {}", if number == 1 { one } else { many }));
        }
    };
    part(count.creations, "room to create", "rooms to create");
    part(count.invites, "invite", "invites");
    part(count.additions, "addition", "additions");
    part(count.kicks, "kick", "kicks");
    part(count.others, "other change", "other changes");
    part(count.withheld, "change withheld", "changes withheld");
    part(count.orphans, "orphaned room", "orphaned rooms");
    part(count.problems, "problem", "problems");
    part(count.warnings, "warning", "warnings");
    if plan.is_empty() {
        parts.insert(0, "nothing to do".into());
    }
    let rooms = plan.rooms.len();
    format!("{rooms} {}: {}.", if rooms == 1 { "room" } else { "rooms" }, parts.join(", "))
}

/// What a run did, for a room of people: the plan as a whole, and what became of it.
#[must_use]
pub fn notice(whole: &Plan, refusals: &[Refusal], outcomes: &Report) -> String {
    /// Far below what an event may hold (64 KiB).
    const LONGEST: usize = 20_000;
    let plain = Dress::new(false);
    let mut text = plan(whole, refusals, plain);
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        let _ = writeln!(text, "...\n\n{}", summary(whole));
    }
    text.push_str(&report(whole, outcomes, plain));
    text
}

/// What became of a plan: a line for each change that was not made, then a summary.
#[must_use]
pub fn report(plan: &Plan, report: &Report, dress: Dress) -> String {
    let mut text = String::new();
    let (mut applied, mut already, mut blocked, mut skipped, mut failed) = (0, 0, 0, 0, 0);
    for room in plan.changing() {
        let Some(outcomes) = report.rooms.get(&room.alias) else { continue };
        for (change, outcome) in room.changes.iter().zip(outcomes) {
            let (color, word, reason) = match outcome {
                Outcome::Applied => {
                    applied += 1;
                    continue;
                }
                Outcome::AlreadyDone => {
                    already += 1;
                    continue;
                }
                Outcome::Blocked(reason) => {
                    blocked += 1;
                    (AnsiColor::Yellow, "blocked:", reason)
                }
                Outcome::Skipped(reason) => {
                    skipped += 1;
                    (AnsiColor::Yellow, "skipped:", reason)
                }
                Outcome::Failed(reason) => {
                    failed += 1;
                    (AnsiColor::Red, "failed:", reason)
                }
            };
            let what = show::brief(change);
            let what = harmless(&what);
            let alias = harmless(room.alias.as_str());
            let _ = writeln!(text, "{} {alias}: {what}: {}", dress.color(color, word), harmless(reason));
        }
    }
    let mut parts = vec![format!("{applied} done")];
    for (number, what) in [(already, "done already"), (blocked, "blocked"), (skipped, "skipped"), (failed, "failed")] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    let total = applied + already + blocked + skipped + failed;
    let summary = format!("{total} {}: {}.", if total == 1 { "write" } else { "writes" }, parts.join(", "));
    let _ = writeln!(text, "{}", dress.bold(&summary));
    text
}
