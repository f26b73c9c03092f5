//! The JSON schema of the configuration, made from the types that read it: `inviter schema`.
//!
//! It tells what a key is, which kind of value it takes, and what it is when it is not given. What depends on other keys,
//! on files or on the environment, only reading can tell.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::idp::AnyIdp;
use super::{Policy, Report, RoomSettings, matrix, rooms};

/// The configuration of inviter.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Configuration of inviter")]
#[expect(dead_code, reason = "it is never made: sections are read one by one, for better errors")]
struct Document {
    /// The homeserver, and the account on it that manages the rooms.
    matrix: matrix::Raw,
    /// The sources of groups, which are merged.
    #[schemars(length(min = 1))]
    idp: Vec<AnyIdp>,
    /// What may be done.
    policy: Option<Policy>,
    /// How rooms are set up.
    room: Option<RoomSettings>,
    /// Rooms that are described one by one.
    rooms: Option<Vec<rooms::Raw>>,
    /// Who is told of what a run did.
    report: Option<Report>,
    /// `new = "old"`: the account `new` is the Matrix user `old` that it has always been; a localpart, or a whole user ID.
    renamed_users: Option<BTreeMap<String, String>>,
}

/// The schema. Of the drafts it is number 7, which editors of TOML know.
#[must_use]
pub fn schema() -> Value {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Document>();
    let mut schema = schema.to_value();
    settle(&mut schema);
    schema
}

/// What the schema says of a key in a section; the keys of `[[idp]]` are looked for in those of `kind`.
#[must_use]
pub fn description(schema: &Value, section: &str, kind: Option<&str>, key: &str) -> Option<String> {
    let mut place = resolved(schema, schema["properties"].get(section)?);
    if let Some(items) = place.get("items") {
        place = resolved(schema, items);
    }
    if let Some(kind) = kind {
        let variants = place.get("oneOf")?.as_array()?;
        place = variants.iter().find(|variant| variant["properties"]["type"]["const"] == kind)?;
    }
    place["properties"].get(key)?.get("description")?.as_str().map(str::to_owned)
}

/// What a reference leads to, or the schema itself.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref")).and_then(Value::as_str);
    reference.and_then(|path| root.pointer(path.trim_start_matches('#'))).unwrap_or(schema)
}

/// TOML has no null: what may be left out is left out. Lines of a description are those of the source, not of the reader.
fn settle(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
                if let [only] = choices.as_slice() {
                    let only = only.clone();
                    map.remove("anyOf");
                    if only.get("$ref").is_some() && !map.is_empty() {
                        map.insert("allOf".into(), Value::Array(vec![only]));
                    } else if let Value::Object(only) = only {
                        map.extend(only);
                    }
                }
            }
            map.retain(|key, value| key != "default" || !value.is_null());
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            map.values_mut().for_each(settle);
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        _ => {}
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $pattern:literal, $example:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "examples": [$example] })
            }
        }
    )*};
}

texts! {
    /// A duration as `humantime` reads it.
    Span: r"^\s*([0-9]+\s*(nanos|nsec|ns|usec|us|millis|msec|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|wks?|wk|w|months?|M|years?|yrs?|yr|y)\s*)+$", "24h";
    /// Where a homeserver is.
    HttpUrl: r"^[Hh][Tt][Tt][Pp][Ss]?://[^@]+$", "https://matrix.example.com";
    /// Where a service is that gets secrets.
    HttpsUrl: r"^[Hh][Tt][Tt][Pp][Ss]://[^@]+$", "https://login.example.com";
    /// The alias of a room, or a pattern for several.
    Alias: "^#.*:.+$", "#room:example.com";
    /// A whole Matrix user ID.
    UserIdText: "^@.*:.+$", "@alice:example.com";
    /// The name of a homeserver.
    ServerNameText: r"^([0-9A-Za-z.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$", "example.com";
    /// A search filter (RFC 4515).
    Filter: r"^(\(.*\)|[^()]+=[^()]*)$", "(objectClass=person)";
    /// An attribute description (RFC 4512, section 2.5).
    Attribute: r"^[0-9A-Za-z][0-9A-Za-z.;-]*$", "uid";
}

/// The power level of a member.
pub(crate) struct Level;

impl JsonSchema for Level {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Level".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": 100 })
    }
}

/// One URL of a directory, or a list of them.
pub(crate) struct LdapUrls;

impl LdapUrls {
    pub(crate) fn one_or_more(_: &mut SchemaGenerator) -> Schema {
        let url = json_schema!({
            "type": "string", "pattern": "^[Ll][Dd][Aa][Pp][Ss]?://[^@]+$", "examples": ["ldaps://ldap.example.com"]
        });
        json_schema!({ "anyOf": [url, { "type": "array", "items": url, "minItems": 1 }] })
    }
}

/// Power levels that actions need, as in `m.room.power_levels`.
pub(crate) struct Permissions;

impl Permissions {
    pub(crate) fn left_as_they_are(_: &mut SchemaGenerator) -> Schema {
        let level = |what: &str| -> Value {
            json_schema!({ "type": "integer", "minimum": -100, "maximum": 100, "description": what }).to_value()
        };
        let table = |what: &str| {
            let level = level("The power level.");
            json_schema!({ "type": "object", "additionalProperties": level, "description": what }).to_value()
        };
        json_schema!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "ban": level("To ban people."),
                "events_default": level("To send events that are not named under `events`."),
                "invite": level("To invite people."),
                "kick": level("To remove people."),
                "redact": level("To remove what others wrote."),
                "state_default": level("To change settings that are not named under `events`."),
                "users_default": level("What people have who are given no level."),
                "events": table("To send events of a type, such as `\"m.room.topic\" = 0`."),
                "notifications": table("To notify many, such as `room = 50`."),
            }
        })
    }
}
