//! A section of the old configuration, from which keys are taken one after the other.

use super::ImportError;
use super::yaml::{Node, Place, Value};

/// A map whose keys are text, and what is left of it.
#[derive(Debug)]
pub(super) struct Section {
    /// The way to it: `ldap`, `sync_rooms[0]`; empty for the whole file.
    path: String,
    place: Place,
    entries: Vec<(String, Node)>,
}

/// A value that knows what to call itself in an error.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    node: Node,
}

impl Section {
    pub(super) fn new(path: String, node: Node) -> Result<Self, ImportError> {
        let Node { place, value } = node;
        let entries = match value {
            Value::Map(entries) => entries,
            Value::Null => Vec::new(),
            other => return Err(ImportError::new(Some(place), path, expected("keys with values", &other))),
        };
        let entries = entries.into_iter().map(|(key, node)| match key.value {
            Value::Text(key) => Ok((key, node)),
            Value::Number(key) => Ok((key.to_string(), node)),
            other => Err(ImportError::new(Some(key.place), path.as_str(), expected("text as a key", &other))),
        });
        let entries = entries.collect::<Result<_, _>>()?;
        Ok(Self { path, place, entries })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| name == key)
    }

    /// Takes a key out.
    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        let index = self.entries.iter().position(|(name, _)| name == key)?;
        let (_, node) = self.entries.remove(index);
        Some(Entry { key: self.path_to(key), node })
    }

    /// Takes out text; `None` if it is missing, empty or null, which all meant nothing to the bots.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<(String, Entry)>, ImportError> {
        let Some(entry) = self.take(key) else { return Ok(None) };
        Ok(entry.text()?.filter(|text| !text.is_empty()).map(|text| (text, entry)))
    }

    /// Takes out a section; `None` if it is missing.
    pub(super) fn section(&mut self, key: &str) -> Result<Option<Self>, ImportError> {
        self.take(key).map(|entry| Self::new(entry.key, entry.node)).transpose()
    }

    /// Takes out a list; empty if it is missing or null.
    pub(super) fn list(&mut self, key: &str) -> Result<Vec<Entry>, ImportError> {
        let Some(Entry { key, node }) = self.take(key) else { return Ok(Vec::new()) };
        match node.value {
            Value::Null => Ok(Vec::new()),
            Value::List(nodes) => {
                let named = |(index, node)| Entry { key: format!("{key}[{index}]"), node };
                Ok(nodes.into_iter().enumerate().map(named).collect())
            }
            other => Err(ImportError::new(Some(node.place), key, expected("a list", &other))),
        }
    }

    /// Takes out all that is there.
    pub(super) fn rest(&mut self) -> Vec<(String, Entry)> {
        let entries = std::mem::take(&mut self.entries);
        entries.into_iter().map(|(name, node)| (name.clone(), Entry { key: self.path_to(&name), node })).collect()
    }

    /// The names of all that is left.
    pub(super) fn unknown(&self) -> Vec<String> {
        self.entries.iter().map(|(name, _)| self.path_to(name)).collect()
    }

    /// An error at a key that is missing.
    pub(super) fn missing(&self, key: &str) -> ImportError {
        ImportError::new(Some(self.place), self.path_to(key), "this key is missing")
    }

    fn path_to(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl Entry {
    /// `None` for null.
    pub(super) fn text(&self) -> Result<Option<String>, ImportError> {
        match &self.node.value {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.clone())),
            other => Err(self.error(expected("text", other))),
        }
    }

    /// Text, or a number as text: what Python's `str` makes of either.
    pub(super) fn text_or_number(&self) -> Result<Option<String>, ImportError> {
        match &self.node.value {
            Value::Number(number) => Ok(Some(number.to_string())),
            _ => self.text(),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, ImportError> {
        match &self.node.value {
            Value::Bool(value) => Ok(*value),
            other => Err(self.error(expected("true or false", other))),
        }
    }

    pub(super) fn number(&self) -> Result<i64, ImportError> {
        match &self.node.value {
            Value::Number(number) => Ok(*number),
            Value::Text(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(digits.parse().unwrap_or(i64::MAX))
            }
            other => Err(self.error(expected("a whole number", other))),
        }
    }

    /// A power level of a range.
    pub(super) fn level(&self, lowest: i64) -> Result<i64, ImportError> {
        match &self.node.value {
            Value::Number(level) if (lowest..=100).contains(level) => Ok(*level),
            Value::Number(_) => Err(self.error(format!("inviter sets levels from {lowest} to 100"))),
            other => Err(self.error(expected("a power level, a whole number", other))),
        }
    }

    /// Whether there is a value at all.
    pub(super) fn is_given(&self) -> bool {
        match &self.node.value {
            Value::Null => false,
            Value::Text(text) => !text.is_empty(),
            _ => true,
        }
    }

    pub(super) fn section(self) -> Result<Section, ImportError> {
        Section::new(self.key, self.node)
    }

    pub(super) fn error(&self, message: impl Into<String>) -> ImportError {
        ImportError::new(Some(self.node.place), self.key.as_str(), message)
    }
}

/// The value itself is not quoted: it may be a secret that stands at the wrong place.
fn expected(what: &str, found: &Value) -> String {
    let found = match found {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::OddNumber => "a number with a fraction",
        Value::Text(_) => "text",
        Value::List(_) => "a list",
        Value::Map(_) => "keys with values",
    };
    format!("expected {what}, found {found}")
}
