//! The one way by which requests leave.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use matrix_sdk::ruma::{OwnedUserId, ServerName, UserId};

use super::admin::Admin;
use super::connection::{Connection, SendError};
use super::error::Failure;
use super::limiter::Lane;
use super::pace::Pace;

/// A request, as far as its sending goes.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// What it is for, in words: `inviting @a:x to #r:x`.
    pub(crate) text: String,
    pub(super) lane: Lane,
    attempts: u32,
    pub(super) person: Option<OwnedUserId>,
    /// Whether it belongs to the end of a run, and is sent although the run is to end.
    pub(super) last: bool,
    /// Whether the homeserver answers it without asking another one.
    pub(super) alone: bool,
}

impl Asked {
    /// A request that changes nothing and may be repeated.
    pub(crate) fn read(text: impl Into<String>) -> Self {
        Self { text: text.into(), lane: Lane::Read, attempts: 3, person: None, last: false, alone: true }
    }

    /// A request that changes something, and does not change more when it arrives twice.
    pub(crate) fn repeatable(lane: Lane, text: impl Into<String>) -> Self {
        Self { lane, ..Self::read(text) }
    }

    /// A request that must not arrive twice.
    pub(crate) fn once(lane: Lane, text: impl Into<String>) -> Self {
        Self { attempts: 1, ..Self::repeatable(lane, text) }
    }

    /// Says that the request is sent although the run is to end.
    pub(crate) fn last(self) -> Self {
        Self { last: true, ..self }
    }

    /// Says that the homeserver may have to ask this other one, if it is one.
    pub(crate) fn with_help_of(self, server: &ServerName, own: &UserId) -> Self {
        Self { alone: server == own.server_name(), ..self }
    }

    /// Says that the homeserver may limit the request for the sake of this person.
    pub(crate) fn about(self, person: OwnedUserId) -> Self {
        Self { person: Some(person), ..self }
    }
}

/// The connection to the homeserver.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(super) client: Connection,
    pub(super) me: OwnedUserId,
    pub(super) concurrency: usize,
    pub(super) server: String,
    pub(super) pace: Pace,
    /// The admin API, if people are added by it.
    pub(super) admin: Option<Admin>,
}

impl Wire {
    /// Sends a request, when the pace lets it, and again if that is harmless and may help.
    pub(super) async fn ask<'a, T, F>(
        &'a self,
        asked: &Asked,
        request: impl Fn(&'a Connection) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, SendError>>,
    {
        ask(&self.pace, asked, &self.server, || request(&self.client)).await
    }
}

/// As [`Wire::ask`], for what is asked before there is a session.
pub(super) async fn ask<T, F>(pace: &Pace, asked: &Asked, server: &str, request: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, SendError>>,
{
    let mut attempt = 1;
    loop {
        let answer = pace
            .run(asked, || {
                let answer = request();
                async { answer.await.map_err(|error| Failure::of_sending(&asked.text, server, &error)) }
            })
            .await;
        match answer {
            Err(failure) if failure.may_pass() && attempt < asked.attempts => {
                tracing::debug!(attempt, %failure, "trying again");
                if pace.wait(asked, tokio::time::sleep(backoff(attempt))).await.is_err() {
                    return Err(failure);
                }
                attempt += 1;
            }
            other => return other,
        }
    }
}

/// A wait that doubles with each attempt, and differs from one request to the next by up to a half.
pub(super) fn backoff(attempt: u32) -> Duration {
    let base = Duration::from_millis(300) * 2u32.pow(attempt.min(10) - 1);
    // The hasher's keys are random, which is random enough here.
    let jitter = u32::try_from(RandomState::new().hash_one(attempt) % 1000).unwrap_or(0);
    base * (500 + jitter) / 1000
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use matrix_sdk::HttpError;
    use matrix_sdk::ruma::api::EndpointError as _;
    use matrix_sdk::ruma::api::client::uiaa::UiaaResponse;
    use matrix_sdk::ruma::api::error::{Error, FromHttpResponseError};
    use matrix_sdk::ruma::exports::http::Response;
    use matrix_sdk::ruma::{server_name, user_id};

    use super::*;
    use crate::matrix::error::What;
    use crate::matrix::width::Width;
    use crate::stop::Stop;

    fn trouble() -> SendError {
        let error =
            UiaaResponse::MatrixError(Error::from_http_response(Response::builder().status(502).body("").unwrap()));
        HttpError::from(FromHttpResponseError::Server(error)).into()
    }

    /// How often a request is sent that is always answered so, and what is told in the end.
    async fn sent(asked: &Asked, stop: Stop, answer: impl Fn() -> SendError) -> (usize, What) {
        let patience = Duration::from_mins(1);
        let (pace, sent) = (Pace::new(patience, Width::new(1, patience), stop), AtomicUsize::new(0));
        let failure = ask::<(), _>(&pace, asked, "https://x", || {
            sent.fetch_add(1, Ordering::SeqCst);
            let error = answer();
            async { Err(error) }
        });
        let what = failure.await.unwrap_err().what;
        (sent.into_inner(), what)
    }

    #[tokio::test]
    async fn a_request_is_repeated_if_it_may_be_and_that_may_help() {
        let (once, repeatable) = (Asked::once(Lane::Send, "x"), Asked::repeatable(Lane::Send, "x"));
        assert_eq!(sent(&once, Stop::default(), trouble).await, (1, What::Server));
        assert_eq!(sent(&repeatable, Stop::default(), trouble).await, (3, What::Server));
        assert_eq!(sent(&repeatable, Stop::default(), || SendError::NoObject).await, (1, What::Unintelligible));
    }

    #[tokio::test]
    async fn when_the_run_ends_before_a_repetition_the_failure_is_told_after_which_it_is_looked_up() {
        let stop = Stop::after(Some(Duration::from_millis(20)));
        assert_eq!(sent(&Asked::repeatable(Lane::Send, "x"), stop, trouble).await, (1, What::Server));
    }

    #[test]
    fn only_what_this_homeserver_answers_alone_tells_of_its_trouble() {
        let me = user_id!("@me:x");
        assert!(Asked::read("x").alone && Asked::read("x").with_help_of(server_name!("x"), me).alone);
        assert!(!Asked::read("x").with_help_of(server_name!("y"), me).alone);
    }
}
