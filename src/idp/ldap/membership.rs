//! From entries to the accounts that each group reaches, through groups in groups to any depth.

use std::collections::{BTreeSet, HashMap};

use super::account::{self, State};
use super::entry::Entry;
use super::layout::Layout;
use super::node::{GroupNode, Node, Person, Rest};
use super::search::Lookup;
use super::sid;
use crate::config::ForeignMembers;
use crate::dn::Dn;
use crate::printable::line;
use crate::snapshot::Account;

/// The object classes of groups that are found by looking up a member.
const GROUP_CLASSES: [&str; 10] = [
    "groupofnames",
    "groupofuniquenames",
    "groupofmembers",
    "groupofentries",
    "posixgroup",
    "group",
    "ipausergroup",
    "nestedgroup",
    "groupofurls",
    "ipaexternalgroup",
];

/// Everything that is known of a directory: a graph whose nodes are names.
///
/// A name that neither search found is looked up if a wanted group reaches it. One search for all the entries below
/// `user_base` would need no lookups, but reads people that nobody asked for; lookups go out many at a time, each
/// name once, and most directories need few of them.
pub(super) struct Directory<'a> {
    pub(super) layout: &'a Layout,
    pub(super) wanted: &'a (dyn Fn(&str) -> bool + Sync),
    index: HashMap<Dn, usize>,
    pub(super) nodes: Vec<Node>,
    /// Who a `memberUid` means.
    usernames: HashMap<String, Vec<usize>>,
    /// How many people have no name that a `memberUid` could be compared with.
    pub(super) nameless: usize,
    /// Whose primary group has an `objectSid`.
    primary: HashMap<Vec<u8>, Vec<usize>>,
    /// How many people have a primary group that cannot be told.
    pub(super) rootless: usize,
    pub(super) notices: BTreeSet<String>,
    /// Why there may be more groups than these, if so.
    pub(super) more_groups: Option<String>,
    /// What wanted groups reach, and what of that is not followed yet.
    reached: Vec<bool>,
    open: Vec<usize>,
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
            notices: BTreeSet::new(),
            more_groups: None,
            reached: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Adds what a person should know about the answer.
    pub(super) fn notice(&mut self, text: String) {
        self.notices.insert(text);
    }

    /// Takes in the people. They come before the groups, which may name them by username.
    pub(super) fn add_people(&mut self, entries: impl IntoIterator<Item = Entry>) -> Result<(), String> {
        entries.into_iter().try_for_each(|entry| self.add_person(&entry))
    }

    /// Takes in the groups.
    pub(super) fn add_groups(&mut self, entries: impl IntoIterator<Item = Entry>) -> Result<(), String> {
        for entry in entries {
            let at = self.enter(&entry)?;
            let names = entry.texts(&self.layout.group_name_attribute).map(str::to_owned).collect();
            self.add_group(at, &entry, names);
        }
        let wanted =
            |node: &Node| node.group.as_ref().is_some_and(|group| group.names.iter().any(|name| (self.wanted)(name)));
        self.open = (0..self.nodes.len()).filter(|at| self.nodes.get(*at).is_some_and(wanted)).collect();
        Ok(())
    }

    fn add_person(&mut self, entry: &Entry) -> Result<(), String> {
        let at = self.enter(entry)?;
        let state = account::state(entry, self.layout);
        let mut names: BTreeSet<String> = entry.texts("uid").map(str::to_lowercase).collect();
        let person = match state {
            State::Usable { username, standing } => {
                names.insert(username.to_lowercase());
                let account = Account { username, mxid: None, label: line(&entry.dn), standing };
                Person::Usable { id: entry.id(&self.layout.id_attributes), account }
            }
            State::Locked => Person::Locked,
            State::Unclear(reason) => Person::Unclear(reason),
        };
        if names.is_empty() {
            self.nameless += 1;
        }
        if self.layout.has_primary_groups() {
            let own = entry.values("objectSid").first();
            let id = entry.texts("primaryGroupID").next();
            match own.zip(id).and_then(|(own, id)| sid::primary_group(own, id)) {
                Some(group) => self.primary.entry(group).or_default().push(at),
                None => self.rootless += 1,
            }
        }
        for name in names {
            let whose = self.usernames.entry(name).or_default();
            if !whose.contains(&at) {
                whose.push(at);
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.person = Some(match node.person {
                None => person,
                Some(_) => Person::Unclear("came twice, with different content".into()),
            });
        }
        Ok(())
    }

    fn add_group(&mut self, at: usize, entry: &Entry, names: BTreeSet<String>) {
        let mut group = GroupNode { names, id: entry.id(&self.layout.id_attributes), ..GroupNode::default() };
        for attribute in &self.layout.member_attributes {
            if entry.is_cut(attribute) {
                group.flaws.insert(format!("the server sent only a part of {attribute}, as a range"));
            }
            for value in entry.values(attribute) {
                let Ok(value) = std::str::from_utf8(value) else {
                    group.flaws.insert(format!("a value of {attribute} is no text"));
                    continue;
                };
                if attribute.eq_ignore_ascii_case("memberUid") {
                    match self.usernames.get(&value.to_lowercase()) {
                        Some(people) => group.members.extend(people),
                        None => {
                            group.strangers.insert(value.to_owned());
                        }
                    }
                    continue;
                }
                let unique = attribute.eq_ignore_ascii_case("uniqueMember");
                let name = if unique { without_uid(value) } else { value };
                match Dn::parse(name) {
                    Ok(dn) if dn.is_empty() => {}
                    Ok(dn) => {
                        group.members.insert(self.intern(dn, name));
                    }
                    Err(_) => {
                        let value = line(value);
                        group.flaws.insert(format!("the value \"{value}\" of {attribute} is no distinguished name"));
                    }
                }
            }
        }
        if self.layout.has_primary_groups() {
            match entry.values("objectSid").first() {
                Some(sid) => {
                    group.has_sid = true;
                    group.members.extend(self.primary.get(sid).into_iter().flatten());
                }
                None => {
                    group.flaws.insert("it has no objectSid that can be read: whose primary group it is".into());
                }
            }
        }
        // Dynamic groups of OpenLDAP; a server that does not work the URL out hands it out alone (slapo-dynlist(5)).
        let dynamic = !entry.values("memberURL").is_empty();
        if dynamic && group.members.is_empty() && group.strangers.is_empty() {
            group.flaws.insert("its members are those of a memberURL, which the server did not work out".into());
        }
        if !entry.values("ipaExternalMember").is_empty() && self.layout.foreign_members == ForeignMembers::Hold {
            group.flaws.insert("it has external members (ipaExternalMember), whom this directory does not know".into());
        }
        let Some(node) = self.nodes.get_mut(at) else { return };
        if let Some(other) = node.group.take() {
            group.names.extend(other.names);
            group.members.extend(other.members);
            group.strangers.extend(other.strangers);
            group.flaws.extend(other.flaws);
            group.flaws.insert("its entry came twice, with different content".into());
        }
        node.group = Some(group);
    }

    /// The node of an entry.
    fn enter(&mut self, entry: &Entry) -> Result<usize, String> {
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
    fn intern(&mut self, dn: Dn, label: &str) -> usize {
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

    /// The names that wanted groups reach and about which nothing is known yet, each with its number for
    /// [`Directory::resolve`]. Empty when everything is known.
    pub(super) fn unknown(&mut self) -> Vec<(usize, String)> {
        self.reached.resize(self.nodes.len(), false);
        let mut unknown = Vec::new();
        while let Some(at) = self.open.pop() {
            let (Some(node), Some(reached)) = (self.nodes.get(at), self.reached.get_mut(at)) else { continue };
            if std::mem::replace(reached, true) {
                continue;
            }
            if node.known {
                self.open.extend(node.leads_to());
            } else {
                unknown.push((at, node.label.clone()));
            }
        }
        // The order decides how an entry is labelled that two lookups find.
        unknown.sort_by(|(_, left), (_, right)| left.cmp(right));
        unknown
    }

    /// Takes in what a lookup found.
    pub(super) fn resolve(&mut self, at: usize, lookup: Lookup) -> Result<(), String> {
        let mut rest = match lookup {
            Lookup::NoSuchObject => Rest::Gone,
            Lookup::Unclear(why) => Rest::Unclear(format!("cannot be looked up: {why}")),
            Lookup::Found(entry) => {
                let known = Dn::parse(&entry.dn).ok().and_then(|dn| self.index.get(&dn)).copied();
                let other = known.filter(|other| self.nodes.get(*other).is_some_and(|node| node.known));
                match other {
                    Some(other) => Rest::Same(other),
                    None => Rest::Same(self.add_found(&entry)?),
                }
            }
        };
        if let Some(node) = self.nodes.get_mut(at) {
            if matches!(rest, Rest::Same(other) if other == at) {
                rest = std::mem::replace(&mut node.rest, Rest::Nothing);
            }
            node.rest = rest;
            node.known = true;
            self.open.extend(node.leads_to());
        }
        Ok(())
    }

    /// An entry that neither search found: a group, or somebody whom the filter is there to leave out.
    fn add_found(&mut self, entry: &Entry) -> Result<usize, String> {
        let at = self.enter(entry)?;
        let attributes = &self.layout.member_attributes;
        let is_group = entry.texts("objectClass").any(|class| GROUP_CLASSES.contains(&class.to_lowercase().as_str()))
            || attributes.iter().any(|attribute| !entry.values(attribute).is_empty() || entry.is_cut(attribute));
        if is_group {
            self.add_group(at, entry, BTreeSet::new());
        } else if entry.texts("objectClass").any(|class| class.eq_ignore_ascii_case("foreignSecurityPrincipal"))
            && self.layout.foreign_members == ForeignMembers::Hold
        {
            // MS-ADTS, section 6.1.1.4.10.
            if let Some(node) = self.nodes.get_mut(at) {
                node.rest = Rest::Unclear("is somebody of another forest (a foreign security principal)".into());
            }
        } else if entry.values("objectClass").is_empty() {
            if let Some(node) = self.nodes.get_mut(at) {
                node.rest = Rest::Unclear("has no objectClass that can be read".into());
            }
        } else {
            tracing::debug!(dn = %line(&entry.dn), "a member that user_filter or user_base leaves out");
        }
        Ok(at)
    }
}

/// The name in a value with an optional UID, `cn=x,dc=com#'0101'B` (RFC 4517, section 3.3.21).
fn without_uid(value: &str) -> &str {
    let bits = value.strip_suffix("'B").and_then(|rest| rest.rsplit_once("#'"));
    match bits {
        Some((name, bits)) if bits.chars().all(|bit| matches!(bit, '0' | '1')) => name,
        _ => value,
    }
}
