//! What a homeserver says when it does not do what was asked, in words.

use crate::printable::line;
use std::time::Duration;

use matrix_sdk::ruma::api::error::{ErrorBody, ErrorKind, RetryAfter};

use super::error::{Failure, What};

/// An answer with a status that is not 200.
#[derive(Debug, Default)]
pub(super) struct Answer {
    status: u16,
    errcode: String,
    message: String,
    soft_logout: bool,
    retry_after: Option<Duration>,
}

impl Answer {
    /// An answer without words.
    pub(super) fn with_status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(super) fn of(status: u16, body: &ErrorBody) -> Self {
        let mut answer = Self::with_status(status);
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

    pub(super) fn into_failure(self, asked: &str, server: &str) -> Failure {
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
                let what = if errcode == "M_USER_DEACTIVATED" { What::Deactivated } else { What::Account };
                (what, format!("an account is out of service: {said}; if it is that of inviter, {advice}"))
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
            said = format!("{said} {}", line(&self.errcode));
        }
        if !self.message.trim().is_empty() {
            said = format!("{said} \"{}\"", line(&self.message));
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::HttpError;
    use matrix_sdk::ruma::api::EndpointError as _;
    use matrix_sdk::ruma::api::client::uiaa::UiaaResponse;
    use matrix_sdk::ruma::api::error::{Error, FromHttpResponseError};
    use matrix_sdk::ruma::exports::http::Response;
    use proptest::prelude::*;

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
            "inviting @a:x to #r:x: the homeserver refused: 403 M_FORBIDDEN \"You may\\u{1b}[31m not at all\""
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

    #[test]
    fn fuzz_what_is_said_of_an_answer_is_one_short_harmless_line() {
        let body = prop_oneof![
            crate::fuzz::any_json().prop_map(|json| json.to_string()),
            crate::fuzz::mutated(vec![r#"{"errcode":"M_LIMIT_EXCEEDED","error":"slow","retry_after_ms":1500}"#.into()]),
        ];
        let status = proptest::sample::select(vec![400_u16, 401, 403, 404, 413, 418, 429, 500, 502, 504, 599]);
        let retry =
            prop_oneof![Just("7".to_owned()), Just("99999999999999999999".into()), Just("-1".into()), "[ -~]{0,30}"];
        crate::fuzz::try_all(&(status, retry, body), |(status, retry, body)| {
            let failure = failure(status, &[("Retry-After", &retry)], &body);
            let text = failure.to_string();
            assert!(!text.chars().any(crate::printable::is_harmful), "{text:?}");
            assert!(text.starts_with("inviting @a:x to #r:x: ") && text.chars().count() < 4000, "{text}");
            if status == 429 {
                assert!(matches!(failure.what, What::RateLimited { .. }), "{failure:?}");
            }
        });
    }

    #[test]
    fn a_rate_limit_is_one_by_its_code_as_well() {
        let body = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"slow","retry_after_ms":1500}"#;
        assert_eq!(told(&failure(400, &[], body)), Some(Duration::from_millis(1500)));
        assert_eq!(told(&failure(429, &[], r#"{"retry_after_ms":1500}"#)), Some(Duration::from_millis(1500)));
        let body = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"slow"}"#;
        let far = told(&failure(429, &[("Retry-After", "Wed, 01 Jan 2200 00:00:00 GMT")], body));
        assert!(far > Some(Duration::from_hours(24 * 365)), "{far:?}");
    }

    #[test]
    fn an_account_is_out_of_service_whatever_the_status() {
        for (status, code, expected) in [
            (403, "M_UNKNOWN_TOKEN", What::Account),
            (401, "M_USER_LOCKED", What::Account),
            (403, "M_USER_LOCKED", What::Account),
            (403, "M_USER_SUSPENDED", What::Account),
            (403, "M_USER_DEACTIVATED", What::Deactivated),
        ] {
            let body = format!(r#"{{"errcode":"{code}","error":"no"}}"#);
            assert_eq!(failure(status, &[], &body).what, expected, "{status} {code}");
        }
    }

    #[test]
    fn a_no_without_a_code_is_a_no() {
        let failure = failure(403, &[], "<html>Forbidden</html>");
        assert!(failure.is_refusal(403, "") && !failure.is_refusal(403, "M_FORBIDDEN"), "{failure:?}");
        assert!(!failure.may_be_done());
    }
}
