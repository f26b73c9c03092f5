//! Power levels: read tolerantly, compared, and patched without losing what is not ours
//! (<https://spec.matrix.org/v1.16/client-server-api/#mroompower_levels>).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use matrix_sdk::ruma::{OwnedUserId, UserId};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

/// The level from which on a user counts as an admin, whom `inviter` never touches.
pub const ADMIN: i64 = 100;
/// The level of a moderator.
pub const MODERATOR: i64 = 50;

/// What one user may do in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    /// A number from `users` or `users_default`.
    Level(i64),
    /// A creator of a room of version 12 or later, above every number (MSC4289).
    Creator,
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(level) => write!(f, "{level}"),
            Self::Creator => f.write_str("creator"),
        }
    }
}

/// The `m.room.power_levels` of a room, kept as the JSON that it is.
///
/// A typed event would refuse the whole content for one odd value, and lose unknown keys on the way back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PowerLevels {
    content: Map<String, Value>,
    creators: BTreeSet<OwnedUserId>,
    absent: bool,
}

impl PowerLevels {
    /// The levels of a room.
    ///
    /// `content` is that of the event, `None` if the room has none. `creators` are the users whom the room's version
    /// ranks above all levels; give none for versions below 12, and name the room's creator in `founder` instead, who
    /// has level 100 while there is no event.
    #[must_use]
    pub fn new(content: Option<Map<String, Value>>, creators: BTreeSet<OwnedUserId>, founder: Option<&UserId>) -> Self {
        let absent = content.is_none();
        let content = content.unwrap_or_else(|| {
            // Without the event `state_default` is 0 and not 50.
            let mut implied = Map::new();
            implied.insert("state_default".into(), json!(0));
            if let Some(founder) = founder {
                implied.insert("users".into(), json!({ founder.as_str(): ADMIN }));
            }
            implied
        });
        Self { content, creators, absent }
    }

    /// Whether the room has no such event.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.absent
    }

    /// What a user may do.
    #[must_use]
    pub fn of(&self, user: &UserId) -> Power {
        if self.creators.contains(user) {
            return Power::Creator;
        }
        Power::Level(self.entry(user).unwrap_or_else(|| self.users_default()))
    }

    /// The level that `users` gives to a user by name.
    #[must_use]
    pub fn entry(&self, user: &UserId) -> Option<i64> {
        self.content.get("users").and_then(|users| users.get(user.as_str())).and_then(level)
    }

    /// The users who are named, with their levels. Entries that are no user ID or no level are passed over.
    pub fn entries(&self) -> impl Iterator<Item = (OwnedUserId, i64)> + '_ {
        self.content
            .get("users")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(user, value)| Some((UserId::parse(user).ok()?, level(value)?)))
    }

    /// The level of those who are not named.
    #[must_use]
    pub fn users_default(&self) -> i64 {
        self.top_level("users_default", 0)
    }

    /// The level that it takes to invite.
    #[must_use]
    pub fn to_invite(&self) -> i64 {
        self.top_level("invite", 0)
    }

    /// The level that it takes to kick, whom one outranks.
    #[must_use]
    pub fn to_kick(&self) -> i64 {
        self.top_level("kick", 50)
    }

    /// The level that it takes to ban, whom one outranks.
    #[must_use]
    pub fn to_ban(&self) -> i64 {
        self.top_level("ban", 50)
    }

    /// The same with some permissions changed.
    #[must_use]
    pub fn with(&self, permissions: &BTreeMap<PermissionKey, i64>) -> Self {
        Self { content: self.patched(permissions, &BTreeMap::new()), ..self.clone() }
    }

    /// The level that it takes to send a state event.
    #[must_use]
    pub fn to_send_state(&self, event_type: &str) -> i64 {
        self.content
            .get("events")
            .and_then(|events| events.get(event_type))
            .and_then(level)
            .unwrap_or_else(|| self.top_level("state_default", 50))
    }

    /// The level that a permission takes, `None` where only the type of an event decides which default counts.
    #[must_use]
    pub fn permission(&self, key: &PermissionKey) -> Option<i64> {
        let stated = key.lookup(&self.content).and_then(level);
        match key {
            PermissionKey::Top(name) => stated.or_else(|| Some(default_of(name))),
            PermissionKey::Event(_) => stated,
            PermissionKey::Notification(_) => stated.or(Some(50)),
        }
    }

    /// The event's content with some permissions and some users' entries changed and all else kept.
    ///
    /// A user whose new level is `None` loses the entry.
    #[must_use]
    pub fn patched(
        &self,
        permissions: &BTreeMap<PermissionKey, i64>,
        users: &BTreeMap<OwnedUserId, Option<i64>>,
    ) -> Map<String, Value> {
        let mut content = self.content.clone();
        for (key, value) in permissions {
            key.store(&mut content, *value);
        }
        for (user, wanted) in users {
            match (wanted, content.get_mut("users")) {
                (Some(wanted), _) => store_in(&mut content, "users", user.as_str(), json!(wanted)),
                (None, Some(Value::Object(table))) => {
                    table.remove(user.as_str());
                }
                (None, _) => {}
            }
        }
        content
    }

    /// The levels that the room would have with another content of the event.
    #[must_use]
    pub fn with_content(&self, content: Map<String, Value>) -> Self {
        Self { content, creators: self.creators.clone(), absent: false }
    }

    fn top_level(&self, name: &str, default: i64) -> i64 {
        self.content.get(name).and_then(level).unwrap_or(default)
    }
}

/// One permission of `m.room.power_levels`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PermissionKey {
    /// A key of the event itself: `ban`, `invite`, `state_default`.
    Top(String),
    /// A key of `events`: the level to send events of this type.
    Event(String),
    /// A key of `notifications`: the level to notify by this keyword.
    Notification(String),
}

impl PermissionKey {
    fn lookup<'a>(&self, content: &'a Map<String, Value>) -> Option<&'a Value> {
        match self {
            Self::Top(name) => content.get(name),
            Self::Event(name) => content.get("events").and_then(|table| table.get(name)),
            Self::Notification(name) => content.get("notifications").and_then(|table| table.get(name)),
        }
    }

    /// Writes the permission into the content of an event.
    pub fn store(&self, content: &mut Map<String, Value>, value: i64) {
        match self {
            Self::Top(name) => {
                content.insert(name.clone(), json!(value));
            }
            Self::Event(name) => store_in(content, "events", name, json!(value)),
            Self::Notification(name) => store_in(content, "notifications", name, json!(value)),
        }
    }
}

impl fmt::Display for PermissionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top(name) => f.write_str(name),
            Self::Event(name) => write!(f, "events.{name}"),
            Self::Notification(name) => write!(f, "notifications.{name}"),
        }
    }
}

impl Serialize for PermissionKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Sets a value in the object at a key, which is made if it is missing and replaced if it is something else.
fn store_in(content: &mut Map<String, Value>, key: &str, name: &str, value: Value) {
    match content.get_mut(key) {
        Some(Value::Object(table)) => {
            table.insert(name.to_owned(), value);
        }
        _ => {
            content.insert(key.to_owned(), json!({ name: value }));
        }
    }
}

/// A level: an integer, or its decimal string as rooms below version 10 allow.
fn level(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(whole)),
        Value::String(text) => decimal(text.trim()),
        _ => None,
    }
}

/// Synapse truncates floats in rooms below version 10, and so do we. One that is out of range counts as the bound: as
/// nothing it would hide who is above all.
#[expect(clippy::cast_possible_truncation, reason = "the cast stops at the bounds")]
fn whole(value: f64) -> i64 {
    value.trunc() as i64
}

/// A decimal number as Python's `int` reads it, which is what Synapse asks: `+5`, `5_0`. Out of range, the bound.
fn decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let bound = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    is_number.then(|| text.replace('_', "").parse().unwrap_or(bound))
}

fn default_of(name: &str) -> i64 {
    match name {
        "ban" | "kick" | "redact" | "state_default" => 50,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::user_id;

    use super::*;

    fn levels(content: Value) -> PowerLevels {
        let Value::Object(content) = content else { panic!("not an object") };
        PowerLevels::new(Some(content), BTreeSet::new(), None)
    }

    #[test]
    fn odd_values_are_passed_over_one_by_one() {
        let power = levels(json!({
            "users": { "@a:x": "50", "@b:x": [], "not a user": 3, "@c:x": 100, "@d:x": 50.9, "@e:x": 1e300,
                       "@f:x": "+5_0 ", "@g:x": "5__0", "@h:x": "9".repeat(99), "@i:x": "_5" },
            "kick": {}, "invite": null, "events": 7, "users_default": true,
        }));
        assert_eq!(power.of(user_id!("@a:x")), Power::Level(50));
        assert_eq!(power.of(user_id!("@b:x")), Power::Level(0));
        assert_eq!(power.of(user_id!("@d:x")), Power::Level(50));
        assert_eq!(power.of(user_id!("@e:x")), Power::Level(i64::MAX));
        assert_eq!(power.of(user_id!("@f:x")), Power::Level(50));
        assert_eq!(power.of(user_id!("@g:x")), Power::Level(0));
        assert_eq!(power.of(user_id!("@h:x")), Power::Level(i64::MAX));
        assert_eq!(power.of(user_id!("@i:x")), Power::Level(0));
        assert_eq!(power.to_kick(), 50);
        assert_eq!(power.to_invite(), 0);
        assert_eq!(power.to_send_state("m.room.name"), 50);
        assert_eq!(power.entries().count(), 6);
    }

    #[test]
    fn a_level_that_is_not_stated_is_what_the_specification_says() {
        let power = levels(json!({ "users": { "@a:x": format!("-{}", "9".repeat(99)), "@b:x": -0.5 } }));
        assert_eq!(power.of(user_id!("@a:x")), Power::Level(i64::MIN));
        assert_eq!(power.of(user_id!("@b:x")), Power::Level(0));
        for name in ["ban", "kick", "redact", "state_default", "invite", "events_default", "users_default"] {
            let expected = if matches!(name, "ban" | "kick" | "redact" | "state_default") { 50 } else { 0 };
            assert_eq!(power.permission(&PermissionKey::Top(name.into())), Some(expected), "{name}");
        }
    }

    #[test]
    fn a_room_without_the_event_has_its_creator_at_100_and_no_other_bar() {
        let power = PowerLevels::new(None, BTreeSet::new(), Some(user_id!("@a:x")));
        assert_eq!(power.of(user_id!("@a:x")), Power::Level(100));
        assert_eq!(power.to_send_state("m.room.name"), 0);
    }

    #[test]
    fn creators_outrank_every_level() {
        let power = PowerLevels::new(None, [user_id!("@a:x").to_owned()].into(), None);
        assert_eq!(power.of(user_id!("@a:x")), Power::Creator);
        assert!(Power::Creator > Power::Level(i64::MAX));
    }

    #[test]
    fn patching_keeps_what_is_not_ours() {
        let power = levels(json!({ "users": { "@a:x": 50, "@b:x": 20 }, "org.example": { "x": 1 }, "events": 7 }));
        let patched = power.patched(
            &[(PermissionKey::Event("m.room.name".into()), 60), (PermissionKey::Top("ban".into()), 75)].into(),
            &[(user_id!("@a:x").to_owned(), None), (user_id!("@c:x").to_owned(), Some(50))].into(),
        );
        assert_eq!(
            Value::Object(patched),
            json!({
                "users": { "@b:x": 20, "@c:x": 50 }, "org.example": { "x": 1 },
                "events": { "m.room.name": 60 }, "ban": 75,
            })
        );
    }
}
