//! A TOML document whose every complaint names file, line, column and key.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::place::{line_and_column, write_place};
use crate::suggest::{nearest, with_suggestion};

/// What is wrong with a configuration file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: PathBuf,
    /// Line and column, both from 1; `None` when the file as a whole is meant.
    position: Option<(usize, usize)>,
    /// The dotted key, empty when none is meant.
    key: String,
    message: String,
}

impl ConfigError {
    pub(super) fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        let remedy = match error.kind() {
            std::io::ErrorKind::NotFound => "; name the file with --config FILE",
            _ => "",
        };
        Self {
            file: file.to_owned(),
            position: None,
            key: String::new(),
            message: format!("the configuration cannot be read: {error}{remedy}"),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, &self.file, self.position, &self.key)?;
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

/// A parsed document from which sections are taken one after the other.
pub(super) struct Document<'a> {
    path: &'a Path,
    text: &'a str,
    remaining: DeTable<'a>,
    whole: Spanned<DeValue<'a>>,
    warnings: RefCell<BTreeSet<String>>,
}

impl<'a> Document<'a> {
    /// Parses the text; `path` is for messages alone.
    pub(super) fn parse(path: &'a Path, text: &'a str) -> Result<Self, ConfigError> {
        let table = DeTable::parse(text).map_err(|error| ConfigError {
            file: path.to_owned(),
            position: error.span().map(|span| line_and_column(text, span.start)),
            key: String::new(),
            message: format!("this is no TOML: {}", error.message()),
        })?;
        let span = table.span();
        let remaining = table.into_inner();
        let whole = Spanned::new(span, DeValue::Table(remaining.clone()));
        Ok(Self { path, text, remaining, whole, warnings: RefCell::default() })
    }

    /// Takes a section out of the document.
    pub(super) fn section<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, ConfigError> {
        self.take(key).map(|value| self.read(value)).transpose()
    }

    /// Takes an array of tables (`[[key]]`) out of the document.
    pub(super) fn tables(&mut self, key: &str) -> Result<Vec<Spanned<DeValue<'a>>>, ConfigError> {
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(value) => match value.into_inner() {
                DeValue::Array(tables) => Ok(tables.into_iter().collect()),
                _ => Err(self.error_at(&[key], format!("expected tables, each under a line [[{key}]]"))),
            },
        }
    }

    /// Reads one value, which must have come out of this document.
    pub(super) fn read<T: DeserializeOwned>(&self, value: Spanned<DeValue<'a>>) -> Result<T, ConfigError> {
        let start = value.span().start;
        T::deserialize(ValueDeserializer::from(value)).map_err(|error| {
            let offset = error.span().map_or(start, |span| span.start);
            let key = key_at(&self.whole, offset);
            let message = if names_a_secret(&key) {
                "expected text in quotes".to_owned() // the parser's message would quote the secret
            } else if names_a_url(&key) && error.message().contains('@') {
                "expected a URL without a name and a password in it".to_owned()
            } else {
                with_suggestion(error.message())
            };
            self.error(Some(offset), key, message)
        })
    }

    /// An error at a key, named by the way to it (`["idp", "0", "url"]`), or at the nearest key above that exists.
    pub(super) fn error_at(&self, path: &[&str], message: String) -> ConfigError {
        let mut place = &self.whole;
        let mut span: Option<Range<usize>> = None;
        for step in path {
            let next = match place.get_ref() {
                DeValue::Table(table) => table
                    .iter()
                    .find(|(key, _)| key.get_ref().as_ref() == *step)
                    .map(|(key, value)| (key.span(), value)),
                DeValue::Array(array) => {
                    step.parse::<usize>().ok().and_then(|index| array.get(index)).map(|value| (value.span(), value))
                }
                _ => None,
            };
            let Some((at, value)) = next else { break };
            span = Some(at);
            place = value;
        }
        self.error(span.map(|span| span.start), dotted(path), message)
    }

    /// The file that the document was read from.
    pub(super) fn path(&self) -> &Path {
        self.path
    }

    /// Keeps what a person should know, if there is something.
    pub(super) fn warn(&self, warning: Option<String>) {
        self.warnings.borrow_mut().extend(warning);
    }

    /// What was kept.
    pub(super) fn into_warnings(self) -> BTreeSet<String> {
        self.warnings.into_inner()
    }

    /// Refuses sections that nobody took.
    pub(super) fn finish(&self, known: &[&str]) -> Result<(), ConfigError> {
        match self.remaining.keys().next() {
            None => Ok(()),
            Some(key) => {
                let meant = nearest(key.get_ref(), known.iter().copied());
                let meant = meant.map_or(String::new(), |name| format!("; did you mean {name}?"));
                let message = format!("there is no such section; there are {}{meant}", known.join(", "));
                Err(self.error(Some(key.span().start), key.get_ref().to_string(), message))
            }
        }
    }

    fn take(&mut self, key: &str) -> Option<Spanned<DeValue<'a>>> {
        self.remaining.remove(key)
    }

    fn error(&self, offset: Option<usize>, key: String, message: String) -> ConfigError {
        let position = offset.map(|offset| line_and_column(self.text, offset));
        ConfigError { file: self.path.to_owned(), position, key, message }
    }
}

/// Keys whose values must never be quoted back.
fn names_a_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    ["token", "password", "secret"].iter().any(|word| last.ends_with(word))
}

/// Keys whose values may have a password in them by mistake.
fn names_a_url(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    ["homeserver", "url", "authority", "graph"].iter().any(|word| last.starts_with(word))
}

/// The dotted key that a place in the text belongs to.
fn key_at(root: &Spanned<DeValue<'_>>, offset: usize) -> String {
    fn descend(place: &Spanned<DeValue<'_>>, offset: usize, path: &mut Vec<String>) -> bool {
        match place.get_ref() {
            DeValue::Table(table) => {
                table.iter().any(|(key, value)| {
                    path.push(key.get_ref().to_string());
                    let found = descend(value, offset, path) || key.span().contains(&offset);
                    if !found {
                        path.pop();
                    }
                    found
                }) || place.span().start == offset
            }
            DeValue::Array(array) => array.iter().enumerate().any(|(index, value)| {
                path.push(index.to_string());
                let found = descend(value, offset, path);
                if !found {
                    path.pop();
                }
                found
            }),
            _ => place.span().contains(&offset),
        }
    }
    let mut path = Vec::new();
    descend(root, offset, &mut path);
    dotted(&path)
}

/// `idp[0].url`
fn dotted<S: AsRef<str>>(path: &[S]) -> String {
    let mut text = String::new();
    for step in path.iter().map(AsRef::as_ref) {
        if step.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            let _ = write!(text, "[{step}]");
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(step);
        }
    }
    text
}
