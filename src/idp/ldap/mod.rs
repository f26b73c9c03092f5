//! An LDAP directory: all groups, all people, and what members are that are neither.
//!
//! Two searches read everything below the two bases. Servers' own ideas of nested groups are not used: the overlays
//! that maintain them know direct members only, lose people in cycles, or take seconds for a room.

mod account;
mod connect;
mod entry;
mod error;
mod membership;
mod node;
mod reach;
mod search;
mod tls;

use futures_util::{StreamExt, TryStreamExt, stream};

use self::connect::Session;
use self::membership::Directory;
use crate::config::LdapIdp;
use crate::printable::line;
use crate::snapshot::Snapshot;

pub use error::{Answer, LdapFailure, Problem, Step};

/// How many lookups are under way at a time.
const LOOKUPS: usize = 64;

/// Reads a directory. What a server supports (its root DSE) would be read after the session is open.
pub(super) async fn fetch(idp: &LdapIdp, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Snapshot, LdapFailure> {
    let session = Session::open(idp).await?;
    let snapshot = read(&session, idp, wanted).await;
    session.close().await;
    snapshot
}

async fn read(
    session: &Session,
    idp: &LdapIdp,
    wanted: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Snapshot, LdapFailure> {
    let group_attributes = attributes(
        [&idp.group_name_attribute, "objectClass"].into_iter().chain(names(&idp.member_attributes)),
        &idp.id_attributes,
    );
    let user_attributes =
        attributes([&idp.username_attribute, "uid"].into_iter().chain(account::LOCKS), &idp.id_attributes);
    // One after the other: a connection may have one paged search under way at some servers.
    let step = |key, base: &str, filter: &str| Step::Search { key, base: base.into(), filter: filter.into() };
    let in_groups = step("group_base", &idp.group_base, &idp.group_filter);
    let among_people = step("user_base", &idp.user_base, &idp.user_filter);
    let groups = session.search(in_groups.clone(), &group_attributes, idp.page_size).await?;
    let people = session.search(among_people.clone(), &user_attributes, idp.page_size).await?;
    if people.entries.is_empty() {
        return Err(LdapFailure { step: among_people, problem: Problem::NoPeople });
    }

    let mut directory = Directory::new(idp, wanted);
    if groups.entries.is_empty() {
        directory.notice(format!(
            "no group was found below \"{}\": check group_base and group_filter",
            line(&idp.group_base)
        ));
    }
    for (found, base) in [(&groups, &idp.group_base), (&people, &idp.user_base)] {
        if found.references > 0 {
            directory.notice(format!(
                "below \"{}\", {} continuation references to other servers were not followed",
                line(base),
                found.references
            ));
        }
    }
    let malformed = |step: &Step| {
        let step = step.clone();
        move |what| LdapFailure { step, problem: Problem::Malformed(what) }
    };
    directory.add_people(people.entries).map_err(malformed(&among_people))?;
    directory.add_groups(groups.entries).map_err(malformed(&in_groups))?;
    loop {
        let unknown = directory.unknown();
        if unknown.is_empty() {
            return Ok(directory.into_snapshot());
        }
        tracing::debug!(count = unknown.len(), "looking up members");
        let attributes = &group_attributes;
        let lookups = unknown.into_iter().map(async |(at, dn)| Ok((at, session.lookup(&dn, attributes).await?)));
        // In the order of the questions, so that the order of the answers does not matter.
        let answers: Vec<_> = stream::iter(lookups).buffered(LOOKUPS).try_collect().await?;
        for (at, lookup) in answers {
            directory.resolve(at, lookup).map_err(malformed(&Step::Lookup))?;
        }
    }
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
