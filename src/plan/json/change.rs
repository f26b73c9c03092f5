//! The changes of a room, and what became of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::actual::StampedGroup;
use crate::desired::Via;
use crate::plan::{Change, HeldChange, Invite, Kick, LevelChange, Reason, RoomPlan, Way, Withheld};
use crate::report::Outcome;

/// A change, and what became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Entry {
    #[serde(flatten)]
    action: Action,
    /// What became of it; null in a dry run.
    outcome: Option<Result>,
}

/// A change.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
enum Action {
    /// Create the room.
    CreateRoom {
        /// Whether it is a space.
        is_space: bool,
        name: String,
        /// Null if the configuration says none.
        topic: Option<String>,
        /// Whether it is listed in the homeserver's room directory.
        in_directory: bool,
        /// The room's version; null for the homeserver's default.
        room_version: Option<String>,
        encryption: bool,
        /// Null for the homeserver's default.
        history_visibility: Option<String>,
        /// Keys of `m.room.power_levels` that are given at the creation.
        power_levels: BTreeMap<String, Value>,
        /// The groups that the room is marked with.
        groups: Vec<Group>,
    },
    /// Accept an invitation to the room.
    JoinRoom,
    /// Mark the room as managed.
    Mark {
        /// The groups that it is marked with.
        groups: Vec<Group>,
        /// Whether the mark says that they are gone.
        is_orphaned: bool,
    },
    /// Set the power levels of people and actions.
    PowerLevels { users: Vec<UserLevel>, permissions: Vec<Permission> },
    /// Set the history visibility.
    HistoryVisibility {
        /// Null if the room says nothing.
        from: Option<String>,
        to: String,
    },
    /// Name a room that has no name, or another one than the configuration says.
    Name {
        /// Null if the room has none.
        from: Option<String>,
        to: String,
    },
    /// Set the topic.
    Topic {
        /// Null if the room has none.
        from: Option<String>,
        to: String,
    },
    /// Give the room another main alias.
    Alias {
        /// Null if the room has none.
        from: Option<String>,
        to: String,
        /// Whether `from` is taken away from the room.
        drop: bool,
    },
    /// List the room in the homeserver's room directory, or do not.
    Directory { listed: bool },
    /// Let members of a space join without an invitation.
    Restrict { space: String },
    /// Say in the room that it is in a space.
    SpaceParent { space: String },
    /// Say in the space that the room is in it.
    SpaceChild { space: String },
    /// Remove a member, or withdraw an invitation.
    Kick(Removal),
    /// Invite somebody.
    Invite(Invitation),
    /// Add somebody, without an invitation to accept.
    Add(Invitation),
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Group {
    /// The name of the identity provider in the configuration.
    idp: String,
    /// The group's immutable ID there, or its name if it has none.
    id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct UserLevel {
    user: String,
    from: i64,
    to: i64,
    reason: Why,
}

#[expect(clippy::struct_field_names, reason = "it holds the name alone")]
#[derive(Debug, Serialize, JsonSchema)]
struct Permission {
    /// A key of `m.room.power_levels`, with `events.` or `notifications.` in front for those in there.
    permission: String,
    /// Null if the room does not say.
    from: Option<i64>,
    to: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Removal {
    user: String,
    /// Whether the person was only invited so far.
    was_invited: bool,
    reason: Why,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Invitation {
    user: String,
    /// The power level that the person will have.
    level: i64,
    reason: Why,
}

/// Why a change is made.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Why {
    /// The identity providers want it, by these groups.
    Groups(Vec<GroupName>),
    /// No group of the room has this person.
    InNoGroup,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct GroupName {
    /// The name of the identity provider in the configuration.
    idp: String,
    /// The name of the group.
    group: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Held {
    change: HeldAction,
    /// Why it is held back, for a person.
    why: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum HeldAction {
    Level(HeldLevel),
    Any(Action),
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
enum HeldLevel {
    /// Change somebody's power level.
    PowerLevel(UserLevel),
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Result {
    status: Status,
    /// Why it was skipped, how it failed, or why nobody can invite this person (`blocked`).
    message: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    Applied,
    AlreadyDone,
    Blocked,
    Skipped,
    Failed,
}

/// The changes of a room, with what became of those that were tried.
pub(super) fn entries(room: &RoomPlan, outcomes: &[Outcome]) -> Vec<Entry> {
    let outcomes = outcomes.iter().map(|outcome| Some(Result::from(outcome))).chain(std::iter::repeat_with(|| None));
    let entry = |(change, outcome)| Entry { action: Action::from(change), outcome };
    room.changes.iter().zip(outcomes).map(entry).collect()
}

impl From<&Change> for Action {
    fn from(change: &Change) -> Self {
        match change {
            Change::Create(creation) => Self::CreateRoom {
                is_space: creation.is_space,
                topic: creation.topic.clone(),
                in_directory: creation.listed,
                name: creation.name.clone(),
                room_version: creation.version.as_ref().map(ToString::to_string),
                encryption: creation.encryption,
                history_visibility: creation.history_visibility.map(|visibility| visibility.to_string()),
                power_levels: creation.power_levels.clone().into_iter().collect(),
                groups: groups(&creation.stamp.groups),
            },
            Change::Join { .. } => Self::JoinRoom,
            Change::Stamp(stamp) => Self::Mark { groups: groups(&stamp.groups), is_orphaned: stamp.orphaned },
            Change::PowerLevels(change) => Self::PowerLevels {
                users: change.users.iter().map(UserLevel::from).collect(),
                permissions: change
                    .permissions
                    .iter()
                    .map(|change| Permission { permission: change.key.to_string(), from: change.from, to: change.to })
                    .collect(),
            },
            Change::HistoryVisibility { from, to } => {
                Self::HistoryVisibility { from: from.clone(), to: to.to_string() }
            }
            Change::Name { from, to } => Self::Name { from: from.clone(), to: to.clone() },
            Change::Topic { from, to } => Self::Topic { from: from.clone(), to: to.clone() },
            Change::Alias(change) => Self::Alias {
                from: change.from.as_ref().map(ToString::to_string),
                to: change.to.to_string(),
                drop: change.drop,
            },
            Change::Directory { listed } => Self::Directory { listed: *listed },
            Change::Restrict { space, .. } => Self::Restrict { space: space.space.to_string() },
            Change::SpaceParent(link) => Self::SpaceParent { space: link.space.to_string() },
            Change::SpaceChild(link) => Self::SpaceChild { space: link.space.to_string() },
            Change::Kick(kick) => Self::Kick(kick.into()),
            Change::Invite(invite) if invite.way == Way::Add => Self::Add(invite.into()),
            Change::Invite(invite) => Self::Invite(invite.into()),
        }
    }
}

pub(crate) fn groups(groups: &BTreeSet<StampedGroup>) -> Vec<Group> {
    groups.iter().map(|group| Group { idp: group.idp.clone(), id: group.id.clone() }).collect()
}

impl From<&LevelChange> for UserLevel {
    fn from(change: &LevelChange) -> Self {
        Self {
            user: change.user.to_string(),
            from: change.from,
            to: change.effective(),
            reason: (&change.reason).into(),
        }
    }
}

impl From<&Via> for GroupName {
    fn from(via: &Via) -> Self {
        Self { idp: via.idp.clone(), group: via.group.clone() }
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.group, self.idp)
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.idp, self.id)
    }
}

impl From<&Kick> for Removal {
    fn from(kick: &Kick) -> Self {
        Self { user: kick.user.to_string(), was_invited: kick.invited, reason: (&kick.reason).into() }
    }
}

impl From<&Invite> for Invitation {
    fn from(invite: &Invite) -> Self {
        Self { user: invite.user.to_string(), level: invite.level, reason: (&invite.reason).into() }
    }
}

impl From<&Reason> for Why {
    fn from(reason: &Reason) -> Self {
        match reason {
            Reason::NotInGroup => Self::InNoGroup,
            Reason::Wanted(via) => Self::Groups(via.iter().map(GroupName::from).collect()),
        }
    }
}

impl From<&Withheld> for Held {
    fn from(withheld: &Withheld) -> Self {
        let change = match &withheld.change {
            HeldChange::Kick(kick) => HeldAction::Any(Action::Kick(kick.into())),
            HeldChange::Level(change) => HeldAction::Level(HeldLevel::PowerLevel(change.into())),
            HeldChange::Invite(invite) => HeldAction::Any(Action::Invite(invite.into())),
            HeldChange::Other(change) => HeldAction::Any(change.as_ref().into()),
        };
        Self { change, why: withheld.why.to_string() }
    }
}

impl From<&Outcome> for Result {
    fn from(outcome: &Outcome) -> Self {
        let (status, message) = match outcome {
            Outcome::Applied => (Status::Applied, None),
            Outcome::AlreadyDone => (Status::AlreadyDone, None),
            Outcome::Blocked(reason) => (Status::Blocked, Some(reason)),
            Outcome::Skipped(reason) => (Status::Skipped, Some(reason)),
            Outcome::Failed(reason) => (Status::Failed, Some(reason)),
        };
        Self { status, message: message.cloned() }
    }
}
