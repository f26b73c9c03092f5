//! What can go wrong with a directory, for the person who is to put it right.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::printable::line;

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

/// A result of the server that is no success (RFC 4511, section 4.1.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The result code.
    pub code: u32,
    /// The diagnostic text, as it came.
    pub text: String,
    /// What to do next; may be empty.
    pub advice: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {} ({})", name(self.code), self.code)?;
        let text = line(self.text.trim_matches(|c: char| c.is_whitespace() || c.is_control()));
        if !text.is_empty() {
            write!(f, ", \"{text}\"")?;
        }
        if !self.advice.is_empty() {
            write!(f, ". {}", self.advice)?;
        }
        Ok(())
    }
}

/// No entry has this name.
pub(super) const NO_SUCH_OBJECT: u32 = 32;

impl Answer {
    /// An answer in a step, with what to do about it.
    pub(super) fn at(step: &Step, anonymous: bool, code: u32, text: String) -> Self {
        let who = if anonymous { "anonymous clients" } else { "the account in bind_dn" };
        let advice = match (code, step) {
            (3, _) => format!("Raise the time limit of {who} at the server, or narrow the filter"),
            (4, _) => format!(
                "The server lets {who} read only so many entries, and nothing is done with a cut list. Lift the size \
                 limit there, for paged searches too (OpenLDAP: size.prtotal=unlimited)"
            ),
            (11, _) => format!(
                "A limit of the server for {who} is too low, and nothing is done with a cut list. Lift it there, for \
                 paged searches too (OpenLDAP: size.prtotal=unlimited; 389-ds: nsslapd-lookthroughlimit)"
            ),
            (8 | 13, _) => "It wants an encrypted connection: use ldaps:// in url, or starttls = true".into(),
            (2 | 53 | 1 | 52, Step::StartTls(_)) => {
                "It may not offer StartTLS: use ldaps:// in url, or set up TLS at the server".into()
            }
            (7 | 48 | 49, Step::External) => "It does not know the certificate, or for nobody here: check \
                client_certificate_file, and how the server maps certificates to accounts"
                .into(),
            (49, _) => "Bind name or password are wrong, or the account is locked: check bind_dn and bind_password \
                        (bind_password_file)"
                .into(),
            (7 | 48, _) => "This account may not bind with a password: give another with bind_dn".into(),
            (32, Step::Search { key, .. }) if anonymous => {
                format!("{key} names no entry that {who} may see: check its spelling, or say who asks with bind_dn")
            }
            (32, Step::Search { key, .. }) => {
                format!("{key} names no entry that {who} may see: check its spelling, and the access rights there")
            }
            (34, Step::Search { key, .. }) => format!("{key} is no distinguished name for this server: check it"),
            (34, Step::Bind(_)) => "bind_dn is no distinguished name for this server: check it".into(),
            (10, Step::Search { key, .. }) => {
                format!("{key} is kept on another server: name that in url, or put a base of this one into {key}")
            }
            (1 | 50 | 53, _) if anonymous => "It may want to know who asks: give bind_dn and its password".into(),
            (50, _) => format!("Allow {who} to read there"),
            (51 | 52, _) => "It may pass: try again later".into(),
            _ => "The log of the server may say more".into(),
        };
        Self { code, text, advice }
    }
}

/// The name of a result code (RFC 4511, appendix A).
fn name(code: u32) -> &'static str {
    match code {
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        11 => "adminLimitExceeded",
        12 => "unavailableCriticalExtension",
        13 => "confidentialityRequired",
        16 => "noSuchAttribute",
        17 => "undefinedAttributeType",
        18 => "inappropriateMatching",
        19 => "constraintViolation",
        21 => "invalidAttributeSyntax",
        32 => "noSuchObject",
        33 => "aliasProblem",
        34 => "invalidDNSyntax",
        36 => "aliasDereferencingProblem",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        54 => "loopDetect",
        80 => "other",
        _ => "an error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search() -> Step {
        Step::Search { key: "user_base", base: "ou=x".into(), filter: "(a=b)".into() }
    }

    #[test]
    fn every_answer_says_what_to_do_and_different_ones_say_different_things() {
        let mut seen = std::collections::BTreeSet::new();
        for code in [3, 4, 8, 11, 32, 49, 50, 51, 80] {
            let answer = Answer::at(&search(), false, code, String::new());
            assert!(seen.insert(answer.advice.clone()), "{answer}");
        }
    }

    #[test]
    fn an_answer_shows_code_name_and_the_text_without_control_characters() {
        let failure = LdapFailure {
            step: search(),
            problem: Problem::Answer(Answer::at(&search(), false, 32, "what\u{1b}[2J\0".into())),
        };
        assert_eq!(
            failure.to_string(),
            "cannot search below \"ou=x\" with (a=b): the server answered noSuchObject (32), \"what\\u{1b}[2J\". user_base \
             names no entry that the account in bind_dn may see: check its spelling, and the access rights there"
        );
    }

    #[test]
    fn who_did_not_bind_is_told_to() {
        assert!(Answer::at(&search(), true, 1, String::new()).advice.contains("bind_dn"));
    }
}
