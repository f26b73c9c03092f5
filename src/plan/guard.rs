//! The guard: what no answer of a directory may bring about unasked.

use std::collections::BTreeMap;

use super::find::joined;
use super::foresight::Foresight;
use super::orphans::{self, OrphanLimits, Orphans, doubtful_share, guard_orphans};
use super::refusal::Refusal;
use super::{Change, HeldChange, HoldReason, Plan, Policy, Removals, RoomPlan, Withheld, compute};
use crate::actual::Actual;
use crate::config::WhenRefused;
use crate::desired::Desired;

/// How much a run may remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most kicks in one run.
    pub max_kicks: u64,
    /// The largest share of the managed members of a room, and of all rooms, in percent.
    pub max_percent: u64,
    /// The number of managed members below which the share does not count.
    pub percent_from: u64,
    /// Whether a room must keep a moderator.
    pub keep_last_moderator: bool,
    /// How many kicks a person has allowed for this run, whatever the other limits say. Nothing lets `inviter` take away
    /// its own power.
    pub allowed: Option<u64>,
    /// How many rooms may become orphaned at once.
    pub orphans: OrphanLimits,
}

/// The plan of a run, and why the guard refused its removals, if it did; the plan is then one without them, or without
/// anything.
#[must_use]
pub fn decide(
    desired: &Desired,
    actual: &Actual,
    policy: &Policy,
    limits: &Limits,
    when_refused: WhenRefused,
) -> (Plan, Vec<Refusal>) {
    let mut policy = policy.clone();
    let mut whole = compute(desired, actual, &policy);
    let mut refusals = guard(&whole, desired, actual, limits);
    let too_many_orphans = guard_orphans(&whole, &limits.orphans);
    match &mut policy.orphans {
        Orphans::Report => whole.warnings.extend(doubtful_share(&whole, &limits.orphans)),
        Orphans::Empty { marks, .. } => {
            *marks = too_many_orphans.is_none();
            refusals.extend(too_many_orphans);
        }
    }
    if refusals.is_empty() {
        return (whole, refusals);
    }
    policy.removals = Removals::Refused;
    let mut rest = compute(desired, actual, &policy);
    rest.warnings.clone_from(&whole.warnings);
    let stops = when_refused == WhenRefused::DoNothing || refusals.iter().any(Refusal::is_final);
    let mut rooms = BTreeMap::new();
    for room in whole.all() {
        rooms.entry(&room.alias).or_insert(room);
    }
    for rest in rest.all_mut() {
        if let Some(whole) = rooms.get(&rest.alias) {
            rest.tell_as(whole);
        }
        if stops {
            rest.withhold_everything();
        }
    }
    (rest, refusals)
}

/// The limits that a plan is over; none of them if it may be applied.
#[must_use]
pub fn guard(plan: &Plan, desired: &Desired, actual: &Actual, limits: &Limits) -> Vec<Refusal> {
    let joined: BTreeMap<_, _> = joined(actual).map(|room| (&room.id, room)).collect();
    let (mut refusals, mut own_losses) = (Vec::new(), Vec::new());
    let (mut all_kicks, mut all_managed) = (0, 0);
    for room in &plan.rooms {
        let kicks = room.kicks().count() as u64;
        let managed = (room.headcount.joined + room.headcount.invited) as u64 + kicks;
        all_kicks += kicks;
        all_managed += managed;
        let there = room.room_id.as_ref().and_then(|id| joined.get(id).copied());
        let foresight = there.zip(desired.rooms.get(&room.alias)).map(|(there, wanted)| Foresight {
            plan: room,
            wanted,
            room: there,
            desired,
            actual,
        });
        let of_room = foresight.as_ref().map_or_else(Vec::new, Foresight::refusals);
        own_losses.extend(foresight.and_then(|foresight| foresight.own_loss()));
        let is_emptied = of_room.iter().any(|refusal| matches!(refusal, Refusal::Emptied { .. }));
        refusals
            .extend(of_room.into_iter().filter(|refusal| limits.keep_last_moderator || !refusal.is_about_moderators()));
        if !is_emptied && limits.share_is_too_large(kicks, managed) {
            let limit = limits.max_percent;
            refusals.push(Refusal::TooLargeShare { alias: Some(room.alias.clone()), kicks, of: managed, limit });
        }
    }
    // To empty an orphaned room is what is meant, so that only the limits of the whole run count there.
    all_kicks += orphans::kicks(plan);
    all_managed += orphans::kicks(plan);
    if limits.share_is_too_large(all_kicks, all_managed) {
        let limit = limits.max_percent;
        refusals.push(Refusal::TooLargeShare { alias: None, kicks: all_kicks, of: all_managed, limit });
    }
    if all_kicks > limits.max_kicks {
        refusals.push(Refusal::TooMany { kicks: all_kicks, limit: limits.max_kicks });
    }
    if limits.allowed.is_some_and(|allowed| all_kicks <= allowed) {
        refusals.clear();
    }
    refusals.extend(own_losses);
    refusals
}

/// The number for `--allow-kicks` that would let the removals of a refused plan pass, if there is one.
#[must_use]
pub fn allowance(plan: &Plan, refusals: &[Refusal]) -> Option<usize> {
    let held = plan.all().flat_map(|room| &room.withheld);
    let kicks = held.filter(|held| held.is_refused() && matches!(held.change, HeldChange::Kick(_))).count();
    let is_enough = refusals.iter().any(Refusal::yields_to_kicks) && !refusals.iter().any(Refusal::is_final);
    is_enough.then_some(kicks)
}

impl Limits {
    fn share_is_too_large(&self, kicks: u64, managed: u64) -> bool {
        managed >= self.percent_from && kicks.saturating_mul(100) > managed.saturating_mul(self.max_percent)
    }
}

impl RoomPlan {
    /// Tells of removals that are refused only where the whole plan made them. What was withheld in it or not possible
    /// stays that, and nothing else needs to be allowed.
    fn tell_as(&mut self, whole: &Self) {
        self.problems.extend(whole.problems.iter().cloned());
        let kicks: BTreeMap<_, _> = whole.kicks().map(|kick| (&kick.user, kick)).collect();
        let levels = whole.power_levels().into_iter().flat_map(|change| &change.users);
        let levels: BTreeMap<_, _> = levels.map(|level| (&level.user, level)).collect();
        self.withheld.retain_mut(|held| {
            if let Some(before) = whole.withheld.iter().find(|before| before.change == held.change) {
                held.why = before.why.clone();
                return true;
            }
            match &held.change {
                HeldChange::Kick(kick) => kicks.get(&kick.user).is_some_and(|planned| *planned == kick),
                HeldChange::Level(level) => levels.get(&level.user).is_some_and(|planned| *planned == level),
                HeldChange::Invite(_) | HeldChange::Other(_) => true,
            }
        });
    }

    fn withhold_everything(&mut self) {
        let changes = std::mem::take(&mut self.changes).into_iter().map(|change| match change {
            Change::Kick(kick) => HeldChange::Kick(kick),
            Change::Invite(invite) => HeldChange::Invite(invite),
            other => HeldChange::Other(Box::new(other)),
        });
        let mut withheld: Vec<_> = changes.map(|change| Withheld { change, why: HoldReason::Stopped }).collect();
        withheld.append(&mut self.withheld);
        self.withheld = withheld;
    }
}
