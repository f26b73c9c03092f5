//! What differs between the identity providers and the rooms, and what is to be done about it: a plain value that is
//! printed, guarded and applied.

mod compute;
mod creation;
mod dangers;
mod digest;
mod estimate;
mod find;
mod foresight;
mod guard;
pub mod html;
pub mod json;
pub mod markdown;
pub(crate) mod orphans;
mod refusal;
pub(crate) mod show;
mod spaces;
pub mod text;
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomVersionId};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::actual::Stamp;
use crate::config::HistoryVisibility;
use crate::desired::Via;
use crate::power::{PermissionKey, Power};

pub use compute::{Policy, Removals, RenamedAlias, compute};
pub use digest::{Digest, NoDigest};
pub use estimate::rate_limited;
pub use find::{asked_for, needs_others, report_room, seeks_rooms, unread};
pub use guard::{Limits, allowance, decide, guard};
pub use orphans::{Doubt, Orphan, OrphanLimits, Orphans, doubtful_share, guard_orphans};
pub use refusal::{OwnLoss, Refusal};
pub(crate) use update::Edit;

/// All that a run would do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The rooms that the identity providers name, sorted by alias.
    pub rooms: Vec<RoomPlan>,
    /// The rooms that bear the mark, and that nobody names any more; only in a run for all rooms.
    pub orphans: Vec<Orphan>,
    /// How many rooms the identity providers name that are left to other shards.
    pub elsewhere: usize,
    /// What a person should know that concerns no single room.
    pub warnings: BTreeSet<String>,
    /// What went wrong that concerns no single room: identity providers that could not be read.
    pub problems: BTreeSet<String>,
}

/// All that a run would do in one room.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomPlan {
    /// The alias by which the identity provider names the room.
    pub alias: OwnedRoomAliasId,
    /// The room's ID, if there is a room.
    pub room_id: Option<OwnedRoomId>,
    /// How many people there are.
    pub headcount: Headcount,
    /// What is to be done, in this order.
    pub changes: Vec<Change>,
    /// What differs and is left as it is, with the reason.
    pub withheld: Vec<Withheld>,
    /// What keeps the room, or a part of it, from being managed. The run's exit status tells.
    pub problems: BTreeSet<Problem>,
    /// What a person should know.
    pub warnings: BTreeSet<String>,
}

/// How many of a room's people are managed, and where they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Headcount {
    /// Wanted by the identity providers.
    pub wanted: usize,
    /// Wanted and in the room.
    pub joined: usize,
    /// Wanted and invited.
    pub invited: usize,
}

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

/// A change that policy holds back.
#[derive(Debug, Clone, PartialEq)]
pub struct Withheld {
    /// The change.
    pub change: HeldChange,
    /// Why it is held back.
    pub why: HoldReason,
}

impl Withheld {
    /// Whether the guard's refusal of removals holds it back.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.why == HoldReason::Refused
    }
}

/// What can be held back.
#[derive(Debug, Clone, PartialEq)]
pub enum HeldChange {
    /// A removal.
    Kick(Kick),
    /// A new level.
    Level(LevelChange),
    /// An invitation.
    Invite(Invite),
    /// Anything else.
    Other(Box<Change>),
}

/// Why a change is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldReason {
    /// Removals need `--kick`.
    Cautious,
    /// The guard refused the removals of this run.
    Refused,
    /// The guard refused the removals of this run, and then nothing at all is done.
    Stopped,
    /// An identity provider's answer for this room is not complete.
    Incomplete(BTreeSet<String>),
    /// The person left or declined not long ago; the time, in milliseconds since 1970, when they are invited again.
    LeftRecently {
        /// When.
        until: u64,
    },
}

/// What keeps a room, or a part of it, from being managed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// The room or its alias could not be read.
    Unreadable(String),
    /// The room exists, and the account is neither in it nor invited.
    Outside(OwnedRoomId),
    /// The room does not exist, and its alias belongs to another homeserver.
    ForeignMissing,
    /// The room bears no mark of `inviter`, and the policy does not let it be adopted.
    NotAdopted,
    /// The account may not do what is to be done.
    PowerTooLow {
        /// What is to be done.
        to: PowerNeed,
        /// The level that it takes.
        need: i64,
        /// The level that the account has.
        have: Power,
    },
    /// The alias leads to a room that stands for another group, which is to have another alias.
    AliasTaken(OwnedRoomId),
    /// The alias leads to a room without the mark, and this one, which is in use, bears that of the same groups.
    AliasMoved(OwnedRoomId),
    /// The space that the room is to be in is not there, or `inviter` is not in it.
    NoSpace(OwnedRoomAliasId),
    /// The room's version has no restricted join rule.
    CannotRestrict(RoomVersionId),
    /// The configuration asks for a permission that would take the account's own power.
    OwnPower(PermissionKey),
    /// The configuration says that it is a space, and it is none.
    NotASpace,
    /// The room was upgraded; the ID of its replacement, if the event names one.
    Replaced(String),
    /// The identity providers contradict each other, or one does itself.
    Ambiguous(String),
}

/// What takes a power level.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PowerNeed {
    /// Inviting.
    Invite,
    /// Kicking.
    Kick,
    /// Kicking or demoting this person.
    Outrank(OwnedUserId),
    /// Giving this person a level, which must not be above one's own.
    Grant(OwnedUserId),
    /// Changing a permission, from and to a level that is not above one's own.
    Permission(PermissionKey),
    /// Sending a state event of this type.
    State(String),
    /// Putting the room into this space.
    SpaceChild(OwnedRoomAliasId),
}

impl Plan {
    /// Whether there is nothing to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changing().next().is_none()
    }

    /// Whether something keeps a room from being managed, wholly or in part.
    #[must_use]
    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty() || self.all().any(|room| !room.problems.is_empty())
    }

    /// The rooms in which something is to be done.
    pub fn changing(&self) -> impl Iterator<Item = &RoomPlan> {
        self.all().filter(|room| !room.changes.is_empty())
    }

    /// The plans of all rooms, orphaned ones last.
    pub(crate) fn all(&self) -> impl Iterator<Item = &RoomPlan> {
        self.rooms.iter().chain(self.orphans.iter().map(|orphan| &orphan.plan))
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut RoomPlan> {
        self.rooms.iter_mut().chain(self.orphans.iter_mut().map(|orphan| &mut orphan.plan))
    }
}

impl RoomPlan {
    /// The people to be kicked.
    pub fn kicks(&self) -> impl Iterator<Item = &Kick> {
        self.changes.iter().filter_map(|change| match change {
            Change::Kick(kick) => Some(kick),
            _ => None,
        })
    }

    /// The change of the power levels, if there is one.
    #[must_use]
    pub fn power_levels(&self) -> Option<&PowerLevelsChange> {
        self.changes.iter().find_map(|change| match change {
            Change::PowerLevels(change) => Some(change),
            _ => None,
        })
    }
}

/// The people whose level changes, and to what, as [`crate::power::PowerLevels::patched`] wants it.
pub(crate) fn level_patch(changes: &[LevelChange]) -> BTreeMap<OwnedUserId, Option<i64>> {
    changes.iter().map(|change| (change.user.clone(), change.to)).collect()
}
