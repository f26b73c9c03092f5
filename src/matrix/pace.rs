//! Rate limits: waited for as told, shared by all requests of a run, and never answered by asking again at once.
//!
//! A refused request has often cost something already: Synapse takes an invitation off the invitee's allowance before it
//! looks at the sender's. So once the homeserver has said "too many", the requests of that kind go one at a time, as far
//! apart as it told (<https://spec.matrix.org/v1.16/client-server-api/#rate-limiting>).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use matrix_sdk::ruma::UserId;
use tokio::time::Instant;

use super::error::{Failure, What};
use super::limiter::{LANES, Lane, Limiter, Permit};
use super::width::Width;

/// The gate through which every request of a run goes.
#[derive(Debug)]
pub(crate) struct Pace {
    limiter: Mutex<Limiter>,
    turns: [tokio::sync::Mutex<()>; LANES],
    patience: Duration,
    pub(super) width: Width,
}

impl Pace {
    pub(crate) fn new(patience: Duration, width: Width) -> Self {
        Self { limiter: Mutex::new(Limiter::new(patience)), turns: Default::default(), patience, width }
    }

    /// Sends a request when it may go, and again when the homeserver refused it and the wait that it told is over.
    ///
    /// # Errors
    /// Those of the request; and a [`What::RateLimited`] when patience ends.
    pub(crate) async fn run<T, F>(
        &self,
        asked: &str,
        lane: Lane,
        person: Option<&UserId>,
        request: impl Fn() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut turn = None;
        let mut tried = false;
        loop {
            if turn.is_none() && self.limiter().is_paced(lane) {
                turn = Some(self.turns[lane as usize].lock().await);
            }
            let permit = self.limiter().permit(lane, person, Instant::now());
            match permit {
                Permit::Go => {}
                Permit::Wait(until) => {
                    tokio::time::sleep_until(until).await;
                    continue;
                }
                Permit::Never => return Err(Failure::out_of_patience(asked, tried, self.patience)),
                Permit::Personal(wait) => return Err(Failure::personal_limit(asked, tried, wait)),
            }
            let answer = request().await;
            let now = Instant::now();
            let Err(Failure { what: What::RateLimited { told, .. }, .. }) = &answer else {
                self.limiter().answered(lane, now);
                return answer;
            };
            tracing::debug!(asked, ?told, "the homeserver limits the rate");
            self.limiter().refused(lane, person, *told, now);
            tried = true;
        }
    }

    fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn refusal(told: Duration) -> Failure {
        Failure { what: What::RateLimited { told: Some(told), tried: true }, text: String::new() }
    }

    #[tokio::test]
    async fn requests_go_one_at_a_time_after_a_refusal() {
        let pace = Pace::new(seconds(60), Width::new(16, seconds(60)));
        let (sent, at_once) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let one = || {
            pace.run("x", Lane::Send, None, || async {
                let number = sent.fetch_add(1, Ordering::SeqCst);
                if number == 0 {
                    return Err(refusal(Duration::from_millis(100)));
                }
                assert_eq!(at_once.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
                tokio::time::sleep(Duration::from_millis(5)).await;
                at_once.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            })
        };
        let start = Instant::now();
        // The first is refused before the others come.
        let (first, others) = tokio::join!(one(), async {
            tokio::task::yield_now().await;
            tokio::join!(one(), one(), one())
        });
        assert!(first.is_ok() && others.0.is_ok() && others.1.is_ok() && others.2.is_ok());
        assert_eq!(sent.load(Ordering::SeqCst), 5, "one refusal, and nothing was asked twice after it");
        assert!(start.elapsed() >= Duration::from_millis(4 * 150), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn what_comes_after_the_end_of_patience_is_not_sent() {
        let pace = Pace::new(seconds(1), Width::new(16, seconds(60)));
        let sent = AtomicUsize::new(0);
        let one = || {
            pace.run("x", Lane::Send, None, || async {
                sent.fetch_add(1, Ordering::SeqCst);
                Err::<(), _>(refusal(seconds(2)))
            })
        };
        let (first, second) = (one().await.unwrap_err(), one().await.unwrap_err());
        assert!(matches!(first.what, What::RateLimited { tried: true, .. }));
        assert!(matches!(second.what, What::RateLimited { tried: false, .. }));
        assert_eq!(sent.load(Ordering::SeqCst), 1);
    }
}
