//! Rooms in their spaces (<https://spec.matrix.org/v1.16/client-server-api/#spaces>).

use matrix_sdk::ruma::{OwnedRoomAliasId, RoomVersionId, UserId};
use serde_json::{Value, json};

use super::compute::RoomPlanner;
use super::{Change, PowerNeed, Problem, SpaceLink};
use crate::actual::{Actual, ActualRoom, JoinedRoom, Membership};
use crate::desired::{Desired, DesiredRoom};
use crate::power::Power;

impl RoomPlanner<'_> {
    /// Plans what puts the room into its space; there is no room yet if it is to be created.
    pub(super) fn spaces(&mut self, room: Option<&JoinedRoom>) {
        let described = &self.wanted.described;
        let Some(parent) = &described.parent else { return };
        let space = match self.actual.rooms.get(parent) {
            Some(ActualRoom::Joined(space)) if space.is_space => Some(space.as_ref()),
            Some(ActualRoom::Missing) if self.is_to_be_created(parent) && self.desired.elsewhere.contains(parent) => {
                let why = format!(
                    "the space {parent} does not exist yet: another shard creates it, and the next run puts the room into it"
                );
                self.plan.warnings.insert(why);
                return;
            }
            // To be created before the rooms that are in it.
            Some(ActualRoom::Missing) if self.is_to_be_created(parent) => None,
            _ => return self.problem(Problem::NoSpace(parent.clone())),
        };
        let link = SpaceLink { space: parent.clone(), space_id: space.map(|space| space.id.clone()) };
        if described.restricted && self.is_on_own_server() {
            self.restrict(room, &link);
        }
        let says_so = room.zip(space).is_some_and(|(room, space)| room.parents.contains(&space.id));
        if !says_so && room.is_none_or(|room| self.may_send(room, "m.space.parent")) {
            self.plan.changes.push(Change::SpaceParent(link.clone()));
        }
        let is_in_it = room.zip(space).is_some_and(|(room, space)| space.children.contains(&room.id));
        if !is_in_it && space.is_none_or(|space| self.may_add_to(parent, space)) {
            self.plan.changes.push(Change::SpaceChild(link));
        }
    }

    fn is_to_be_created(&self, space: &OwnedRoomAliasId) -> bool {
        let wanted = self.desired.rooms.get(space).is_some_and(|space| space.described.is_space);
        wanted && space.server_name() == self.me.server_name()
    }

    fn may_add_to(&mut self, alias: &OwnedRoomAliasId, space: &JoinedRoom) -> bool {
        let (have, need) = (space.power.of(self.me), space.power.to_send_state("m.space.child"));
        if have < Power::Level(need) {
            self.problem(Problem::PowerTooLow { to: PowerNeed::SpaceChild(alias.clone()), need, have });
            return false;
        }
        true
    }

    fn restrict(&mut self, room: Option<&JoinedRoom>, link: &SpaceLink) {
        let settings = &self.wanted.settings;
        let version = match room {
            Some(room) => Some(&room.version),
            None => settings.room_version.as_ref().or(self.actual.default_room_version.as_ref()),
        };
        if let Some(version) = version.filter(|version| !has_restricted(version)) {
            return self.problem(Problem::CannotRestrict(version.clone()));
        }
        let rules = room.and_then(|room| room.join_rules.as_ref());
        let allow: Vec<Value> = rules.and_then(|rules| rules.get("allow")?.as_array()).cloned().unwrap_or_default();
        let is_restricted = rules
            .and_then(|rules| rules.get("join_rule")?.as_str())
            .is_some_and(|rule| matches!(rule, "restricted" | "knock_restricted"));
        let names_it = link
            .space_id
            .as_ref()
            .is_some_and(|id| allow.contains(&json!({ "type": "m.room_membership", "room_id": id })));
        if (!is_restricted || !names_it) && room.is_none_or(|room| self.may_send(room, "m.room.join_rules")) {
            self.plan.changes.push(Change::Restrict { space: link.clone(), allow });
        }
    }
}

/// Whether somebody may be in a room because they are in its space. Who leaves the space is not put out of its rooms by
/// that, so whoever is no longer wanted in the space is not tolerated here either.
pub(super) fn is_tolerated(wanted: &DesiredRoom, desired: &Desired, actual: &Actual, user: &UserId) -> bool {
    let described = &wanted.described;
    let Some(parent) = described.parent.as_ref().filter(|_| described.restricted) else { return false };
    match (desired.rooms.get(parent), actual.rooms.get(parent)) {
        (Some(space), _) => {
            space.members.contains_key(user) || space.held.contains(user) || !space.incomplete.is_empty()
        }
        (None, Some(ActualRoom::Joined(space))) => space.membership(user) == Membership::Join,
        // Who is in the space is not known.
        (None, _) => true,
    }
}

/// Whether rooms of a version know restricted join rules (MSC3083).
fn has_restricted(version: &RoomVersionId) -> bool {
    version.rules().is_none_or(|rules| rules.authorization.restricted_join_rule)
}
