//! All groups, and the people whom it takes to know their members.

use super::account;
use super::connect::Session;
use super::error::{LdapFailure, Problem, Step};
use super::layout::{Kind, Layout, Root};
use super::membership::Directory;
use super::people::ByName;
use super::search::{Ask, Found};
use crate::config::{LdapIdp, ReadPeople};
use crate::printable::line;
use crate::snapshot::Snapshot;

/// One reading of a directory.
pub(super) struct Reading<'a> {
    pub(super) session: &'a Session,
    pub(super) idp: &'a LdapIdp,
    pub(super) layout: &'a Layout,
    pub(super) root: &'a Root,
    wanted: &'a (dyn Fn(&str) -> bool + Sync),
    pub(super) group_attributes: Vec<String>,
    pub(super) user_attributes: Vec<String>,
}

impl<'a> Reading<'a> {
    pub(super) fn of(
        session: &'a Session,
        idp: &'a LdapIdp,
        layout: &'a Layout,
        root: &'a Root,
        wanted: &'a (dyn Fn(&str) -> bool + Sync),
    ) -> Self {
        let group_attributes = attributes(
            [layout.group_name_attribute.as_str(), "objectClass", "objectSid", "memberURL", "ipaExternalMember"]
                .into_iter()
                .chain(names(&layout.member_attributes)),
            &layout.id_attributes,
        );
        let user_attributes = attributes(
            [layout.username_attribute.as_str(), "uid", "objectSid", "primaryGroupID"]
                .into_iter()
                .chain(account::LOCKS),
            &layout.id_attributes,
        );
        Self { session, idp, layout, root, wanted, group_attributes, user_attributes }
    }

    // One search after the other: a connection may have one paged search under way at some servers.
    pub(super) async fn run(&self) -> Result<Snapshot, LdapFailure> {
        let in_groups = self.ask("group_base", &self.idp.group_base, &self.layout.group_filter, &self.group_attributes);
        let groups = self.session.search(&in_groups).await?;
        let stored = self.stored(&groups).await?;
        let mut directory = self.directory(&groups, &stored).map_err(malformed(&in_groups.step))?;
        let reached = directory.reached();
        let names = reached.unknown.len() + reached.usernames.len();
        let mut by_name = ByName::of(self);
        let among_people = self.ask("user_base", &self.idp.user_base, &self.layout.user_filter, &self.user_attributes);
        let everybody = match self.idp.read_people {
            ReadPeople::All => Some(self.session.search(&among_people).await?),
            ReadPeople::Members => None,
            ReadPeople::Auto => self.session.search_up_to(&among_people, by_name.cost(&reached).await?).await?,
        };
        let chosen = self.idp.read_people == ReadPeople::Auto;
        let people = if let Some(people) = everybody {
            let because = if chosen { "no more than can be looked up as fast" } else { "the configuration says so" };
            tracing::info!(people = people.entries.len(), named = names, %because, "everybody is read");
            people
        } else {
            let because = if chosen { "there are many more" } else { "the configuration says so" };
            tracing::info!(named = names, %because, "only people whom groups name are read");
            let Some(because) = by_name.read(&mut directory).await? else {
                return Ok(directory.into_snapshot());
            };
            directory = self.directory(&groups, &stored).map_err(malformed(&in_groups.step))?;
            let people = self.session.search(&among_people).await?;
            tracing::info!(people = people.entries.len(), %because, "everybody is read after all");
            people
        };
        drop(groups);
        if people.entries.is_empty() {
            return Err(LdapFailure { step: among_people.step, problem: Problem::NoPeople });
        }
        directory.has_more_people = self.note_references(&mut directory, &people, &self.idp.user_base);
        directory.add_people(people.entries).map_err(malformed(&among_people.step))?;
        by_name.look_up_others(&mut directory).await?;
        Ok(directory.into_snapshot())
    }

    fn directory(&self, groups: &Found, stored: &Found) -> Result<Directory<'a>, String> {
        let mut directory = Directory::new(self.layout, self.wanted);
        if groups.entries.is_empty() {
            directory.notice(format!(
                "no group was found below \"{}\": check group_base and group_filter",
                line(&self.idp.group_base)
            ));
            directory.more_groups = Some("no group was found at all".into());
        }
        if self.note_references(&mut directory, groups, &self.idp.group_base) {
            directory.more_groups = Some("continuation references to other servers were not followed".into());
        }
        directory.add_groups(&groups.entries, &stored.entries)?;
        Ok(directory)
    }

    /// The dynamic groups as they are stored, without the members that the server works out.
    async fn stored(&self, groups: &Found) -> Result<Found, LdapFailure> {
        if !self.root.has_stored() || groups.entries.iter().all(|group| group.values("memberURL").is_empty()) {
            return Ok(Found::default());
        }
        let filter = format!("(&{}(memberURL=*))", self.layout.group_filter);
        let attributes = attributes(names(&self.layout.member_attributes), &[]);
        let ask = self.ask("group_base", &self.idp.group_base, &filter, &attributes);
        self.session.search(&Ask { stored: true, ..ask }).await
    }

    /// Whether there are references that may hide something.
    fn note_references(&self, directory: &mut Directory<'_>, found: &Found, base: &str) -> bool {
        // Those of Active Directory name its own partitions, in every answer (MS-ADTS, section 3.1.1.3.4.1.12); who is
        // in another domain and a member here is looked up all the same.
        let hides_something = found.references > 0 && self.layout.kind != Kind::ActiveDirectory;
        if hides_something {
            directory.notice(format!(
                "below \"{}\", {} continuation references to other servers were not followed",
                line(base),
                found.references
            ));
        }
        hides_something
    }

    fn ask<'b>(&self, key: &'static str, base: &'b str, filter: &'b str, attributes: &'b [String]) -> Ask<'b> {
        let step = Step::Search { key, base: base.into(), filter: filter.into() };
        Ask { step, base, filter, attributes, page_size: self.idp.page_size, stored: false }
    }
}

pub(super) fn malformed(step: &Step) -> impl FnOnce(String) -> LdapFailure {
    let step = step.clone();
    move |what| LdapFailure { step, problem: Problem::Malformed(what) }
}

fn names(attributes: &[String]) -> impl Iterator<Item = &str> {
    attributes.iter().map(String::as_str)
}

/// Each attribute once: some servers refuse a request that names one twice.
fn attributes<'a>(some: impl Iterator<Item = &'a str>, others: &'a [String]) -> Vec<String> {
    let mut attributes: Vec<String> = Vec::new();
    for name in some.chain(names(others)) {
        if !attributes.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            attributes.push(name.to_owned());
        }
    }
    attributes
}
