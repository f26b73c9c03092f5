//! The rooms that the account has joined.

mod html;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use matrix_sdk::ruma::{OwnedRoomId, UserId};
use schemars::JsonSchema;
use serde::Serialize;

use super::count;
use crate::actual::JoinedRoom;
use crate::plan::text::Dress;
use crate::power::Power;
use crate::printable::harmless;

/// The rooms that the account has joined.
#[derive(Debug, Serialize, JsonSchema)]
pub struct JoinedList {
    /// The account.
    account: String,
    /// The rooms, sorted by alias, those without one last.
    rooms: Vec<Room>,
    /// The IDs of rooms that could not be read.
    unreadable: Vec<String>,
}

#[expect(clippy::struct_field_names, reason = "the words of the specification")]
#[derive(Debug, Serialize, JsonSchema)]
struct Room {
    /// The room's ID.
    room_id: String,
    /// The alias that the room calls its own; null if there is none.
    alias: Option<String>,
    /// The name; null if there is none.
    name: Option<String>,
    /// The room's version.
    room_version: String,
    /// Whether the room is a space.
    is_space: bool,
    /// The account's power level; null for a creator in a room of version 12 or later, who is above all levels.
    power_level: Option<i64>,
    /// Whether the account is such a creator.
    is_creator: bool,
    /// Whether the room bears the mark of this account.
    is_marked: bool,
}

impl JoinedList {
    /// The rooms `ids`, as far as they were read.
    #[must_use]
    pub fn of(me: &UserId, ids: &BTreeSet<OwnedRoomId>, rooms: &BTreeMap<OwnedRoomId, JoinedRoom>) -> Self {
        let unreadable = ids.iter().filter(|id| !rooms.contains_key(*id)).map(ToString::to_string).collect();
        let mut rooms: Vec<Room> = rooms.values().map(|room| Room::new(me, room)).collect();
        rooms.sort_by(|a, b| (a.alias.is_none(), &a.alias, &a.room_id).cmp(&(b.alias.is_none(), &b.alias, &b.room_id)));
        Self { account: me.to_string(), rooms, unreadable }
    }

    /// Whether all rooms could be read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.unreadable.is_empty()
    }

    pub(super) fn text(&self, dress: Dress) -> String {
        let mut text = String::new();
        for room in &self.rooms {
            let alias = harmless(room.alias.as_deref().unwrap_or("(no alias)"));
            let _ = writeln!(text, "{}  {}", dress.bold(&alias), harmless(&room.room_id));
            let _ = writeln!(text, "  {}", room.facts());
        }
        for id in &self.unreadable {
            let _ = writeln!(text, "{}\n  {}", harmless(id), Room::UNREADABLE);
        }
        let _ = writeln!(text, "{}", dress.bold(&self.summary()));
        text
    }

    fn summary(&self) -> String {
        let rooms = count(self.rooms.len() + self.unreadable.len(), "room", "rooms");
        format!("{} has joined {rooms}.", harmless(&self.account))
    }
}

impl Room {
    const UNREADABLE: &str = "cannot be read, see the log";

    /// All but the alias and the ID.
    fn facts(&self) -> String {
        let name = self.name.as_deref().map_or_else(|| "no name".into(), |name| format!("\"{}\"", harmless(name)));
        let power = self.power_level.map_or_else(|| "creator".into(), |level| format!("power level {level}"));
        let space = if self.is_space { "space, " } else { "" };
        let mark = if self.is_marked { ", managed" } else { "" };
        format!("{name}, {space}version {}, {power}{mark}", harmless(&self.room_version))
    }

    fn new(me: &UserId, room: &JoinedRoom) -> Self {
        let power = room.power.of(me);
        Self {
            room_id: room.id.to_string(),
            alias: room.canonical_alias.as_ref().map(ToString::to_string),
            name: room.name.clone(),
            room_version: room.version.to_string(),
            is_space: room.is_space,
            power_level: match power {
                Power::Level(level) => Some(level),
                Power::Creator => None,
            },
            is_creator: power == Power::Creator,
            is_marked: room.stamp.is_some(),
        }
    }
}
