//! What became of a plan, and the exit status that says so.

use std::collections::BTreeMap;
use std::process::ExitCode;

use matrix_sdk::ruma::OwnedRoomAliasId;

use crate::plan::Plan;

/// What became of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Applied,
    /// Somebody, perhaps an earlier run, had made it already.
    AlreadyDone,
    /// The person cannot be invited, and that is nobody's to mend here; the text says why.
    Blocked(String),
    /// It was not tried; the text says why.
    Skipped(String),
    /// It failed; the text says what was asked and what was answered.
    Failed(String),
}

impl Outcome {
    /// Whether it is as it should be.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Applied | Self::AlreadyDone)
    }
}

/// What became of a plan: the outcome of each change, in the plan's order, by room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// By room, one outcome for each of its changes.
    pub rooms: BTreeMap<OwnedRoomAliasId, Vec<Outcome>>,
}

impl Report {
    /// Whether every change was made that can be. Somebody who takes no invitations is told of in each report, and does
    /// not make each run a failed one.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.outcomes().all(|outcome| !matches!(outcome, Outcome::Skipped(_) | Outcome::Failed(_)))
    }

    /// Whether something came of it that the run before did not tell as well.
    #[must_use]
    pub fn is_news(&self) -> bool {
        self.outcomes().any(|outcome| !matches!(outcome, Outcome::Blocked(_)))
    }

    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.rooms.values().flatten()
    }
}

/// How a run ends, as its exit status tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done, or nothing to do: 0.
    Done,
    /// Nothing was changed because of an error: 1.
    Error,
    /// Changes are pending: 2, and only if it was asked for.
    Pending,
    /// Some changes failed or are left, or some rooms cannot be managed: 3.
    Incomplete,
    /// The guard refused removals: 4.
    Refused,
    /// What is left to do waits for somebody else: 5.
    Waiting,
    /// Another run has the lock file: 75, as in `sysexits.h`.
    Locked,
    /// The command line cannot be understood: 64, as in `sysexits.h`.
    Usage,
}

impl Status {
    /// How a run ends: without a report if it was a dry one. The gravest that holds is told.
    #[must_use]
    pub fn of(plan: &Plan, refused: bool, report: Option<&Report>, detailed: bool) -> Self {
        let failed = report.is_some_and(|report| !report.is_complete());
        if refused {
            Self::Refused
        } else if failed || plan.has_problems() {
            Self::Incomplete
        } else if detailed && report.is_none() && !plan.is_empty() {
            Self::Pending
        } else {
            Self::Done
        }
    }

    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Pending => 2,
            Self::Incomplete => 3,
            Self::Refused => 4,
            Self::Waiting => 5,
            Self::Usage => 64,
            Self::Locked => 75,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.code())
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::room_alias_id;

    use super::*;

    fn report(outcomes: &[Outcome]) -> Report {
        Report { rooms: [(room_alias_id!("#a:x").to_owned(), outcomes.to_vec())].into() }
    }

    #[test]
    fn a_run_is_complete_if_nothing_that_can_be_done_is_left_and_news_unless_all_are_blocked() {
        let text = || "text".to_owned();
        for (outcome, is_complete, is_news) in [
            (Outcome::Applied, true, true),
            (Outcome::AlreadyDone, true, true),
            (Outcome::Blocked(text()), true, false),
            (Outcome::Skipped(text()), false, true),
            (Outcome::Failed(text()), false, true),
        ] {
            let alone = report(std::slice::from_ref(&outcome));
            assert_eq!((alone.is_complete(), alone.is_news()), (is_complete, is_news), "{outcome:?}");
            let first = report(&[outcome, Outcome::Blocked(text())]);
            assert_eq!((first.is_complete(), first.is_news()), (is_complete, is_news), "{first:?}");
            let status = Status::of(&Plan::default(), false, Some(&first), false);
            assert_eq!(status, if is_complete { Status::Done } else { Status::Incomplete });
        }
        assert!(report(&[]).is_complete() && !report(&[]).is_news());
    }
}
