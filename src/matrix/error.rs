//! What went wrong between us and the homeserver, in words for the person who is woken by it.

use crate::printable::{harmless, line};
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use matrix_sdk::HttpError;
use matrix_sdk::ruma::ServerName;
use matrix_sdk::ruma::api::client::uiaa::UiaaResponse;
use matrix_sdk::ruma::api::error::FromHttpResponseError;

use super::answer::Answer;
use super::connection::SendError;
use crate::stop::Why;

/// A request that was not answered as it should have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub(crate) what: What,
    pub(crate) text: String,
}

/// The kind of a [`Failure`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// No connection: the request was never sent.
    Unreachable {
        /// Whether it took the whole time that a connection may take to find that out.
        slow: bool,
    },
    /// A connection that is not trusted, or speaks no TLS: the request was never sent.
    Tls,
    /// No answer in time.
    Timeout,
    /// The connection broke before the answer was there.
    Broken,
    /// An answer that is not from a Matrix homeserver, or not the one to this request.
    Unintelligible,
    /// The homeserver, or what stands before it, has trouble of its own: a status of 5xx.
    Server,
    /// The homeserver does not accept the access token, or not the account.
    Account,
    /// An account is deactivated: that of `inviter`, or, where somebody is invited, theirs.
    Deactivated,
    /// The homeserver limits the rate of requests.
    RateLimited {
        /// What it told to wait.
        told: Option<Duration>,
        /// Whether the request was sent at all.
        tried: bool,
    },
    /// The homeserver said no.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The code, `M_…`; empty if there is none.
        errcode: String,
    },
    /// The run is to end: the request was not sent, or not again.
    Stopped,
    /// The request could not be made.
    Ours,
}

impl StdError for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Failure {
    /// Whether the homeserver may have done what was asked all the same.
    pub(crate) fn may_be_done(&self) -> bool {
        matches!(self.what, What::Timeout | What::Broken | What::Server | What::Unintelligible)
    }

    /// Whether asking again soon may help, provided that asking twice is harmless.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self.what, What::Unreachable { slow: false } | What::Broken | What::Server)
    }

    /// Whether it is of no use to ask the homeserver for anything else.
    pub(crate) fn ends_the_run(&self) -> bool {
        matches!(self.what, What::Unreachable { .. } | What::Tls | What::Account | What::Deactivated)
    }

    /// Whether the homeserver said no in this way; an empty code stands for any.
    pub(crate) fn is_refusal(&self, of_status: u16, code: &str) -> bool {
        matches!(&self.what, What::Refused { status, errcode }
            if *status == of_status && (code.is_empty() || errcode == code))
    }

    /// Why nobody can invite this person, and what could be done about it, if an invitation was refused for that.
    /// `M_INVITE_BLOCKED` is that of MSC4155.
    pub(crate) fn blocks_invitations(&self) -> Option<&'static str> {
        match &self.what {
            What::Refused { errcode, .. }
                if matches!(errcode.as_str(), "M_INVITE_BLOCKED" | "ORG.MATRIX.MSC4155.M_INVITE_BLOCKED") =>
            {
                Some(
                    "they take no invitations from this account until they change that in the settings of their client",
                )
            }
            What::Refused { status: 404, errcode } if errcode == "M_NOT_FOUND" => {
                Some("nobody has that name there; see the account in the directory, or [renamed_users]")
            }
            What::Deactivated => Some("their account there is deactivated; see the account in the directory"),
            _ => None,
        }
    }

    /// Whether the homeserver said no, in whatever way.
    pub(crate) fn is_refusal_of_any_kind(&self) -> bool {
        matches!(self.what, What::Refused { .. })
    }

    /// Names the homeserver that ours had to ask, if its silence may be the cause.
    pub(crate) fn behind(self, other: &ServerName) -> Self {
        match self.what {
            What::Server | What::Timeout => {
                let text =
                    format!("{}; it had to ask {other}: is that one running, and do the two federate?", self.text);
                Self::new(self.what, &text)
            }
            _ => self,
        }
    }

    pub(crate) fn new(what: What, text: &str) -> Self {
        Self { what, text: harmless(text).into_owned() }
    }

    pub(crate) fn out_of_patience(asked: &str, tried: bool, patience: Duration) -> Self {
        let not_tried = if tried { "" } else { "not tried, since " };
        let text = format!(
            "{asked}: {not_tried}the homeserver limits the rate of requests (429), and rate_limit_patience ({patience:?}) \
             is used up; the next run goes on"
        );
        Self::new(What::RateLimited { told: None, tried }, &text)
    }

    pub(crate) fn stopped(tried: bool, why: Why) -> Self {
        let not_tried =
            if tried { "refused once, since the homeserver limits the rate (429), and" } else { "not tried, since" };
        Self::new(What::Stopped, &format!("{not_tried} {why}; the next run goes on"))
    }

    pub(crate) fn too_late(asked: &str, tried: bool) -> Self {
        let not_tried = if tried { "" } else { "not tried, since " };
        let text = format!(
            "{asked}: {not_tried}the homeserver limits the rate of requests (429), and lets it only after the deadline; \
             the next run goes on"
        );
        Self::new(What::RateLimited { told: None, tried: false }, &text)
    }

    pub(crate) fn personal_limit(asked: &str, tried: bool, wait: Duration) -> Self {
        let not_tried = if tried { "" } else { "not tried, since " };
        let text = format!(
            "{asked}: {not_tried}the homeserver limits how often one person is invited (429): this one not again for \
             {} s; a later run goes on",
            wait.as_secs() + 1
        );
        Self::new(What::RateLimited { told: Some(wait), tried }, &text)
    }

    /// Puts what became of a request into words. `server` is the homeserver's URL.
    pub(super) fn of_sending(asked: &str, server: &str, error: &SendError) -> Self {
        match error {
            SendError::Http(error) => Self::of(asked, server, error),
            SendError::TooLong(bytes) => {
                let text =
                    format!("{asked}: the answer of {server} is longer than {} MiB, and was not read", bytes >> 20);
                Self::new(What::Unintelligible, &text)
            }
            SendError::NoObject => Self::unintelligible(asked, server, "it is no JSON object"),
        }
    }

    /// Puts an error of matrix-sdk into words. `server` is the homeserver's URL.
    pub(crate) fn of(asked: &str, server: &str, error: &HttpError) -> Self {
        match error {
            HttpError::Reqwest(error) => Self::of_transport(asked, server, error),
            HttpError::Cached(error) => Self::of(asked, server, error),
            HttpError::Api(error) => match error.as_ref() {
                FromHttpResponseError::Server(UiaaResponse::MatrixError(error)) => {
                    Answer::of(error.status_code.as_u16(), &error.body).into_failure(asked, server)
                }
                FromHttpResponseError::Server(UiaaResponse::AuthResponse(_)) => {
                    Answer::with_status(401).into_failure(asked, server)
                }
                other => Self::unintelligible(asked, server, &other.to_string()),
            },
            other => Self::new(What::Ours, &format!("{asked}: the request cannot be made: {other}")),
        }
    }

    pub(crate) fn unintelligible(asked: &str, server: &str, why: &str) -> Self {
        let text = format!(
            "{asked}: the answer of {server} is not that of a Matrix homeserver: {}; check [matrix] homeserver",
            line(why)
        );
        Self::new(What::Unintelligible, &text)
    }

    fn of_transport(asked: &str, server: &str, error: &reqwest::Error) -> Self {
        let cause = line(&root_cause(error));
        let (what, text) = if let Some(tls) = tls_error(error) {
            let advice = match tls {
                rustls::Error::InvalidCertificate(_) => {
                    "if a private authority issued its certificate, name that authority's certificate as ca_file in \
                     [matrix]"
                }
                _ => "does it speak HTTPS on this port?",
            };
            (What::Tls, format!("the TLS connection to {server} failed: {}; {advice}", line(&tls.to_string())))
        } else if error.is_redirect() {
            let text = format!("{server} {cause}; redirects are not followed, so give the final address as homeserver");
            (What::Unintelligible, text)
        } else if error.is_connect() {
            let text = format!("{server} cannot be reached: {cause}; is it running, and is [matrix] homeserver right?");
            (What::Unreachable { slow: error.is_timeout() }, text)
        } else if error.is_timeout() {
            let text = format!("{server} did not answer in time; is it overloaded? [matrix] timeout sets the limit");
            (What::Timeout, text)
        } else if error.is_builder() {
            (What::Ours, format!("the request cannot be made: {cause}"))
        } else if error.is_decode() {
            (What::Broken, format!("the answer of {server} cannot be unpacked, or broke off: {cause}"))
        } else {
            (What::Broken, format!("the connection to {server} broke before the answer was there: {cause}"))
        };
        Self::new(what, &format!("{asked}: {text}"))
    }
}

/// The innermost error, which says most; the outer ones repeat the URL.
fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The TLS error in the chain. An [`io::Error`] hides its own inside, where `source()` passes it over.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let hidden = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = hidden.and_then(|hidden| tls_error(hidden)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(what: What) -> Failure {
        Failure { what, text: String::new() }
    }

    #[test]
    fn what_follows_from_a_failure_depends_on_its_kind() {
        // Whether it may be done, whether asking again may help, and whether the run is over.
        for (what, expected) in [
            (What::Unreachable { slow: false }, (false, true, true)),
            (What::Unreachable { slow: true }, (false, false, true)),
            (What::Tls, (false, false, true)),
            (What::Timeout, (true, false, false)),
            (What::Broken, (true, true, false)),
            (What::Unintelligible, (true, false, false)),
            (What::Server, (true, true, false)),
            (What::Account, (false, false, true)),
            (What::Deactivated, (false, false, true)),
            (What::RateLimited { told: None, tried: true }, (false, false, false)),
            (What::Refused { status: 403, errcode: String::new() }, (false, false, false)),
            (What::Stopped, (false, false, false)),
            (What::Ours, (false, false, false)),
        ] {
            let failure = failure(what);
            let is = (failure.may_be_done(), failure.may_pass(), failure.ends_the_run());
            assert_eq!(is, expected, "{failure:?}");
        }
    }

    #[test]
    fn an_invitation_is_blocked_by_what_is_about_the_invitee_alone() {
        let refused = |status, errcode: &str| failure(What::Refused { status, errcode: errcode.into() });
        for (failure, expected) in [
            (refused(403, "M_INVITE_BLOCKED"), Some("take no invitations")),
            (refused(403, "ORG.MATRIX.MSC4155.M_INVITE_BLOCKED"), Some("take no invitations")),
            (refused(404, "M_NOT_FOUND"), Some("nobody has that name")),
            (failure(What::Deactivated), Some("deactivated")),
            (refused(403, "M_FORBIDDEN"), None),
            (refused(404, "M_UNRECOGNIZED"), None),
            (refused(404, ""), None),
            (failure(What::Account), None),
        ] {
            let why = failure.blocks_invitations();
            let is_right = expected.map_or(why.is_none(), |part| why.is_some_and(|why| why.contains(part)));
            assert!(is_right, "{failure:?}: {why:?}");
        }
    }

    #[test]
    fn another_homeserver_is_named_where_its_silence_may_be_the_cause() {
        let other = matrix_sdk::ruma::server_name!("other.example");
        for (what, expected) in [(What::Server, true), (What::Timeout, true), (What::Broken, false)] {
            assert_eq!(failure(what).behind(other).text.contains("other.example"), expected);
        }
    }
}
