//! What is left of a change when the room's state is no longer what the plan saw: only what the plan is about is changed,
//! and what somebody else changed meanwhile is left to the next run, which sees it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{AliasChange, PowerLevelsChange};
use crate::power::{Power, PowerLevels};

type Object = Map<String, Value>;

/// A change, made onto the content that a state event has now.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Update {
    /// The new content; `None` if there is nothing to be written.
    pub(crate) content: Option<Object>,
    /// What is left as it is, since somebody else changed it after the plan was made.
    pub(crate) left: BTreeSet<String>,
}

impl Update {
    fn leave(why: String) -> Self {
        Self { content: None, left: [why].into() }
    }

    /// The content, if it is not what the event has already.
    fn unless_so(content: Object, now: Option<&Object>) -> Self {
        Self { content: Some(content).filter(|content| Some(content) != now), left: BTreeSet::new() }
    }
}

/// A change of a state event that people and other programs write as well.
#[derive(Debug, Clone)]
pub(crate) enum Edit<'a> {
    /// Of the power levels.
    PowerLevels(&'a PowerLevelsChange),
    /// Of the main alias.
    Alias(&'a AliasChange),
    /// A condition that lets people in.
    Restrict(Value),
    /// A name for a room that had none.
    Name(&'a str),
}

impl Edit<'_> {
    /// The type of the event.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::PowerLevels(_) => "m.room.power_levels",
            Self::Alias(_) => "m.room.canonical_alias",
            Self::Restrict(_) => "m.room.join_rules",
            Self::Name(_) => "m.room.name",
        }
    }

    /// What it does, in words that a room's name follows.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::PowerLevels(_) => "setting the power levels of",
            Self::Alias(_) => "setting the main alias of",
            Self::Restrict(_) => "setting the join rule of",
            Self::Name(_) => "setting the name of",
        }
    }

    /// The change, made onto the content that the event has now.
    pub(crate) fn onto(&self, now: Option<&Object>) -> Update {
        match self {
            Self::PowerLevels(change) => change.onto(now),
            Self::Alias(change) => change.onto(now),
            Self::Restrict(condition) => restricted(condition.clone(), now),
            Self::Name(name) => named(name, now),
        }
    }
}

impl PowerLevelsChange {
    /// The change, made onto the power levels that the room has now.
    fn onto(&self, now: Option<&Object>) -> Update {
        let Some(now) = now else { return Update::unless_so(self.content.clone(), None) };
        // Creators have no levels to change, so that it does not matter who they are.
        let levels = PowerLevels::new(Some(now.clone()), BTreeSet::new(), None);
        let (mut users, mut permissions, mut left) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        for change in &self.users {
            let is = levels.of(&change.user);
            if is == Power::Level(change.from) {
                users.insert(change.user.clone(), change.to);
            } else if is != Power::Level(change.effective()) {
                left.insert(format!("the power level of {} is {is} now, and was {}", change.user, change.from));
            }
        }
        for change in &self.permissions {
            let is = levels.permission(&change.key);
            if is == change.from {
                permissions.insert(change.key.clone(), change.to);
            } else if is != Some(change.to) {
                left.insert(format!("the permission {} was changed", change.key));
            }
        }
        Update { left, ..Update::unless_so(levels.patched(&permissions, &users), Some(now)) }
    }
}

impl AliasChange {
    /// The change, made onto the `m.room.canonical_alias` that the room has now.
    fn onto(&self, now: Option<&Object>) -> Update {
        let mut content = now.cloned().unwrap_or_default();
        let main = content.get("alias").and_then(Value::as_str);
        if let Some(main) =
            main.filter(|main| *main != self.to.as_str() && self.from.as_ref().is_none_or(|it| it != main))
        {
            return Update::leave(format!("the main alias is {main} now"));
        }
        let listed = content.get("alt_aliases").and_then(Value::as_array).cloned().unwrap_or_default();
        let dropped = self.from.as_ref().filter(|_| self.drop);
        let mut others: BTreeSet<String> = listed.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
        others.extend(self.from.iter().map(ToString::to_string));
        others.retain(|alias| *alias != self.to.as_str() && dropped.is_none_or(|dropped| alias != dropped.as_str()));
        content.insert("alias".into(), json!(self.to));
        content.insert("alt_aliases".into(), json!(others));
        Update::unless_so(content, now)
    }
}

/// Lets those in whom a condition names, besides those whom the `m.room.join_rules` that the room has now let in.
fn restricted(condition: Value, now: Option<&Object>) -> Update {
    let mut content = now.cloned().unwrap_or_default();
    let rule = content.get("join_rule").and_then(Value::as_str);
    if !matches!(rule, Some("restricted" | "knock_restricted")) {
        content.insert("join_rule".into(), json!("restricted"));
    }
    let mut allow = content.get("allow").and_then(Value::as_array).cloned().unwrap_or_default();
    if !allow.contains(&condition) {
        allow.push(condition);
    }
    content.insert("allow".into(), Value::Array(allow));
    Update::unless_so(content, now)
}

/// Names a room that had no name.
fn named(name: &str, now: Option<&Object>) -> Update {
    match now.and_then(|now| now.get("name")?.as_str()).filter(|is| !is.is_empty()) {
        Some(is) if is != name => Update::leave(format!("somebody named the room \"{is}\"")),
        Some(_) => Update::default(),
        None => {
            let mut content = now.cloned().unwrap_or_default();
            content.insert("name".into(), json!(name));
            Update::unless_so(content, now)
        }
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::{OwnedUserId, room_alias_id};

    use super::*;
    use crate::plan::{AliasReason, LevelChange, PermissionChange, Reason};
    use crate::power::PermissionKey;

    fn object(value: &Value) -> Object {
        value.as_object().unwrap().clone()
    }

    fn level(user: &str, from: i64, to: Option<i64>) -> LevelChange {
        let user = OwnedUserId::try_from(user).unwrap();
        LevelChange { user, from, to, users_default: 0, reason: Reason::NotInGroup }
    }

    fn change() -> PowerLevelsChange {
        let ban = PermissionChange { key: PermissionKey::Top("ban".into()), from: Some(50), to: 60 };
        PowerLevelsChange {
            content: object(&json!({ "users": { "@a:x": 50 }, "ban": 60 })),
            users: vec![level("@a:x", 0, Some(50)), level("@b:x", 50, None)],
            permissions: vec![ban],
        }
    }

    #[test]
    fn levels_that_somebody_else_changed_meanwhile_are_kept() {
        let now = object(&json!({ "users": { "@b:x": 50, "@c:x": 75 }, "ban": 50, "odd": [] }));
        let expected = json!({ "users": { "@a:x": 50, "@c:x": 75 }, "ban": 60, "odd": [] });
        let update = change().onto(Some(&now));
        assert_eq!(update, Update { content: Some(object(&expected)), left: BTreeSet::new() });
        assert_eq!(change().onto(update.content.as_ref()), Update::default(), "it is so already");

        let now = object(&json!({ "users": { "@a:x": 100, "@b:x": 50 }, "ban": 75 }));
        let update = change().onto(Some(&now));
        assert_eq!(update.content, Some(object(&json!({ "users": { "@a:x": 100 }, "ban": 75 }))));
        let left = ["the permission ban was changed", "the power level of @a:x is 100 now, and was 0"];
        assert_eq!(update.left, left.map(str::to_owned).into());
    }

    #[test]
    fn without_power_levels_those_of_the_plan_are_set() {
        assert_eq!(change().onto(None).content, Some(change().content));
    }

    #[test]
    fn aliases_that_somebody_else_added_meanwhile_are_kept() {
        let change = AliasChange {
            to: room_alias_id!("#new:x").to_owned(),
            from: Some(room_alias_id!("#old:x").to_owned()),
            others: BTreeSet::new(),
            taken: false,
            drop: false,
            reason: AliasReason::Renamed,
        };
        let now = object(&json!({ "alias": "#old:x", "alt_aliases": ["#more:x"], "odd": 1 }));
        let expected = object(&json!({ "alias": "#new:x", "alt_aliases": ["#more:x", "#old:x"], "odd": 1 }));
        assert_eq!(change.onto(Some(&now)).content, Some(expected.clone()));
        assert_eq!(change.onto(Some(&expected)), Update::default());
        let dropping = AliasChange { drop: true, ..change.clone() };
        let expected = object(&json!({ "alias": "#new:x", "alt_aliases": ["#more:x"], "odd": 1 }));
        assert_eq!(dropping.onto(Some(&now)).content, Some(expected));
        let moved = object(&json!({ "alias": "#theirs:x" }));
        assert_eq!(change.onto(Some(&moved)), Update::leave("the main alias is #theirs:x now".into()));
        assert!(change.onto(None).content.is_some());
    }

    #[test]
    fn join_rules_keep_what_somebody_else_let_in() {
        let condition = json!({ "type": "m.room_membership", "room_id": "!s:x" });
        let now = object(&json!({ "join_rule": "knock_restricted", "allow": ["odd"], "more": 1 }));
        let expected = object(&json!({ "join_rule": "knock_restricted", "allow": ["odd", condition], "more": 1 }));
        assert_eq!(restricted(condition.clone(), Some(&now)).content, Some(expected.clone()));
        assert_eq!(restricted(condition.clone(), Some(&expected)), Update::default());
        let expected = object(&json!({ "join_rule": "restricted", "allow": [condition] }));
        assert_eq!(restricted(condition, None).content, Some(expected));
    }

    #[test]
    fn a_name_that_somebody_gave_meanwhile_is_kept() {
        let theirs = object(&json!({ "name": "Theirs" }));
        assert_eq!(named("ops", Some(&theirs)), Update::leave("somebody named the room \"Theirs\"".into()));
        assert_eq!(named("Theirs", Some(&theirs)), Update::default());
        assert_eq!(
            named("ops", Some(&object(&json!({ "name": "" })))).content,
            Some(object(&json!({ "name": "ops" })))
        );
    }
}
