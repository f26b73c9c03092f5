//! People and others who are looked up because groups name them, many with each search.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use ldap3::ldap_escape;

use super::entry::Entry;
use super::error::{LdapFailure, Step};
use super::membership::{Directory, Reached};
use super::read::{Reading, malformed};
use super::search::{Ask, Lookup};
use super::sid;
use crate::dn::Dn;

/// How many names go into one search. More make a slow filter, fewer more searches.
const NAMES: usize = 100;
/// How many lookups of single names are under way at a time.
const LOOKUPS: usize = 64;

/// Looking up somebody whom a group names takes as long as reading this many people of everybody, page by page, where
/// one search finds many: of slapd with 50,000 people and of this program together, 22 µs of CPU time for each of
/// everybody, and 75 to 90 µs for a name (`examples/bench_ldap.rs`).
const COST_OF_A_NAME: usize = 4;
/// Likewise where each takes searches of its own: 356 µs.
const COST_ALONE: usize = 16;

/// By which attribute many names can be looked up at once.
#[derive(Clone, Copy)]
enum Naming {
    NotAsked,
    None,
    By(&'static str),
}

/// Names that are looked up, with their numbers.
type Names = Vec<(usize, String)>;

/// Looks up by names.
pub(super) struct ByName<'a> {
    reading: &'a Reading<'a>,
    user_base: Option<Dn>,
    /// The attribute by which many names can be looked up at once; asked for with the first names.
    naming: Naming,
    /// The people so far: who is found in two ways is one person.
    people: BTreeSet<Entry>,
}

impl<'a> ByName<'a> {
    pub(super) fn of(reading: &'a Reading<'a>) -> Self {
        let user_base = Dn::parse(&reading.idp.user_base).ok();
        Self { reading, user_base, naming: Naming::NotAsked, people: BTreeSet::new() }
    }

    /// As how many people of everybody it costs to look up those whom wanted groups name.
    pub(super) async fn cost(&mut self, reached: &Reached) -> Result<usize, LdapFailure> {
        if !self.reading.session.pages {
            // All of them come with the first answer.
            return Ok(usize::MAX);
        }
        let names = reached.unknown.len();
        let each = match self.naming(&reached.unknown).await? {
            None if names > 1 => COST_ALONE,
            _ => COST_OF_A_NAME,
        };
        let usernames = reached.usernames.len().saturating_mul(COST_OF_A_NAME);
        Ok(names.saturating_mul(each).saturating_add(usernames))
    }

    /// Reads the people whom wanted groups reach, and whoever has the username of one of them, since two accounts may
    /// not be one user. `Some` says why everybody has to be read to be sure.
    ///
    /// Two accounts that are one user by `[renamed_users]` alone are seen only if both are reached.
    pub(super) async fn read(&mut self, directory: &mut Directory<'_>) -> Result<Option<&'static str>, LdapFailure> {
        let filter = &self.reading.layout.user_filter;
        let (mut usernames, mut sids) = (BTreeSet::new(), BTreeSet::new());
        if self.reading.layout.has_primary_groups() {
            let rootless = ["(!(primaryGroupID=*))".to_owned(), "(!(objectSid=*))".to_owned()];
            self.find_people(directory, &rootless).await?;
        }
        loop {
            let reached = directory.reached();
            let new_usernames: BTreeSet<_> = reached.usernames.difference(&usernames).cloned().collect();
            let new_sids: BTreeSet<_> = reached.sids.difference(&sids).cloned().collect();
            if reached.unknown.is_empty() && new_usernames.is_empty() && new_sids.is_empty() {
                break;
            }
            if let Some(naming) = self.naming(&reached.unknown).await? {
                let terms: Vec<_> = reached.unknown.iter().map(|(_, dn)| term(naming, dn)).collect();
                self.find_people(directory, &terms).await?;
            }
            let terms: Vec<_> = new_usernames.iter().map(|name| self.by_username(name, true)).collect();
            self.find_people(directory, &terms).await?;
            let terms: Vec<_> = new_sids
                .iter()
                .filter_map(|sid| sid::relative(sid))
                .map(|relative| format!("(primaryGroupID={relative})"))
                .collect();
            self.find_people(directory, &terms).await?;
            usernames.extend(new_usernames);
            sids.extend(new_sids);
            let left: Names = reached.unknown.into_iter().filter(|(at, _)| !directory.is_known(*at)).collect();
            let left = self.many(directory, left).await?;
            self.one_by_one(directory, left, Some(filter)).await?;
        }
        let reached = directory.reached();
        let terms: Vec<_> = reached.people.iter().map(|name| self.by_username(name, false)).collect();
        self.find_people(directory, &terms).await?;
        Ok(if self.people.is_empty() {
            Some("no group names a person that can be found")
        } else if reached.strangers {
            Some("a memberUid is nobody's, or somebody's whose username cannot be read")
        } else {
            None
        })
    }

    /// Looks up what everybody who is read is not.
    pub(super) async fn look_up_others(&mut self, directory: &mut Directory<'_>) -> Result<(), LdapFailure> {
        loop {
            let unknown = directory.reached().unknown;
            if unknown.is_empty() {
                return Ok(());
            }
            tracing::debug!(count = unknown.len(), "looking up members");
            let left = self.many(directory, unknown).await?;
            self.one_by_one(directory, left, None).await?;
        }
    }

    /// What finds the people with a username, which is in lower case.
    fn by_username(&self, name: &str, in_group: bool) -> String {
        let attribute = &self.reading.layout.username_attribute;
        let mut term = if attribute.eq_ignore_ascii_case("userPrincipalName") {
            format!("(|({attribute}={0})({attribute}={0}@*))", ldap_escape(name))
        } else {
            term(attribute, name)
        };
        if in_group && !attribute.eq_ignore_ascii_case("uid") {
            term = format!("(|{term}(uid={}))", ldap_escape(name));
        }
        term
    }

    async fn naming(&mut self, names: &Names) -> Result<Option<&'static str>, LdapFailure> {
        // A single name is a search of its own either way.
        if matches!(self.naming, Naming::NotAsked) && names.len() > 1 {
            let naming = self.reading.session.naming_attribute(&self.reading.idp.user_base).await?;
            tracing::debug!(attribute = naming.unwrap_or("none"), "members can be looked up by an attribute");
            self.naming = naming.map_or(Naming::None, Naming::By);
        }
        Ok(match self.naming {
            Naming::By(attribute) => Some(attribute),
            Naming::NotAsked | Naming::None => None,
        })
    }

    /// Takes in the people below `user_base` whom one of the terms finds.
    async fn find_people(&mut self, directory: &mut Directory<'_>, terms: &[String]) -> Result<(), LdapFailure> {
        let Reading { idp, layout, user_attributes, .. } = self.reading;
        let found = self.search(&idp.user_base, &layout.user_filter, terms, user_attributes).await?;
        let new: Vec<Entry> = found.into_iter().filter(|entry| self.people.insert(entry.clone())).collect();
        directory.add_people(new).map_err(malformed(&Step::Lookup))
    }

    /// Looks up names anywhere, many with each search; the names that are left come back.
    async fn many(&mut self, directory: &mut Directory<'_>, names: Names) -> Result<Names, LdapFailure> {
        let Some(naming) = self.naming(&names).await? else { return Ok(names) };
        let contexts: Vec<(&String, Dn)> = (self.reading.root.contexts.iter())
            .filter_map(|context| Some((context, Dn::parse(context).ok().filter(|dn| !dn.is_empty())?)))
            .collect();
        let mut found = Vec::new();
        for (context, base) in &contexts {
            let inside = |at: &usize| directory.nodes.get(*at).is_some_and(|node| node.dn.is_at_or_below(base));
            let terms: Vec<_> = names.iter().filter(|(at, _)| inside(at)).map(|(_, dn)| term(naming, dn)).collect();
            found.extend(self.search(context, "", &terms, &self.reading.group_attributes).await?);
        }
        // In the order of the questions, so that the order of the answers does not matter.
        let mut left = Vec::new();
        let mut found: BTreeMap<usize, Entry> =
            found.into_iter().filter_map(|entry| Some((directory.find(&entry.dn)?, entry))).collect();
        for (at, dn) in names {
            match found.remove(&at) {
                Some(entry) => {
                    let lookup = Lookup::Found(Box::new(entry));
                    directory.resolve(at, lookup).map_err(malformed(&Step::Lookup))?;
                }
                None => left.push((at, dn)),
            }
        }
        Ok(left)
    }

    /// Looks up names with a search each. With a filter, who matches it is a person.
    async fn one_by_one(
        &mut self,
        directory: &mut Directory<'_>,
        names: Names,
        filter: Option<&String>,
    ) -> Result<(), LdapFailure> {
        let Reading { session, group_attributes, user_attributes, .. } = self.reading;
        let user_base = &self.user_base;
        let lookups = names.into_iter().map(async |(at, dn)| {
            let lookup = session.lookup(&dn, group_attributes).await?;
            let person = match (&lookup, filter, user_base) {
                (Lookup::Found(entry), Some(filter), Some(base))
                    if Dn::parse(&entry.dn).is_ok_and(|dn| dn.is_at_or_below(base)) =>
                {
                    session.matching(&entry.dn, filter, user_attributes).await?
                }
                _ => None,
            };
            Ok((at, lookup, person))
        });
        let answers: Vec<_> = stream::iter(lookups).buffered(LOOKUPS).try_collect().await?;
        for (at, lookup, person) in answers {
            if let Some(person) = person
                && self.people.insert(person.clone())
            {
                directory.add_people([person]).map_err(malformed(&Step::Lookup))?;
            }
            directory.resolve(at, lookup).map_err(malformed(&Step::Lookup))?;
        }
        Ok(())
    }

    async fn search(
        &self,
        base: &str,
        filter: &str,
        terms: &[String],
        attributes: &[String],
    ) -> Result<BTreeSet<Entry>, LdapFailure> {
        let mut found = BTreeSet::new();
        for terms in terms.chunks(NAMES) {
            let filter = format!("(&{filter}(|{}))", terms.concat());
            let page_size = self.reading.idp.page_size;
            let ask = Ask { step: Step::Lookup, base, filter: &filter, attributes, page_size, stored: false };
            found.extend(self.reading.session.search(&ask).await?.entries);
        }
        Ok(found)
    }
}

fn term(attribute: &str, value: &str) -> String {
    format!("({attribute}={})", ldap_escape(value))
}
