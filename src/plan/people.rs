//! Who is to come into a room, and who is to go.

use std::collections::BTreeMap;

use matrix_sdk::ruma::UserId;

use super::compute::RoomPlanner;
use super::spaces::is_tolerated;
use super::{Change, HeldChange, HoldReason, Invite, Kick, PowerNeed, Reason, Way, Withheld};
use crate::actual::{JoinedRoom, Membership};
use crate::desired::DesiredMember;
use crate::power::{ADMIN, Power};

impl RoomPlanner<'_> {
    pub(super) fn count(&mut self, room: &JoinedRoom) {
        for (_, _, member) in beside(&self.wanted.members, &room.members) {
            match member.map_or(Membership::Leave, |member| member.membership) {
                Membership::Join => self.plan.headcount.joined += 1,
                Membership::Invite => self.plan.headcount.invited += 1,
                _ => {}
            }
        }
    }

    /// Who is in the room or invited, and may and should not be; with their levels.
    pub(super) fn removable<'r>(&'r self, room: &'r JoinedRoom) -> impl Iterator<Item = (Kick, i64)> {
        beside(&room.members, &self.wanted.members).filter_map(|(user, member, wanted)| {
            let is_there = matches!(member.membership, Membership::Join | Membership::Invite);
            if !is_there || wanted.is_some() || !self.is_ours(user) {
                return None;
            }
            let Power::Level(level) = room.power.of(user) else { return None };
            if level >= ADMIN {
                return None;
            }
            let invited = member.membership == Membership::Invite;
            let kick = Kick { user: user.clone(), invited, reason: Reason::NotInGroup };
            (!is_tolerated(self.wanted, self.desired, self.actual, user)).then_some((kick, level))
        })
    }

    pub(super) fn kicks(&mut self, room: &JoinedRoom) {
        let removable: Vec<(Kick, i64)> = self.removable(room).collect();
        for (kick, level) in removable {
            if let Some(why) = self.hold_on_removals() {
                self.plan.withheld.push(Withheld { change: HeldChange::Kick(kick), why });
            } else if self.may(room, PowerNeed::Kick, room.power.to_kick())
                && self.may(room, PowerNeed::Outrank(kick.user.clone()), level.saturating_add(1))
            {
                self.plan.changes.push(Change::Kick(kick));
            }
        }
    }

    pub(super) fn invites(&mut self, room: &JoinedRoom) {
        let users_default = room.power.users_default();
        for (user, member, there) in beside(&self.wanted.members, &room.members) {
            let membership = there.map_or(Membership::Leave, |there| there.membership);
            if membership == Membership::Join || self.is_exempt(user) {
                continue;
            }
            let Some(way) = self.way(Some(room), user) else { continue };
            if membership == Membership::Ban {
                self.plan.warnings.insert(format!("{user} is banned from the room, so is not invited"));
                continue;
            }
            let invite = invite(user, member, users_default, way);
            if let Some(until) = self.left_alone_until(room, user) {
                let why = HoldReason::LeftRecently { until };
                self.plan.withheld.push(Withheld { change: HeldChange::Invite(invite), why });
            } else if self.may(room, PowerNeed::Invite, room.power.to_invite()) {
                self.plan.changes.push(Change::Invite(invite));
            }
        }
    }

    /// How somebody who is wanted comes into the room, if there is anything to do about it.
    ///
    /// Who left, declined or was removed by somebody else than `inviter` is asked again, and never brought back. Neither
    /// is an invitation turned into an addition that `inviter` sent for that reason, or instead of one.
    pub(super) fn way(&self, room: Option<&JoinedRoom>, user: &UserId) -> Option<Way> {
        let adds = self.policy.adds && user.server_name() == self.me.server_name();
        let member = room.and_then(|room| room.members.get(user));
        match member.map(|member| (member.membership, member.sender.as_deref() == Some(self.me))) {
            Some((Membership::Join, _)) => None,
            Some((Membership::Invite, is_mine)) => {
                let stays = !adds || !is_mine || room.is_some_and(|room| room.standing_invitations.contains(user));
                (!stays).then_some(Way::Add)
            }
            Some((Membership::Leave, false)) => Some(Way::InviteAgain),
            _ => Some(if adds { Way::Add } else { Way::Invite }),
        }
    }

    /// Until when somebody is left alone who left, declined, or was removed by somebody else than `inviter`.
    fn left_alone_until(&self, room: &JoinedRoom, user: &UserId) -> Option<u64> {
        let member = room.members.get(user).filter(|member| member.membership == Membership::Leave)?;
        if member.sender.as_deref() == Some(self.me) {
            return None;
        }
        let until = member.since.saturating_add(self.policy.reinvite_after);
        // A time in the future is a wrong clock, or a lie to keep somebody out.
        (member.since <= self.policy.now && self.policy.now < until).then_some(until)
    }
}

/// Each entry of one map with that of the other under the same key. Both are walked through once, which is much quicker
/// than to look each key up.
fn beside<'a, K: Ord, A, B>(
    one: &'a BTreeMap<K, A>,
    other: &'a BTreeMap<K, B>,
) -> impl Iterator<Item = (&'a K, &'a A, Option<&'a B>)> {
    let mut others = other.iter().peekable();
    one.iter().map(move |(key, value)| {
        while others.next_if(|(other, _)| *other < key).is_some() {}
        let same = others.next_if(|(other, _)| *other == key);
        (key, value, same.map(|(_, value)| value))
    })
}

pub(super) fn invite(user: &UserId, member: &DesiredMember, users_default: i64, way: Way) -> Invite {
    Invite {
        user: user.to_owned(),
        level: member.level.unwrap_or(users_default),
        reason: Reason::Wanted(member.via.clone()),
        way,
    }
}
