//! How many requests are under way at once: as many as the configuration allows while the homeserver answers well, half as
//! many each time that it shows trouble, and one more for each round of good answers.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::error::{Failure, What};

/// A gate that so many requests may pass side by side.
#[derive(Debug)]
pub(crate) struct Width {
    slots: Semaphore,
    state: Mutex<State>,
    /// An answer that took longer shows trouble: some of those behind it would come too late.
    slow: Duration,
}

#[derive(Debug)]
struct State {
    ceiling: usize,
    width: usize,
    /// Slots that are in use still, and are not given back.
    surplus: usize,
    /// Good answers since the width last changed.
    good: usize,
    /// What was asked before this moment says nothing about the width since then.
    narrowed: Option<Instant>,
}

impl Width {
    /// `timeout` is how long one request may take.
    pub(crate) fn new(ceiling: usize, timeout: Duration) -> Self {
        let ceiling = ceiling.max(1);
        let state = State { ceiling, width: ceiling, surplus: 0, good: 0, narrowed: None };
        Self { slots: Semaphore::new(ceiling), state: Mutex::new(state), slow: timeout / 4 }
    }

    /// Waits for the turn of a request.
    pub(crate) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.slots.acquire().await.ok()
    }

    /// Learns from an answer, and lets the next request go. `tells` is whether the answer is one of this homeserver alone,
    /// and `begun` when it was asked.
    pub(crate) fn leave<T>(
        &self,
        slot: Option<SemaphorePermit<'_>>,
        tells: bool,
        begun: Instant,
        answer: &Result<T, Failure>,
    ) {
        let (bad, good) = match answer {
            Ok(_) => (false, true),
            // A no is an answer.
            Err(Failure { what, .. }) => {
                (matches!(what, What::Server | What::Timeout | What::Broken), matches!(what, What::Refused { .. }))
            }
        };
        if tells && (bad || begun.elapsed() > self.slow) {
            self.narrow(begun, Instant::now());
        } else if good {
            self.widen();
        }
        let mut state = self.state();
        if state.surplus > 0 {
            state.surplus -= 1;
            if let Some(slot) = slot {
                slot.forget();
            }
        }
    }

    fn narrow(&self, asked: Instant, now: Instant) {
        let mut state = self.state();
        state.good = 0;
        if state.width > 1 && state.narrowed.is_none_or(|narrowed| asked >= narrowed) {
            let width = state.width / 2;
            state.surplus += state.width - width;
            state.width = width;
            while state.surplus > 0
                && let Ok(idle) = self.slots.try_acquire()
            {
                idle.forget();
                state.surplus -= 1;
            }
            state.narrowed = Some(now);
            tracing::debug!(width, "the homeserver has trouble: fewer requests side by side");
        }
    }

    fn widen(&self) {
        let mut state = self.state();
        if state.width == state.ceiling {
            return;
        }
        state.good += 1;
        if state.good >= state.width {
            state.good = 0;
            state.width += 1;
            if state.surplus > 0 {
                state.surplus -= 1;
            } else {
                self.slots.add_permits(1);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    fn trouble() -> Failure {
        Failure { what: What::Server, text: String::new() }
    }

    async fn pass(
        width: &Width,
        tells: bool,
        request: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Failure> {
        let (slot, begun) = (width.enter().await, Instant::now());
        let answer = request.await;
        width.leave(slot, tells, begun, &answer);
        answer
    }

    /// Makes so many requests, and returns how many of them were under way at once.
    async fn most(width: &Width, requests: usize, answer: impl Fn() -> Result<(), Failure>) -> usize {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let one = || async {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            answer()
        };
        join_all((0..requests).map(|_| pass(width, true, one()))).await;
        most.into_inner()
    }

    #[tokio::test]
    async fn trouble_halves_the_width_once_for_all_that_was_under_way() {
        let width = Width::new(16, Duration::from_mins(1));
        assert_eq!(most(&width, 100, || Ok(())).await, 16);
        assert_eq!(most(&width, 16, || Err(trouble())).await, 16);
        assert_eq!(most(&width, 8, || Ok(())).await, 8);
        for expected in [4, 2, 1, 1] {
            pass(&width, true, async { Err(trouble()) }).await.unwrap_err();
            assert_eq!(width.state().width, expected);
        }
        assert_eq!(most(&width, 1, || Ok(())).await, 1);
    }

    #[tokio::test]
    async fn good_answers_widen_it_up_to_the_ceiling() {
        let width = Width::new(4, Duration::from_mins(1));
        for _ in 0..2 {
            pass(&width, true, async { Err(trouble()) }).await.unwrap_err();
        }
        assert_eq!(most(&width, 1 + 2 + 3, || Ok(())).await, 3);
        assert_eq!(most(&width, 100, || Ok(())).await, 4);
    }

    #[tokio::test]
    async fn a_slow_answer_is_trouble_and_that_of_another_homeserver_is_not() {
        let width = Width::new(8, Duration::ZERO);
        let slow = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(())
        };
        pass(&width, true, slow).await.unwrap();
        assert_eq!(width.state().width, 4);
        pass(&width, false, async { Err(trouble()) }).await.unwrap_err();
        assert_eq!(width.state().width, 4);
    }

    #[tokio::test]
    async fn trouble_is_what_shows_in_the_homeserver_and_a_no_is_a_good_answer() {
        let after = async |what: What| {
            let width = Width::new(4, Duration::from_mins(1));
            pass(&width, true, async { Err(trouble()) }).await.unwrap_err();
            for _ in 0..2 {
                let text = String::new();
                pass(&width, true, async { Err(Failure { what: what.clone(), text }) }).await.unwrap_err();
            }
            width.state().width
        };
        assert_eq!(after(What::Refused { status: 403, errcode: String::new() }).await, 3);
        for what in [What::Server, What::Timeout, What::Broken] {
            assert_eq!(after(what).await, 1);
        }
        for what in [What::Unintelligible, What::RateLimited { told: None, tried: true }] {
            assert_eq!(after(what).await, 2);
        }
    }

    #[tokio::test]
    async fn a_quarter_of_the_timeout_is_slow() {
        let width = Width::new(8, Duration::from_secs(4));
        assert_eq!(width.slow, Duration::from_secs(1));
    }

    #[tokio::test]
    async fn good_answers_before_the_trouble_do_not_count_after_it() {
        let width = Width::new(8, Duration::from_mins(1));
        pass(&width, true, async { Err(trouble()) }).await.unwrap_err();
        assert_eq!(most(&width, 3, || Ok(())).await, 3);
        pass(&width, true, async { Err(trouble()) }).await.unwrap_err();
        pass(&width, true, async { Ok(()) }).await.unwrap();
        assert_eq!(width.state().width, 2);
    }
}
