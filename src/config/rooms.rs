//! `[[rooms]]`: rooms that the configuration describes one by one, beside those that groups are named after.

use std::collections::{BTreeMap, BTreeSet};

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedUserId, RoomVersionId};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::document::{ConfigError, Document};
use super::room::{HistoryVisibility, RoomSettings, permissions};
use super::schema::{Alias, Level, Permissions, UserIdText};
use super::{RenamedUser, renamed};
use crate::power::PermissionKey;
use crate::{dn, naming};

/// What stands for a value of `for_each` in the texts of an entry.
const PLACEHOLDER: &str = "<1>";

/// A room that the configuration describes.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplicitRoom {
    /// The room's alias.
    pub alias: OwnedRoomAliasId,
    /// Whether it is a space.
    pub is_space: bool,
    /// The name that the room is to have, whatever people call it.
    pub name: Option<String>,
    /// The topic that the room is to have, whatever people write there.
    pub topic: Option<String>,
    /// Whether the room is listed in the homeserver's room directory; `None` leaves that as it is.
    pub listed: Option<bool>,
    /// The space that the room is to be in.
    pub parent: Option<OwnedRoomAliasId>,
    /// Whether members of that space may join without an invitation.
    pub restricted: bool,
    /// The groups whose members are wanted in the room.
    pub groups: Vec<RoomGroup>,
    /// People who are wanted in the room whatever the groups say.
    pub members: BTreeMap<OwnedUserId, Option<i64>>,
    /// What is set up as for no other room.
    pub overrides: Overrides,
}

/// A group whose members are wanted in a room.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoomGroup {
    /// The identity provider that has the group; any if it is not given.
    pub idp: Option<String>,
    /// The group's name, or its distinguished name.
    pub group: String,
    /// The power level of its members; `None` for the room's default.
    pub level: Option<i64>,
    /// Whether people may be removed because the group has become empty.
    pub may_be_empty: bool,
}

/// What the groups of rooms that are described one by one are called.
#[derive(Debug, Clone, Default)]
pub struct GroupNames {
    given: BTreeSet<String>,
    /// The first values of distinguished names, in lower case.
    leading: BTreeSet<String>,
}

impl GroupNames {
    /// The names of these groups.
    pub(super) fn of<'a>(groups: impl Iterator<Item = &'a RoomGroup>) -> Self {
        let mut names = Self::default();
        for group in groups {
            names.leading.extend(dn::leading_values(&group.group).iter().map(|value| value.to_lowercase()));
            names.given.insert(group.group.clone());
        }
        names
    }

    /// Whether a group of this name can be meant: the name is given, or the one in a distinguished name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.given.contains(name) || (!self.leading.is_empty() && self.leading.contains(&name.to_lowercase()))
    }
}

/// Settings of one room in place of those for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// In place of `[room] history_visibility`.
    pub history_visibility: Option<HistoryVisibility>,
    /// In place of `[room] encryption`.
    pub encryption: Option<bool>,
    /// In place of `[room] room_version`.
    pub room_version: Option<RoomVersionId>,
    /// In addition to `[room] permissions`, and before them.
    pub permissions: BTreeMap<PermissionKey, i64>,
    /// In place of `[policy] cautious`.
    pub cautious: Option<bool>,
    /// In addition to `[policy] protected_users`.
    pub protected_users: Vec<String>,
    /// In addition to `[renamed_users]`, and before them.
    pub renamed_users: BTreeMap<String, RenamedUser>,
}

impl Overrides {
    /// The settings of the room.
    #[must_use]
    pub fn over(&self, all: &RoomSettings) -> RoomSettings {
        let mut permissions = all.permissions.clone();
        permissions.extend(self.permissions.clone());
        RoomSettings {
            history_visibility: self.history_visibility.or(all.history_visibility),
            encryption: self.encryption.unwrap_or(all.encryption),
            room_version: self.room_version.clone().or_else(|| all.room_version.clone()),
            permissions,
        }
    }
}

/// A room that is described, in addition to those that groups are named after.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Room")]
pub(super) struct Raw {
    /// The room's alias. A room that is described here is adopted without `adopt`.
    #[schemars(with = "Alias")]
    alias: String,
    /// Values for the placeholder `<1>`, which may stand in `alias`, `name`, `topic`, `parent` and `groups`: a room for each.
    /// Without them the values of `--value` on the command line.
    #[serde(default)]
    for_each: Vec<String>,
    /// Whether it is a room or a space.
    #[serde(default, rename = "type")]
    kind: Kind,
    /// The name that the room is to have, whatever people call it. It is kept as it is if none is given.
    name: Option<String>,
    /// The topic that the room is to have, whatever people write there. It is kept as it is if none is given.
    topic: Option<String>,
    /// Whether the room is listed in the homeserver's room directory. That is left as it is if nothing is given.
    directory: Option<Directory>,
    /// The space that the room is to be in.
    #[schemars(with = "Option<Alias>")]
    parent: Option<String>,
    /// Whether members of the space `parent` may join without an invitation.
    #[serde(default)]
    restricted: bool,
    /// The groups whose members are wanted in the room.
    #[serde(default)]
    groups: Vec<RawGroup>,
    /// People who are wanted in the room whatever the groups say.
    #[serde(default)]
    members: Vec<RawMember>,
    /// In place of `[room] history_visibility`.
    history_visibility: Option<HistoryVisibility>,
    /// In place of `[room] encryption`.
    encryption: Option<bool>,
    /// In place of `[room] room_version`.
    #[schemars(with = "Option<String>")]
    room_version: Option<RoomVersionId>,
    /// In addition to `[room] permissions`, and before them.
    #[serde(default, deserialize_with = "permissions")]
    #[schemars(schema_with = "Permissions::left_as_they_are")]
    permissions: BTreeMap<PermissionKey, i64>,
    /// In place of `[policy] cautious`.
    cautious: Option<bool>,
    /// In addition to `[policy] protected_users`.
    #[serde(default)]
    protected_users: Vec<String>,
    /// In addition to `[renamed_users]`, and before them.
    #[serde(default)]
    renamed_users: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Kind {
    /// A room in which people write.
    #[default]
    Room,
    /// A space, which other rooms are in.
    Space,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Directory {
    /// It is listed.
    Public,
    /// It is not.
    Private,
}

/// A group whose members are wanted in a room.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RoomGroup")]
struct RawGroup {
    /// The identity provider that has the group; any if it is not given.
    idp: Option<String>,
    /// The group's name, or its distinguished name.
    group: String,
    /// The power level of its members; the room's default if it is not given. 100 makes admins, whom `inviter` never demotes
    /// or removes again.
    #[serde(default, deserialize_with = "level")]
    #[schemars(with = "Option<Level>")]
    level: Option<i64>,
    /// Whether the guard lets people be removed while this group is empty.
    #[serde(default)]
    may_be_empty: bool,
}

/// Somebody who is wanted in a room whatever the groups say.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RoomMember")]
struct RawMember {
    /// The whole user ID.
    #[schemars(with = "UserIdText")]
    user: OwnedUserId,
    /// The power level; the room's default if it is not given.
    #[serde(default, deserialize_with = "level")]
    #[schemars(with = "Option<Level>")]
    level: Option<i64>,
}

fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let level = i64::deserialize(deserializer)?;
    if (0..=100).contains(&level) {
        Ok(Some(level))
    } else {
        Err(de::Error::custom("expected a power level from 0 to 100"))
    }
}

/// Reads the entries. One with the placeholder stands for a room for each value of its `for_each`, or of `values` if it
/// has none; without either it stands for no room. Entries whose values come from the command line are told as well, by
/// the pattern of their aliases: a room of another value than those of this run is none that nobody describes.
pub(super) fn read(
    document: &mut Document<'_>,
    idps: &[&str],
    values: &[String],
) -> Result<(Vec<ExplicitRoom>, Vec<String>), ConfigError> {
    let mut rooms: Vec<ExplicitRoom> = Vec::new();
    let mut open = Vec::new();
    for (index, table) in document.tables("rooms")?.into_iter().enumerate() {
        let at = index.to_string();
        let raw: Raw = document.read(table)?;
        let error = |key: &str, message: String| document.error_at(&["rooms", &at, key], message);
        let has_placeholder = raw.alias.contains(PLACEHOLDER);
        if !has_placeholder && !raw.for_each.is_empty() {
            return Err(error(
                "for_each",
                format!("the alias has no {PLACEHOLDER}, which these values would stand for"),
            ));
        }
        let values = match (has_placeholder, raw.for_each.is_empty()) {
            (false, _) => &[String::new()][..],
            (true, false) => &raw.for_each,
            (true, true) => {
                open.push(raw.alias.replace(PLACEHOLDER, "*"));
                values
            }
        };
        for value in values {
            let room = expand(&raw, value, idps, &error)?;
            if rooms.iter().any(|other| other.alias == room.alias) {
                return Err(error("alias", format!("two entries are for {}", room.alias)));
            }
            rooms.push(room);
        }
    }
    Ok((rooms, open))
}

fn expand(
    raw: &Raw,
    value: &str,
    idps: &[&str],
    error: &dyn Fn(&str, String) -> ConfigError,
) -> Result<ExplicitRoom, ConfigError> {
    let fill = |text: &String| text.replace(PLACEHOLDER, value);
    let alias = |key: &str, text: &String| {
        naming::alias(fill(text)).map_err(|reason| error(key, format!("expected a room alias: {reason}")))
    };
    let parent = raw.parent.as_ref().map(|parent| alias("parent", parent)).transpose()?;
    if raw.restricted && parent.is_none() {
        return Err(error("restricted", "members of which space may join? Name it with parent".into()));
    }
    let alias = alias("alias", &raw.alias)?;
    if parent.as_ref() == Some(&alias) {
        return Err(error("parent", "a space cannot be in itself".into()));
    }
    if let Some(unknown) = raw.groups.iter().filter_map(|group| group.idp.as_deref()).find(|idp| !idps.contains(idp)) {
        return Err(error(
            "groups",
            format!("there is no identity provider {unknown:?}; there are {}", idps.join(", ")),
        ));
    }
    let groups = raw.groups.iter().map(|group| RoomGroup {
        idp: group.idp.clone(),
        group: fill(&group.group),
        level: group.level,
        may_be_empty: group.may_be_empty,
    });
    let renamed_users = renamed(&raw.renamed_users).map_err(|(_, message)| error("renamed_users", message))?;
    Ok(ExplicitRoom {
        alias,
        is_space: raw.kind == Kind::Space,
        name: raw.name.as_ref().map(fill),
        topic: raw.topic.as_ref().map(fill),
        listed: raw.directory.map(|directory| directory == Directory::Public),
        parent,
        restricted: raw.restricted,
        groups: groups.collect(),
        members: raw.members.iter().map(|member| (member.user.clone(), member.level)).collect(),
        overrides: Overrides {
            history_visibility: raw.history_visibility,
            encryption: raw.encryption,
            room_version: raw.room_version.clone(),
            permissions: raw.permissions.clone(),
            cautious: raw.cautious,
            protected_users: raw.protected_users.clone(),
            renamed_users,
        },
    })
}
