//! The kinds of faults, and what they mean by rule.

use std::time::Duration;

use crate::support::odd::Odd;
use crate::support::recorder::Action;

/// How long one request may take in these tests, so that a slow answer is over soon.
pub const TIMEOUT: &str = "5s";
/// What the program waits in all for a rate limit in these tests.
pub const PATIENCE: &str = "1s";

/// What a fault amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// The request was lost, or the answer says nothing: nobody knows.
    Lost,
    /// The homeserver said no.
    No,
    /// The homeserver asks to wait, longer than there is patience.
    Wait,
    /// The homeserver asks to wait, once and for a moment.
    Moment,
    /// The account is of no use any more.
    Account,
    /// The homeserver is gone.
    Gone,
    /// A JSON object that lacks everything: right where nothing is expected of it.
    Object,
}

/// A fault.
#[derive(Debug, Clone)]
pub struct Fault {
    pub name: &'static str,
    pub means: Means,
    /// Whether the homeserver does what it was asked, in spite of the fault.
    pub processed: bool,
    /// Whether it happens once; otherwise whenever the request is made.
    pub once: bool,
    /// What is told of it.
    pub told: &'static str,
    pub action: Action,
}

const SLOW: Duration = Duration::from_millis(400);
const HTML: &str = "<html><head><title>Bad gateway</title></head><body><hr>nginx</body></html>";
const HALF: &str = r#"{"room_id":"!half:inviter.test","event_id":"$half","user_id":"@half:inviter.test""#;
const WRONG: &str =
    r#"{"room_id":7,"event_id":[],"user_id":{},"joined_rooms":"x","versions":5,"visibility":[],"capabilities":"no"}"#;

/// Every kind of fault. `elsewhere` is an address that must never be asked, `token` a secret that error pages repeat.
pub fn all(elsewhere: &str, token: &str) -> Vec<Fault> {
    let fault = |name, means, told, action| Fault { name, means, processed: false, once: false, told, action };
    let odd = |answer| Action::Odd { processed: false, answer };
    let answer = |status, body: &str| Action::Answer { status, headers: Vec::new(), body: body.to_owned() };
    let with = |status, name, value: &str, body: &str| Action::Answer {
        status,
        headers: vec![(name, value.to_owned())],
        body: body.to_owned(),
    };
    let error = |code: &str| format!(r#"{{"errcode":"{code}","error":"no, not with Bearer {token}"}}"#);
    let limit = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"Too Many Requests"}"#;
    let limit_of = |milliseconds: &str| {
        format!(r#"{{"errcode":"M_LIMIT_EXCEEDED","error":"slow","retry_after_ms":{milliseconds}}}"#)
    };
    let page = format!("{HTML}Authorization: Bearer {token}");
    let (broke, foreign, limits) = ("broke", "not that of a Matrix homeserver", "(429)");
    let after = |name, action| Fault { name, means: Means::Lost, processed: true, once: true, told: "", action };
    let mut faults = vec![
        fault("closed", Means::Lost, broke, Action::DropBefore),
        fault("reset", Means::Lost, broke, odd(Odd::Reset)),
        fault("no HTTP", Means::Lost, broke, odd(Odd::Bytes(b"\0\x01SSH-2.0-OpenSSH\r\n\r\n".to_vec()))),
        fault("dripping", Means::Lost, "did not answer in time", odd(Odd::Dripping(HALF, SLOW))),
        fault("cut short", Means::Lost, broke, odd(Odd::Cut(HALF))),
        fault("half JSON", Means::Lost, foreign, answer(200, HALF)),
        fault("no JSON", Means::Lost, foreign, answer(200, "{'room_id': None}")),
        fault("empty", Means::Lost, foreign, answer(200, "")),
        fault("a page with status 200", Means::Lost, foreign, answer(200, &page)),
        fault("an array", Means::Lost, foreign, answer(200, "[]")),
        fault("null", Means::Lost, foreign, answer(200, "null")),
        fault("nothing in it", Means::Object, foreign, answer(200, "{}")),
        fault("wrong types", Means::Object, foreign, answer(200, WRONG)),
        fault("401", Means::Account, "M_UNKNOWN_TOKEN", answer(401, &error("M_UNKNOWN_TOKEN"))),
        fault("401 of a proxy", Means::Account, "401", answer(401, &page)),
        fault("deactivated", Means::Account, "M_USER_DEACTIVATED", answer(403, &error("M_USER_DEACTIVATED"))),
        fault("403", Means::No, "M_FORBIDDEN", answer(403, &error("M_FORBIDDEN"))),
        fault("403 of a proxy", Means::No, "403", answer(403, &page)),
        fault("404", Means::No, "404", answer(404, &error("M_UNRECOGNIZED"))),
        fault("404 of nobody", Means::No, "404 M_NOT_FOUND", answer(404, &error("M_NOT_FOUND"))),
        fault("404 of a proxy", Means::No, "404", answer(404, &page)),
        fault("429", Means::Wait, limits, answer(429, limit)),
        fault("429 of a proxy", Means::Wait, limits, answer(429, &page)),
        fault("429, wait 1e18 s", Means::Wait, limits, with(429, "Retry-After", "1000000000000000000", limit)),
        fault("429, wait 1e30 s", Means::Wait, limits, with(429, "Retry-After", "1e30", limit)),
        fault(
            "429, wait until 2200",
            Means::Wait,
            limits,
            with(429, "Retry-After", "Wed, 01 Jan 2200 00:00:00 GMT", limit),
        ),
        fault("429, wait -5 s", Means::Wait, limits, with(429, "Retry-After", "-5", limit)),
        fault("429, wait for garbage", Means::Wait, limits, with(429, "Retry-After", "soon", limit)),
        fault("a header with a control character", Means::Lost, broke, with(200, "X-Powered-By", "\u{7f}", "{}")),
        fault("429, wait 1e18 ms", Means::Wait, limits, answer(429, &limit_of("1000000000000000000"))),
        fault("429, wait -1 ms", Means::Wait, limits, answer(429, &limit_of("-1"))),
        fault("429, wait 0.5 ms", Means::Wait, limits, answer(429, &limit_of("0.5"))),
        fault("500", Means::Lost, "M_UNKNOWN", answer(500, &error("M_UNKNOWN"))),
        fault("502", Means::Lost, "502", answer(502, &page)),
        fault("503", Means::Lost, "503", answer(503, "")),
        fault("gone", Means::Gone, "cannot be reached", Action::GoAway),
        after("closed afterwards", Action::DropAfter),
        after("reset afterwards", Action::Odd { processed: true, answer: Odd::Reset }),
        after("cut short afterwards", Action::Odd { processed: true, answer: Odd::Cut("") }),
        after(
            "502 afterwards",
            Action::Odd {
                processed: true,
                answer: Odd::Bytes(format!("HTTP/1.1 502 Bad\r\nContent-Length: {}\r\n\r\n{page}", page.len()).into()),
            },
        ),
    ];
    for (name, status) in [("301", 301), ("302", 302), ("307", 307), ("308", 308)] {
        faults.push(fault(name, Means::Lost, "redirects", with(status, "Location", elsewhere, "")));
    }
    for (name, seconds) in [("429, wait 0 s", "0"), ("429, wait until 1970", "Thu, 01 Jan 1970 00:00:00 GMT")] {
        let action = with(429, "Retry-After", seconds, limit);
        faults.push(Fault { once: true, ..fault(name, Means::Moment, "", action) });
    }
    faults
}
