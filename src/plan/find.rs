//! Which room an alias stands for: the one that it leads to, one that moved there, or one that was renamed.

use std::collections::{BTreeMap, BTreeSet};

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedRoomId, RoomAliasId};

use super::{AliasReason, Problem};
use crate::actual::{Actual, ActualRoom, AskedFor, JoinedRoom, Stamp, StampedGroup};
use crate::desired::{Desired, DesiredRoom};
use crate::printable::few;

/// What is to be done about an alias.
pub(super) enum Found<'a> {
    /// There is no room.
    Nothing,
    /// The account is invited to the room; whether it is one that `inviter` has managed under another ID.
    Invited { room: &'a OwnedRoomId, is_marked: bool },
    /// The room.
    Room(FoundRoom<'a>),
    /// The room cannot be managed.
    Problem(Option<&'a OwnedRoomId>, Problem),
}

/// A room that the account is in.
pub(super) struct FoundRoom<'a> {
    pub(super) room: &'a JoinedRoom,
    /// Why the alias does not lead there yet, and whether it leads elsewhere.
    pub(super) moved: Option<(AliasReason, bool)>,
    /// Whether the room bears the mark, or replaces one that does.
    pub(super) is_marked: bool,
}

/// Whether rooms that no alias leads to have to be read: to find the room of an alias, and in each run for all rooms, to
/// tell the orphaned ones.
#[must_use]
pub fn needs_others(desired: &Desired, actual: &Actual) -> bool {
    !desired.is_restricted || seeks_rooms(desired, actual)
}

/// Whether rooms that no alias leads to have to be read to find the room of an alias: any of them may be it.
#[must_use]
pub fn seeks_rooms(desired: &Desired, actual: &Actual) -> bool {
    desired.own().filter_map(|(alias, _)| actual.rooms.get(alias)).any(|room| match room {
        ActualRoom::Missing | ActualRoom::Invited(_) => true,
        ActualRoom::Joined(room) => room.stamp.is_none() || room.replaced_by.is_some(),
        ActualRoom::Outside(_) | ActualRoom::Unreadable(_) => false,
    })
}

/// What a plan for these rooms needs to know of the homeserver: the rooms, and the spaces that they are to be in.
#[must_use]
pub fn asked_for(desired: &Desired) -> AskedFor {
    let parents = desired.own().filter_map(|(_, room)| room.described.parent.clone());
    let listed = desired.own().filter(|(_, room)| room.described.in_directory.is_some());
    AskedFor {
        aliases: desired.own().map(|(alias, _)| alias.clone()).chain(parents).collect(),
        in_directory: listed.map(|(alias, _)| alias.clone()).collect(),
    }
}

/// The rooms that the account has joined and that were not read.
#[must_use]
pub fn unread(actual: &Actual) -> BTreeSet<OwnedRoomId> {
    let read: BTreeSet<&OwnedRoomId> = joined(actual).map(|room| &room.id).collect();
    actual.joined.iter().filter(|id| !read.contains(id)).cloned().collect()
}

/// The room that reports go to.
///
/// # Errors
/// When nothing can be told there; the text says why, and what to do.
pub fn report_room(alias: &RoomAliasId, room: Option<ActualRoom>) -> Result<OwnedRoomId, String> {
    match room {
        Some(ActualRoom::Joined(room)) if room.encrypted => Err(format!(
            "the room {alias} is encrypted, and inviter does not encrypt: give another, unencrypted room as [report] room"
        )),
        Some(ActualRoom::Joined(room)) => Ok(room.id),
        Some(ActualRoom::Unreadable(reason)) => Err(reason),
        Some(ActualRoom::Missing) | None => Err(format!("there is no room {alias}: create it, and invite inviter")),
        Some(ActualRoom::Invited(_) | ActualRoom::Outside(_)) => {
            Err(format!("inviter is not in the room {alias}: have it invited there, which it accepts"))
        }
    }
}

/// The rooms that the account is in, by what one looks for.
pub(super) struct Index<'a> {
    by_id: BTreeMap<&'a str, &'a JoinedRoom>,
    /// Those in use that bear a mark, by the groups of their marks.
    marked: BTreeMap<&'a BTreeSet<StampedGroup>, Vec<&'a JoinedRoom>>,
    /// Those that are replaced, by what replaces them.
    replaced: BTreeMap<&'a str, Vec<&'a JoinedRoom>>,
    /// The groups of all rooms that are wanted.
    wanted: BTreeSet<&'a BTreeSet<StampedGroup>>,
}

impl<'a> Index<'a> {
    pub(super) fn of(desired: &'a Desired, actual: &'a Actual) -> Self {
        let wanted = desired.rooms.values().map(|wanted| &wanted.stamp.groups).collect();
        let mut index = Self { by_id: BTreeMap::new(), marked: BTreeMap::new(), replaced: BTreeMap::new(), wanted };
        for room in joined(actual) {
            index.by_id.entry(room.id.as_str()).or_insert(room);
            match (&room.replaced_by, &room.stamp) {
                (Some(next), _) => index.replaced.entry(next.as_str()).or_default().push(room),
                (None, Some(stamp)) => index.marked.entry(&stamp.groups).or_default().push(room),
                (None, None) => {}
            }
        }
        index
    }

    /// Whether some room is wanted that stands for the same groups.
    pub(super) fn is_wanted(&self, stamp: &Stamp) -> bool {
        self.wanted.contains(&stamp.groups)
    }

    /// The rooms that stand for the same groups.
    fn for_same(&self, stamp: &Stamp) -> impl Iterator<Item = &'a JoinedRoom> {
        self.marked.get(&stamp.groups).into_iter().flatten().copied()
    }

    /// A room that this one replaces, and that stood for the groups of the wanted one.
    fn replaced_marked(&self, id: &OwnedRoomId, wanted: &DesiredRoom) -> Option<&'a JoinedRoom> {
        let mut replaced = self.replaced.get(id.as_str()).into_iter().flatten().copied();
        replaced.find(|old| old.stamp.as_ref().is_some_and(|stamp| stamp.is_for_same(&wanted.stamp)))
    }
}

/// Finds the room of an alias.
pub(super) fn find<'a>(
    alias: &OwnedRoomAliasId,
    wanted: &DesiredRoom,
    desired: &Desired,
    actual: &'a Actual,
    index: &Index<'a>,
) -> Found<'a> {
    let Some(room) = actual.rooms.get(alias) else { return Found::Nothing };
    // Who may change the aliases of a room may also make one lead to a room of their own.
    let same = || index.for_same(&wanted.stamp).filter(|room| !is_of_twin(room, wanted, actual));
    let managed_elsewhere = |id: &OwnedRoomId| same().find(|room| room.id != *id);
    let moved = |id: &'a OwnedRoomId| {
        let managed = managed_elsewhere(id).map_or_else(|| id.clone(), |room| room.id.clone());
        Found::Problem(Some(id), Problem::AliasMoved(managed))
    };
    match room {
        ActualRoom::Missing if alias.server_name() != actual.me.server_name() => Found::Nothing,
        ActualRoom::Missing => {
            let own = same().find(|room| room.canonical_alias.as_ref() == Some(alias));
            match own.or_else(|| same().next()) {
                Some(room) if own.is_none() && wanted.twins.iter().any(|twin| !is_joined(twin, actual)) => {
                    Found::Problem(Some(&room.id), Problem::Ambiguous(may_be_of_twin(alias, room, wanted)))
                }
                Some(room) => {
                    Found::Room(FoundRoom { room, moved: Some((AliasReason::Renamed, false)), is_marked: true })
                }
                None => Found::Nothing,
            }
        }
        ActualRoom::Unreadable(reason) => Found::Problem(None, Problem::Unreadable(reason.clone())),
        ActualRoom::Outside(room) => Found::Problem(Some(room), Problem::Outside(room.clone())),
        ActualRoom::Invited(room) if managed_elsewhere(room).is_some() => moved(room),
        ActualRoom::Invited(room) => Found::Invited { room, is_marked: index.replaced_marked(room, wanted).is_some() },
        ActualRoom::Joined(room) => {
            if let Some(next) = &room.replaced_by {
                return follow(room, next, index);
            }
            let is_of_another = |stamp: &Stamp| !stamp.is_for_same(&wanted.stamp) && index.is_wanted(stamp);
            if room.stamp.as_ref().is_some_and(is_of_another) {
                return Found::Problem(Some(&room.id), Problem::AliasTaken(room.id.clone()));
            }
            if room.stamp.is_none() && managed_elsewhere(&room.id).is_some() {
                return moved(&room.id);
            }
            let replaced = || index.replaced_marked(&room.id, wanted);
            let inherits_mark = || replaced().is_some_and(|old| room.replaces.as_ref() == Some(&old.id));
            let is_marked = room.stamp.is_some() || inherits_mark();
            let moved = is_half_renamed(alias, room, wanted, desired).then_some((AliasReason::Renamed, false));
            Found::Room(FoundRoom { room, moved, is_marked })
        }
    }
}

/// Whether a room is that of another alias which stands for the same groups.
fn is_of_twin(room: &JoinedRoom, wanted: &DesiredRoom, actual: &Actual) -> bool {
    wanted.twins.iter().any(|twin| {
        let leads_there = matches!(actual.rooms.get(twin), Some(ActualRoom::Joined(there)) if there.id == room.id);
        leads_there || room.canonical_alias.as_ref() == Some(twin)
    })
}

fn is_joined(alias: &OwnedRoomAliasId, actual: &Actual) -> bool {
    matches!(actual.rooms.get(alias), Some(ActualRoom::Joined(_)))
}

/// What is said of a room that could be the one of several aliases.
fn may_be_of_twin(alias: &OwnedRoomAliasId, room: &JoinedRoom, wanted: &DesiredRoom) -> String {
    let twins: Vec<&str> = wanted.twins.iter().map(|twin| twin.as_str()).collect();
    format!(
        "{alias} leads nowhere, and the room {} bears the mark of its groups, which {} stands for as well: give the alias to \
         the room that is meant, or take the mark away (inviter unmanage) if it is none of them",
        room.id,
        few(twins)
    )
}

/// Whether a run was cut off between giving the room this alias and making that its main one. A main alias that people
/// chose is left alone.
fn is_half_renamed(alias: &RoomAliasId, room: &JoinedRoom, wanted: &DesiredRoom, desired: &Desired) -> bool {
    let main = room.canonical_alias.as_deref();
    room.alias_is_own
        && room.stamp.as_ref() == Some(&wanted.stamp)
        && main != Some(alias)
        && main.is_none_or(|main| !desired.rooms.contains_key(main))
}

/// The room that replaces another, if both say so.
fn follow<'a>(old: &'a JoinedRoom, next: &str, index: &Index<'a>) -> Found<'a> {
    match index.by_id.get(next).filter(|room| room.replaces.as_ref() == Some(&old.id)) {
        Some(room) if room.replaced_by.is_none() => {
            let moved = Some((AliasReason::Upgraded, true));
            Found::Room(FoundRoom { room, moved, is_marked: old.stamp.is_some() || room.stamp.is_some() })
        }
        _ => Found::Problem(Some(&old.id), Problem::Replaced(next.to_owned())),
    }
}

/// The rooms that the account is in and that were read.
pub(super) fn joined(actual: &Actual) -> impl Iterator<Item = &JoinedRoom> {
    let by_alias = actual.rooms.values().filter_map(|room| match room {
        ActualRoom::Joined(room) => Some(room.as_ref()),
        _ => None,
    });
    by_alias.chain(actual.others.values())
}
