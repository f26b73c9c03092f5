//! The power levels of a room: of people, and of what one may do.

use std::collections::{BTreeMap, BTreeSet};

use matrix_sdk::ruma::{OwnedUserId, UserId};

use super::compute::RoomPlanner;
use super::dangers::danger;
use super::{
    Change, HeldChange, LevelChange, PermissionChange, PowerLevelsChange, PowerNeed, Problem, Reason, Withheld,
    level_patch,
};
use crate::actual::JoinedRoom;
use crate::power::{ADMIN, Power};

impl RoomPlanner<'_> {
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
}
