//! Rate limits: waited for as told, shared by all requests of a run, and never answered by asking again at once.
//!
//! A refused request has often cost something already: Synapse takes an invitation off the invitee's allowance before it
//! looks at the sender's. So once the homeserver has said "too many", the requests of that kind go one at a time, as far
//! apart as it told (<https://spec.matrix.org/v1.16/client-server-api/#rate-limiting>).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::{Failure, What};
use super::limiter::{LANES, Lane, Limiter, Permit};
use super::width::Width;
use super::wire::Asked;
use crate::stop::{Stop, Why};

/// The gate through which every request of a run goes.
#[derive(Debug)]
pub(crate) struct Pace {
    limiter: Mutex<Limiter>,
    turns: [tokio::sync::Mutex<()>; LANES],
    /// Requests under way. Who waits for a rate limit holds none of them, so that others go on.
    width: Width,
    patience: Duration,
    stop: Stop,
}

impl Pace {
    pub(crate) fn new(patience: Duration, width: Width, stop: Stop) -> Self {
        Self { limiter: Mutex::new(Limiter::new(patience)), turns: Default::default(), width, patience, stop }
    }

    /// Sends a request when it may go, and again when the homeserver refused it and the wait that it told is over.
    ///
    /// # Errors
    /// Those of the request; a [`What::RateLimited`] when patience ends, or the deadline comes before the end of a wait;
    /// and a [`What::Stopped`] when the run is to end.
    pub(crate) async fn run<T, F>(&self, asked: &Asked, request: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let (lane, person) = (asked.lane, asked.person.as_deref());
        let mut turn = None;
        let mut tried = false;
        loop {
            if turn.is_none() && self.limiter().is_paced(lane) {
                turn = Some(
                    self.wait(asked, self.turns[lane as usize].lock())
                        .await
                        .map_err(|why| Failure::stopped(tried, why))?,
                );
            }
            let permit = self.limiter().permit(lane, person, Instant::now());
            match permit {
                Permit::Go => {}
                Permit::Wait(until) if self.stop.is_before(until) && !asked.last => {
                    return Err(Failure::too_late(&asked.text, tried));
                }
                Permit::Wait(until) => {
                    self.wait(asked, tokio::time::sleep_until(until))
                        .await
                        .map_err(|why| Failure::stopped(tried, why))?;
                    continue;
                }
                Permit::Never => return Err(Failure::out_of_patience(&asked.text, tried, self.patience)),
                Permit::Personal(wait) => return Err(Failure::personal_limit(&asked.text, tried, wait)),
            }
            let slot = self.wait(asked, self.width.enter()).await.map_err(|why| Failure::stopped(tried, why))?;
            // Others may have been refused meanwhile.
            let told = self.limiter().permit(lane, person, Instant::now()) != Permit::Go;
            if told || (turn.is_none() && self.limiter().is_paced(lane)) {
                continue;
            }
            // What looks up how a write ended belongs to that write, and is asked still.
            if lane != Lane::Read
                && !asked.last
                && let Some(why) = self.stop.why()
            {
                return Err(Failure::stopped(tried, why));
            }
            let begun = Instant::now();
            let answer = request().await;
            self.width.leave(slot, asked.alone, begun, &answer);
            let now = Instant::now();
            let Err(Failure { what: What::RateLimited { told, .. }, .. }) = &answer else {
                self.limiter().answered(lane, now);
                return answer;
            };
            tracing::debug!(asked = asked.text, ?told, "the homeserver limits the rate");
            self.limiter().refused(lane, person, *told, now);
            tried = true;
        }
    }

    /// Waits for something before a request, unless the run is to end before.
    ///
    /// # Errors
    /// Why the run is to end.
    pub(super) async fn wait<F: Future>(&self, asked: &Asked, what: F) -> Result<F::Output, Why> {
        tokio::select! {
            biased;
            output = what => Ok(output),
            why = self.stop.reached(), if !asked.last => Err(why),
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

    fn send() -> Asked {
        Asked::repeatable(Lane::Send, "x")
    }

    fn refusal(told: Duration) -> Failure {
        Failure { what: What::RateLimited { told: Some(told), tried: true }, text: String::new() }
    }

    #[tokio::test]
    async fn requests_go_one_at_a_time_after_a_refusal() {
        let (pace, asked) = (Pace::new(seconds(60), Width::new(16, seconds(60)), Stop::default()), send());
        let (sent, at_once) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let one = || {
            pace.run(&asked, || async {
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
        let (pace, asked) = (Pace::new(seconds(1), Width::new(16, seconds(60)), Stop::default()), send());
        let sent = AtomicUsize::new(0);
        let one = || {
            pace.run(&asked, || async {
                sent.fetch_add(1, Ordering::SeqCst);
                Err::<(), _>(refusal(seconds(2)))
            })
        };
        let (first, second) = (one().await.unwrap_err(), one().await.unwrap_err());
        assert!(matches!(first.what, What::RateLimited { tried: true, .. }));
        assert!(matches!(second.what, What::RateLimited { tried: false, .. }));
        assert_eq!(sent.load(Ordering::SeqCst), 1);
    }
    #[tokio::test]
    async fn no_wait_is_begun_that_ends_after_the_deadline_and_other_work_goes_on() {
        let pace = Pace::new(seconds(60), Width::new(16, seconds(60)), Stop::after(Some(seconds(1))));
        let start = Instant::now();
        let refused = pace.run(&send(), || async { Err::<(), _>(refusal(seconds(2))) }).await.unwrap_err();
        assert!(refused.text.contains("lets it only after the deadline"), "{refused}");
        pace.run(&Asked::once(Lane::Create, "y"), || async { Ok(()) }).await.unwrap();
        assert!(start.elapsed() < seconds(1));
    }

    #[tokio::test]
    async fn a_stop_ends_the_waiting_and_lets_nothing_but_reads_and_the_last_word_go() {
        let stop = Stop::after(Some(Duration::from_millis(300)));
        let pace = Pace::new(seconds(60), Width::new(1, seconds(60)), stop);
        let slot = pace.width.enter().await;
        let waiting = pace.run(&send(), || async { Ok(()) }).await.unwrap_err();
        assert_eq!(waiting.what, What::Stopped);
        drop(slot);
        let late = pace.run(&send(), || async { Ok(()) }).await.unwrap_err();
        assert_eq!(late.text, "not tried, since the deadline of 300ms is over; the next run goes on");
        for asked in [Asked::read("x"), send().last()] {
            pace.run(&asked, || async { Ok(()) }).await.unwrap();
        }
    }

    #[tokio::test]
    async fn requests_under_way_are_bounded_and_who_waits_is_none_of_them() {
        let (pace, at_once, sent) = (
            Pace::new(seconds(60), Width::new(2, seconds(60)), Stop::default()),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        let (create, invite) = (Asked::once(Lane::Create, "x"), send());
        let creation = || {
            pace.run(&create, || async {
                assert!(at_once.fetch_add(1, Ordering::SeqCst) < 2);
                tokio::task::yield_now().await;
                at_once.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            })
        };
        let limited = || {
            pace.run(&invite, || async {
                let first = sent.fetch_add(1, Ordering::SeqCst) == 0;
                if first { Err(refusal(Duration::from_millis(200))) } else { Ok(()) }
            })
        };
        let start = Instant::now();
        let others = async {
            let done = tokio::join!(creation(), creation(), creation(), creation());
            assert!(done.0.is_ok() && done.1.is_ok() && done.2.is_ok() && done.3.is_ok());
            assert!(start.elapsed() < Duration::from_millis(200), "they did not wait");
        };
        let (first, second, ()) = tokio::join!(limited(), limited(), others);
        assert!(first.is_ok() && second.is_ok());
    }

    #[tokio::test]
    async fn the_last_word_waits_for_a_rate_limit_past_the_deadline() {
        let pace = Pace::new(seconds(60), Width::new(1, seconds(60)), Stop::after(Some(Duration::from_millis(50))));
        let sent = AtomicUsize::new(0);
        let last = send().last();
        let refused_once = || async {
            let is_first = sent.fetch_add(1, Ordering::SeqCst) == 0;
            if is_first { Err(refusal(Duration::from_millis(200))) } else { Ok(()) }
        };
        pace.run(&last, refused_once).await.unwrap();
        assert_eq!(sent.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn whoever_may_not_be_invited_again_is_asked_for_once() {
        let pace = Pace::new(seconds(60), Width::new(16, seconds(60)), Stop::default());
        let person = matrix_sdk::ruma::user_id!("@a:x").to_owned();
        let (invite, sent) = (send().about(person), AtomicUsize::new(0));
        let one = || {
            pace.run(&invite, || async {
                sent.fetch_add(1, Ordering::SeqCst);
                Err::<(), _>(refusal(seconds(333)))
            })
        };
        let (first, second) = (one().await.unwrap_err(), one().await.unwrap_err());
        assert!(matches!(first.what, What::RateLimited { tried: true, .. }), "{first:?}");
        assert!(matches!(second.what, What::RateLimited { tried: false, .. }), "{second:?}");
        assert_eq!(sent.load(Ordering::SeqCst), 1);
        pace.run(&send(), || async { Ok(()) }).await.unwrap();
    }
}
