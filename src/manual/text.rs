//! What is done by hand, for a person at a terminal.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use anstyle::AnsiColor;
use matrix_sdk::ruma::{OwnedRoomId, RoomAliasId};

use super::{End, Request, Step};
use crate::plan::text::Dress;
use crate::printable::harmless;
use crate::report::Outcome;

/// What is said when a step failed.
pub const FAILED: &str = "Not everything could be done: repeat the command when the reason is mended.";

/// The room.
#[must_use]
pub fn heading(alias: &RoomAliasId, room: Option<&OwnedRoomId>, dress: Dress) -> String {
    let id = room.map_or_else(String::new, |id| format!("  {}", harmless(id.as_str())));
    format!("{}{id}\n", dress.bold(&harmless(alias.as_str())))
}

/// What a person should know.
#[must_use]
pub fn warnings(warnings: &BTreeSet<String>, dress: Dress) -> String {
    let warn = |warning| format!("  {} {}\n", dress.color(AnsiColor::Yellow, "! warning:"), harmless(warning));
    warnings.iter().map(|warning| warn(warning)).collect()
}

/// A step, and what became of it; nothing did in a dry run.
#[must_use]
pub fn step(step: &Step, outcome: Option<&Outcome>, dress: Dress) -> String {
    let mut text = String::new();
    for (mark, what) in lines(step) {
        let color = match mark {
            '+' => AnsiColor::Green,
            '-' => AnsiColor::Red,
            _ => AnsiColor::Cyan,
        };
        let what = dress.color(color, &format!("{mark} {}", harmless(&what)));
        let became = match outcome {
            None | Some(Outcome::Applied) => String::new(),
            Some(Outcome::AlreadyDone) => "  (done already)".into(),
            Some(Outcome::Blocked(reason)) => {
                format!("  ({}: {})", dress.color(AnsiColor::Yellow, "blocked"), harmless(reason))
            }
            Some(Outcome::Skipped(reason)) => {
                format!("  ({}: {})", dress.color(AnsiColor::Yellow, "skipped"), harmless(reason))
            }
            Some(Outcome::Failed(reason)) => {
                format!("  ({}: {})", dress.color(AnsiColor::Red, "failed"), harmless(reason))
            }
        };
        let _ = writeln!(text, "  {what}{became}");
    }
    text
}

fn lines(step: &Step) -> Vec<(char, String)> {
    match step {
        Step::Invite(user) => vec![('+', format!("invite {user}"))],
        Step::TakeMark => vec![('~', "take the mark of inviter away".into())],
        Step::PowerLevels { users, .. } => users
            .iter()
            .map(|level| ('~', format!("power level of {}: {} -> {}", level.user, level.from, level.to)))
            .collect(),
        Step::Kick { user, invited: true } => vec![('-', format!("withdraw the invitation of {user}"))],
        Step::Kick { user, invited: false } => vec![('-', format!("kick {user}"))],
        Step::Leave => vec![('-', "leave the room".into())],
    }
}

/// That somebody is waited for now.
#[must_use]
pub fn waiting(request: &Request, wait: Duration) -> String {
    format!("Waiting up to {} for {} to accept the invitation.\n", humantime::format_duration(wait), request.user)
}

/// How it stands, in one sentence.
#[must_use]
pub fn end(request: &Request, end: &End, dry_run: bool) -> String {
    match end {
        End::Done if dry_run => "Dry run: nothing was written.".into(),
        End::Done => "Done.".into(),
        End::Already(what) => format!("Nothing to do: {what}."),
        End::Declined => format!(
            "{} declined the invitation, or somebody withdrew it: inviter stays. Repeat the command to invite them again.",
            request.user
        ),
        End::Waiting => format!(
            "{}Waiting for {} to accept the invitation: inviter stays until then. Repeat the command later, or let it wait with \
             --wait 10m.",
            if dry_run { "Dry run: nothing was written. " } else { "" },
            request.user
        ),
    }
}
