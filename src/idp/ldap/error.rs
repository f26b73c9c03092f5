//! What can go wrong with a directory, for the person who is to put it right.

mod answer;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::printable::line;

pub use answer::Answer;
pub(super) use answer::NO_SUCH_OBJECT;

/// What was being done at a directory, and what came of it.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {problem}")]
pub struct LdapFailure {
    /// What was being done.
    pub step: Step,
    /// What came of it.
    pub problem: Problem,
}

/// What was being done at a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Connecting, with TLS from the start if the URL says so.
    Connect(Url),
    /// Securing a connection with `StartTLS`.
    StartTls(Url),
    /// Binding as this DN.
    Bind(String),
    /// Binding by a client certificate (SASL EXTERNAL; RFC 4422, appendix A).
    External,
    /// Binding by a Kerberos ticket for this host (SASL GSSAPI; RFC 4752).
    Gssapi(String),
    /// Searching.
    Search {
        /// The key of the configuration that names the base.
        key: &'static str,
        /// The base.
        base: String,
        /// The filter.
        filter: String,
    },
    /// Finding the servers of a domain in the DNS.
    Srv(String),
    /// Reading what the server says of itself.
    Root,
    /// Looking up members.
    Lookup,
    /// Reading a long list of members part by part.
    Ranges(String),
    /// Trying one server after the other.
    Servers,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(url) => write!(f, "cannot connect to {url}"),
            Self::StartTls(url) => write!(f, "cannot secure {url} with StartTLS"),
            Self::Bind(dn) => write!(f, "cannot bind as \"{}\"", line(dn)),
            Self::External => f.write_str("cannot bind by the client certificate (SASL EXTERNAL)"),
            Self::Gssapi(host) => write!(f, "cannot bind by a Kerberos ticket for ldap/{} (SASL GSSAPI)", line(host)),
            Self::Search { base, filter, .. } => {
                write!(f, "cannot search below \"{}\" with {}", line(base), line(filter))
            }
            Self::Srv(domain) => write!(f, "cannot find the directory servers of {} in the DNS", line(domain)),
            Self::Root => f.write_str("cannot read what the server offers (its root DSE)"),
            Self::Ranges(dn) => write!(f, "cannot read all members of \"{}\"", line(dn)),
            Self::Servers => f.write_str("no server can be read"),
            Self::Lookup => f.write_str("cannot look up the members of groups"),
        }
    }
}

impl LdapFailure {
    /// Whether it is this server that is away, so that another may do.
    pub(super) fn is_of_the_server(&self) -> bool {
        match (&self.problem, &self.step) {
            (Problem::CaFile { .. } | Problem::NoAuthorities(_) | Problem::ClientCertificate { .. }, _) => false,
            (_, Step::Connect(_) | Step::StartTls(_))
            | (Problem::Lost(_) | Problem::OperationTimeout { .. } | Problem::Malformed(_), _) => true,
            // Busy, or unavailable.
            (Problem::Answer(answer), _) => matches!(answer.code, 51 | 52),
            _ => false,
        }
    }
}

/// What went wrong at a directory.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The host name does not resolve.
    #[error("the host name {host} cannot be resolved: {cause}. Check url, and the name service of this machine")]
    Dns {
        /// The name.
        host: String,
        /// What the resolver said.
        cause: String,
    },
    /// Nobody listens.
    #[error("the connection was refused. Is the server running, and is the port in url right?")]
    Refused,
    /// There is no way to the server.
    #[error("the server cannot be reached: {0}. Check url, the network and firewalls")]
    Unreachable(String),
    /// Connecting took too long.
    #[error(
        "no connection after {} while {phase}. Check url, the network and firewalls, or raise connect_timeout",
        humantime::format_duration(*after)
    )]
    ConnectTimeout {
        /// How long that was.
        after: Duration,
        /// What was waited for.
        phase: &'static str,
    },
    /// The certificate was not signed by an authority that is trusted.
    #[error("the server's certificate is not trusted: no authority that is known here signed it. {}", ca_advice(.ca_file.as_ref()))]
    NotTrusted {
        /// The file of a private authority, if one is given.
        ca_file: Option<PathBuf>,
    },
    /// The certificate is for another name.
    #[error("the server's certificate is not for {host}{}. Put a name of the certificate into url", for_names(.presented))]
    WrongName {
        /// The name in the URL.
        host: String,
        /// The names in the certificate.
        presented: Vec<String>,
    },
    /// The certificate is too old, or not valid yet.
    #[error(
        "the server's certificate is not valid now: {0}. Renew it at the server, or check the clock of this machine"
    )]
    NotValidNow(String),
    /// The other side speaks no TLS.
    #[error(
        "the server does not speak TLS on this port. Is the port in url right? StartTLS needs ldap:// and starttls = true"
    )]
    NoTls,
    /// Another failure of TLS.
    #[error("TLS failed: {0}. Check the server's certificate and its TLS settings")]
    Tls(String),
    /// The file with the certificates of a private authority is of no use.
    #[error("ca_file {} is of no use: {cause}. Give a PEM file with the authority's certificate", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// There are no certificates of any authority.
    #[error("this system has no certificates of authorities: {0}. Install them (ca-certificates), or give ca_file")]
    NoAuthorities(String),
    /// The server answered with an error.
    #[error("{0}")]
    Answer(Answer),
    /// An operation took too long.
    #[error("no complete answer after {}{}", humantime::format_duration(*after), timeout_advice(*.entries))]
    OperationTimeout {
        /// How long that was.
        after: Duration,
        /// How many entries had come, in a search.
        entries: Option<usize>,
    },
    /// The connection was lost.
    #[error("the connection was lost: {0}. Nothing is done with half an answer; try again")]
    Lost(String),
    /// The server sent something that cannot be read.
    #[error(
        "the server sent something that cannot be read: {0}. Is this an LDAP server, and does its port want ldaps://?"
    )]
    Malformed(String),
    /// There is nobody.
    #[error(
        "no person was found. Check user_base and user_filter, and whether the account may read there: going on would \
         empty every room"
    )]
    NoPeople,
    /// The DNS names no server.
    #[error("{0}. Check srv, and the name service of this machine, or name the servers with url")]
    NoServers(String),
    /// None of several servers can be read; each with its reason.
    #[error("{0}")]
    Everywhere(String),
    /// The files of a client certificate are of no use.
    #[error("{key} {} is of no use: {cause}. Give PEM files with the certificate and its private key", path.display())]
    ClientCertificate {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// Kerberos gave no ticket, or the exchange failed.
    #[error(
        "Kerberos says: {0}. Is there a ticket (klist), or a keytab in KRB5_CLIENT_KTNAME, and does url name the server as \
         its principal does?"
    )]
    Kerberos(String),
    /// The filter of the configuration cannot be sent.
    #[error("the filter is no search filter (RFC 4515). Check it in the configuration")]
    Filter,
}

fn ca_advice(ca_file: Option<&PathBuf>) -> String {
    match ca_file {
        None => "If it is a private authority, give its certificate with ca_file".into(),
        Some(file) => format!("Neither is it signed by one in ca_file {}: is that the right file?", file.display()),
    }
}

fn timeout_advice(entries: Option<usize>) -> String {
    match entries {
        None => ". Is the server overloaded? Try again, or raise operation_timeout".into(),
        Some(entries) => {
            format!(", with {entries} entries read. Try again, raise operation_timeout, or lower page_size")
        }
    }
}

fn for_names(presented: &[String]) -> String {
    if presented.is_empty() { String::new() } else { format!(", but for {}", line(&presented.join(", "))) }
}
