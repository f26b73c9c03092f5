//! An LDAP directory: all groups, all people, and what members are that are neither.
//!
//! Two searches read everything below the two bases. Servers' own ideas of nested groups are not used: the overlays
//! that maintain them know direct members only, lose people in cycles, or take seconds for a room.

mod account;
mod connect;
mod entry;
mod error;
mod layout;
mod membership;
mod node;
mod range;
mod reach;
mod search;
mod sid;
mod srv;
mod tls;

use futures_util::{StreamExt, TryStreamExt, stream};
use url::Url;

use self::connect::Session;
use self::layout::{Kind, Layout};
use self::membership::Directory;
use crate::config::LdapIdp;
use crate::printable::line;
use crate::snapshot::Snapshot;

pub use error::{Answer, LdapFailure, Problem, Step};

/// How many lookups are under way at a time.
const LOOKUPS: usize = 64;

/// The class by which a schema is that of `FreeIPA`.
const IPA_CLASS: &str = "ipaUserGroup";

/// Reads a directory: the first of its servers that can be read. All of an answer is from one server, since another
/// may be behind.
pub(super) async fn fetch(idp: &LdapIdp, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Snapshot, LdapFailure> {
    let found = match &idp.srv {
        None => Vec::new(),
        Some(srv) => srv::servers(idp, srv).await?,
    };
    let mut passed = Vec::new();
    for url in idp.urls.iter().chain(&found) {
        match fetch_from(idp, url, wanted).await {
            Ok(mut snapshot) => {
                snapshot.notices.extend(passed.iter().map(|(url, failure): &(&Url, LdapFailure)| {
                    format!("the server {url} was passed over: {failure}")
                }));
                return Ok(snapshot);
            }
            Err(failure) if failure.is_of_the_server() => {
                tracing::debug!(%url, %failure, "this server cannot be read");
                passed.push((url, failure));
            }
            Err(failure) => return Err(failure),
        }
    }
    match passed.pop() {
        Some((_, failure)) if passed.is_empty() => Err(failure),
        last => {
            let all: Vec<_> =
                passed.into_iter().chain(last).map(|(url, failure)| format!("{url}: {failure}")).collect();
            Err(LdapFailure { step: Step::Servers, problem: Problem::Everywhere(all.join("; ")) })
        }
    }
}

async fn fetch_from(idp: &LdapIdp, url: &Url, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Snapshot, LdapFailure> {
    let mut session = Session::open(idp, url).await?;
    let snapshot = match learn(&mut session, idp).await {
        Ok(layout) => read(&session, idp, &layout, wanted).await,
        Err(failure) => Err(failure),
    };
    session.close().await;
    snapshot
}

/// Learns which directory it is, and what it offers.
async fn learn(session: &mut Session, idp: &LdapIdp) -> Result<Layout, LdapFailure> {
    let root = session.root().await?;
    session.pages = root.pages();
    let (kind, because) = if let Some(kind) = Kind::named(idp.schema) {
        (kind, "the configuration says so".to_owned())
    } else {
        let accounts = [&idp.group_base, &idp.user_base].iter().any(|base| base.to_lowercase().contains("cn=accounts"));
        let ipa = match &root.subschema {
            Some(subschema) if accounts && root.is_389ds() => session.knows_class(subschema, IPA_CLASS).await?,
            _ => false,
        };
        root.recognise(ipa)
    };
    let layout = Layout::of(idp, kind);
    layout.tell(&because, session.pages);
    Ok(layout)
}

async fn read(
    session: &Session,
    idp: &LdapIdp,
    layout: &Layout,
    wanted: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Snapshot, LdapFailure> {
    let group_attributes = attributes(
        [layout.group_name_attribute.as_str(), "objectClass", "objectSid", "memberURL", "ipaExternalMember"]
            .into_iter()
            .chain(names(&layout.member_attributes)),
        &layout.id_attributes,
    );
    let user_attributes = attributes(
        [layout.username_attribute.as_str(), "uid", "objectSid", "primaryGroupID"].into_iter().chain(account::LOCKS),
        &layout.id_attributes,
    );
    // One after the other: a connection may have one paged search under way at some servers.
    let step = |key, base: &str, filter: &str| Step::Search { key, base: base.into(), filter: filter.into() };
    let in_groups = step("group_base", &idp.group_base, &layout.group_filter);
    let among_people = step("user_base", &idp.user_base, &layout.user_filter);
    let groups = session.search(in_groups.clone(), &group_attributes, idp.page_size).await?;
    let people = session.search(among_people.clone(), &user_attributes, idp.page_size).await?;
    if people.entries.is_empty() {
        return Err(LdapFailure { step: among_people, problem: Problem::NoPeople });
    }

    let mut directory = Directory::new(layout, wanted);
    if groups.entries.is_empty() {
        directory.notice(format!(
            "no group was found below \"{}\": check group_base and group_filter",
            line(&idp.group_base)
        ));
        directory.more_groups = Some("no group was found at all".into());
    }
    for (found, base) in [(&groups, &idp.group_base), (&people, &idp.user_base)] {
        // Those of Active Directory name its own partitions, in every answer (MS-ADTS, section 3.1.1.3.4.1.12); who is
        // in another domain and a member here is looked up all the same.
        if found.references > 0 && layout.kind != Kind::ActiveDirectory {
            directory.notice(format!(
                "below \"{}\", {} continuation references to other servers were not followed",
                line(base),
                found.references
            ));
        }
    }
    if groups.references > 0 && layout.kind != Kind::ActiveDirectory {
        directory.more_groups = Some("continuation references to other servers were not followed".into());
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
