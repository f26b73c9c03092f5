//! What became of a plan, and the exit status that says so.

use std::collections::BTreeMap;

use matrix_sdk::ruma::OwnedRoomAliasId;

/// What became of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Applied,
    /// Somebody, perhaps an earlier run, had made it already.
    AlreadyDone,
    /// It was not tried; the text says why.
    Skipped(String),
    /// It failed; the text says what was asked and what was answered.
    Failed(String),
}

/// What became of a plan: the outcome of each change, in the plan's order, by room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// By room, one outcome for each of its changes.
    pub rooms: BTreeMap<OwnedRoomAliasId, Vec<Outcome>>,
}
