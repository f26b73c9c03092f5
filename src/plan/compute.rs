//! From what is wanted and what is there to what is to be done: a pure function.

use std::collections::{BTreeMap, BTreeSet};

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedUserId, UserId};
use wildmatch::WildMatch;

use super::dangers::danger;
use super::find::{Found, Index, find};
use super::orphans::{Orphans, orphans};
use super::spaces::is_tolerated;
use super::{
    AliasChange, AliasReason, Change, Headcount, HeldChange, HoldReason, Invite, Kick, LevelChange, PermissionChange,
    Plan, PowerLevelsChange, PowerNeed, Problem, Reason, RoomPlan, Way, Withheld, level_patch,
};
use crate::actual::{Actual, JoinedRoom, Membership, STAMP_TYPE, Stamp};
use crate::desired::{Desired, DesiredMember, DesiredRoom};
use crate::naming;
use crate::power::{ADMIN, Power};

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
    policy: &'a Policy,
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
    fn is_ours(&self, user: &UserId) -> bool {
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
    fn hold_on_removals(&self) -> Option<HoldReason> {
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

    fn count(&mut self, room: &JoinedRoom) {
        for (_, _, member) in beside(&self.wanted.members, &room.members) {
            match member.map_or(Membership::Leave, |member| member.membership) {
                Membership::Join => self.plan.headcount.joined += 1,
                Membership::Invite => self.plan.headcount.invited += 1,
                _ => {}
            }
        }
    }

    /// Whether the account has the power for something; if not, that is a problem of the room.
    fn may(&mut self, room: &JoinedRoom, to: PowerNeed, need: i64) -> bool {
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

    pub(super) fn power_levels(&mut self, room: &JoinedRoom) {
        let users = self.level_changes(room);
        let permissions = if self.is_on_own_server() { self.permission_changes(room) } else { Vec::new() };
        let patch = permissions.iter().map(|change| (change.key.clone(), change.to)).collect();
        self.plan.warnings.extend(danger(&room.power, &patch));
        if (users.is_empty() && permissions.is_empty()) || !self.may_send(room, "m.room.power_levels") {
            return;
        }
        let content = room.power.patched(&patch, &level_patch(&users));
        self.plan.changes.push(Change::PowerLevels(PowerLevelsChange { content, users, permissions }));
    }

    fn level_changes(&mut self, room: &JoinedRoom) -> Vec<LevelChange> {
        let named = room.power.entries().map(|(user, _)| user);
        let wanted =
            self.wanted.members.iter().filter(|(_, member)| member.level.is_some()).map(|(user, _)| user.clone());
        let candidates: BTreeSet<OwnedUserId> = named.chain(wanted).collect();
        let mut changes = Vec::new();
        for user in candidates {
            let Some(change) = self.level_change(room, &user) else { continue };
            if change.is_demotion()
                && let Some(why) = self.hold_on_removals()
            {
                self.plan.withheld.push(Withheld { change: HeldChange::Level(change), why });
            } else if self.may(room, PowerNeed::Grant(user.clone()), change.effective())
                && self.may(room, PowerNeed::Outrank(user), change.from.saturating_add(1))
            {
                changes.push(change);
            }
        }
        changes
    }

    fn level_change(&self, room: &JoinedRoom, user: &UserId) -> Option<LevelChange> {
        let Power::Level(from) = room.power.of(user) else { return None };
        let users_default = room.power.users_default();
        // Whoever is below the default was muted by a moderator, which is no business of the identity provider.
        if from >= ADMIN || from < users_default || self.is_exempt(user) {
            return None;
        }
        let (to, reason) = match self.wanted.members.get(user) {
            Some(member) => (member.level, Reason::Wanted(member.via.clone())),
            None if self.is_ours(user) => (None, Reason::NotInGroup),
            None => return None,
        };
        let change = LevelChange { user: user.to_owned(), from, to, users_default, reason };
        if change.effective() == from || (change.is_demotion() && !self.is_ours(user)) {
            return None;
        }
        Some(change)
    }

    fn permission_changes(&mut self, room: &JoinedRoom) -> Vec<PermissionChange> {
        let settings = &self.wanted.settings;
        let mut changes = Vec::new();
        for (key, to) in &settings.permissions {
            let from = room.power.permission(key);
            if from == Some(*to) {
                continue;
            }
            let own = room.power.with_content(room.power.patched(&[(key.clone(), *to)].into(), &BTreeMap::new()));
            if own.of(self.me) < room.power.of(self.me) {
                self.problem(Problem::OwnPower(key.clone()));
                continue;
            }
            let highest = from.map_or(*to, |from| from.max(*to));
            if self.may(room, PowerNeed::Permission(key.clone()), highest) {
                changes.push(PermissionChange { key: key.clone(), from, to: *to });
            }
        }
        changes
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

    /// Who is in the room or invited, and may and should not be; with their levels.
    pub(super) fn removable<'r>(&'r self, room: &'r JoinedRoom) -> impl Iterator<Item = (Kick, i64)> {
        beside(&room.members, &self.wanted.members).filter_map(|(user, member, wanted)| {
            let is_there = matches!(member.membership, Membership::Join | Membership::Invite);
            if !is_there || wanted.is_some() || !self.is_ours(user) {
                return None;
            }
            let Power::Level(level) = room.power.of(user) else { return None };
            if level >= ADMIN {
                return None;
            }
            let invited = member.membership == Membership::Invite;
            let kick = Kick { user: user.clone(), invited, reason: Reason::NotInGroup };
            (!is_tolerated(self.wanted, self.desired, self.actual, user)).then_some((kick, level))
        })
    }

    pub(super) fn kicks(&mut self, room: &JoinedRoom) {
        let removable: Vec<(Kick, i64)> = self.removable(room).collect();
        for (kick, level) in removable {
            if let Some(why) = self.hold_on_removals() {
                self.plan.withheld.push(Withheld { change: HeldChange::Kick(kick), why });
            } else if self.may(room, PowerNeed::Kick, room.power.to_kick())
                && self.may(room, PowerNeed::Outrank(kick.user.clone()), level.saturating_add(1))
            {
                self.plan.changes.push(Change::Kick(kick));
            }
        }
    }

    fn invites(&mut self, room: &JoinedRoom) {
        let users_default = room.power.users_default();
        for (user, member, there) in beside(&self.wanted.members, &room.members) {
            let membership = there.map_or(Membership::Leave, |there| there.membership);
            if membership == Membership::Join || self.is_exempt(user) {
                continue;
            }
            let Some(way) = self.way(Some(room), user) else { continue };
            if membership == Membership::Ban {
                self.plan.warnings.insert(format!("{user} is banned from the room, so is not invited"));
                continue;
            }
            let invite = invite(user, member, users_default, way);
            if let Some(until) = self.left_alone_until(room, user) {
                let why = HoldReason::LeftRecently { until };
                self.plan.withheld.push(Withheld { change: HeldChange::Invite(invite), why });
            } else if self.may(room, PowerNeed::Invite, room.power.to_invite()) {
                self.plan.changes.push(Change::Invite(invite));
            }
        }
    }

    /// How somebody who is wanted comes into the room, if there is anything to do about it.
    ///
    /// Who left, declined or was removed by somebody else than `inviter` is asked again, and never brought back. Neither
    /// is an invitation turned into an addition that `inviter` sent for that reason, or instead of one.
    pub(super) fn way(&self, room: Option<&JoinedRoom>, user: &UserId) -> Option<Way> {
        let adds = self.policy.adds && user.server_name() == self.me.server_name();
        let member = room.and_then(|room| room.members.get(user));
        match member.map(|member| (member.membership, member.sender.as_deref() == Some(self.me))) {
            Some((Membership::Join, _)) => None,
            Some((Membership::Invite, is_mine)) => {
                let stays = !adds || !is_mine || room.is_some_and(|room| room.standing_invitations.contains(user));
                (!stays).then_some(Way::Add)
            }
            Some((Membership::Leave, false)) => Some(Way::InviteAgain),
            _ => Some(if adds { Way::Add } else { Way::Invite }),
        }
    }

    /// Until when somebody is left alone who left, declined, or was removed by somebody else than `inviter`.
    fn left_alone_until(&self, room: &JoinedRoom, user: &UserId) -> Option<u64> {
        let member = room.members.get(user).filter(|member| member.membership == Membership::Leave)?;
        if member.sender.as_deref() == Some(self.me) {
            return None;
        }
        let until = member.since.saturating_add(self.policy.reinvite_after);
        // A time in the future is a wrong clock, or a lie to keep somebody out.
        (member.since <= self.policy.now && self.policy.now < until).then_some(until)
    }
}

/// Each entry of one map with that of the other under the same key. Both are walked through once, which is much quicker
/// than to look each key up.
fn beside<'a, K: Ord, A, B>(
    one: &'a BTreeMap<K, A>,
    other: &'a BTreeMap<K, B>,
) -> impl Iterator<Item = (&'a K, &'a A, Option<&'a B>)> {
    let mut others = other.iter().peekable();
    one.iter().map(move |(key, value)| {
        while others.next_if(|(other, _)| *other < key).is_some() {}
        let same = others.next_if(|(other, _)| *other == key);
        (key, value, same.map(|(_, value)| value))
    })
}

pub(super) fn invite(user: &UserId, member: &DesiredMember, users_default: i64, way: Way) -> Invite {
    Invite {
        user: user.to_owned(),
        level: member.level.unwrap_or(users_default),
        reason: Reason::Wanted(member.via.clone()),
        way,
    }
}
