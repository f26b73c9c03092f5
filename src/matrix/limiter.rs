//! The rules of waiting for a homeserver that limits the rate of requests, without a clock.

use std::collections::BTreeMap;
use std::time::Duration;

use matrix_sdk::ruma::{OwnedUserId, UserId};
use tokio::time::Instant;

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

/// How many lanes there are.
pub(crate) const LANES: usize = 4;
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
/// Once the pace of invitations is known, one that is told to wait so many times as long was refused for the invitee's sake.
const PERSONAL_SPACINGS: u32 = 3;

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

/// What was told so far, and what follows from it.
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

    /// From which wait on a refusal is about one person: far more than the limits of all invitations make one wait.
    fn shortest_personal(&self, lane: Lane) -> Duration {
        self.lanes[lane as usize].pace.map_or(PERSONAL, |pace| PERSONAL.min(PERSONAL_SPACINGS * pace.spacing))
    }

    /// The homeserver answered "too many", and told how long to wait, or did not.
    pub(crate) fn refused(&mut self, lane: Lane, person: Option<&UserId>, told: Option<Duration>, now: Instant) {
        // Far beyond any patience, and far from what an Instant can hold.
        let told = told.map(|told| told.min(Duration::from_hours(30 * 24)));
        if let (Some(person), Some(told)) = (person, told)
            && told >= self.shortest_personal(lane)
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

#[cfg(test)]
mod tests {
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

    #[test]
    fn what_is_left_of_a_personal_limit_is_one_still() {
        let (mut limiter, now) = (Limiter::new(seconds(900)), Instant::now());
        let person = user_id!("@a:x");
        limiter.refused(Lane::Send, None, Some(seconds(5)), now);
        limiter.refused(Lane::Send, Some(person), Some(seconds(83)), now + seconds(250));
        assert_eq!(limiter.permit(Lane::Send, Some(person), now + seconds(250)), Permit::Personal(seconds(83)));
        assert_eq!(waits(&limiter, Lane::Send, now + seconds(250)), Duration::ZERO, "the others go on");
    }

    #[test]
    fn a_limit_is_that_of_one_person_from_a_hundred_seconds_or_three_spacings_on() {
        let (person, now) = (user_id!("@a:x"), Instant::now());
        let limit = |before: Option<Duration>, told: Duration| {
            let mut limiter = Limiter::new(seconds(9000));
            if before.is_some() {
                limiter.refused(Lane::Send, None, before, now);
            }
            limiter.refused(Lane::Send, Some(person), Some(told), now);
            limiter.permit(Lane::Send, Some(person), now)
        };
        let instant = Duration::from_millis(1);
        for (before, shortest) in
            [(None, PERSONAL), (Some(seconds(5)), 3 * (seconds(5) + MARGIN)), (Some(seconds(62)), PERSONAL)]
        {
            assert_eq!(limit(before, shortest), Permit::Personal(shortest));
            assert!(matches!(limit(before, shortest.saturating_sub(instant)), Permit::Wait(_)), "{before:?}");
        }
    }

    #[test]
    fn patience_begins_once_and_ends_with_its_last_moment() {
        let (mut limiter, now) = (Limiter::new(seconds(10)), Instant::now());
        limiter.refused(Lane::Send, None, Some(seconds(3)), now);
        assert_eq!(limiter.permit(Lane::Send, None, now + seconds(10)), Permit::Go);
        assert_eq!(limiter.permit(Lane::Send, None, now + seconds(10) + Duration::from_nanos(1)), Permit::Never);
        limiter.refused(Lane::Send, None, Some(seconds(3)), now + seconds(8));
        assert_eq!(limiter.permit(Lane::Send, None, now + seconds(8)), Permit::Never, "it does not begin again");
    }

    #[test]
    fn neither_a_shorter_refusal_nor_an_answer_ends_a_wait_that_was_told() {
        let (mut limiter, now) = (Limiter::new(seconds(900)), Instant::now());
        limiter.refused(Lane::Send, None, Some(seconds(20)), now);
        limiter.refused(Lane::Send, None, Some(seconds(2)), now);
        assert_eq!(waits(&limiter, Lane::Send, now), seconds(20) + MARGIN);
        limiter.answered(Lane::Send, now);
        assert_eq!(waits(&limiter, Lane::Send, now), seconds(20) + MARGIN);
    }

    #[test]
    fn an_untold_wait_is_doubled_by_untold_refusals_alone_and_begins_anew_after_an_answer() {
        let (mut limiter, now) = (Limiter::new(seconds(900)), Instant::now());
        limiter.refused(Lane::Send, None, Some(seconds(1)), now);
        limiter.refused(Lane::Send, None, None, now + seconds(10));
        assert_eq!(waits(&limiter, Lane::Send, now + seconds(10)), seconds(5) + MARGIN);
        limiter.refused(Lane::Send, None, None, now + seconds(20));
        assert_eq!(waits(&limiter, Lane::Send, now + seconds(20)), seconds(10) + MARGIN);
        limiter.answered(Lane::Send, now + seconds(40));
        limiter.refused(Lane::Send, None, None, now + seconds(100));
        assert_eq!(waits(&limiter, Lane::Send, now + seconds(100)), seconds(5) + MARGIN);
    }

    #[test]
    fn the_spacing_never_shrinks_and_a_long_silence_at_most_doubles_it() {
        let (mut limiter, now) = (Limiter::new(seconds(9000)), Instant::now());
        limiter.refused(Lane::Send, None, Some(seconds(3)), now);
        limiter.answered(Lane::Send, now + seconds(4));
        limiter.refused(Lane::Send, None, Some(seconds(1)), now + seconds(4));
        limiter.answered(Lane::Send, now + seconds(20));
        assert_eq!(waits(&limiter, Lane::Send, now + seconds(20)), seconds(3) + MARGIN);
        limiter.refused(Lane::Send, None, Some(seconds(2)), now + seconds(1000));
        limiter.answered(Lane::Send, now + seconds(1010));
        assert_eq!(waits(&limiter, Lane::Send, now + seconds(1010)), 2 * (seconds(3) + MARGIN));
    }
}
