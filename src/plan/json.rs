//! The plan, and what became of it, for programs. `examples/plan.schema.json` is the contract, made from these types.

mod change;
mod orphan;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::count::Count;
use super::estimate::rate_limited;
use super::{Plan, Problem, Refusal, RoomPlan, allowance};
use crate::report::{Outcome, Report};

use change::{Entry, Held, entries};
pub(crate) use change::{Group, GroupName, Result, groups};

/// The version of the format. It grows when a field changes its meaning or goes away, not when one is added.
pub const VERSION: u32 = 1;

/// What `inviter sync --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "Plan and report of inviter sync")]
pub struct Document<'a> {
    /// The version of this format.
    version: u32,
    /// Whether nothing was to be written.
    dry_run: bool,
    /// Whether the guard refused the removals of this run; its reasons, for a person.
    refusals: Vec<String>,
    /// The number for `--allow-kicks` that lets the plan pass; null if nothing was refused, or if no number will do.
    allow_kicks: Option<usize>,
    /// The digest of the changes, for `--expect`: SHA-256 in hexadecimal digits.
    digest: String,
    /// What went wrong that concerns no single room: identity providers that could not be read.
    problems: BTreeSet<String>,
    /// What a person should know that concerns no single room.
    warnings: BTreeSet<String>,
    /// How many of each thing there are.
    summary: Summary,
    /// The rooms that the identity providers name, sorted by alias.
    #[schemars(with = "Vec<Room>")]
    rooms: Rooms<'a>,
    /// The rooms that bear the mark, and that nobody names any more; only in a run for all rooms.
    orphans: Vec<orphan::Orphan>,
}

/// Made one by one as they are written: all at once are several times as large as the plan.
#[derive(Debug)]
struct Rooms<'a> {
    plan: &'a Plan,
    report: Option<&'a Report>,
}

impl Serialize for Rooms<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq(self.plan.rooms.iter().map(|room| {
            let outcomes = self.report.and_then(|report| report.rooms.get(&room.alias));
            Room::new(room, outcomes.map_or(&[], Vec::as_slice))
        }))
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct Summary {
    /// Rooms that the identity providers name.
    rooms: usize,
    /// Rooms to be created.
    creations: usize,
    /// People to be invited.
    invites: usize,
    /// People to be added without an invitation to accept.
    additions: usize,
    /// People to be kicked, invitations to be withdrawn among them.
    kicks: usize,
    /// Everything else that is to be changed.
    other_changes: usize,
    /// How long the writes take with the rate limits that Synapse has by default, in seconds: an estimate.
    rate_limited_seconds: u64,
    /// Changes that policy holds back.
    withheld: usize,
    /// What keeps rooms from being managed.
    problems: usize,
    /// What a person should know.
    warnings: usize,
    /// Rooms that are orphaned for certain.
    orphans: usize,
}

#[expect(clippy::struct_field_names, reason = "the word of the specification")]
#[derive(Debug, Serialize, JsonSchema)]
struct Room {
    /// The alias by which the identity providers name the room.
    alias: String,
    /// The room's ID; null while there is no room.
    room_id: Option<String>,
    /// Members that the identity providers want.
    wanted: usize,
    /// Those of them who are in the room.
    joined: usize,
    /// Those of them who are invited.
    invited: usize,
    /// What is to be done, in this order.
    changes: Vec<Entry>,
    /// What differs and is left as it is.
    withheld: Vec<Held>,
    /// What keeps the room, or a part of it, from being managed.
    problems: Vec<RoomProblem>,
    /// What a person should know.
    warnings: BTreeSet<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RoomProblem {
    kind: ProblemKind,
    /// The problem and its remedy, for a person.
    message: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ProblemKind {
    Unreadable,
    Outside,
    ForeignMissing,
    NotAdopted,
    PowerTooLow,
    AliasTaken,
    AliasMoved,
    NoSpace,
    CannotRestrict,
    OwnPower,
    NotASpace,
    Replaced,
    Ambiguous,
}

impl<'a> Document<'a> {
    /// The document for a plan; without a report for a dry run.
    #[must_use]
    pub fn new(plan: &'a Plan, refusals: &[Refusal], report: Option<&'a Report>) -> Self {
        let count = Count::of(plan);
        Self {
            version: VERSION,
            dry_run: report.is_none(),
            refusals: refusals.iter().map(ToString::to_string).collect(),
            allow_kicks: allowance(plan, refusals),
            digest: plan.digest().to_string(),
            problems: plan.problems.clone(),
            warnings: plan.warnings.clone(),
            summary: Summary {
                rooms: plan.rooms.len(),
                creations: count.creations,
                invites: count.invites,
                additions: count.additions,
                kicks: count.kicks,
                other_changes: count.others,
                rate_limited_seconds: rate_limited(plan).as_secs(),
                withheld: count.withheld,
                problems: count.problems,
                warnings: count.warnings,
                orphans: count.orphans,
            },
            rooms: Rooms { plan, report },
            orphans: plan.orphans.iter().map(|room| orphan::Orphan::new(room, report)).collect(),
        }
    }

    /// The schema that every document fits.
    #[must_use]
    pub fn schema() -> Value {
        schemars::schema_for!(Document).to_value()
    }
}

impl Room {
    fn new(room: &RoomPlan, outcomes: &[Outcome]) -> Self {
        Self {
            alias: room.alias.to_string(),
            room_id: room.room_id.as_ref().map(ToString::to_string),
            wanted: room.headcount.wanted,
            joined: room.headcount.joined,
            invited: room.headcount.invited,
            changes: entries(room, outcomes),
            withheld: room.withheld.iter().map(Held::from).collect(),
            problems: room.problems.iter().map(RoomProblem::from).collect(),
            warnings: room.warnings.clone(),
        }
    }
}

impl RoomProblem {
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl From<&Problem> for RoomProblem {
    fn from(problem: &Problem) -> Self {
        let kind = match problem {
            Problem::Unreadable(_) => ProblemKind::Unreadable,
            Problem::Outside(_) => ProblemKind::Outside,
            Problem::ForeignMissing => ProblemKind::ForeignMissing,
            Problem::NotAdopted => ProblemKind::NotAdopted,
            Problem::PowerTooLow { .. } => ProblemKind::PowerTooLow,
            Problem::AliasTaken(_) => ProblemKind::AliasTaken,
            Problem::AliasMoved(_) => ProblemKind::AliasMoved,
            Problem::NoSpace(_) => ProblemKind::NoSpace,
            Problem::CannotRestrict(_) => ProblemKind::CannotRestrict,
            Problem::OwnPower(_) => ProblemKind::OwnPower,
            Problem::NotASpace => ProblemKind::NotASpace,
            Problem::Replaced(_) => ProblemKind::Replaced,
            Problem::Ambiguous(_) => ProblemKind::Ambiguous,
        };
        Self { kind, message: problem.to_string() }
    }
}
