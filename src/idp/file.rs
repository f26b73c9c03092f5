//! A TOML or JSON file with rooms and members.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;
use toml::Spanned;

use crate::bounded;
use crate::config::FileIdp;
use crate::place::{line_and_column, write_place};
use crate::printable::line;
use crate::snapshot::{Account, Group, Members, Snapshot, SourceId, Standing};

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
        write_place(f, &self.file, self.position, "")?;
        f.write_str(&line(&self.message))
    }
}

impl std::error::Error for FileError {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents<T> {
    #[serde(default = "Vec::new")]
    rooms: Vec<Room<T>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Room<T> {
    alias: T,
    id: Option<T>,
    #[serde(default = "Vec::new")]
    members: Vec<T>,
    #[serde(default = "Vec::new")]
    moderators: Vec<T>,
}

/// A text that knows its offset in the file.
trait Placed {
    /// What it says and where it stands; the text is `None` if it is none.
    fn read(&self, file: &str) -> (Option<String>, usize);
}

impl Placed for Spanned<String> {
    fn read(&self, _: &str) -> (Option<String>, usize) {
        (Some(self.get_ref().clone()), self.span().start)
    }
}

impl Placed for &RawValue {
    fn read(&self, file: &str) -> (Option<String>, usize) {
        // It is borrowed from the text of the file.
        let offset = (self.get().as_ptr() as usize).saturating_sub(file.as_ptr() as usize);
        (serde_json::from_str(self.get()).ok(), offset)
    }
}

/// A room of which everything has been checked.
#[derive(Debug)]
struct Checked {
    alias: String,
    id: String,
    members: BTreeSet<SourceId>,
    moderators: BTreeSet<SourceId>,
}

/// Checks what the formats cannot; an error tells its offset.
fn check<T: Placed>(contents: &Contents<T>, file: &str) -> Result<Vec<Checked>, (usize, String)> {
    let text = |value: &T| match value.read(file) {
        (Some(text), offset) => Ok((text, offset)),
        (None, offset) => Err((offset, "expected a string".to_owned())),
    };
    let usernames = |values: &[T]| -> Result<BTreeSet<SourceId>, (usize, String)> {
        let mut names = BTreeSet::new();
        for value in values {
            let (name, offset) = text(value)?;
            if name.trim().is_empty() || name.contains(char::is_control) {
                return Err((offset, format!("expected a username, not {name:?}")));
            }
            names.insert(name.to_lowercase());
        }
        Ok(names)
    };
    let (mut aliases, mut ids, mut rooms) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for room in &contents.rooms {
        let (alias, at) = text(&room.alias)?;
        let (id, id_at) = room.id.as_ref().map_or_else(|| Ok((alias.clone(), at)), text)?;
        if !aliases.insert(alias.clone()) {
            return Err((at, format!("two rooms have the alias {alias}")));
        }
        if !ids.insert(id.clone()) {
            return Err((id_at, format!("two rooms have the id {id}")));
        }
        rooms.push(Checked { alias, id, members: usernames(&room.members)?, moderators: usernames(&room.moderators)? });
    }
    Ok(rooms)
}

/// Reads a file, on a thread of its own: the homeserver is asked meanwhile.
pub(super) async fn read(idp: &FileIdp, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Snapshot, FileError> {
    let path = idp.path.clone();
    let rooms = tokio::task::spawn_blocking(move || read_rooms(&path)).await.unwrap_or_else(|cause| {
        Err(FileError { file: idp.path.clone(), position: None, message: format!("cannot be read: {cause}") })
    })?;
    Ok(snapshot(rooms, wanted))
}

fn read_rooms(path: &Path) -> Result<Vec<Checked>, FileError> {
    let error = |message: String| FileError { file: path.to_owned(), position: None, message };
    let text = bounded::read_to_string(path).map_err(|cause| error(format!("cannot be read: {cause}. Check path")))?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<Vec<Checked>, FileError> {
    let error = |position, message| FileError { file: path.to_owned(), position, message };
    let unchecked = |(offset, message)| error(Some(line_and_column(text, offset)), message);
    match path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("toml") => {
            let contents = toml::from_str::<Contents<Spanned<String>>>(text).map_err(|cause| {
                let position = cause.span().map(|span| line_and_column(text, span.start));
                error(position, cause.message().to_owned())
            })?;
            check(&contents, text).map_err(unchecked)
        }
        Some("json") => {
            let contents = serde_json::from_str::<Contents<&RawValue>>(text).map_err(|cause| {
                let message = cause.to_string();
                let place = format!(" at line {} column {}", cause.line(), cause.column());
                let message = message.strip_suffix(&place).unwrap_or(&message).to_owned();
                error(Some((cause.line(), cause.column())), message)
            })?;
            check(&contents, text).map_err(unchecked)
        }
        _ => Err(error(None, "expected a file that ends in .toml or .json".into())),
    }
}

fn snapshot(rooms: Vec<Checked>, wanted: &dyn Fn(&str) -> bool) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for room in rooms {
        if !wanted(&room.alias) {
            snapshot.other_groups.insert(room.id);
            continue;
        }
        let names = room.members.iter().chain(&room.moderators);
        snapshot.accounts.extend(names.map(|name| (name.clone(), account(name))));
        snapshot.groups.push(Group {
            id: Some(room.id),
            label: line(&room.alias),
            name: room.alias,
            members: Members::Known(room.members),
            owners: Some(Members::Known(room.moderators)),
        });
    }
    snapshot.groups.sort_by(|left, right| left.name.cmp(&right.name));
    snapshot
}

fn account(name: &str) -> Account {
    Account { username: name.to_owned(), mxid: None, label: line(name), standing: Standing::Active }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = "[[rooms]]\nalias = \"#ops:example.com\"\nid = \"1\"\nmembers = [\"Alice\", \"alice\", \"bob\"]\n\
                        moderators = [\"BOB\"]\n[[rooms]]\nalias = \"#empty:example.com\"\n";

    fn read_text(name: &str, text: &str) -> Result<Snapshot, String> {
        parse(Path::new(name), text).map(|contents| snapshot(contents, &|_| true)).map_err(|error| error.to_string())
    }

    #[test]
    fn two_spellings_of_a_username_are_one_account() {
        let snapshot = read_text("rooms.toml", TOML).unwrap();
        assert_eq!(snapshot.accounts.keys().collect::<Vec<_>>(), ["alice", "bob"]);
        let [empty, ops] = snapshot.groups.as_slice() else { panic!("{snapshot:?}") };
        assert_eq!((ops.name.as_str(), ops.id.as_deref()), ("#ops:example.com", Some("1")));
        assert_eq!(ops.members, Members::Known(["alice".to_owned(), "bob".to_owned()].into()));
        assert_eq!(ops.owners, Some(Members::Known(["bob".to_owned()].into())));
        assert_eq!((empty.id.as_deref(), &empty.members), (Some("#empty:example.com"), &Members::Known([].into())));
    }

    #[test]
    fn json_says_the_same() {
        let json = r##"{"rooms": [{"alias": "#ops:example.com", "id": "1", "members": ["Alice", "bob"], "moderators": ["BOB"]},
                       {"alias": "#empty:example.com"}]}"##;
        assert_eq!(read_text("rooms.JSON", json), read_text("rooms.toml", TOML));
    }

    #[test]
    fn only_wanted_rooms_are_read() {
        let contents = parse(Path::new("rooms.toml"), TOML).unwrap();
        let snapshot = snapshot(contents, &|alias| alias == "#empty:example.com");
        assert_eq!((snapshot.groups.len(), snapshot.accounts.len()), (1, 0));
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (name, text, error) in [
            (
                "r.toml",
                "[[rooms]]\nalias = \"#a:b\"\nmember = []\n",
                "r.toml:3:1: unknown field `member`, expected one of `alias`, `id`, `members`, `moderators`",
            ),
            (
                "r.toml",
                "[[rooms]]\nalias = \"#a:b\"\nmembers = [\"a\", 1]\n",
                "r.toml:3:17: invalid type: integer `1`, expected a string",
            ),
            (
                "r.toml",
                "[[rooms]]\nalias = \"#a:b\"\nmembers = [\"a\", \" \"]\n",
                "r.toml:3:17: expected a username, not \" \"",
            ),
            ("r.toml", "rooms = 1\n", "r.toml:1:9: invalid type: integer `1`, expected a sequence"),
            ("r.toml", "[[rooms]\n", "r.toml:1:9: unclosed array table, expected `]`"),
            (
                "r.json",
                "{\"rooms\": [{\"alias\": \"#a:b\",\n \"member\": []}]}",
                "r.json:2:9: unknown field `member`, expected one of `alias`, `id`, `members`, `moderators`",
            ),
            ("r.json", "{\"rooms\": [\n{}]}", "r.json:2:2: missing field `alias`"),
            ("r.json", "{\"rooms\": [{\"alias\": 7}]}", "r.json:1:22: expected a string"),
            ("r.json", "{", "r.json:1:1: EOF while parsing an object"),
            ("r.yaml", "", "r.yaml: expected a file that ends in .toml or .json"),
        ] {
            assert_eq!(read_text(name, text).unwrap_err(), error);
        }
    }

    #[test]
    fn an_alias_or_id_that_is_there_twice_is_told_with_its_place() {
        let toml = format!("{TOML}[[rooms]]\nalias = \"#ops:example.com\"\n");
        assert_eq!(read_text("r.toml", &toml).unwrap_err(), "r.toml:9:9: two rooms have the alias #ops:example.com");
        let toml = format!("{TOML}[[rooms]]\nalias = \"#a:example.com\"\nid = \"1\"\n");
        assert_eq!(read_text("r.toml", &toml).unwrap_err(), "r.toml:10:6: two rooms have the id 1");
        let json = "{\"rooms\": [{\"alias\": \"#a:b\"},\n{\"alias\": \"#a:b\"}]}";
        assert_eq!(read_text("r.json", json).unwrap_err(), "r.json:2:11: two rooms have the alias #a:b");
    }

    #[test]
    fn fuzz_any_file_is_rooms_or_an_error_with_its_place() {
        let json =
            r##"{"rooms": [{"alias": "#ops:example.com", "id": "1", "members": ["Alice"], "moderators": ["BOB"]}]}"##;
        for (name, sample) in [("r.toml", TOML), ("r.json", json)] {
            let text = crate::fuzz::mutated(vec![sample.to_owned(), String::new()]);
            crate::fuzz::try_all(&text, |text| match read_text(name, &text) {
                Ok(snapshot) => {
                    let names: std::collections::BTreeSet<_> =
                        snapshot.groups.iter().map(|group| &group.name).collect();
                    assert_eq!(names.len(), snapshot.groups.len(), "{text}");
                    assert!(
                        snapshot
                            .accounts
                            .keys()
                            .all(|name| !name.trim().is_empty() && !name.contains(char::is_control))
                    );
                }
                Err(error) => {
                    let mut place = error.splitn(4, ':');
                    assert_eq!(place.next(), Some(name), "{error}");
                    for part in place.by_ref().take(2) {
                        assert!(part.parse::<usize>().is_ok(), "{error}\n{text:?}");
                    }
                }
            });
        }
    }
}
