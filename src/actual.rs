//! The rooms as the homeserver has them.

use std::collections::{BTreeMap, BTreeSet};

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomVersionId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::power::PowerLevels;

/// Type of the state event that marks a room as managed. Its state key is the user ID of the account of `inviter`,
/// which the authorisation rules let nobody else write
/// (<https://spec.matrix.org/v1.16/rooms/v11/#authorization-rules>, rule 8).
pub const STAMP_TYPE: &str = "dev.inviter.managed";

/// The reason of an invitation that stays one, where people are otherwise added: of somebody who had left the room, say.
pub const STANDING_INVITATION: &str = "join whenever you like";

/// What is asked of the homeserver.
#[derive(Debug, Clone, Default)]
pub struct AskedFor {
    /// The rooms, by alias.
    pub aliases: BTreeSet<OwnedRoomAliasId>,
    /// Those of them of which it matters whether they are in the room directory: one more request for each.
    pub in_directory: BTreeSet<OwnedRoomAliasId>,
}

impl FromIterator<OwnedRoomAliasId> for AskedFor {
    fn from_iter<I: IntoIterator<Item = OwnedRoomAliasId>>(aliases: I) -> Self {
        Self { aliases: aliases.into_iter().collect(), ..Self::default() }
    }
}

/// Everything that was read from the homeserver.
#[derive(Debug, Clone, PartialEq)]
pub struct Actual {
    /// The account of `inviter`.
    pub me: OwnedUserId,
    /// The version that rooms get when none is asked for. Read only if a room is missing.
    pub default_room_version: Option<RoomVersionId>,
    /// The rooms that were asked for, by alias.
    pub rooms: BTreeMap<OwnedRoomAliasId, ActualRoom>,
    /// All rooms that the account has joined.
    pub joined: BTreeSet<OwnedRoomId>,
    /// Other rooms that the account has joined, if they were read as well: only when a plan needs them, since that costs
    /// a request for each.
    pub others: BTreeMap<OwnedRoomId, JoinedRoom>,
}

impl Actual {
    /// Says that not all other rooms could be read: a room that seems to be missing may be one of them under another
    /// alias, of which no second one must be made.
    pub fn lose_missing(&mut self, why: &str) {
        for room in self.rooms.values_mut().filter(|room| **room == ActualRoom::Missing) {
            *room = ActualRoom::Unreadable(format!(
                "whether the room exists under another alias is not known, so it is not created: {why}"
            ));
        }
    }
}

/// What an alias leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum ActualRoom {
    /// The homeserver knows no such alias.
    Missing,
    /// The account is invited to the room and cannot read it yet.
    Invited(OwnedRoomId),
    /// The room exists and the account is neither in it nor invited.
    Outside(OwnedRoomId),
    /// The room or its alias could not be read; the text says what was asked and what was answered.
    Unreadable(String),
    /// The account is in the room.
    Joined(Box<JoinedRoom>),
}

/// The state of a room that the account has joined, as far as a plan needs it.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct JoinedRoom {
    /// The room's ID.
    pub id: OwnedRoomId,
    /// The room's version.
    pub version: RoomVersionId,
    /// Everyone who has a membership event.
    pub members: BTreeMap<OwnedUserId, Member>,
    /// Who may do what.
    pub power: PowerLevels,
    /// `m.room.history_visibility`, if the room has that event and it is well-formed.
    pub history_visibility: Option<String>,
    /// `m.room.name`, if it is set and not empty.
    pub name: Option<String>,
    /// `m.room.topic`, if it is set and not empty.
    pub topic: Option<String>,
    /// `alias` of `m.room.canonical_alias`.
    pub canonical_alias: Option<OwnedRoomAliasId>,
    /// Whether the account of `inviter` was the last to set the main alias, and nobody has chosen another since.
    pub alias_is_own: bool,
    /// `alt_aliases` of `m.room.canonical_alias`.
    pub alt_aliases: BTreeSet<OwnedRoomAliasId>,
    /// Whether the room is a space (`type` of `m.room.create`).
    pub is_space: bool,
    /// The content of `m.room.join_rules`, if the room has that event and it is well-formed.
    pub join_rules: Option<Map<String, Value>>,
    /// The rooms of a space: the state keys of `m.space.child` whose content has `via`.
    pub children: BTreeSet<OwnedRoomId>,
    /// The spaces that the room says it is in: the state keys of `m.space.parent` whose content has `via`.
    pub parents: BTreeSet<OwnedRoomId>,
    /// The room that this one replaces, if it says so (`predecessor` of `m.room.create`).
    pub replaces: Option<OwnedRoomId>,
    /// Whether the room is in the homeserver's room directory; read only if a plan needs it, by a request of its own.
    pub in_directory: Option<bool>,
    /// Whether the room is encrypted.
    pub encrypted: bool,
    /// The room that replaces this one, if it was upgraded (`m.room.tombstone`); empty if the event names none.
    pub replaced_by: Option<String>,
    /// The mark of `inviter`, if the room bears it.
    pub stamp: Option<Stamp>,
    /// Since when the mark says that the room is orphaned, if it does: in milliseconds since 1970, by the clock of the
    /// homeserver (`origin_server_ts` of the event); nobody but the account and its homeserver can write it.
    pub orphaned_since: Option<u64>,
    /// Who has an invitation that stays one ([`STANDING_INVITATION`]).
    pub standing_invitations: BTreeSet<OwnedUserId>,
    /// Whether the room bore the mark once, and it was taken away: the state event is there, and empty.
    pub released: bool,
}

impl JoinedRoom {
    /// The membership of a user; whoever has no membership event has left as far as a plan is concerned.
    #[must_use]
    pub fn membership(&self, user: &UserId) -> Membership {
        self.members.get(user).map_or(Membership::Leave, |member| member.membership)
    }
}

/// The membership event of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What the event says.
    pub membership: Membership,
    /// Who sent it: the user for a leave, somebody else for a kick.
    pub sender: OwnedUserId,
    /// When, in milliseconds since 1970, by the clock of the sender's homeserver.
    pub since: u64,
}

/// The values of `membership` in `m.room.member` (<https://spec.matrix.org/v1.16/client-server-api/#mroommember>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// In the room.
    Join,
    /// Asked to come, not there yet.
    Invite,
    /// Asks to be let in.
    Knock,
    /// Gone, declined, kicked, or never there.
    Leave,
    /// Kept out.
    Ban,
}

/// The content of the state event that marks a room as managed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The groups that the room stands for.
    pub groups: BTreeSet<StampedGroup>,
    /// Whether all these groups were gone when the mark was written. The time of the event tells since when.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub orphaned: bool,
}

impl Stamp {
    /// Whether two marks are for the same groups, orphaned or not.
    #[must_use]
    pub fn is_for_same(&self, other: &Self) -> bool {
        self.groups == other.groups
    }
}

/// A group in a [`Stamp`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StampedGroup {
    /// The name of the identity provider in the configuration.
    pub idp: String,
    /// The group's immutable ID there, or its name if it has none.
    pub id: String,
}
