//! What a plan amounts to.

use super::{Change, Plan, Way};

/// How many of each thing a plan holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Rooms to be created.
    pub(super) creations: usize,
    /// People to be invited.
    pub(super) invites: usize,
    /// People to be added without an invitation to accept.
    pub(super) additions: usize,
    /// People to be kicked.
    pub(super) kicks: usize,
    /// Everything else that is to be changed.
    pub(super) others: usize,
    /// What is withheld.
    pub(super) withheld: usize,
    /// Problems.
    pub(super) problems: usize,
    /// Warnings.
    pub(super) warnings: usize,
    /// Rooms that are orphaned for certain.
    pub(super) orphans: usize,
}

impl Count {
    /// Counts a plan.
    #[must_use]
    pub(super) fn of(plan: &Plan) -> Self {
        let mut count = Self { warnings: plan.warnings.len(), problems: plan.problems.len(), ..Self::default() };
        count.orphans = plan.orphans.iter().filter(|orphan| orphan.doubts.is_empty()).count();
        count.warnings += plan.orphans.len() - count.orphans;
        for room in plan.all() {
            count.withheld += room.withheld.len();
            count.problems += room.problems.len();
            count.warnings += room.warnings.len();
            for change in &room.changes {
                match change {
                    Change::Create(_) => count.creations += 1,
                    Change::Invite(invite) if invite.way == Way::Add => count.additions += 1,
                    Change::Invite(_) => count.invites += 1,
                    Change::Kick(_) => count.kicks += 1,
                    Change::PowerLevels(change) => count.others += change.users.len() + change.permissions.len(),
                    _ => count.others += 1,
                }
            }
        }
        count
    }
}
