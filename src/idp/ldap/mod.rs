//! An LDAP directory: all groups, all people or those whom groups name, and what members are that are neither.
//!
//! Servers' own ideas of nested groups are not used: the overlays that maintain them know direct members only, lose
//! people in cycles, or take seconds for a room.

mod account;
mod connect;
mod entry;
mod error;
mod intake;
mod layout;
mod membership;
mod node;
mod panics;
mod people;
mod range;
mod reach;
mod read;
mod search;
mod sid;
mod srv;
mod tls;

use url::Url;

use self::connect::Session;
use self::layout::{Kind, Layout, Root};
use self::read::Reading;
use crate::config::LdapIdp;
use crate::snapshot::Snapshot;

pub use error::{Answer, LdapFailure, Problem, Step};
pub use panics::quieten_ldap_panics;

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
        Ok((root, layout)) => Reading::of(&session, idp, &layout, &root, wanted).run().await,
        Err(failure) => Err(failure),
    };
    session.close().await;
    snapshot
}

/// Learns which directory it is, and what it offers.
async fn learn(session: &mut Session, idp: &LdapIdp) -> Result<(Root, Layout), LdapFailure> {
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
    Ok((root, layout))
}
