//! From entries to the accounts that each group reaches, through groups in groups to any depth.

use std::collections::{BTreeSet, HashMap};

use super::entry::Entry;
use super::layout::Layout;
use super::node::{GroupNode, Node, Person, Rest};
use super::search::Lookup;
use crate::dn::Dn;
use crate::printable::line;

/// Everything that is known of a directory: a graph whose nodes are names.
///
/// People and groups may come in any order: what a group names is followed only when it is asked for.
pub(super) struct Directory<'a> {
    pub(super) layout: &'a Layout,
    pub(super) wanted: &'a (dyn Fn(&str) -> bool + Sync),
    index: HashMap<Dn, usize>,
    pub(super) nodes: Vec<Node>,
    /// Who a `memberUid` means.
    pub(super) usernames: HashMap<String, Vec<usize>>,
    /// How many people have no name that a `memberUid` could be compared with.
    pub(super) nameless: usize,
    /// Whose primary group has an `objectSid`.
    pub(super) primary: HashMap<Vec<u8>, Vec<usize>>,
    /// How many people have a primary group that cannot be told.
    pub(super) rootless: usize,
    /// Whether there are references below `user_base` to servers that may have more people.
    pub(super) has_more_people: bool,
    pub(super) notices: BTreeSet<String>,
    /// Why there may be more groups than these, if so.
    pub(super) more_groups: Option<String>,
}

/// What wanted groups reach.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// The names about which nothing is known yet, each with its number for [`Directory::resolve`]. Empty when
    /// everything is known.
    pub(super) unknown: Vec<(usize, String)>,
    /// The usernames of the people, in lower case.
    pub(super) people: BTreeSet<String>,
    /// The usernames by which groups name people, in lower case.
    pub(super) usernames: BTreeSet<String>,
    /// The groups that may be somebody's primary group.
    pub(super) sids: BTreeSet<Vec<u8>>,
    /// Whether some username is nobody's.
    pub(super) strangers: bool,
}

impl<'a> Directory<'a> {
    /// An empty directory; `wanted` tells the names of the groups that matter.
    pub(super) fn new(layout: &'a Layout, wanted: &'a (dyn Fn(&str) -> bool + Sync)) -> Self {
        Self {
            layout,
            wanted,
            index: HashMap::new(),
            nodes: Vec::new(),
            usernames: HashMap::new(),
            nameless: 0,
            primary: HashMap::new(),
            rootless: 0,
            has_more_people: false,
            notices: BTreeSet::new(),
            more_groups: None,
        }
    }

    /// Adds what a person should know about the answer.
    pub(super) fn notice(&mut self, text: String) {
        self.notices.insert(text);
    }

    /// The node of an entry.
    pub(super) fn enter(&mut self, entry: &Entry) -> Result<usize, String> {
        let dn = Dn::parse(&entry.dn).map_err(|_| format!("an entry whose DN \"{}\" is none", line(&entry.dn)))?;
        let at = self.intern(dn, &entry.dn);
        if let Some(node) = self.nodes.get_mut(at) {
            if !node.known || entry.dn < node.label {
                node.label.clone_from(&entry.dn);
            }
            node.known = true;
        }
        Ok(at)
    }

    /// The node of a name.
    pub(super) fn intern(&mut self, dn: Dn, label: &str) -> usize {
        if let Some(at) = self.index.get(&dn) {
            if let Some(node) = self.nodes.get_mut(*at)
                && !node.known
                && label < node.label.as_str()
            {
                label.clone_into(&mut node.label);
            }
            return *at;
        }
        let at = self.nodes.len();
        self.index.insert(dn.clone(), at);
        let label = label.to_owned();
        self.nodes.push(Node { dn, label, known: false, group: None, person: None, rest: Rest::Nothing });
        at
    }

    /// Where a name leads: to members by whatever they are named, and to the server's other spelling.
    pub(super) fn leads_to<'b>(&'b self, node: &'b Node) -> impl Iterator<Item = usize> + 'b {
        let same = if let Rest::Same(other) = node.rest { Some(other) } else { None };
        node.group.iter().flat_map(|group| self.members(group)).chain(same)
    }

    /// The members of a group that are known.
    pub(super) fn members<'b>(&'b self, group: &'b GroupNode) -> impl Iterator<Item = usize> + 'b {
        let named = group.usernames.iter().filter_map(|name| self.usernames.get(&name.to_lowercase())).flatten();
        let primary = group.sid.iter().filter_map(|sid| self.primary.get(sid)).flatten();
        group.members.iter().chain(named).chain(primary).copied()
    }

    /// The usernames in a group that are nobody's.
    pub(super) fn strangers<'b>(&'b self, group: &'b GroupNode) -> impl Iterator<Item = &'b str> + 'b {
        group.usernames.iter().map(String::as_str).filter(|name| !self.usernames.contains_key(&name.to_lowercase()))
    }

    /// What wanted groups reach, as far as it is known.
    pub(super) fn reached(&self) -> Reached {
        let wanted =
            |node: &Node| node.group.as_ref().is_some_and(|group| group.names.iter().any(|name| (self.wanted)(name)));
        let mut open: Vec<usize> = (0..self.nodes.len()).filter(|at| self.nodes.get(*at).is_some_and(wanted)).collect();
        let mut seen = vec![false; self.nodes.len()];
        let mut reached = Reached::default();
        while let Some(at) = open.pop() {
            let (Some(node), Some(seen)) = (self.nodes.get(at), seen.get_mut(at)) else { continue };
            if std::mem::replace(seen, true) {
                continue;
            }
            if !node.known {
                reached.unknown.push((at, node.label.clone()));
                continue;
            }
            if let Some(Person::Usable { account, .. }) = &node.person {
                reached.people.insert(account.username.to_lowercase());
            }
            if let Some(group) = &node.group {
                reached.usernames.extend(group.usernames.iter().map(|name| name.to_lowercase()));
                reached.sids.extend(group.sid.clone());
                reached.strangers |= self.strangers(group).next().is_some();
            }
            open.extend(self.leads_to(node));
        }
        // The order decides how an entry is labelled that two lookups find.
        reached.unknown.sort_by(|(_, left), (_, right)| left.cmp(right));
        reached
    }

    /// The node with a name, if there is one.
    pub(super) fn find(&self, dn: &str) -> Option<usize> {
        Dn::parse(dn).ok().and_then(|dn| self.index.get(&dn)).copied()
    }

    /// Whether the entry of a node was found.
    pub(super) fn is_known(&self, at: usize) -> bool {
        self.nodes.get(at).is_some_and(|node| node.known)
    }

    /// Takes in what a lookup found.
    pub(super) fn resolve(&mut self, at: usize, lookup: Lookup) -> Result<(), String> {
        let mut rest = match lookup {
            Lookup::NoSuchObject => Rest::Gone,
            Lookup::Unclear(why) => Rest::Unclear(format!("cannot be looked up: {why}")),
            Lookup::Found(entry) => match self.find(&entry.dn).filter(|other| self.is_known(*other)) {
                Some(other) => Rest::Same(other),
                None => Rest::Same(self.add_found(&entry)?),
            },
        };
        if let Some(node) = self.nodes.get_mut(at) {
            if matches!(rest, Rest::Same(other) if other == at) {
                rest = std::mem::replace(&mut node.rest, Rest::Nothing);
            }
            node.rest = rest;
            node.known = true;
        }
        Ok(())
    }
}
