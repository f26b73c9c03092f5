//! The writes that a plan is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomVersionId};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::actual::Stamp;
use crate::config::HistoryVisibility;
use crate::desired::Via;
use crate::power::PermissionKey;

/// One write to the homeserver. Within a room the changes are applied in the order of the variants.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Change {
    /// Create the room, with everything that it is to be born with.
    Create(Box<Creation>),
    /// Accept the invitation. What else there is to do in the room is planned by the next run, which can see it.
    Join {
        /// The room.
        room_id: OwnedRoomId,
    },
    /// Give the room the alias by which it is named now.
    Alias(AliasChange),
    /// Mark the room as managed.
    Stamp(Stamp),
    /// Set the power levels of people and actions, all in one event.
    PowerLevels(PowerLevelsChange),
    /// Set who can read what was written before they came.
    HistoryVisibility {
        /// What is set now, if anything.
        from: Option<String>,
        /// What the configuration says.
        to: HistoryVisibility,
    },
    /// Name a room that has no name, or another one than the configuration says.
    Name {
        /// The name now, if the room has one.
        from: Option<String>,
        /// The name to be.
        to: String,
    },
    /// Set the topic.
    Topic {
        /// The topic now, if the room has one.
        from: Option<String>,
        /// The topic to be.
        to: String,
    },
    /// List the room in the homeserver's room directory, or do not.
    Directory {
        /// Whether it is to be listed.
        listed: bool,
    },
    /// Let members of a space join without an invitation (`m.room.join_rules`, restricted; MSC3083).
    Restrict {
        /// The space.
        space: SpaceLink,
        /// Conditions of the room's join rule that stay.
        allow: Vec<Value>,
    },
    /// Say in the room that it is in a space (`m.space.parent`).
    SpaceParent(SpaceLink),
    /// Say in the space that the room is in it (`m.space.child`).
    SpaceChild(SpaceLink),
    /// Remove somebody, or withdraw their invitation.
    Kick(Kick),
    /// Invite somebody, or add them.
    Invite(Invite),
}

/// A new alias for a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AliasChange {
    /// The alias to be, which becomes the room's main alias.
    pub to: OwnedRoomAliasId,
    /// The main alias so far.
    pub from: Option<OwnedRoomAliasId>,
    /// The other aliases of `m.room.canonical_alias` afterwards.
    pub others: BTreeSet<OwnedRoomAliasId>,
    /// Whether `to` leads to another room now, from which it is taken away.
    pub taken: bool,
    /// Whether `from` is taken away from the room.
    pub drop: bool,
    /// Why.
    pub reason: AliasReason,
}

/// Why a room gets a new alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum AliasReason {
    /// Its group was renamed.
    Renamed,
    /// It replaces the room that had the alias.
    Upgraded,
}

/// A space that a room is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpaceLink {
    /// The space's alias.
    pub space: OwnedRoomAliasId,
    /// The space's ID; `None` if it is to be created by the same run.
    pub space_id: Option<OwnedRoomId>,
}

/// A room to be created by one request, so that no half-made room can exist.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Creation {
    /// The alias.
    pub alias: OwnedRoomAliasId,
    /// Whether it is a space.
    pub is_space: bool,
    /// The room's name.
    pub name: String,
    /// The topic, if the configuration says so.
    pub topic: Option<String>,
    /// Whether it is listed in the homeserver's room directory.
    pub listed: bool,
    /// The version, if the configuration asks for one or the homeserver told its default.
    pub version: Option<RoomVersionId>,
    /// Whether the room is encrypted.
    pub encryption: bool,
    /// Who can read what was written before they came, if the configuration says so.
    pub history_visibility: Option<HistoryVisibility>,
    /// The permissions that the configuration asks for, as they stand in `power_levels`.
    pub permissions: BTreeMap<PermissionKey, i64>,
    /// The power levels that differ from the homeserver's defaults: keys of `m.room.power_levels`.
    pub power_levels: Map<String, Value>,
    /// The mark of `inviter`.
    pub stamp: Stamp,
}

/// A change of a room's power levels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PowerLevelsChange {
    /// The whole new content of the event.
    pub content: Map<String, Value>,
    /// The people whose level changes.
    pub users: Vec<LevelChange>,
    /// The permissions that change.
    pub permissions: Vec<PermissionChange>,
}

/// A new level for one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LevelChange {
    /// The person.
    pub user: OwnedUserId,
    /// The level now.
    pub from: i64,
    /// The level to be; `None` takes the person's entry away.
    pub to: Option<i64>,
    /// What `None` amounts to: the room's `users_default`.
    pub users_default: i64,
    /// Why.
    pub reason: Reason,
}

impl LevelChange {
    /// The level that the person will have.
    #[must_use]
    pub fn effective(&self) -> i64 {
        self.to.unwrap_or(self.users_default)
    }

    /// Whether the person loses power.
    #[must_use]
    pub fn is_demotion(&self) -> bool {
        self.effective() < self.from
    }
}

/// A new level for one permission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PermissionChange {
    /// Which.
    pub key: PermissionKey,
    /// The level now; `None` if the room does not say.
    pub from: Option<i64>,
    /// The level to be.
    pub to: i64,
}

/// A person to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kick {
    /// The person.
    pub user: OwnedUserId,
    /// Whether they are only invited so far.
    pub invited: bool,
    /// Why.
    pub reason: Reason,
}

/// A person to be invited, or added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invite {
    /// The person.
    pub user: OwnedUserId,
    /// The level that they have, or will have, in the room.
    pub level: i64,
    /// Why.
    pub reason: Reason,
    /// How.
    pub way: Way,
}

/// How somebody comes into a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Way {
    /// By an invitation, which they accept.
    Invite,
    /// By an invitation that is never turned into an addition: they had left.
    InviteAgain,
    /// At once, by an administrator's word. What has to be an invitation after all stays one.
    Add,
}

/// Why a change is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Reason {
    /// The identity providers want it, by these groups.
    Wanted(Arc<BTreeSet<Via>>),
    /// No group of the room has this person.
    NotInGroup,
}

/// The people whose level changes, and to what, as [`crate::power::PowerLevels::patched`] wants it.
pub(crate) fn level_patch(changes: &[LevelChange]) -> BTreeMap<OwnedUserId, Option<i64>> {
    changes.iter().map(|change| (change.user.clone(), change.to)).collect()
}
