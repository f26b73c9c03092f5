//! From entries to what is known of a directory.

use std::collections::BTreeSet;

use super::account::{self, State};
use super::entry::Entry;
use super::membership::Directory;
use super::node::{GroupNode, Person, Rest};
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

/// What is said of a dynamic group that is not known to be complete.
const UNEXPANDED: &str = "it has members by a memberURL, and the server is not seen to work them out";

impl Directory<'_> {
    /// Takes in people.
    pub(super) fn add_people(&mut self, entries: impl IntoIterator<Item = Entry>) -> Result<(), String> {
        entries.into_iter().try_for_each(|entry| self.add_person(&entry))
    }

    /// Takes in groups. `stored` has those whose members may be worked out by the server, as they are without that.
    pub(super) fn add_groups<'b>(
        &mut self,
        entries: impl IntoIterator<Item = &'b Entry>,
        stored: &BTreeSet<Entry>,
    ) -> Result<(), String> {
        for entry in entries {
            let at = self.enter(entry)?;
            let names: BTreeSet<String> = entry.texts(&self.layout.group_name_attribute).map(str::to_owned).collect();
            if names.is_empty() {
                let attribute = &self.layout.group_name_attribute;
                self.more_groups.get_or_insert_with(|| format!("a group has no {attribute} that can be read"));
            }
            self.add_group(at, entry, names, stored);
        }
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
            State::Nameless(reason) => Person::Nameless(reason),
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

    fn add_group(&mut self, at: usize, entry: &Entry, names: BTreeSet<String>, stored: &BTreeSet<Entry>) {
        let mut group = GroupNode { names, id: entry.id(&self.layout.id_attributes), ..GroupNode::default() };
        for attribute in &self.layout.member_attributes {
            if entry.is_cut(attribute) {
                group.flaws.insert(format!("the server sent only a part of {attribute}, as a range"));
            }
            if entry.has_options(attribute) {
                group.flaws.insert(format!("it has values of {attribute} with an option, which are not understood"));
            }
            for value in entry.values(attribute) {
                let Ok(value) = std::str::from_utf8(value) else {
                    group.flaws.insert(format!("a value of {attribute} is no text"));
                    continue;
                };
                if attribute.eq_ignore_ascii_case("memberUid") {
                    group.usernames.insert(value.to_owned());
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
            match entry.values("objectSid").first().filter(|sid| sid::is_sid(sid)) {
                Some(sid) => group.sid = Some(sid.clone()),
                None => {
                    group.flaws.insert("it has no objectSid that can be read: whose primary group it is".into());
                }
            }
        }
        if !entry.values("memberURL").is_empty() && !self.is_worked_out(entry, stored) {
            group.flaws.insert(UNEXPANDED.into());
        }
        if !entry.values("ipaExternalMember").is_empty() && self.layout.foreign_members == ForeignMembers::Hold {
            group.flaws.insert("it has external members (ipaExternalMember), whom this directory does not know".into());
        }
        let Some(node) = self.nodes.get_mut(at) else { return };
        if let Some(other) = node.group.take() {
            group.names.extend(other.names);
            group.members.extend(other.members);
            group.usernames.extend(other.usernames);
            group.sid = group.sid.or(other.sid);
            group.flaws.extend(other.flaws);
            group.flaws.insert("its entry came twice, with different content".into());
        }
        node.group = Some(group);
    }

    /// Whether a server is seen to work out the members of a dynamic group: it has more of them than are stored. One
    /// that does not hands out the URL alone, or with members who are there besides (slapo-dynlist(5)).
    fn is_worked_out(&self, entry: &Entry, stored: &BTreeSet<Entry>) -> bool {
        let Ok(dn) = Dn::parse(&entry.dn) else { return false };
        let stored = stored.iter().find(|stored| Dn::parse(&stored.dn).is_ok_and(|stored| stored == dn));
        stored.is_some_and(|stored| {
            self.layout.member_attributes.iter().any(|attribute| entry.values(attribute) != stored.values(attribute))
        })
    }

    /// An entry that neither search found: a group, or somebody whom the filter is there to leave out.
    pub(super) fn add_found(&mut self, entry: &Entry) -> Result<usize, String> {
        let at = self.enter(entry)?;
        let attributes = &self.layout.member_attributes;
        let dynamic = ["memberURL", "ipaExternalMember"].iter().any(|attribute| !entry.values(attribute).is_empty());
        let is_group = dynamic
            || entry.texts("objectClass").any(|class| GROUP_CLASSES.contains(&class.to_lowercase().as_str()))
            || attributes.iter().any(|attribute| {
                !entry.values(attribute).is_empty() || entry.is_cut(attribute) || entry.has_options(attribute)
            });
        if is_group {
            self.add_group(at, entry, BTreeSet::new(), &BTreeSet::new());
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
