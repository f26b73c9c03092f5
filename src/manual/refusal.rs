//! Why something is not done by hand, and what to do instead.

use std::collections::BTreeMap;

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomAliasId, RoomVersionId};

use crate::actual::JoinedRoom;
use crate::plan::Problem;
use crate::power::Power;

/// Why something is not done, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The alias leads nowhere.
    #[error("there is no room {alias}{}", hint(.known.as_ref()))]
    NoSuchRoom {
        /// The alias.
        alias: OwnedRoomAliasId,
        /// One that differs by case alone.
        known: Option<OwnedRoomAliasId>,
    },
    /// The room bears no mark of this account.
    #[error("{0} is not managed by inviter: it bears no mark of this account; inviter managed lists the rooms that do")]
    NotManaged(OwnedRoomAliasId),
    /// The room is not in a state to do anything in.
    #[error("{0}")]
    Problem(Problem),
    /// The account itself.
    #[error("that is the account of inviter itself")]
    Oneself,
    /// Somebody whom an identity provider speaks for.
    #[error("{0} is a user of a homeserver that the identity providers speak for: add or remove them there")]
    FromTheIdp(OwnedUserId),
    /// A person who is kept out.
    #[error("{0} is banned from the room: have a moderator lift the ban first")]
    Banned(OwnedUserId),
    /// A user ID that nobody can have, as good as always.
    #[error("{user} has upper case letters, which new Matrix user IDs have not: use {lower}")]
    UpperCase {
        /// The ID.
        user: OwnedUserId,
        /// The same in lower case.
        lower: String,
    },
    /// Nobody of this name, but somebody of nearly the same.
    #[error("{user} is not in the room{}", hint(Some(.other)))]
    NotThere {
        /// The ID.
        user: OwnedUserId,
        /// One that differs by case alone.
        other: OwnedUserId,
    },
    /// An admin.
    #[error("{user} is an admin of the room ({}), and inviter removes no admins", standing(.rank))]
    Admin {
        /// The person.
        user: OwnedUserId,
        /// Their power.
        rank: Power,
    },
    /// A protected user.
    #[error("{0} is protected by protected_users under [policy]")]
    Protected(OwnedUserId),
    /// `inviter` made the room, and always outranks everybody in it.
    #[error(
        "inviter is a creator of {alias}, and in a room of version {version} a creator's power cannot be given up: \
         whoever has its account could come back and rule, if invited. Repeat with --leave-as-creator to leave the room \
         all the same, or have the new admin make another room"
    )]
    Creator {
        /// The room.
        alias: OwnedRoomAliasId,
        /// Its version.
        version: RoomVersionId,
    },
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

fn standing(power: &Power) -> String {
    match power {
        Power::Level(level) => format!("power level {level}"),
        Power::Creator => "its creator".into(),
    }
}

fn hint(known: Option<&impl std::fmt::Display>) -> String {
    known.map_or_else(String::new, |known| format!("; there is {known}: upper and lower case matter"))
}

/// The alias of one of these rooms that differs from the given one by upper and lower case alone.
#[must_use]
pub fn similar_alias(alias: &RoomAliasId, rooms: &BTreeMap<OwnedRoomId, JoinedRoom>) -> Option<OwnedRoomAliasId> {
    let mut aliases = rooms.values().flat_map(|room| room.canonical_alias.iter().chain(&room.alt_aliases));
    aliases.find(|known| known.as_str().eq_ignore_ascii_case(alias.as_str())).cloned()
}
