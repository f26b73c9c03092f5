//! Rate limits: waited for as told, shared by all requests of a run, and never answered by asking again at once.
//!
//! A refused request has often cost something already: Synapse takes an invitation off the invitee's allowance before it
//! looks at the sender's. So once the homeserver has said "too many", the requests of that kind go one at a time, as far
//! apart as it told (<https://spec.matrix.org/v1.16/client-server-api/#rate-limiting>).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use matrix_sdk::ruma::{OwnedUserId, UserId};
use tokio::time::Instant;

use super::error::{Failure, What};

/// Requests that homeservers count together. Creating a room may be allowed once a minute and inviting every five
/// seconds: one must not wait for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Everything that changes nothing.
    Read,
    /// Creating rooms.
    Create,
    /// Joining rooms.
    Join,
    /// Sending events: state, invitations and kicks.
    Send,
}

const LANES: usize = 4;
/// What is waited when the homeserver does not tell; doubled each time.
const UNTOLD: Duration = Duration::from_secs(5);
/// The longest wait when the homeserver does not tell.
const LONGEST_UNTOLD: Duration = Duration::from_mins(1);
/// The shortest wait, whatever the homeserver tells.
const SHORTEST: Duration = Duration::from_millis(100);
/// Added to what the homeserver tells, which it rounds down.
const MARGIN: Duration = Duration::from_millis(50);
/// An invitation that is told to wait this long was refused for the sake of the invitee, and others may go on.
const PERSONAL: Duration = Duration::from_secs(100);

/// Whether a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permit {
    /// Now.
    Go,
    /// At that moment, when one must ask again.
    Wait(Instant),
    /// Not in this run: the moment when it could is past the run's patience.
    Never,
    /// Not in this run: this person can be invited again only after so long.
    Personal(Duration),
}

/// The rules, without a clock.
#[derive(Debug)]
pub(crate) struct Limiter {
    patience: Duration,
    /// When patience ends; set by the first refusal.
    deadline: Option<Instant>,
    lanes: [LaneState; LANES],
    people: BTreeMap<OwnedUserId, Instant>,
}

#[derive(Debug, Default)]
struct LaneState {
    /// Set once the homeserver has refused something.
    pace: Option<LanePace>,
    /// When the last request that was not refused was answered.
    answered: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct LanePace {
    not_before: Instant,
    spacing: Duration,
    /// The next wait when the homeserver does not tell.
    untold: Duration,
}

impl Limiter {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, deadline: None, lanes: Default::default(), people: BTreeMap::new() }
    }

    /// Whether requests of this kind go one at a time.
    pub(crate) fn is_paced(&self, lane: Lane) -> bool {
        self.lanes[lane as usize].pace.is_some()
    }

    pub(crate) fn permit(&self, lane: Lane, person: Option<&UserId>, now: Instant) -> Permit {
        if let Some(until) = person.and_then(|person| self.people.get(person)).filter(|until| **until > now) {
            return Permit::Personal(*until - now);
        }
        let (Some(pace), Some(deadline)) = (self.lanes[lane as usize].pace, self.deadline) else { return Permit::Go };
        if pace.not_before.max(now) > deadline {
            Permit::Never
        } else if pace.not_before > now {
            Permit::Wait(pace.not_before)
        } else {
            Permit::Go
        }
    }

    /// The homeserver answered something other than "too many".
    pub(crate) fn answered(&mut self, lane: Lane, now: Instant) {
        let state = &mut self.lanes[lane as usize];
        state.answered = Some(now);
        if let Some(pace) = &mut state.pace {
            pace.not_before = pace.not_before.max(now + pace.spacing);
            pace.untold = UNTOLD;
        }
    }

    /// The homeserver answered "too many", and told how long to wait, or did not.
    pub(crate) fn refused(&mut self, lane: Lane, person: Option<&UserId>, told: Option<Duration>, now: Instant) {
        // Far beyond any patience, and far from what an Instant can hold.
        let told = told.map(|told| told.min(Duration::from_hours(30 * 24)));
        if let (Some(person), Some(told)) = (person, told)
            && told >= PERSONAL
        {
            self.people.insert(person.to_owned(), now + told);
            return;
        }
        self.deadline.get_or_insert(now + self.patience);
        let state = &mut self.lanes[lane as usize];
        let untold = state.pace.map_or(UNTOLD, |pace| pace.untold);
        let wait = told.unwrap_or(untold).max(SHORTEST) + MARGIN;
        // A refusal in spite of the pace shows what the pace should be: from the last success to the moment told.
        let spacing = match (state.pace, state.answered) {
            (Some(pace), Some(answered)) => {
                let shown = now.saturating_duration_since(answered) + wait;
                pace.spacing.max(shown.min(2 * wait.max(pace.spacing)))
            }
            _ => wait,
        };
        let not_before = state.pace.map_or(now, |pace| pace.not_before).max(now + wait);
        let untold = if told.is_none() { (2 * untold).min(LONGEST_UNTOLD) } else { untold };
        state.pace = Some(LanePace { not_before, spacing, untold });
    }
}

/// The gate through which every request of a run goes.
#[derive(Debug)]
pub(crate) struct Pace {
    limiter: Mutex<Limiter>,
    turns: [tokio::sync::Mutex<()>; LANES],
    patience: Duration,
}

impl Pace {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { limiter: Mutex::new(Limiter::new(patience)), turns: Default::default(), patience }
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

    use matrix_sdk::ruma::user_id;

    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn waits(limiter: &Limiter, lane: Lane, now: Instant) -> Duration {
        match limiter.permit(lane, None, now) {
            Permit::Go => Duration::ZERO,
            Permit::Wait(until) => until - now,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_refusal_makes_its_own_lane_wait_as_told_and_others_not() {
        let (mut limiter, now) = (Limiter::new(seconds(900)), Instant::now());
        assert!(!limiter.is_paced(Lane::Create));
        limiter.refused(Lane::Create, None, Some(seconds(62)), now);
        assert_eq!(waits(&limiter, Lane::Create, now), seconds(62) + MARGIN);
        assert_eq!(waits(&limiter, Lane::Create, now + seconds(63)), Duration::ZERO);
        assert!(limiter.is_paced(Lane::Create) && !limiter.is_paced(Lane::Send));
        assert_eq!(waits(&limiter, Lane::Send, now), Duration::ZERO);
    }

    #[test]
    fn after_a_refusal_successes_are_spaced() {
        let (mut limiter, now) = (Limiter::new(seconds(900)), Instant::now());
        limiter.refused(Lane::Send, None, Some(seconds(3)), now);
        limiter.answered(Lane::Send, now + seconds(4));
        assert_eq!(waits(&limiter, Lane::Send, now + seconds(4)), seconds(3) + MARGIN);
        // The true interval is 5 s: a second refusal shows it.
        limiter.refused(Lane::Send, None, Some(seconds(2)), now + seconds(7));
        limiter.answered(Lane::Send, now + seconds(10));
        assert_eq!(waits(&limiter, Lane::Send, now + seconds(10)), seconds(5) + MARGIN);
    }

    #[test]
    fn a_wait_past_the_patience_is_not_begun() {
        let (mut limiter, now) = (Limiter::new(seconds(10)), Instant::now());
        limiter.refused(Lane::Send, None, Some(seconds(11)), now);
        assert_eq!(limiter.permit(Lane::Send, None, now), Permit::Never);
        assert_eq!(limiter.permit(Lane::Send, None, now + seconds(100)), Permit::Never);
        assert_eq!(limiter.permit(Lane::Read, None, now), Permit::Go);
    }

    #[test]
    fn absent_and_absurd_values_are_bounded() {
        let (mut limiter, now) = (Limiter::new(seconds(900)), Instant::now());
        limiter.refused(Lane::Send, None, Some(Duration::ZERO), now);
        assert_eq!(waits(&limiter, Lane::Send, now), SHORTEST + MARGIN);
        limiter.refused(Lane::Create, None, Some(Duration::MAX), now);
        assert_eq!(limiter.permit(Lane::Create, None, now), Permit::Never);
        let mut later = now;
        for expected in [5, 10, 20, 40, 60, 60] {
            limiter.refused(Lane::Join, None, None, later);
            assert_eq!(waits(&limiter, Lane::Join, later), seconds(expected) + MARGIN);
            later += seconds(100);
        }
    }

    #[test]
    fn a_limit_of_one_person_does_not_hold_up_the_others() {
        let (mut limiter, now) = (Limiter::new(seconds(900)), Instant::now());
        let person = user_id!("@a:x");
        limiter.refused(Lane::Send, Some(person), Some(seconds(333)), now);
        assert_eq!(limiter.permit(Lane::Send, Some(person), now), Permit::Personal(seconds(333)));
        assert_eq!(limiter.permit(Lane::Send, Some(user_id!("@b:x")), now), Permit::Go);
        assert_eq!(limiter.permit(Lane::Send, Some(person), now + seconds(334)), Permit::Go);
    }

    fn refusal(told: Duration) -> Failure {
        Failure { what: What::RateLimited { told: Some(told), tried: true }, text: String::new() }
    }

    #[tokio::test]
    async fn requests_go_one_at_a_time_after_a_refusal() {
        let pace = Pace::new(seconds(60));
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
        let pace = Pace::new(seconds(1));
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
