//! What differs between the identity providers and the rooms, and what is to be done about it: a plain value that is
//! printed, guarded and applied.

mod change;
mod compute;
mod count;
mod creation;
mod dangers;
mod digest;
mod estimate;
mod find;
mod foresight;
mod guard;
pub mod html;
pub mod json;
mod levels;
mod lines;
pub mod markdown;
pub(crate) mod orphans;
mod people;
mod refusal;
pub(crate) mod show;
mod spaces;
pub mod text;
mod update;

use std::collections::BTreeSet;

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomVersionId};

use crate::power::{PermissionKey, Power};

pub(crate) use change::level_patch;
pub use change::{
    AliasChange, AliasReason, Change, Creation, Invite, Kick, LevelChange, PermissionChange, PowerLevelsChange, Reason,
    SpaceLink, Way,
};
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
