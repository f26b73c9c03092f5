//! A room that is to be created, with all that it is to be born with.

use std::collections::BTreeMap;

use matrix_sdk::ruma::{RoomVersionId, UserId};
use serde_json::{Map, Value, json};

use super::compute::RoomPlanner;
use super::people::invite;
use super::{Change, Creation};
use crate::naming;
use crate::power::{ADMIN, PermissionKey};

impl RoomPlanner<'_> {
    pub(super) fn create(&mut self) {
        let (settings, described) = (&self.wanted.settings, &self.wanted.described);
        let version = settings.room_version.clone().or_else(|| self.actual.default_room_version.clone());
        let creation = Creation {
            alias: self.plan.alias.clone(),
            is_space: described.is_space,
            name: described.name.clone().unwrap_or_else(|| naming::room_name(&self.plan.alias)),
            topic: described.topic.clone(),
            listed: described.in_directory == Some(true),
            // What is said in a space's own timeline is nothing: encryption would only hide its state from nobody.
            encryption: settings.encryption && !described.is_space,
            history_visibility: settings.history_visibility,
            permissions: settings.permissions.clone(),
            power_levels: self.levels_at_birth(version.as_ref()),
            stamp: self.wanted.stamp.clone(),
            version,
        };
        self.plan.changes.push(Change::Create(Box::new(creation)));
        self.spaces(None);
        let users_default = settings.permissions.get(&PermissionKey::Top("users_default".into())).copied().unwrap_or(0);
        let newcomers = self.wanted.members.iter().filter(|(user, _)| !self.is_exempt(user));
        let invites: Vec<Change> = newcomers
            .filter_map(|(user, member)| {
                Some(Change::Invite(invite(user, member, users_default, self.way(None, user)?)))
            })
            .collect();
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
