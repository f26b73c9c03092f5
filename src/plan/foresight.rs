//! A room as its plan would leave it: what the guard looks at.

use std::collections::BTreeSet;

use matrix_sdk::ruma::UserId;

use super::refusal::{OwnLoss, Refusal};
use super::spaces::is_tolerated;
use super::{Change, PowerNeed, RoomPlan};
use crate::actual::{Actual, JoinedRoom, Membership, STAMP_TYPE};
use crate::desired::{Desired, DesiredRoom};
use crate::power::{ADMIN, MODERATOR, Power, PowerLevels};

/// The state events that `inviter` sends.
const STATE: [&str; 9] = [
    "m.room.power_levels",
    STAMP_TYPE,
    "m.room.canonical_alias",
    "m.room.history_visibility",
    "m.room.join_rules",
    "m.room.name",
    "m.room.topic",
    "m.space.child",
    "m.space.parent",
];

/// A room, and what is to be done in it.
pub(super) struct Foresight<'a> {
    pub(super) plan: &'a RoomPlan,
    pub(super) wanted: &'a DesiredRoom,
    pub(super) room: &'a JoinedRoom,
    pub(super) desired: &'a Desired,
    pub(super) actual: &'a Actual,
}

impl Foresight<'_> {
    /// What is refused in this room whatever the numbers are.
    pub(super) fn refusals(&self) -> Vec<Refusal> {
        let groups = self.empty_groups();
        let emptied = if groups.is_none() { self.emptied() } else { None };
        [groups, emptied, self.last_moderator()].into_iter().flatten().collect()
    }

    /// An invitation is no member: whoever is only invited does not keep the room from being emptied of those who are
    /// there.
    fn emptied(&self) -> Option<Refusal> {
        let kicks = self.plan.kicks().count() as u64;
        let somebody_is_asked = self.plan.headcount.invited > 0 || self.invited().next().is_some();
        let takes_the_last = self.plan.kicks().any(|kick| !kick.invited) || (kicks > 0 && !somebody_is_asked);
        (takes_the_last && !self.somebody_stays()).then(|| Refusal::Emptied { alias: self.plan.alias.clone(), kicks })
    }

    /// Whether somebody stays who is wanted, or about whom nothing is done because of what the directory says.
    fn somebody_stays(&self) -> bool {
        let own = self.actual.me.server_name();
        self.room.members.iter().any(|(user, member)| {
            member.membership == Membership::Join
                && *user != self.actual.me
                && !self.is_kicked(user)
                && (self.wanted.members.contains_key(user)
                    || self.wanted.held.contains(user)
                    || (user.server_name() == own && is_tolerated(self.wanted, self.desired, self.actual, user)))
        })
    }

    /// Only groups that the room is marked with: those have been followed before, so they may have had people.
    fn empty_groups(&self) -> Option<Refusal> {
        let kicks = self.plan.kicks().count() as u64;
        let marked = self.room.stamp.as_ref()?;
        let empty = self.wanted.empty.iter().filter(|(group, _)| marked.groups.contains(*group));
        let groups: BTreeSet<_> = empty.map(|(_, name)| name.clone()).collect();
        (kicks > 0 && !groups.is_empty()).then(|| Refusal::EmptyGroups {
            alias: self.plan.alias.clone(),
            groups,
            kicks,
        })
    }

    /// Admins do not count: they may be the accounts of other programs, and `inviter` could not replace them.
    fn last_moderator(&self) -> Option<Refusal> {
        let (now, then) = (&self.room.power, self.levels_then());
        let demoted = self.plan.power_levels().into_iter().flat_map(|change| &change.users);
        let demoted = demoted.filter(|change| change.is_demotion()).map(|change| &change.user);
        let losing = self.plan.kicks().map(|kick| &kick.user).chain(demoted);
        let users: BTreeSet<_> = losing
            .filter(|user| self.room.membership(user) == Membership::Join && moderates(now, user))
            .cloned()
            .collect();
        let stay = self.room.members.iter().filter(|(user, member)| {
            matches!(member.membership, Membership::Join | Membership::Invite) && !self.is_kicked(user)
        });
        let mut then_there = stay.map(|(user, _)| user.as_ref()).chain(self.invited());
        let somebody_moderates = then_there.any(|user| user != self.actual.me && moderates(&then, user));
        (!users.is_empty() && !somebody_moderates)
            .then(|| Refusal::LastModerator { alias: self.plan.alias.clone(), users })
    }

    /// Whether the account would take away its own power. A plan is never made like that; nothing would mend it.
    pub(super) fn own_loss(&self) -> Option<Refusal> {
        let me = &self.actual.me;
        let refusal = |loss| Some(Refusal::OwnPower { alias: self.plan.alias.clone(), loss });
        if self.is_kicked(me) {
            return refusal(OwnLoss::Kick);
        }
        let (now, then) = (&self.room.power, self.levels_then());
        let (from, to) = (now.of(me), then.of(me));
        if to < from {
            return refusal(OwnLoss::Level { from, to });
        }
        let bar = bars(now)
            .into_iter()
            .zip(bars(&then))
            .find(|((_, before), (_, after))| from >= Power::Level(*before) && to < Power::Level(*after));
        let (_, (need_for, need)) = bar?;
        refusal(OwnLoss::Bar { to: need_for, need, have: to })
    }

    fn levels_then(&self) -> PowerLevels {
        let levels = self.plan.power_levels();
        levels.map_or_else(|| self.room.power.clone(), |change| self.room.power.with_content(change.content.clone()))
    }

    fn is_kicked(&self, user: &UserId) -> bool {
        self.plan.kicks().any(|kick| kick.user == user)
    }

    fn invited(&self) -> impl Iterator<Item = &UserId> {
        self.plan.changes.iter().filter_map(|change| match change {
            Change::Invite(invite) => Some(invite.user.as_ref()),
            _ => None,
        })
    }
}

fn moderates(power: &PowerLevels, user: &UserId) -> bool {
    matches!(power.of(user), Power::Level(level) if (MODERATOR..ADMIN).contains(&level))
}

/// What `inviter` does in a room, and the levels that it takes.
fn bars(power: &PowerLevels) -> Vec<(PowerNeed, i64)> {
    let state = STATE.iter().map(|event| (PowerNeed::State((*event).into()), power.to_send_state(event)));
    [(PowerNeed::Invite, power.to_invite()), (PowerNeed::Kick, power.to_kick())].into_iter().chain(state).collect()
}
