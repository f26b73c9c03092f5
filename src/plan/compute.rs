//! From what is wanted and what is there to what is to be done: a pure function.

use std::collections::BTreeSet;

use matrix_sdk::ruma::{OwnedRoomAliasId, UserId};
use wildmatch::WildMatch;

use super::find::{Found, Index, find};
use super::orphans::{Orphans, orphans};
use super::{AliasChange, AliasReason, Change, Headcount, HoldReason, Plan, PowerNeed, Problem, RoomPlan};
use crate::actual::{Actual, JoinedRoom, STAMP_TYPE, Stamp};
use crate::desired::{Desired, DesiredRoom};
use crate::naming;
use crate::power::Power;

/// What may be done, and when it is.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether people may lose membership or power.
    pub removals: Removals,
    /// Whether a person asked for removals, so that no room's own `cautious` withholds them.
    pub kick: bool,
    /// What becomes of the old alias of a room whose group was renamed.
    pub renamed: RenamedAlias,
    /// Whether rooms that bear no mark are taken into care.
    pub adopt: bool,
    /// Whether people of the own homeserver are added to rooms without an invitation to accept.
    pub adds: bool,
    /// The time of the run, in milliseconds since 1970.
    pub now: u64,
    /// How long somebody who left is left alone, in milliseconds.
    pub reinvite_after: u64,
    /// Users who are never touched.
    pub protected: Vec<WildMatch>,
    /// What becomes of orphaned rooms.
    pub orphans: Orphans,
}

/// Whether people may lose membership or power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removals {
    /// They may.
    Made,
    /// Only `--kick` would let them.
    Cautious,
    /// The guard refused it.
    Refused,
}

/// What becomes of the old alias of a room whose group was renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenamedAlias {
    /// It leads to the room still.
    Keep,
    /// It is taken away.
    Drop,
}

/// Compares what is wanted with what is there. Rooms that were not read are not planned for.
#[must_use]
pub fn compute(desired: &Desired, actual: &Actual, policy: &Policy) -> Plan {
    let index = Index::of(desired, actual);
    let rooms: Vec<RoomPlan> = desired
        .own()
        .filter_map(|(alias, wanted)| {
            actual.rooms.get(alias)?;
            Some(RoomPlanner::new(alias, wanted, desired, actual, policy).plan(&index))
        })
        .collect();
    let orphans = orphans(desired, actual, policy, &rooms, &index);
    Plan {
        rooms,
        orphans,
        elsewhere: desired.elsewhere.len(),
        warnings: desired.warnings.clone(),
        problems: desired.unread.values().cloned().collect(),
    }
}

pub(super) struct RoomPlanner<'a> {
    pub(super) wanted: &'a DesiredRoom,
    pub(super) desired: &'a Desired,
    pub(super) actual: &'a Actual,
    pub(super) me: &'a UserId,
    pub(super) policy: &'a Policy,
    protected: Vec<WildMatch>,
    pub(super) plan: RoomPlan,
}

impl<'a> RoomPlanner<'a> {
    pub(super) fn new(
        alias: &OwnedRoomAliasId,
        wanted: &'a DesiredRoom,
        desired: &'a Desired,
        actual: &'a Actual,
        policy: &'a Policy,
    ) -> Self {
        let plan = RoomPlan {
            alias: alias.clone(),
            room_id: None,
            headcount: Headcount { wanted: wanted.members.len(), ..Headcount::default() },
            changes: Vec::new(),
            withheld: Vec::new(),
            problems: BTreeSet::new(),
            warnings: wanted.warnings.clone(),
        };
        let protected = wanted.described.protected_users.iter().map(|pattern| WildMatch::new(pattern)).collect();
        Self { wanted, desired, actual, me: &actual.me, policy, protected, plan }
    }

    fn plan(mut self, index: &Index<'a>) -> RoomPlan {
        if !self.wanted.ambiguous.is_empty() {
            self.plan.problems.extend(self.wanted.ambiguous.iter().cloned().map(Problem::Ambiguous));
            return self.plan;
        }
        self.plan.warnings.extend(
            self.wanted
                .incomplete
                .iter()
                .map(|reason| format!("not all members are known, so nobody is removed: {reason}")),
        );
        let adopts = self.policy.adopt || self.wanted.described.is_listed;
        match find(&self.plan.alias, self.wanted, self.desired, self.actual, index) {
            Found::Nothing if self.is_on_own_server() => self.create(),
            Found::Nothing => self.problem(Problem::ForeignMissing),
            Found::Invited { room, is_marked } => {
                self.plan.room_id = Some(room.clone());
                if is_marked || adopts {
                    self.plan.changes.push(Change::Join { room_id: room.clone() });
                } else {
                    self.problem(Problem::NotAdopted);
                }
            }
            Found::Problem(room, problem) => {
                self.plan.room_id = room.cloned();
                self.problem(problem);
            }
            Found::Room(found) => {
                self.plan.room_id = Some(found.room.id.clone());
                self.count(found.room);
                if !found.is_marked && !adopts {
                    self.problem(Problem::NotAdopted);
                } else if self.wanted.described.is_space && !found.room.is_space {
                    self.problem(Problem::NotASpace);
                } else {
                    if let Some((reason, taken)) = found.moved {
                        self.alias(found.room, reason, taken);
                    }
                    self.joined(found.room);
                }
            }
        }
        self.plan
    }

    fn alias(&mut self, room: &JoinedRoom, reason: AliasReason, taken: bool) {
        if !self.may_send(room, "m.room.canonical_alias") {
            return;
        }
        let to = self.plan.alias.clone();
        let from = room.canonical_alias.clone().filter(|from| *from != to);
        let drop = self.policy.renamed == RenamedAlias::Drop && reason == AliasReason::Renamed && from.is_some();
        let mut others = room.alt_aliases.clone();
        others.extend(from.clone());
        others.retain(|other| *other != to && !(drop && Some(other) == from.as_ref()));
        self.plan.changes.push(Change::Alias(AliasChange { to, from, others, taken, drop, reason }));
    }

    pub(super) fn problem(&mut self, problem: Problem) {
        self.plan.problems.insert(problem);
    }

    pub(super) fn is_on_own_server(&self) -> bool {
        self.plan.alias.server_name() == self.me.server_name()
    }

    /// Whether a user may be removed or demoted as far as their name goes: one of the own homeserver, for which an
    /// identity provider of this room speaks, whom nothing exempts.
    pub(super) fn is_ours(&self, user: &UserId) -> bool {
        user.server_name() == self.me.server_name()
            && self.wanted.servers.iter().any(|server| server == user.server_name())
            && !self.is_exempt(user)
    }

    pub(super) fn is_exempt(&self, user: &UserId) -> bool {
        user == self.me
            || self.wanted.held.contains(user)
            || self.policy.protected.iter().chain(&self.protected).any(|pattern| pattern.matches(user.as_str()))
    }

    /// Why nobody may be removed from this room, or demoted in it, if so.
    pub(super) fn hold_on_removals(&self) -> Option<HoldReason> {
        if !self.wanted.incomplete.is_empty() {
            return Some(HoldReason::Incomplete(self.wanted.incomplete.clone()));
        }
        let own = self.wanted.described.cautious.filter(|_| !self.policy.kick);
        match (self.policy.removals, own) {
            (Removals::Refused, _) => Some(HoldReason::Refused),
            (_, Some(true)) | (Removals::Cautious, None) => Some(HoldReason::Cautious),
            (_, Some(false)) | (Removals::Made, None) => None,
        }
    }

    fn joined(&mut self, room: &JoinedRoom) {
        let stamp = self.wanted_stamp(room);
        if room.stamp.as_ref() != Some(&stamp) && self.may_send(room, STAMP_TYPE) {
            self.plan.changes.push(Change::Stamp(stamp));
        }
        self.power_levels(room);
        if self.is_on_own_server() {
            self.history_visibility(room);
            self.name(room);
            self.topic(room);
            self.directory(room);
        }
        self.spaces(Some(room));
        self.kicks(room);
        self.invites(room);
    }

    /// The mark that the room is to bear. What it says of identity providers that could not be read is kept.
    fn wanted_stamp(&self, room: &JoinedRoom) -> Stamp {
        let mut stamp = self.wanted.stamp.clone();
        let kept = room.stamp.iter().flat_map(|stamp| &stamp.groups);
        stamp.groups.extend(kept.filter(|group| self.wanted.unread.contains(&group.idp)).cloned());
        stamp
    }

    /// Whether the account has the power for something; if not, that is a problem of the room.
    pub(super) fn may(&mut self, room: &JoinedRoom, to: PowerNeed, need: i64) -> bool {
        let have = room.power.of(self.me);
        let enough = have >= Power::Level(need);
        if !enough {
            self.problem(Problem::PowerTooLow { to, need, have });
        }
        enough
    }

    pub(super) fn may_send(&mut self, room: &JoinedRoom, event: &str) -> bool {
        self.may(room, PowerNeed::State(event.into()), room.power.to_send_state(event))
    }

    fn history_visibility(&mut self, room: &JoinedRoom) {
        let Some(to) = self.wanted.settings.history_visibility else { return };
        if room.history_visibility.as_deref() != Some(to.as_str()) && self.may_send(room, "m.room.history_visibility") {
            self.plan.changes.push(Change::HistoryVisibility { from: room.history_visibility.clone(), to });
        }
    }

    fn name(&mut self, room: &JoinedRoom) {
        let to = match (&self.wanted.described.name, &room.name) {
            (Some(name), from) if from.as_ref() != Some(name) => name.clone(),
            (None, None) => naming::room_name(&self.plan.alias),
            _ => return,
        };
        if self.may_send(room, "m.room.name") {
            self.plan.changes.push(Change::Name { from: room.name.clone(), to });
        }
    }

    fn topic(&mut self, room: &JoinedRoom) {
        let Some(to) = self.wanted.described.topic.clone().filter(|to| room.topic.as_ref() != Some(to)) else { return };
        if self.may_send(room, "m.room.topic") {
            self.plan.changes.push(Change::Topic { from: room.topic.clone(), to });
        }
    }

    fn directory(&mut self, room: &JoinedRoom) {
        if let (Some(to), Some(is)) = (self.wanted.described.in_directory, room.in_directory)
            && to != is
        {
            self.plan.changes.push(Change::Directory { listed: to });
        }
    }
}
