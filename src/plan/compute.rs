//! From what is wanted and what is there to what is to be done: a pure function.

use std::collections::{BTreeMap, BTreeSet};

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedUserId, RoomVersionId, UserId};
use serde_json::{Map, Value, json};
use wildmatch::WildMatch;

use super::{
    Change, Creation, Headcount, HeldChange, HoldReason, Invite, Kick, LevelChange, PermissionChange, Plan,
    PowerLevelsChange, PowerNeed, Problem, Reason, RoomPlan, Withheld, level_patch,
};
use crate::actual::{Actual, ActualRoom, JoinedRoom, Membership, STAMP_TYPE, Stamp};
use crate::desired::{Desired, DesiredMember, DesiredRoom};
use crate::naming;
use crate::power::{ADMIN, PermissionKey, Power};

/// What may be done, and when it is.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether people may lose membership or power.
    pub removals: Removals,
    /// Whether rooms that bear no mark are taken into care.
    pub adopt: bool,
    /// The time of the run, in milliseconds since 1970.
    pub now: u64,
    /// How long somebody who left is left alone, in milliseconds.
    pub reinvite_after: u64,
    /// Users who are never touched.
    pub protected: Vec<WildMatch>,
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

/// Compares what is wanted with what is there. Rooms that were not read are not planned for.
#[must_use]
pub fn compute(desired: &Desired, actual: &Actual, policy: &Policy) -> Plan {
    let rooms = desired
        .rooms
        .iter()
        .filter_map(|(alias, wanted)| {
            let room = actual.rooms.get(alias)?;
            Some(RoomPlanner::new(alias, wanted, actual, policy).plan(room))
        })
        .collect();
    Plan { rooms, warnings: desired.warnings.clone(), problems: desired.unread.values().cloned().collect() }
}

struct RoomPlanner<'a> {
    wanted: &'a DesiredRoom,
    actual: &'a Actual,
    me: &'a UserId,
    policy: &'a Policy,
    plan: RoomPlan,
}

impl<'a> RoomPlanner<'a> {
    fn new(alias: &OwnedRoomAliasId, wanted: &'a DesiredRoom, actual: &'a Actual, policy: &'a Policy) -> Self {
        let plan = RoomPlan {
            alias: alias.clone(),
            room_id: None,
            headcount: Headcount { wanted: wanted.members.len(), ..Headcount::default() },
            changes: Vec::new(),
            withheld: Vec::new(),
            problems: BTreeSet::new(),
            warnings: wanted.warnings.clone(),
        };
        Self { wanted, actual, me: &actual.me, policy, plan }
    }

    fn plan(mut self, room: &ActualRoom) -> RoomPlan {
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
        match room {
            ActualRoom::Missing if self.is_on_own_server() => self.create(),
            ActualRoom::Missing => self.problem(Problem::ForeignMissing),
            ActualRoom::Unreadable(reason) => self.problem(Problem::Unreadable(reason.clone())),
            ActualRoom::Outside(id) => {
                self.plan.room_id = Some(id.clone());
                self.problem(Problem::Outside(id.clone()));
            }
            ActualRoom::Invited(id) => {
                self.plan.room_id = Some(id.clone());
                if self.policy.adopt {
                    self.plan.changes.push(Change::Join { room_id: id.clone() });
                } else {
                    self.problem(Problem::NotAdopted);
                }
            }
            ActualRoom::Joined(room) => {
                self.plan.room_id = Some(room.id.clone());
                self.joined(room);
            }
        }
        self.plan
    }

    fn problem(&mut self, problem: Problem) {
        self.plan.problems.insert(problem);
    }

    fn is_on_own_server(&self) -> bool {
        self.plan.alias.server_name() == self.me.server_name()
    }

    /// Whether a user may be removed or demoted as far as their name goes: one of the own homeserver, for which an
    /// identity provider of this room speaks, whom nothing exempts.
    fn is_ours(&self, user: &UserId) -> bool {
        user.server_name() == self.me.server_name()
            && self.wanted.servers.iter().any(|server| server == user.server_name())
            && !self.is_exempt(user)
    }

    fn is_exempt(&self, user: &UserId) -> bool {
        user == self.me
            || self.wanted.held.contains(user)
            || self.policy.protected.iter().any(|pattern| pattern.matches(user.as_str()))
    }

    /// Why nobody may be removed from this room, or demoted in it, if so.
    fn hold_on_removals(&self) -> Option<HoldReason> {
        if !self.wanted.incomplete.is_empty() {
            return Some(HoldReason::Incomplete(self.wanted.incomplete.clone()));
        }
        match self.policy.removals {
            Removals::Made => None,
            Removals::Cautious => Some(HoldReason::Cautious),
            Removals::Refused => Some(HoldReason::Refused),
        }
    }

    fn create(&mut self) {
        let settings = &self.wanted.settings;
        let version = settings.room_version.clone().or_else(|| self.actual.default_room_version.clone());
        let creation = Creation {
            alias: self.plan.alias.clone(),
            name: naming::room_name(&self.plan.alias),
            encryption: settings.encryption,
            history_visibility: settings.history_visibility,
            permissions: settings.permissions.clone(),
            power_levels: self.levels_at_birth(version.as_ref()),
            stamp: self.wanted.stamp.clone(),
            version,
        };
        self.plan.changes.push(Change::Create(creation));
        let users_default = settings.permissions.get(&PermissionKey::Top("users_default".into())).copied().unwrap_or(0);
        let newcomers = self.wanted.members.iter().filter(|(user, _)| !self.is_exempt(user));
        let invites: Vec<Change> =
            newcomers.map(|(user, member)| Change::Invite(invite(user, member, users_default))).collect();
        self.plan.changes.extend(invites);
    }

    fn levels_at_birth(&self, version: Option<&RoomVersionId>) -> Map<String, Value> {
        let creators_are_above_all = version
            .and_then(RoomVersionId::rules)
            .is_none_or(|rules| rules.authorization.explicitly_privilege_room_creators);
        let mut users: BTreeMap<&UserId, i64> = self
            .wanted
            .members
            .iter()
            .filter(|(user, _)| !self.is_exempt(user))
            .filter_map(|(user, member)| Some((user.as_ref(), member.level?)))
            .collect();
        if !creators_are_above_all {
            users.insert(self.me, ADMIN);
        }
        let mut content = Map::new();
        if !users.is_empty() {
            content.insert("users".into(), json!(users));
        }
        let permissions = &self.wanted.settings.permissions;
        if permissions.keys().any(|key| matches!(key, PermissionKey::Event(_))) {
            // What is given replaces the homeserver's own `events` as a whole, so its protections are given as well.
            content.insert("events".into(), protected_events(creators_are_above_all));
        }
        for (key, level) in permissions {
            key.store(&mut content, *level);
        }
        content
    }

    fn joined(&mut self, room: &JoinedRoom) {
        self.count(room);
        if let Some(replacement) = &room.replaced_by {
            return self.problem(Problem::Replaced(replacement.clone()));
        }
        if room.stamp.is_none() && !self.policy.adopt {
            return self.problem(Problem::NotAdopted);
        }
        let stamp = self.wanted_stamp(room);
        if room.stamp.as_ref() != Some(&stamp) && self.may_send(room, STAMP_TYPE) {
            self.plan.changes.push(Change::Stamp(stamp));
        }
        self.power_levels(room);
        if self.is_on_own_server() {
            self.history_visibility(room);
            self.name(room);
        }
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
        for user in self.wanted.members.keys() {
            match room.membership(user) {
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

    fn may_send(&mut self, room: &JoinedRoom, event: &str) -> bool {
        self.may(room, PowerNeed::State(event.into()), room.power.to_send_state(event))
    }

    fn power_levels(&mut self, room: &JoinedRoom) {
        let users = self.level_changes(room);
        let permissions = if self.is_on_own_server() { self.permission_changes(room) } else { Vec::new() };
        if (users.is_empty() && permissions.is_empty()) || !self.may_send(room, "m.room.power_levels") {
            return;
        }
        let patch = permissions.iter().map(|change| (change.key.clone(), change.to)).collect();
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
        if room.name.is_none() && self.may_send(room, "m.room.name") {
            self.plan.changes.push(Change::Name(naming::room_name(&self.plan.alias)));
        }
    }

    fn kicks(&mut self, room: &JoinedRoom) {
        for (user, member) in &room.members {
            let Power::Level(level) = room.power.of(user) else { continue };
            let is_there = matches!(member.membership, Membership::Join | Membership::Invite);
            if !is_there || level >= ADMIN || self.wanted.members.contains_key(user) || !self.is_ours(user) {
                continue;
            }
            let invited = member.membership == Membership::Invite;
            let kick = Kick { user: user.clone(), invited, reason: Reason::NotInGroup };
            if let Some(why) = self.hold_on_removals() {
                self.plan.withheld.push(Withheld { change: HeldChange::Kick(kick), why });
            } else if self.may(room, PowerNeed::Kick, room.power.to_kick())
                && self.may(room, PowerNeed::Outrank(user.clone()), level.saturating_add(1))
            {
                self.plan.changes.push(Change::Kick(kick));
            }
        }
    }

    fn invites(&mut self, room: &JoinedRoom) {
        let users_default = room.power.users_default();
        for (user, member) in &self.wanted.members {
            if self.is_exempt(user) {
                continue;
            }
            match room.membership(user) {
                Membership::Join | Membership::Invite => continue,
                Membership::Ban => {
                    self.plan.warnings.insert(format!("{user} is banned from the room, so is not invited"));
                    continue;
                }
                Membership::Leave | Membership::Knock => {}
            }
            let invite = invite(user, member, users_default);
            if let Some(until) = self.left_alone_until(room, user) {
                let why = HoldReason::LeftRecently { until };
                self.plan.withheld.push(Withheld { change: HeldChange::Invite(invite), why });
            } else if self.may(room, PowerNeed::Invite, room.power.to_invite()) {
                self.plan.changes.push(Change::Invite(invite));
            }
        }
    }

    /// Until when somebody is left alone who left, declined, or was removed by somebody else than `inviter`.
    fn left_alone_until(&self, room: &JoinedRoom, user: &UserId) -> Option<u64> {
        let member = room.members.get(user).filter(|member| member.membership == Membership::Leave)?;
        if member.sender == self.me {
            return None;
        }
        let until = member.since.saturating_add(self.policy.reinvite_after);
        // A time in the future is a wrong clock, or a lie to keep somebody out.
        (member.since <= self.policy.now && self.policy.now < until).then_some(until)
    }
}

fn invite(user: &UserId, member: &DesiredMember, users_default: i64) -> Invite {
    Invite {
        user: user.to_owned(),
        level: member.level.unwrap_or(users_default),
        reason: Reason::Wanted(member.via.clone()),
    }
}

/// The levels of `events` that homeservers give to a new room.
fn protected_events(creators_are_above_all: bool) -> Value {
    json!({
        "m.room.avatar": 50,
        "m.room.canonical_alias": 50,
        "m.room.encryption": 100,
        "m.room.history_visibility": 100,
        "m.room.name": 50,
        "m.room.power_levels": 100,
        "m.room.server_acl": 100,
        // MSC4289: an upgrade hands creator power on, so only creators may make it.
        "m.room.tombstone": if creators_are_above_all { 150 } else { 100 },
    })
}
