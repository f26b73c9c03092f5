//! What the identity providers want: the rooms, who is in them, and at which level.

mod groups;
mod merge;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedServerName, OwnedUserId};
use serde::Serialize;

use crate::actual::{Stamp, StampedGroup};
use crate::config::RoomSettings;
use crate::shard::Shard;
use crate::suggest::nearest;

pub(crate) use users::user_id;

/// What stands for the identity provider of a room, or of a member, that the configuration alone names.
pub const CONFIGURATION: &str = "configuration";

/// All rooms that the identity providers name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Desired {
    /// The rooms by alias.
    pub rooms: BTreeMap<OwnedRoomAliasId, DesiredRoom>,
    /// What a person should know that concerns no single room.
    pub warnings: BTreeSet<String>,
    /// The identity providers that could not be read, and why.
    pub unread: BTreeMap<String, String>,
    /// What the identity providers that could be read have in all.
    pub idps: BTreeMap<String, Answered>,
    /// The aliases of rooms that are described for values that only the command line gives: patterns with `*`.
    pub open_rooms: Vec<String>,
    /// Whether only some rooms were asked for.
    pub is_restricted: bool,
    /// Those of the rooms that another run takes care of: nothing is planned for them.
    pub elsewhere: BTreeSet<OwnedRoomAliasId>,
    /// The part of the rooms that this run takes care of, if it is not all of them.
    pub shard: Option<Shard>,
}

/// What an identity provider has in all, apart from who is in its groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The homeserver whose users it speaks for.
    pub server: OwnedServerName,
    /// All groups that it is known to have, those that stand for no room among them, as [`StampedGroup::id`] has them.
    pub groups: BTreeSet<String>,
    /// Why there may be more groups, if so.
    pub more_groups: Option<String>,
}

/// A room as the identity providers want it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DesiredRoom {
    /// Who is to be in the room.
    pub members: BTreeMap<OwnedUserId, DesiredMember>,
    /// Members whose account is locked out for the moment: nothing is done about them.
    pub held: BTreeSet<OwnedUserId>,
    /// The homeservers whose users the identity providers of this room speak for.
    pub servers: BTreeSet<OwnedServerName>,
    /// The groups of the room that have nobody who could be in it, and how a person calls them; without those that the
    /// configuration lets be empty.
    pub empty: BTreeMap<StampedGroup, Via>,
    /// Why there may be more members than these; nobody is removed from a room while there is a reason.
    pub incomplete: BTreeSet<String>,
    /// The identity providers that could not be read; what the room's mark says of them is left as it is.
    pub unread: BTreeSet<String>,
    /// Why it cannot be told which group the room stands for; nothing is done in a room while there is a reason.
    pub ambiguous: BTreeSet<String>,
    /// What a person should know.
    pub warnings: BTreeSet<String>,
    /// The mark that the room is to bear.
    pub stamp: Stamp,
    /// Other rooms that stand for the same groups, and bear the same mark; also where only some rooms were asked for.
    pub twins: BTreeSet<OwnedRoomAliasId>,
    /// How the room is set up.
    pub settings: RoomSettings,
    /// What the configuration says of this room alone.
    pub described: Described,
}

/// What the configuration says of one room alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Described {
    /// Whether the room has an entry of its own, so that it may be adopted.
    pub is_listed: bool,
    /// Whether it is a space.
    pub is_space: bool,
    /// The name that the room is to have.
    pub name: Option<String>,
    /// The topic that the room is to have.
    pub topic: Option<String>,
    /// Whether the room is in the homeserver's room directory.
    pub in_directory: Option<bool>,
    /// The space that the room is to be in.
    pub parent: Option<OwnedRoomAliasId>,
    /// Whether members of that space may join without an invitation, and so may stay.
    pub restricted: bool,
    /// In place of the policy for all rooms.
    pub cautious: Option<bool>,
    /// Users who are never touched here: patterns over whole user IDs.
    pub protected_users: Vec<String>,
}

/// A person who is to be in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DesiredMember {
    /// The level of their own; `None` for the room's `users_default`.
    pub level: Option<i64>,
    /// The groups that say so; shared by those of whom the same groups do.
    pub via: Arc<BTreeSet<Via>>,
}

/// A group because of which somebody is wanted in a room.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Via {
    /// The name of the identity provider in the configuration.
    pub idp: String,
    /// The name of the group.
    pub group: String,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.group, self.idp)
    }
}

/// Why no rooms can be made out of what the identity providers said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DesiredError {
    /// Two accounts are one Matrix user.
    #[error(
        "{idp}: the accounts {first} and {second} would both be {user}: rename one of them, or map it to another user \
         under [renamed_users]"
    )]
    Collision {
        /// The identity provider.
        idp: String,
        /// One account.
        first: String,
        /// The other.
        second: String,
        /// The Matrix user.
        user: OwnedUserId,
    },
    /// A room was asked for that no identity provider names.
    #[error("no identity provider has a group for the room {0}{1}")]
    NoSuchRoom(OwnedRoomAliasId, String),
}

impl Desired {
    /// Notes that an identity provider could not be read. Which rooms and people it would have named is then not
    /// known, so all rooms are incomplete.
    pub fn lose(&mut self, idp: &str, reason: &str) {
        for room in self.rooms.values_mut() {
            room.incomplete.insert(format!("{idp} could not be read"));
            room.unread.insert(idp.to_owned());
        }
        self.idps.remove(idp);
        self.unread.insert(idp.to_owned(), reason.to_owned());
    }

    /// Leaves only these rooms; all of them if none is given.
    ///
    /// # Errors
    /// When one of them is not named by any identity provider.
    pub fn restrict(&mut self, aliases: &BTreeSet<OwnedRoomAliasId>) -> Result<(), DesiredError> {
        if let Some(unknown) = aliases.iter().find(|alias| !self.rooms.contains_key(*alias)) {
            let same = |known: &&OwnedRoomAliasId| known.as_str().eq_ignore_ascii_case(unknown.as_str());
            let hint = match self.rooms.keys().find(same) {
                Some(known) => format!("; there is {known}: upper and lower case matter in an alias"),
                None if self.unread.is_empty() => {
                    nearest(unknown.as_str(), self.rooms.keys().map(|alias| alias.as_str()))
                        .map_or(String::new(), |known| format!("; did you mean {known}?"))
                }
                None => {
                    let unread: Vec<String> = self.unread.values().cloned().collect();
                    format!("; not all of them could be read: {}", unread.join("; "))
                }
            };
            return Err(DesiredError::NoSuchRoom(unknown.clone(), hint));
        }
        if !aliases.is_empty() {
            self.rooms.retain(|alias, _| aliases.contains(alias));
            self.is_restricted = true;
        }
        Ok(())
    }

    /// Leaves rooms to other runs. They stay known: a room may be in a space that another run takes care of.
    pub fn leave_to_others(&mut self, theirs: impl Fn(&OwnedRoomAliasId) -> bool) {
        self.elsewhere = self.rooms.keys().filter(|alias| theirs(alias)).cloned().collect();
    }

    /// Leaves the rooms of other shards to them.
    pub fn keep(&mut self, shard: Shard) {
        self.leave_to_others(|alias| !shard.holds(alias.as_str()));
        self.shard = Some(shard);
    }

    /// The rooms that this run takes care of.
    pub fn own(&self) -> impl Iterator<Item = (&OwnedRoomAliasId, &DesiredRoom)> {
        self.rooms.iter().filter(|(alias, _)| !self.elsewhere.contains(*alias))
    }
}
