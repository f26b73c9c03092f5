//! What went wrong between us and the homeserver, in words for the person who is woken by it.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use matrix_sdk::HttpError;
use matrix_sdk::ruma::api::client::uiaa::UiaaResponse;
use matrix_sdk::ruma::api::error::{ErrorBody, ErrorKind, FromHttpResponseError, RetryAfter};

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
        matches!(self.what, What::Unreachable { .. } | What::Tls | What::Account)
    }

    /// Whether the homeserver said no in this way; an empty code stands for any.
    pub(crate) fn is_refusal(&self, of_status: u16, code: &str) -> bool {
        matches!(&self.what, What::Refused { status, errcode }
            if *status == of_status && (code.is_empty() || errcode == code))
    }

    pub(crate) fn new(what: What, text: &str) -> Self {
        Self { what, text: clean(text) }
    }

    pub(crate) fn out_of_patience(asked: &str, tried: bool, patience: Duration) -> Self {
        let not_tried = if tried { "" } else { "not tried, since " };
        let text = format!(
            "{asked}: {not_tried}the homeserver limits the rate of requests (429), and rate_limit_patience ({patience:?}) \
             is used up; the next run goes on"
        );
        Self::new(What::RateLimited { told: None, tried }, &text)
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
                    Answer { status: 401, ..Answer::default() }.into_failure(asked, server)
                }
                other => Self::unintelligible(asked, server, &other.to_string()),
            },
            other => Self::new(What::Ours, &format!("{asked}: the request cannot be made: {other}")),
        }
    }

    pub(crate) fn unintelligible(asked: &str, server: &str, why: &str) -> Self {
        let text = format!(
            "{asked}: the answer of {server} is not that of a Matrix homeserver: {}; check [matrix] homeserver",
            shortened(why)
        );
        Self::new(What::Unintelligible, &text)
    }

    fn of_transport(asked: &str, server: &str, error: &reqwest::Error) -> Self {
        let cause = shortened(&root_cause(error));
        let (what, text) = if let Some(tls) = tls_error(error) {
            let advice = match tls {
                rustls::Error::InvalidCertificate(_) => {
                    "if a private authority issued its certificate, name that authority's certificate as ca_file in \
                     [matrix]"
                }
                _ => "does it speak HTTPS on this port?",
            };
            (What::Tls, format!("the TLS connection to {server} failed: {}; {advice}", shortened(&tls.to_string())))
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
            (What::Unintelligible, format!("the answer of {server} cannot be read: {cause}"))
        } else {
            (What::Broken, format!("the connection to {server} broke before the answer was there: {cause}"))
        };
        Self::new(what, &format!("{asked}: {text}"))
    }
}

/// An answer with a status that is not 200.
#[derive(Debug, Default)]
struct Answer {
    status: u16,
    errcode: String,
    message: String,
    soft_logout: bool,
    retry_after: Option<Duration>,
}

impl Answer {
    fn of(status: u16, body: &ErrorBody) -> Self {
        let mut answer = Self { status, ..Self::default() };
        match body {
            ErrorBody::Standard(standard) => {
                answer.errcode = standard.kind.errcode().to_string();
                answer.message.clone_from(&standard.message);
                match &standard.kind {
                    ErrorKind::LimitExceeded(data) => {
                        answer.retry_after = data.retry_after.as_ref().map(|retry| match retry {
                            RetryAfter::Delay(delay) => *delay,
                            RetryAfter::DateTime(time) => {
                                time.duration_since(std::time::SystemTime::now()).unwrap_or_default()
                            }
                        });
                    }
                    ErrorKind::UnknownToken(data) => answer.soft_logout = data.soft_logout,
                    _ => {}
                }
            }
            ErrorBody::Json(json) => {
                let text = |key| json.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
                (answer.errcode, answer.message) = (text("errcode"), text("error"));
                answer.retry_after =
                    json.get("retry_after_ms").and_then(serde_json::Value::as_u64).map(Duration::from_millis);
            }
            ErrorBody::NotJson { bytes, .. } => {
                let start = bytes.get(..2000).unwrap_or(bytes);
                answer.message = String::from_utf8_lossy(start).into_owned();
            }
        }
        answer
    }

    fn into_failure(self, asked: &str, server: &str) -> Failure {
        let Self { status, errcode, .. } = &self;
        let said = self.said();
        let (what, text) = match (*status, errcode.as_str()) {
            (429, _) | (_, "M_LIMIT_EXCEEDED") => {
                let what = What::RateLimited { told: self.retry_after, tried: true };
                (what, format!("the homeserver limits the rate of requests: {said}"))
            }
            (_, "M_UNKNOWN_TOKEN") if self.soft_logout => {
                (What::Account, format!("the access token has expired: {said}; log the account in again"))
            }
            (_, "M_UNKNOWN_TOKEN") => {
                let advice = "it is wrong, has expired or was logged out: make a new one for the account of inviter";
                (What::Account, format!("the homeserver does not know the access token: {said}; {advice}"))
            }
            (_, "M_MISSING_TOKEN") => (
                What::Account,
                format!("the access token did not reach the homeserver: {said}; does a proxy strip Authorization?"),
            ),
            (_, "M_USER_DEACTIVATED" | "M_USER_LOCKED" | "M_USER_SUSPENDED") => {
                let advice = "an administrator of the homeserver must lift that, or inviter needs another account";
                (What::Account, format!("the account of inviter is out of service: {said}; {advice}"))
            }
            (401, _) => (What::Account, format!("the homeserver does not accept the access token: {said}")),
            (500.., _) => {
                let advice = if errcode.is_empty() {
                    "is the homeserver behind the proxy running?"
                } else {
                    "its log tells more"
                };
                (What::Server, format!("{server} has trouble of its own: {said}; {advice}"))
            }
            (400.., "") => {
                let text = format!("the answer of {server} is not that of a Matrix homeserver: {said}");
                (What::Refused { status: *status, errcode: String::new() }, text)
            }
            _ => {
                let text = format!("the homeserver refused: {said}");
                (What::Refused { status: *status, errcode: errcode.clone() }, text)
            }
        };
        Failure::new(what, &format!("{asked}: {text}"))
    }

    /// The status, the code and the homeserver's own words.
    fn said(&self) -> String {
        let mut said = self.status.to_string();
        if !self.errcode.is_empty() {
            said = format!("{said} {}", shortened(&self.errcode));
        }
        if !self.message.trim().is_empty() {
            said = format!("{said} \"{}\"", shortened(&self.message));
        }
        said
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

/// One line of at most 200 characters.
fn shortened(text: &str) -> String {
    const LIMIT: usize = 200;
    let line = clean(text).split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Text without anything that could steer a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}'..='\u{202e}') { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::api::EndpointError as _;
    use matrix_sdk::ruma::api::error::Error;
    use matrix_sdk::ruma::exports::http::Response;

    use super::*;

    fn failure(status: u16, headers: &[(&str, &str)], body: &str) -> Failure {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let error = Error::from_http_response(response.body(body.as_bytes().to_vec()).unwrap());
        let error = FromHttpResponseError::Server(UiaaResponse::MatrixError(error));
        Failure::of("inviting @a:x to #r:x", "https://m.example/", &HttpError::from(error))
    }

    fn told(failure: &Failure) -> Option<Duration> {
        match failure.what {
            What::RateLimited { told, .. } => told,
            _ => panic!("{failure:?}"),
        }
    }

    #[test]
    fn a_refusal_is_told_with_status_code_and_words() {
        let failure = failure(403, &[], r#"{"errcode":"M_FORBIDDEN","error":"You may\u001b[31m not\nat all"}"#);
        assert_eq!(
            failure.to_string(),
            "inviting @a:x to #r:x: the homeserver refused: 403 M_FORBIDDEN \"You may [31m not at all\""
        );
        assert!(failure.is_refusal(403, "M_FORBIDDEN") && failure.is_refusal(403, ""));
        assert!(!failure.is_refusal(404, "") && !failure.may_be_done() && !failure.ends_the_run());
    }

    #[test]
    fn trouble_with_the_account_ends_the_run() {
        for (status, body) in [
            (401, r#"{"errcode":"M_UNKNOWN_TOKEN","error":"no"}"#),
            (401, r#"{"errcode":"M_UNKNOWN_TOKEN","error":"no","soft_logout":true}"#),
            (401, r#"{"errcode":"M_MISSING_TOKEN","error":"no"}"#),
            (401, r#"{"errcode":"M_UNKNOWN_TOKEN"}"#),
            (403, r#"{"errcode":"M_USER_DEACTIVATED","error":"no"}"#),
            (401, "Authorization Required"),
        ] {
            assert!(failure(status, &[], body).ends_the_run(), "{status} {body}");
        }
    }

    #[test]
    fn a_page_of_a_proxy_is_cut_short() {
        let page = format!("<html>\r\n<h1>502 Bad Gateway</h1>{}", "x".repeat(100_000));
        let failure = failure(502, &[], &page);
        assert!(failure.may_be_done() && failure.may_pass());
        let text = failure.to_string();
        assert!(text.contains("502 \"<html> <h1>502 Bad Gateway</h1>xxx"), "{text}");
        assert!(text.len() < 500, "{text}");
    }

    #[test]
    fn what_a_rate_limit_tells_is_found_wherever_it_stands() {
        let body = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"slow","retry_after_ms":1500}"#;
        assert_eq!(told(&failure(429, &[], body)), Some(Duration::from_millis(1500)));
        assert_eq!(told(&failure(429, &[("Retry-After", "7")], body)), Some(Duration::from_secs(7)));
        let untold = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"slow"}"#;
        assert_eq!(told(&failure(429, &[], untold)), None);
        assert_eq!(told(&failure(429, &[], r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":-1}"#)), None);
        assert_eq!(told(&failure(429, &[], "<html>")), None);
    }
}
