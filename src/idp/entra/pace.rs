//! Waiting as Graph asks to (<https://learn.microsoft.com/graph/throttling>), all requests together and not for ever.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::EntraProblem;

/// The longest wait when nothing was said about how long it should be.
const LONGEST_GUESS: Duration = Duration::from_secs(30);

/// When the next request may go out.
pub(super) struct Pace {
    patience: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    not_before: Option<Instant>,
    waited: Duration,
    in_a_row: u32,
}

impl Pace {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, state: Mutex::default() }
    }

    /// Waits until requests may go out.
    pub(super) async fn ready(&self) {
        loop {
            let until = self.lock().not_before;
            match until {
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }

    /// A request was answered.
    pub(super) fn answered(&self) {
        self.lock().in_a_row = 0;
    }

    /// Graph asks all requests to wait.
    pub(super) fn hold(&self, status: u16, asked: Option<Duration>) -> Result<(), EntraProblem> {
        let mut state = self.lock();
        let guess = Duration::from_secs(1 << state.in_a_row.min(5)).min(LONGEST_GUESS);
        // Never at once: that would be asking in a circle.
        let asked = asked.unwrap_or(guess).max(Duration::from_secs(1));
        state.in_a_row += 1;
        let now = Instant::now();
        let from = state.not_before.map_or(now, |before| before.max(now));
        let until = now + asked;
        let more = until.saturating_duration_since(from);
        if state.waited + more > self.patience {
            let whole = |duration: Duration| Duration::from_secs(duration.as_secs());
            return Err(EntraProblem::Throttled {
                status,
                asked: whole(asked),
                waited: whole(state.waited),
                patience: self.patience,
            });
        }
        tracing::info!("Graph limits the rate: waiting {} s", asked.as_secs());
        state.waited += more;
        state.not_before = Some(until.max(from));
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
