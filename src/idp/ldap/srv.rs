//! Servers that are found through the DNS (RFC 2782).

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use url::Url;

use super::error::{LdapFailure, Problem, Step};
use crate::config::{LdapIdp, Srv};
use crate::printable::line;

/// A record, of which a lower priority comes first, and a higher weight more often.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    priority: u16,
    weight: u16,
    port: u16,
    host: String,
}

/// The servers of a domain, in the order in which they are to be tried.
///
/// Where nothing is found for LDAPS, the servers for LDAP are taken, at the port of LDAPS: domain controllers of
/// Active Directory announce only those. A target outside the domain is passed over: the DNS could name anybody, and
/// get to see the password.
pub(super) async fn servers(idp: &LdapIdp, srv: &Srv) -> Result<Vec<Url>, LdapFailure> {
    let failed = |problem| LdapFailure { step: Step::Srv(srv.domain.clone()), problem };
    let resolver = resolver(idp, srv).map_err(|error| failed(Problem::NoServers(line(&error.to_string()))))?;
    let find = async |service: &str| {
        let targets = targets(&resolver, &format!("{service}.{}.", srv.domain.trim_end_matches('.'))).await;
        targets.map_err(|error| failed(Problem::NoServers(line(&error.to_string()))))
    };
    let (scheme, mut found) = if srv.ldaps {
        let mut found = find("_ldaps._tcp").await?;
        if found.is_empty() {
            found = find("_ldap._tcp").await?;
            for target in &mut found {
                target.port = 636;
            }
        }
        ("ldaps", found)
    } else {
        ("ldap", find("_ldap._tcp").await?)
    };
    found.retain(|target| {
        let inside = is_inside(&target.host, &srv.domain);
        if !inside {
            tracing::warn!(host = %line(&target.host), domain = %srv.domain, "a server outside the domain is passed over");
        }
        inside
    });
    let random = RandomState::new();
    let mut draws = 0_u64;
    let urls: Vec<_> = ordered(found, |most| {
        draws += 1;
        random.hash_one(draws) % (most + 1)
    })
    .iter()
    .filter_map(|target| Url::parse(&format!("{scheme}://{}:{}", target.host, target.port)).ok())
    .collect();
    tracing::info!(domain = %srv.domain, servers = ?urls.iter().map(Url::as_str).collect::<Vec<_>>(), "found in the DNS");
    if urls.is_empty() {
        return Err(failed(Problem::NoServers("there is no record with a server of that domain".into())));
    }
    Ok(urls)
}

fn resolver(idp: &LdapIdp, srv: &Srv) -> Result<TokioResolver, NetError> {
    let mut builder = match srv.dns_server {
        None => Resolver::builder_tokio()?,
        Some(address) => {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            server.connections.iter_mut().for_each(|connection| connection.port = address.port());
            let config = ResolverConfig::from_name_servers(vec![server]);
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    builder.options_mut().attempts = 2;
    builder.options_mut().timeout = (idp.connect_timeout / 3).max(Duration::from_millis(100));
    builder.build()
}

/// No records are none; that nobody answers is an error.
async fn targets(resolver: &TokioResolver, name: &str) -> Result<Vec<Target>, NetError> {
    let lookup = match resolver.lookup(name, RecordType::SRV).await {
        Ok(lookup) => lookup,
        Err(error) if error.is_no_records_found() || error.is_nx_domain() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let target = |data: &RData| match data {
        // A single dot says that there is no such service.
        RData::SRV(srv) if !srv.target.is_root() => Some(Target {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            host: srv.target.to_ascii().trim_end_matches('.').to_lowercase(),
        }),
        _ => None,
    };
    Ok(lookup.answers().iter().filter_map(|record| target(&record.data)).collect())
}

fn is_inside(host: &str, domain: &str) -> bool {
    let (host, domain) = (host.to_lowercase(), domain.trim_end_matches('.').to_lowercase());
    host.strip_suffix(&domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// By priority; those of one priority by weight and chance. `draw` gives a number from 0 to the one that it is given.
fn ordered(mut targets: Vec<Target>, mut draw: impl FnMut(u64) -> u64) -> Vec<Target> {
    // Those of weight 0 come first among those that are drawn from, so that they have a small chance.
    targets.sort_by(|left, right| {
        (left.priority, left.weight, &left.host, left.port).cmp(&(
            right.priority,
            right.weight,
            &right.host,
            right.port,
        ))
    });
    let mut order = Vec::with_capacity(targets.len());
    while let Some(first) = targets.first().map(|target| target.priority) {
        let same = targets.iter().take_while(|target| target.priority == first).count();
        let weights = targets.iter().take(same).map(|target| u64::from(target.weight));
        let drawn = draw(weights.clone().sum());
        let reached = weights.scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        let at = reached.into_iter().position(|sum| sum >= drawn).unwrap_or(0);
        order.push(targets.remove(at));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(priority: u16, weight: u16, host: &str) -> Target {
        Target { priority, weight, port: 636, host: host.into() }
    }

    fn hosts(targets: Vec<Target>, draw: impl FnMut(u64) -> u64) -> Vec<String> {
        ordered(targets, draw).into_iter().map(|target| target.host).collect()
    }

    #[test]
    fn the_lowest_priority_comes_first_and_weight_decides_among_equals() {
        let all =
            || vec![target(20, 100, "late"), target(10, 30, "heavy"), target(10, 10, "light"), target(10, 0, "zero")];
        assert_eq!(hosts(all(), |_| 0), ["zero", "light", "heavy", "late"]);
        assert_eq!(hosts(all(), |most| most), ["heavy", "light", "zero", "late"]);
        let mut draws = [10, 0, 0, 0].into_iter();
        assert_eq!(hosts(all(), |_| draws.next().unwrap()), ["light", "zero", "heavy", "late"]);
        assert_eq!(hosts(vec![], |_| 0), [""; 0]);
    }

    #[test]
    fn only_the_domain_itself_and_what_is_below_it_is_inside() {
        assert!(is_inside("dc1.Example.com", "example.com."));
        assert!(is_inside("example.com", "example.com"));
        assert!(!is_inside("badexample.com", "example.com"));
        assert!(!is_inside("example.org", "example.com"));
    }
}
