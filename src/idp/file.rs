//! A TOML or JSON file with rooms and members.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::printable::printable;
use crate::config::FileIdp;
use crate::snapshot::{Account, Group, Members, Snapshot, SourceId, Standing};

/// A file that is larger is none that a person wrote.
const LARGEST: u64 = 64 * 1024 * 1024;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    file: PathBuf,
    /// Line and column, both from 1; `None` when the file as a whole is meant.
    position: Option<(usize, usize)>,
    message: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", printable(&self.message))
    }
}

impl std::error::Error for FileError {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    #[serde(default)]
    rooms: Rooms,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Room {
    alias: String,
    id: Option<String>,
    #[serde(default)]
    members: Vec<Username>,
    #[serde(default)]
    moderators: Vec<Username>,
}

/// Rooms of which no two have the same alias or ID.
#[derive(Debug, Default)]
struct Rooms(Vec<Room>);

impl<'de> Deserialize<'de> for Rooms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RoomsVisitor;
        impl<'de> Visitor<'de> for RoomsVisitor {
            type Value = Rooms;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of rooms")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Rooms, A::Error> {
                let (mut aliases, mut ids, mut rooms) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
                while let Some(room) = seq.next_element::<Room>()? {
                    if !aliases.insert(room.alias.clone()) {
                        return Err(de::Error::custom(format!("two rooms have the alias {}", room.alias)));
                    }
                    if !ids.insert(room.id.clone().unwrap_or_else(|| room.alias.clone())) {
                        return Err(de::Error::custom(format!("the room {} has the id of another", room.alias)));
                    }
                    rooms.push(room);
                }
                Ok(Rooms(rooms))
            }
        }
        deserializer.deserialize_seq(RoomsVisitor)
    }
}

/// A username in lower case.
#[derive(Debug)]
struct Username(String);

impl<'de> Deserialize<'de> for Username {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name.trim().is_empty() || name.contains(char::is_control) {
            return Err(de::Error::custom(format!("expected a username, not {name:?}")));
        }
        Ok(Self(name.to_lowercase()))
    }
}

/// Reads a file.
pub(super) fn read(idp: &FileIdp, wanted: &dyn Fn(&str) -> bool) -> Result<Snapshot, FileError> {
    let path = &idp.path;
    let error = |message: String| FileError { file: path.clone(), position: None, message };
    let mut text = String::new();
    let file = File::open(path).map_err(|cause| error(format!("cannot be read: {cause}. Check path")))?;
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(|cause| error(format!("cannot be read: {cause}")))?;
    if text.len() as u64 > LARGEST {
        return Err(error(format!("is larger than {} MiB: is it the right file?", LARGEST >> 20)));
    }
    parse(path, &text).map(|contents| snapshot(contents, wanted))
}

fn parse(path: &Path, text: &str) -> Result<Contents, FileError> {
    let error = |position, message| FileError { file: path.to_owned(), position, message };
    match path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("toml") => toml::from_str(text).map_err(|cause| {
            let position = cause.span().map(|span| position(text, span.start));
            error(position, cause.message().to_owned())
        }),
        Some("json") => serde_json::from_str(text).map_err(|cause| {
            let message = cause.to_string();
            let place = format!(" at line {} column {}", cause.line(), cause.column());
            let message = message.strip_suffix(&place).unwrap_or(&message).to_owned();
            error(Some((cause.line(), cause.column())), message)
        }),
        _ => Err(error(None, "expected a file that ends in .toml or .json".into())),
    }
}

fn snapshot(contents: Contents, wanted: &dyn Fn(&str) -> bool) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for room in contents.rooms.0 {
        if !wanted(&room.alias) {
            continue;
        }
        let mut known = |names: Vec<Username>| {
            let names: BTreeSet<SourceId> = names.into_iter().map(|Username(name)| name).collect();
            snapshot.accounts.extend(names.iter().map(|name| (name.clone(), account(name))));
            Members::Known(names)
        };
        let (members, owners) = (known(room.members), known(room.moderators));
        snapshot.groups.push(Group {
            id: Some(room.id.unwrap_or_else(|| room.alias.clone())),
            label: printable(&room.alias),
            name: room.alias,
            members,
            owners: Some(owners),
        });
    }
    snapshot.groups.sort_by(|left, right| left.name.cmp(&right.name));
    snapshot
}

fn account(name: &str) -> Account {
    Account { username: name.to_owned(), label: printable(name), standing: Standing::Active }
}

/// Line and column of an offset, both from 1.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before.get(line_start..).unwrap_or_default().chars().count() + 1)
}
