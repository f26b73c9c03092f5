//! YAML as a tree that knows where each value stands.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Spanned};

use super::ImportError;
use crate::printable;

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// Line and column, both from 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(i64),
    /// A number that is no whole one, or too large.
    OddNumber,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// Reads one document.
///
/// Keys that are there twice are an error, as they were to the bots. Aliases are bounded: an expansion is cut off long
/// before it fills the memory.
pub(super) fn parse(text: &str) -> Result<Node, ImportError> {
    let options = serde_saphyr::options! {
        // `yes` was text to the bots, whose parser knows YAML 1.2.
        strict_booleans: true,
        // A line of the file may hold a secret.
        with_snippet: false,
        budget: serde_saphyr::budget! { max_nodes: 20_000, max_events: 100_000, max_total_scalar_bytes: 1 << 20 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 10_000 },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| refused(&error))
}

fn refused(error: &Error) -> ImportError {
    let place = error.location().filter(|place| place.line() > 0);
    let place = place.map(|place| Place { line: place.line(), column: place.column() });
    let message = match error.without_snippet() {
        Error::DuplicateMappingKey { .. } => "this key is there twice".to_owned(),
        Error::UnknownAnchor { .. } => "this alias refers to nothing".to_owned(),
        Error::Budget { .. }
        | Error::AliasError { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            "this is larger than any configuration of a bot, or its aliases expand to too much".to_owned()
        }
        // The place stands before the message already.
        known @ (Error::Message { .. } | Error::ExternalMessage { .. } | Error::Eof { .. }) => {
            let text = known.to_string();
            let text = text.split(" at line ").next().unwrap_or_default();
            format!("this cannot be read as YAML: {}", printable::line(text))
        }
        _ => "this cannot be read as YAML".to_owned(),
    };
    ImportError::new(place, "", message)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        let place = Place { line: spanned.referenced.line(), column: spanned.referenced.column() };
        Ok(Self { place, value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Number(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Number(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::OddNumber)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = access.next_element()? {
            list.push(node);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = access.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}
