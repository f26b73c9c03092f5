//! What a server answers when it does not do what it is asked, and what to do about it.

use std::fmt;

use super::Step;
use crate::printable::line;

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
pub(in crate::idp::ldap) const NO_SUCH_OBJECT: u32 = 32;

impl Answer {
    /// An answer in a step, with what to do about it.
    pub(in crate::idp::ldap) fn at(step: &Step, anonymous: bool, code: u32, text: String) -> Self {
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
            (8, Step::Gssapi(_)) => {
                "It wants each message signed inside of TLS too: let it take SASL over TLS (Samba: ldap \
                server require strong auth = allow_sasl_over_tls)"
                    .into()
            }
            (8 | 13, _) => "It wants an encrypted connection: use ldaps:// in url, or starttls = true".into(),
            (2 | 53 | 1 | 52, Step::StartTls(_)) => {
                "It may not offer StartTLS: use ldaps:// in url, or set up TLS at the server".into()
            }
            (7 | 48 | 49, Step::External) => "It does not know the certificate, or for nobody here: check \
                client_certificate_file, and how the server maps certificates to accounts"
                .into(),
            (7 | 48 | 49, Step::Gssapi(_)) => {
                "It does not know the principal of the ticket, or for nobody here: check klist, \
                and how the server maps principals to accounts"
                    .into()
            }
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
    use crate::idp::ldap::error::{LdapFailure, Problem};

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
