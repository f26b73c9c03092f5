//! What a run amounted to, in numbers for Prometheus.
//!
//! All are gauges of the last run: a program that ends has no counters to go on with. The text is the exposition
//! format 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>), which the textfile collector of
//! `node_exporter` and the Pushgateway read.

mod publish;

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus::{Encoder as _, GaugeVec, Opts, Registry, TextEncoder};

use crate::plan::{Change, HoldReason, Plan};
use crate::report::{Outcome, Report, Status};

pub use publish::{PublishError, to_file, to_gateway};

/// A run that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// When it ended, in seconds since 1970.
    pub ended: f64,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub status: Status,
    /// The number of the shard, if the run took care of a part of the rooms.
    pub shard: Option<u32>,
    /// How many requests the homeserver was sent.
    pub requests: u64,
    /// The plan, if the run came to one.
    pub plan: Option<&'a Plan>,
    /// What became of it, if it was applied.
    pub report: Option<&'a Report>,
}

impl Run<'_> {
    /// The numbers, as the text that Prometheus reads.
    ///
    /// # Errors
    /// Never with the names that stand here; the library's type says otherwise.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let numbers = Numbers { registry: Registry::new(), shard: self.shard };
        numbers.one("inviter_last_run_timestamp_seconds", "When the last run ended.", self.ended)?;
        numbers.one("inviter_last_run_duration_seconds", "How long the last run took.", self.took.as_secs_f64())?;
        numbers.one("inviter_last_run_status", "The exit status of the last run.", self.status.code().into())?;
        #[expect(clippy::cast_precision_loss, reason = "no run makes 2^53 requests")]
        let requests = self.requests as f64;
        numbers.one("inviter_requests", "The requests of the last run to the homeserver.", requests)?;
        if let Some(plan) = self.plan {
            numbers.plan(plan)?;
            numbers.changes(plan, self.report)?;
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&numbers.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// The gauges of one run.
struct Numbers {
    registry: Registry,
    shard: Option<u32>,
}

impl Numbers {
    fn one(&self, name: &str, help: &str, value: f64) -> Result<(), prometheus::Error> {
        self.many(name, help, &[], [(vec![], value)])
    }

    fn many<'a>(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        values: impl IntoIterator<Item = (Vec<&'a str>, f64)>,
    ) -> Result<(), prometheus::Error> {
        let mut options = Opts::new(name, help);
        if let Some(shard) = self.shard {
            options = options.const_label("shard", shard.to_string());
        }
        let gauge = GaugeVec::new(options, labels)?;
        for (labels, value) in values {
            gauge.with_label_values(&labels).set(value);
        }
        self.registry.register(Box::new(gauge))
    }

    fn plan(&self, plan: &Plan) -> Result<(), prometheus::Error> {
        let rooms = plan.rooms.len();
        let missing = plan.rooms.iter().filter(|room| room.room_id.is_none()).count();
        let with_problems = plan.rooms.iter().filter(|room| !room.problems.is_empty()).count();
        self.many(
            "inviter_rooms",
            "The rooms that the identity providers name, as the last run found them.",
            &["state"],
            [
                (vec!["named"], number(rooms)),
                (vec!["missing"], number(missing)),
                (vec!["with_problems"], number(with_problems)),
            ],
        )?;
        let sum = |count: fn(&crate::plan::Headcount) -> usize| {
            number(plan.rooms.iter().map(|room| count(&room.headcount)).sum())
        };
        self.many(
            "inviter_members",
            "Memberships that are wanted, as the last run found them.",
            &["state"],
            [
                (vec!["wanted"], sum(|count| count.wanted)),
                (vec!["joined"], sum(|count| count.joined)),
                (vec!["invited"], sum(|count| count.invited)),
            ],
        )?;
        let (doubtful, certain): (Vec<_>, Vec<_>) = plan.orphans.iter().partition(|orphan| !orphan.doubts.is_empty());
        self.many(
            "inviter_orphans",
            "Rooms that bear the mark and that nobody names any more, as the last run found them; it looks for none with --room.",
            &["state"],
            [
                (vec!["orphaned"], number(certain.len())),
                (vec!["doubtful"], number(doubtful.len())),
                (vec!["marked"], number(plan.orphans.iter().filter(|orphan| orphan.is_marked).count())),
            ],
        )?;
        let mut withheld: BTreeMap<&str, usize> =
            ["cautious", "refused", "stopped", "incomplete", "left_recently"].map(|reason| (reason, 0)).into();
        for held in plan.all().flat_map(|room| &room.withheld) {
            *withheld.entry(reason(&held.why)).or_default() += 1;
        }
        let withheld = withheld.into_iter().map(|(reason, count)| (vec![reason], number(count)));
        self.many("inviter_withheld", "Changes that the last run held back, by reason.", &["reason"], withheld)?;
        let problems = plan.problems.len() + plan.rooms.iter().map(|room| room.problems.len()).sum::<usize>();
        let warnings = plan.warnings.len() + plan.rooms.iter().map(|room| room.warnings.len()).sum::<usize>();
        self.one("inviter_problems", "What kept rooms from being managed in the last run.", number(problems))?;
        self.one("inviter_warnings", "Warnings of the last run.", number(warnings))
    }

    /// Each kind of change with each outcome, so that a series does not vanish when it is at zero.
    fn changes(&self, plan: &Plan, report: Option<&Report>) -> Result<(), prometheus::Error> {
        const KINDS: [&str; 4] = ["create", "invite", "kick", "other"];
        const OUTCOMES: [&str; 6] = ["planned", "applied", "already_done", "blocked", "skipped", "failed"];
        let mut counts: BTreeMap<(&str, &str), usize> =
            KINDS.iter().flat_map(|kind| OUTCOMES.iter().map(move |outcome| ((*kind, *outcome), 0))).collect();
        for room in plan.all() {
            let outcomes = report.and_then(|report| report.rooms.get(&room.alias));
            for (index, change) in room.changes.iter().enumerate() {
                let outcome = outcomes.and_then(|outcomes| outcomes.get(index)).map_or("planned", outcome);
                *counts.entry((kind(change), outcome)).or_default() += 1;
            }
        }
        let counts = counts.into_iter().map(|((kind, outcome), count)| (vec![kind, outcome], number(count)));
        let help = "Changes of the last run by kind and by what became of them; a dry run leaves them planned.";
        self.many("inviter_changes", help, &["kind", "outcome"], counts)
    }
}

#[expect(clippy::cast_precision_loss, reason = "no run has 2^53 of anything")]
fn number(count: usize) -> f64 {
    count as f64
}

fn reason(why: &HoldReason) -> &'static str {
    match why {
        HoldReason::Cautious => "cautious",
        HoldReason::Refused => "refused",
        HoldReason::Incomplete(_) => "incomplete",
        HoldReason::LeftRecently { .. } => "left_recently",
        HoldReason::Stopped => "stopped",
    }
}

fn kind(change: &Change) -> &'static str {
    match change {
        Change::Create(_) => "create",
        Change::Invite(_) => "invite",
        Change::Kick(_) => "kick",
        _ => "other",
    }
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "applied",
        Outcome::AlreadyDone => "already_done",
        Outcome::Blocked(_) => "blocked",
        Outcome::Skipped(_) => "skipped",
        Outcome::Failed(_) => "failed",
    }
}
