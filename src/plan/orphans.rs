//! Rooms that bear the mark and that nobody names any more: which of them are orphaned for certain, and what becomes of
//! those.
//!
//! A room is orphaned when every group of its mark is gone from an identity provider that answered completely in this run.
//! Whatever leaves a doubt about that leaves the room as it is.

use std::collections::BTreeSet;
use std::fmt;

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomAliasId, UserId};
use wildmatch::WildMatch;

use super::compute::{Policy, RoomPlanner};
use super::find::Index;
pub(crate) use super::show::moment;
use super::{Change, Plan, Refusal, RoomPlan};
use crate::actual::{Actual, ActualRoom, JoinedRoom, STAMP_TYPE, Stamp, StampedGroup};
use crate::desired::{CONFIGURATION, Desired, DesiredRoom};
use crate::printable::harmless;

/// A room that bears the mark, and that nobody names any more.
#[derive(Debug, Clone, PartialEq)]
pub struct Orphan {
    /// The alias that the room calls its own. The one in [`Orphan::plan`] is made up if there is none.
    pub alias: Option<OwnedRoomAliasId>,
    /// The room's name.
    pub name: Option<String>,
    /// The groups that the room stood for.
    pub groups: BTreeSet<StampedGroup>,
    /// How many are in the room, or invited, who would be removed.
    pub people: usize,
    /// Why it is not known to be orphaned, if so.
    pub doubts: BTreeSet<Doubt>,
    /// Whether the room was marked as orphaned before this run.
    pub is_marked: bool,
    /// Since when it is marked, in milliseconds since 1970.
    pub since: Option<u64>,
    /// From when on its people are removed, if the policy says so and it is marked.
    pub emptied_from: Option<u64>,
    /// What is to be done in the room.
    pub plan: RoomPlan,
}

/// Why a room that nobody names is not known to be orphaned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// An identity provider could not be read.
    Unread {
        /// Its name.
        idp: String,
    },
    /// An identity provider may have more groups than it told.
    MoreGroups {
        /// Its name.
        idp: String,
        /// Why.
        reason: String,
    },
    /// An identity provider is not in the configuration any more.
    NotConfigured {
        /// Its name.
        idp: String,
    },
    /// The group is there still, and names another room, or none.
    GroupIsThere(StampedGroup),
    /// The configuration described the room, without groups.
    WasDescribed,
    /// An entry of the configuration describes such rooms, for values of the command line.
    IsDescribed,
    /// The mark names no group.
    NoGroup,
}

impl Doubt {
    /// Whether it keeps one from telling, rather than telling that the room is not orphaned.
    fn is_ignorance(&self) -> bool {
        matches!(self, Self::Unread { .. } | Self::MoreGroups { .. })
    }
}

/// What becomes of orphaned rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orphans {
    /// They are told of.
    Report,
    /// They are marked, and emptied some time later.
    Empty {
        /// How long after the mark, in milliseconds.
        grace: u64,
        /// Whether rooms are marked; not if the guard refused that.
        marks: bool,
    },
}

/// How many rooms may become orphaned at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrphanLimits {
    /// The largest share of the rooms, in percent.
    pub max_percent: u64,
    /// The number of rooms below which the share does not count.
    pub percent_from: u64,
    /// How many a person has allowed for this run, whatever the share.
    pub allowed: Option<u64>,
}

/// Why it is not known that a room is orphaned which nobody names; nothing if it is.
#[must_use]
pub(crate) fn doubts(room: &JoinedRoom, stamp: &Stamp, desired: &Desired) -> BTreeSet<Doubt> {
    let mut doubts: BTreeSet<Doubt> = stamp.groups.iter().filter_map(|group| doubt(group, desired)).collect();
    if stamp.groups.is_empty() {
        doubts.insert(Doubt::NoGroup);
    }
    let aliases = || room.canonical_alias.iter().chain(&room.alt_aliases);
    let describes = |pattern: &String| {
        let pattern = WildMatch::new(pattern);
        aliases().any(|alias| pattern.matches(alias.as_str()))
    };
    if desired.open_rooms.iter().any(describes) {
        doubts.insert(Doubt::IsDescribed);
    }
    doubts
}

fn doubt(group: &StampedGroup, desired: &Desired) -> Option<Doubt> {
    let idp = group.idp.clone();
    if idp == CONFIGURATION {
        return Some(Doubt::WasDescribed);
    }
    if desired.unread.contains_key(&idp) {
        return Some(Doubt::Unread { idp });
    }
    match desired.idps.get(&idp) {
        None => Some(Doubt::NotConfigured { idp }),
        Some(answered) if answered.groups.contains(&group.id) => Some(Doubt::GroupIsThere(group.clone())),
        Some(answered) => answered.more_groups.clone().map(|reason| Doubt::MoreGroups { idp, reason }),
    }
}

/// The marked rooms that nobody names, and what is to be done there. `rooms` are the plans of those that are named.
pub(super) fn orphans(
    desired: &Desired,
    actual: &Actual,
    policy: &Policy,
    rooms: &[RoomPlan],
    index: &Index<'_>,
) -> Vec<Orphan> {
    if desired.is_restricted {
        return Vec::new();
    }
    let named: BTreeSet<&OwnedRoomId> = rooms.iter().filter_map(|room| room.room_id.as_ref()).collect();
    let held: BTreeSet<_> = desired.rooms.values().flat_map(|room| room.held.iter().cloned()).collect();
    let mut orphans: Vec<Orphan> = actual
        .others
        .values()
        .filter(|room| !named.contains(&room.id) && room.replaced_by.is_none())
        // By its ID, since its alias may be anything, and one shard alone is to look after it.
        .filter(|room| desired.shard.is_none_or(|shard| shard.holds(room.id.as_str())))
        .filter_map(|room| Some((room, room.stamp.as_ref()?)))
        .filter(|(room, stamp)| !index.is_wanted(stamp) && !may_be_unreadable(room, desired, actual))
        .filter_map(|(room, stamp)| orphan(room, stamp, &held, desired, actual, policy))
        .collect();
    orphans.sort_by(|a, b| (&a.plan.alias, &a.plan.room_id).cmp(&(&b.plan.alias, &b.plan.room_id)));
    orphans
}

/// Whether this may be the room of an alias that is wanted and could not be read.
fn may_be_unreadable(room: &JoinedRoom, desired: &Desired, actual: &Actual) -> bool {
    room.canonical_alias.as_ref().is_some_and(|alias| {
        desired.rooms.contains_key(alias) && matches!(actual.rooms.get(alias), Some(ActualRoom::Unreadable(_)))
    })
}

/// `held` are the people who are locked out for the moment.
fn orphan(
    room: &JoinedRoom,
    stamp: &Stamp,
    held: &BTreeSet<OwnedUserId>,
    desired: &Desired,
    actual: &Actual,
    policy: &Policy,
) -> Option<Orphan> {
    let doubts = doubts(room, stamp, desired);
    let wanted = DesiredRoom {
        servers: stamp
            .groups
            .iter()
            .filter_map(|group| desired.idps.get(&group.idp))
            .map(|idp| idp.server.clone())
            .collect(),
        held: held.clone(),
        ..DesiredRoom::default()
    };
    let mut planner = RoomPlanner::new(&label(room, desired, &actual.me)?, &wanted, desired, actual, policy);
    planner.plan.room_id = Some(room.id.clone());
    let emptied_from = match policy.orphans {
        Orphans::Empty { grace, .. } => room.orphaned_since.map(|since| since.saturating_add(grace)),
        Orphans::Report => None,
    };
    let is_orphaned = match policy.orphans {
        Orphans::Empty { marks, .. } if doubts.is_empty() => stamp.orphaned || marks,
        _ => stamp.orphaned && (doubts.is_empty() || doubts.iter().any(Doubt::is_ignorance)),
    };
    if is_orphaned != stamp.orphaned && planner.may_send(room, STAMP_TYPE) {
        planner.plan.changes.push(Change::Stamp(Stamp { groups: stamp.groups.clone(), orphaned: is_orphaned }));
    }
    if doubts.is_empty() && emptied_from.is_some_and(|from| from <= policy.now) {
        planner.power_levels(room);
        planner.kicks(room);
    }
    let people = planner.removable(room).count();
    let plan = planner.plan;
    let is_quiet = doubts.iter().any(|doubt| doubt.is_ignorance() || *doubt == Doubt::IsDescribed);
    if is_quiet && plan.changes.is_empty() && plan.problems.is_empty() {
        return None;
    }
    Some(Orphan {
        alias: room.canonical_alias.clone(),
        name: room.name.clone(),
        groups: stamp.groups.clone(),
        people,
        emptied_from: emptied_from.filter(|_| doubts.is_empty()),
        doubts,
        is_marked: stamp.orphaned,
        since: room.orphaned_since,
        plan,
    })
}

/// What plan and report call the room: its alias, unless it has none or that stands for another room now.
fn label(room: &JoinedRoom, desired: &Desired, me: &UserId) -> Option<OwnedRoomAliasId> {
    let is_free = |alias: &OwnedRoomAliasId| !desired.rooms.contains_key(alias);
    let made_up = || {
        let id = room.id.as_str().trim_start_matches('!').split(':').next().unwrap_or_default();
        RoomAliasId::parse(format!("#{id}:{}", me.server_name())).ok()
    };
    // An alias of another homeserver could be that of any room.
    let own = room.canonical_alias.clone().filter(|alias| alias.server_name() == me.server_name());
    own.filter(is_free).or_else(|| made_up().filter(is_free))
}

/// How many people a plan removes from orphaned rooms.
pub(super) fn kicks(plan: &Plan) -> u64 {
    plan.orphans.iter().map(|orphan| orphan.plan.kicks().count() as u64).sum()
}

/// What is told of many orphaned rooms where none is marked, so that nobody knows which of them are new.
#[must_use]
pub fn doubtful_share(plan: &Plan, limits: &OrphanLimits) -> Option<String> {
    match guard_orphans(plan, limits)? {
        Refusal::Orphaned { rooms, of, .. } => {
            Some(format!("{rooms} of {of} rooms are orphaned: is it right that all their groups are gone?"))
        }
        _ => None,
    }
}

/// Whether too many rooms become orphaned at once: those that are not marked so far, among all that there are. All rooms
/// are too many, however few they are, for that is what a directory brings about that shows nothing any more.
#[must_use]
pub fn guard_orphans(plan: &Plan, limits: &OrphanLimits) -> Option<Refusal> {
    let (mut rooms, mut orphans) = (0_u64, 0_u64);
    let named = plan.rooms.iter().filter(|room| room.room_id.is_some()).count() as u64;
    for orphan in plan.orphans.iter().filter(|orphan| orphan.doubts.is_empty()) {
        orphans += 1;
        rooms += u64::from(!orphan.is_marked);
    }
    let of = named + orphans;
    let share_is_too_large =
        of >= limits.percent_from && rooms.saturating_mul(100) > of.saturating_mul(limits.max_percent);
    let is_too_much = rooms > 0 && (share_is_too_large || named + plan.elsewhere as u64 == 0);
    let is_allowed = limits.allowed.is_some_and(|allowed| rooms <= allowed);
    (is_too_much && !is_allowed).then_some(Refusal::Orphaned { rooms, of, limit: limits.max_percent })
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread { idp } => write!(f, "{} could not be read", harmless(idp)),
            Self::MoreGroups { idp, reason } => {
                write!(f, "{} may have more groups than it told: {}", harmless(idp), harmless(reason))
            }
            Self::NotConfigured { idp } => write!(f, "the configuration has no identity provider {}", harmless(idp)),
            Self::GroupIsThere(StampedGroup { idp, id }) => {
                write!(f, "its group {} {} is there still", harmless(idp), harmless(id))
            }
            Self::WasDescribed => f.write_str("it was described under [[rooms]], and is not any more"),
            Self::IsDescribed => f.write_str("it is described under [[rooms]] for another --value"),
            Self::NoGroup => f.write_str("its mark names no group"),
        }
    }
}

impl fmt::Display for Orphan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.doubts.is_empty() {
            let groups: Vec<String> = self.groups.iter().map(|group| format!("{} {}", group.idp, group.id)).collect();
            write!(f, "orphaned, for {} is gone", harmless(&groups.join(" and ")))?;
        } else {
            let doubts: Vec<String> = self.doubts.iter().map(ToString::to_string).collect();
            write!(f, "no group or entry stands for this room, which is left as it is: {}", doubts.join("; "))?;
        }
        if let Some(name) = &self.name {
            write!(f, "; \"{}\"", harmless(name))?;
        }
        write!(f, "; {} managed {}", self.people, if self.people == 1 { "member" } else { "members" })?;
        if let Some(since) = self.since {
            write!(f, "; marked as orphaned since {}", moment(since))?;
        }
        match self.emptied_from {
            Some(from) => write!(f, "; emptied from {} on", moment(from)),
            None => Ok(()),
        }
    }
}
