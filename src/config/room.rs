//! `[room]`: how rooms are set up.

use std::collections::BTreeMap;
use std::fmt;

use matrix_sdk::ruma::RoomVersionId;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::schema::Permissions;
use crate::power::PermissionKey;

/// How rooms are set up. What is not given here is left as it is, or as the homeserver makes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RoomSettings {
    /// Who can read what was written before they came.
    pub history_visibility: Option<HistoryVisibility>,
    /// Whether new rooms are encrypted. Nothing can turn encryption off again, so existing rooms are left as they are.
    pub encryption: bool,
    /// The version of new rooms; the homeserver's default if it is not given.
    #[schemars(with = "Option<String>")]
    pub room_version: Option<RoomVersionId>,
    /// Power levels that actions need. The keys are those of `m.room.power_levels`, `events` and `notifications` as
    /// tables of their own.
    #[serde(deserialize_with = "permissions")]
    #[schemars(schema_with = "Permissions::left_as_they_are")]
    pub permissions: BTreeMap<PermissionKey, i64>,
}

/// Who can read what was written before they came
/// (<https://spec.matrix.org/v1.16/client-server-api/#room-history-visibility>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryVisibility {
    /// From their invitation on.
    Invited,
    /// From their arrival on.
    Joined,
    /// All of it, for members.
    Shared,
    /// All of it, for everybody.
    WorldReadable,
}

impl HistoryVisibility {
    /// The value in the event.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Joined => "joined",
            Self::Shared => "shared",
            Self::WorldReadable => "world_readable",
        }
    }
}

impl fmt::Display for HistoryVisibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The keys of `m.room.power_levels` that hold a single level.
const TOP_LEVEL: [&str; 7] = ["ban", "events_default", "invite", "kick", "redact", "state_default", "users_default"];

pub(super) fn permissions<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<PermissionKey, i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Entry {
        Level(i64),
        Table(BTreeMap<String, i64>),
    }
    let mut permissions = BTreeMap::new();
    for (key, entry) in BTreeMap::<String, Entry>::deserialize(deserializer)? {
        match entry {
            Entry::Level(level) if TOP_LEVEL.contains(&key.as_str()) => {
                permissions.insert(PermissionKey::Top(key), level);
            }
            Entry::Table(table) if key == "events" => {
                permissions.extend(table.into_iter().map(|(event, level)| (PermissionKey::Event(event), level)));
            }
            Entry::Table(table) if key == "notifications" => {
                permissions.extend(table.into_iter().map(|(name, level)| (PermissionKey::Notification(name), level)));
            }
            _ => {
                return Err(de::Error::custom(format!(
                    "`{key}` is no permission: there are {} with a level each, and the tables events and notifications",
                    TOP_LEVEL.join(", ")
                )));
            }
        }
    }
    for (key, level) in &permissions {
        if !(-100..=100).contains(level) {
            return Err(de::Error::custom(format!("{key} = {level}: expected a level from -100 to 100")));
        }
    }
    Ok(permissions)
}
