//! State events that others write as well: read again before they are written, and looked at again afterwards.
//!
//! The specification has no write that fails when somebody else was quicker. What tells is the event that the homeserver
//! says was replaced: if it is not the one that was read, somebody's change was lost, and is brought back.

use std::collections::BTreeSet;

use matrix_sdk::ruma::RoomId;
use matrix_sdk::ruma::events::StateEventType;
use serde_json::{Map, Value};

use super::write::{Done, Place, WriteError, Writer};
use crate::plan::Edit;

/// How often a lost race is run again.
const RACES: usize = 3;
/// What power levels can say (<https://spec.matrix.org/v1.16/client-server-api/#mroompower_levels>).
const POWER_LEVELS: [&str; 10] = [
    "ban",
    "events",
    "events_default",
    "invite",
    "kick",
    "notifications",
    "redact",
    "state_default",
    "users",
    "users_default",
];

impl Writer {
    /// Makes a change onto what a state event without state key is now.
    pub(super) async fn update(&self, place: &Place, edit: &Edit<'_>) -> Result<Done, WriteError> {
        let (kind, what) = (edit.kind(), edit.what());
        let (mut left, mut written) = (BTreeSet::new(), false);
        let mut base = self.reader.state_event_whole(&place.id, kind).await?;
        // The events that ours are made from, and ours.
        let mut known: BTreeSet<String> = base.id.iter().cloned().collect();
        for _ in 0..RACES {
            let update = edit.onto(base.content());
            left.extend(update.left);
            // After a lost race, what the other wrote is brought back in any case.
            let content = update.content.or_else(|| base.content().filter(|_| written).cloned());
            let Some(content) = content else { break };
            let id = self.send(place, kind, "", Value::Object(content), what).await?;
            written = true;
            let lost = self.lost(&place.id, kind, &id, &known).await;
            known.insert(id);
            match lost {
                Some(theirs) => {
                    known.extend(theirs.id.clone());
                    tracing::info!("{what} {place}: somebody else did so at the same time, so again");
                    base = theirs;
                }
                None => break,
            }
        }
        if !left.is_empty() {
            let left = left.into_iter().collect::<Vec<_>>().join(", ");
            let rest = if written { "; the rest was done" } else { "" };
            let text = format!("{what} {place}: {left}: left as it is{rest}; the next run looks again");
            return Err(WriteError::Skipped(text));
        }
        Ok(if written { Done::Applied } else { Done::Already })
    }

    /// The event that ours replaced, if that is not one that ours was made from.
    async fn lost(&self, room: &RoomId, kind: &str, ours: &str, known: &BTreeSet<String>) -> Option<StateEvent> {
        // What cannot be looked up is not lost for that.
        let now = self.reader.state_event_whole(room, kind).await.ok()?;
        let replaced = now.replaces.filter(|replaced| now.id.as_deref() == Some(ours) && !known.contains(replaced))?;
        self.reader.event(room, &replaced).await.ok()
    }
}

/// A state event as it is now; empty if there is none.
#[derive(Debug, Default)]
pub(super) struct StateEvent {
    id: Option<String>,
    content: Option<Map<String, Value>>,
    /// The event that it replaced (`replaces_state` of `unsigned`), if the homeserver tells.
    replaces: Option<String>,
}

impl StateEvent {
    /// From a whole event, or from the content alone, which homeservers that do not know `format=event` give.
    pub(super) fn of(kind: &StateEventType, answer: Map<String, Value>) -> Self {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let is_whole = answer.get("type").and_then(Value::as_str) == Some(&*kind.to_string())
            && answer.get("content").is_some_and(Value::is_object);
        if !is_whole {
            return Self { content: Some(answer), ..Self::default() };
        }
        Self {
            id: text(answer.get("event_id")),
            replaces: text(answer.get("unsigned").and_then(|unsigned| unsigned.get("replaces_state"))),
            content: answer.get("content").and_then(Value::as_object).cloned(),
        }
    }

    fn content(&self) -> Option<&Map<String, Value>> {
        self.content.as_ref()
    }

    /// Whether this is an event of such a type, or its content, rather than some other object. What is written is made
    /// from it: taken for empty power levels, `{}` would do away with those that are there.
    pub(super) fn is_of(&self, kind: &str) -> bool {
        let Some(content) = &self.content else { return true };
        let (keys, may_be_empty): (&[&str], bool) = match kind {
            "m.room.power_levels" => (&POWER_LEVELS, false),
            "m.room.join_rules" => (&["join_rule"], false),
            // A room without name or alias may have an empty event.
            "m.room.name" => (&["name"], true),
            "m.room.canonical_alias" => (&["alias", "alt_aliases"], true),
            _ => return true,
        };
        self.id.is_some() || (may_be_empty && content.is_empty()) || keys.iter().any(|key| content.contains_key(*key))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_that_is_no_content_is_not_taken_for_an_empty_one() {
        let is_of = |kind: &str, answer: Value| {
            let Value::Object(answer) = answer else { panic!("{answer}") };
            StateEvent::of(&kind.into(), answer).is_of(kind)
        };
        let whole = json!({ "type": "m.room.power_levels", "event_id": "$a", "content": {} });
        for (kind, answer, expected) in [
            ("m.room.power_levels", json!({ "users": {} }), true),
            ("m.room.power_levels", whole, true),
            ("m.room.power_levels", json!({}), false),
            ("m.room.power_levels", json!({ "room_id": 7 }), false),
            ("m.room.join_rules", json!({ "join_rule": "invite" }), true),
            ("m.room.join_rules", json!({}), false),
            ("m.room.canonical_alias", json!({}), true),
            ("m.room.canonical_alias", json!({ "room_id": 7 }), false),
            ("m.room.name", json!({ "name": "a" }), true),
        ] {
            assert_eq!(is_of(kind, answer.clone()), expected, "{kind} {answer}");
        }
        assert!(StateEvent::default().is_of("m.room.power_levels"), "there is none");
    }
}
