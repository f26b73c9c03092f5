//! Orphaned rooms, for programs.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::show::moment;
use super::{Entry, Group, Held, RoomProblem, entries, groups};
use crate::plan;
use crate::report::Report;

/// A room that bears the mark, and that nobody names any more.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Orphan {
    /// The room's ID.
    room_id: String,
    /// The alias that the room calls its own; null if there is none.
    alias: Option<String>,
    /// The name; null if there is none.
    name: Option<String>,
    /// The groups that the room stood for.
    groups: Vec<Group>,
    /// How many are in the room, or invited, who would be removed.
    managed_members: usize,
    /// Why it is not known to be orphaned, for a person; empty if it is.
    doubts: Vec<String>,
    /// Since when it is marked as orphaned (RFC 3339); null if it is not.
    since: Option<String>,
    /// From when on its managed members are removed (RFC 3339); null if that is not known or not to be.
    emptied_from: Option<String>,
    /// What is to be done, in this order.
    changes: Vec<Entry>,
    /// What differs and is left as it is.
    withheld: Vec<Held>,
    /// What keeps the room from being marked or emptied.
    problems: Vec<RoomProblem>,
}

impl Orphan {
    pub(super) fn new(orphan: &plan::Orphan, report: Option<&Report>) -> Self {
        let room = &orphan.plan;
        let outcomes = report.and_then(|report| report.rooms.get(&room.alias));
        Self {
            room_id: room.room_id.as_ref().map(ToString::to_string).unwrap_or_default(),
            alias: orphan.alias.as_ref().map(ToString::to_string),
            name: orphan.name.clone(),
            groups: groups(&orphan.groups),
            managed_members: orphan.people,
            doubts: orphan.doubts.iter().map(ToString::to_string).collect(),
            since: orphan.since.map(moment),
            emptied_from: orphan.emptied_from.map(moment),
            changes: entries(room, outcomes.map_or(&[], Vec::as_slice)),
            withheld: room.withheld.iter().map(Held::from).collect(),
            problems: room.problems.iter().map(RoomProblem::from).collect(),
        }
    }
}
