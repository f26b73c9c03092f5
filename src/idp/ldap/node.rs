//! What is known of one name in a directory.

use std::collections::BTreeSet;

use crate::dn::Dn;
use crate::snapshot::{Account, SourceId};

/// A name, and the entry that has it.
pub(super) struct Node {
    pub(super) dn: Dn,
    /// The spelling of the server: of the entry, or else of the least of the values that name it.
    pub(super) label: String,
    /// Whether the entry was found, or looked up.
    pub(super) known: bool,
    pub(super) group: Option<GroupNode>,
    pub(super) person: Option<Person>,
    pub(super) rest: Rest,
}

/// What is known of an entry that is neither a group nor a person that the search found.
pub(super) enum Rest {
    Nothing,
    /// No such entry.
    Gone,
    /// It cannot be told what this is.
    Unclear(String),
    /// The server's other spelling of a name.
    Same(usize),
}

pub(super) enum Person {
    Usable {
        id: Option<SourceId>,
        account: Account,
    },
    Locked,
    /// Without a username; of a group that a wide `user_filter` finds too, nothing is missing.
    Nameless(String),
    Unclear(String),
}

#[derive(Default)]
pub(super) struct GroupNode {
    /// The names, if the search for groups found it.
    pub(super) names: BTreeSet<String>,
    pub(super) id: Option<SourceId>,
    /// Whom it names by their distinguished names.
    pub(super) members: BTreeSet<usize>,
    /// Whom it names by their usernames.
    pub(super) usernames: BTreeSet<String>,
    /// By which people have it as their primary group, where there is such a thing.
    pub(super) sid: Option<Vec<u8>>,
    /// Why there may be more members.
    pub(super) flaws: BTreeSet<String>,
}

impl Node {
    pub(super) fn id(&self) -> Option<&str> {
        match (&self.group, &self.person) {
            (_, Some(Person::Usable { id: Some(id), .. })) => Some(id),
            (Some(group), _) => group.id.as_deref(),
            _ => None,
        }
    }

    pub(super) fn puzzle(&self) -> &str {
        match (&self.person, &self.rest) {
            (Some(Person::Nameless(why) | Person::Unclear(why)), _) | (_, Rest::Unclear(why)) => why,
            _ => "",
        }
    }
}
