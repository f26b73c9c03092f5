//! Which groups of an identity provider stand for which rooms.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use matrix_sdk::ruma::OwnedRoomAliasId;

use crate::config::{Config, ExplicitRoom, Idp, RoomGroup};
use crate::dn::Dn;
use crate::naming::GroupName;
use crate::snapshot::{Group, Members, Snapshot};

/// The groups of an identity provider by what a reference in the configuration may call them.
struct Named<'a> {
    by_name: BTreeMap<&'a str, Vec<&'a Group>>,
    by_dn: BTreeMap<Dn, Vec<&'a Group>>,
}

impl<'a> Named<'a> {
    fn of(groups: &'a [Group]) -> Self {
        let (mut by_name, mut by_dn): (BTreeMap<_, Vec<_>>, BTreeMap<_, Vec<_>>) = Default::default();
        for group in groups {
            by_name.entry(group.name.as_str()).or_default().push(group);
            if let Ok(dn) = Dn::parse(&group.label) {
                by_dn.entry(dn).or_default().push(group);
            }
        }
        Self { by_name, by_dn }
    }

    /// The groups with this name or distinguished name, in the order of their labels.
    fn find(&self, reference: &str) -> Vec<&'a Group> {
        let same_name = self.by_name.get(reference);
        let same_dn = Dn::parse(reference).ok().and_then(|dn| self.by_dn.get(&dn));
        let mut groups: Vec<&Group> = same_name.into_iter().chain(same_dn).flatten().copied().collect();
        groups.sort_by(|a, b| a.label.cmp(&b.label));
        groups.dedup_by(|a, b| std::ptr::eq(*a, *b));
        groups
    }
}

/// The groups of one identity provider that stand for one room.
#[derive(Default)]
pub(super) struct OneRoom<'a> {
    pub(super) members: Vec<&'a Group>,
    pub(super) owners: Vec<&'a Group>,
}

pub(super) struct RoomGroups<'a> {
    pub(super) rooms: BTreeMap<OwnedRoomAliasId, OneRoom<'a>>,
    /// The groups that the configuration names for a room, by what it calls them.
    pub(super) described: Vec<(&'a ExplicitRoom, &'a RoomGroup, Vec<&'a Group>)>,
}

impl<'a> RoomGroups<'a> {
    pub(super) fn sort(config: &'a Config, idp: &Idp, snapshot: &'a Snapshot, warnings: &mut BTreeSet<String>) -> Self {
        let mut rooms: BTreeMap<_, OneRoom<'_>> = BTreeMap::new();
        let described = config.group_names(&idp.name);
        for group in &snapshot.groups {
            match idp.convention.read(&group.name) {
                Ok(GroupName::Room(alias)) => rooms.entry(alias).or_default().members.push(group),
                Ok(GroupName::Owners(alias)) => rooms.entry(alias).or_default().owners.push(group),
                Ok(GroupName::Other) => {}
                Err(_) if described.contains(&group.name) => {}
                Err(error) => {
                    warnings.insert(format!("{}: the group {} stands for no room: {error}", idp.name, group.label));
                }
            }
        }
        rooms.retain(|alias, groups| {
            for orphan in groups.owners.iter().filter(|_| groups.members.is_empty()) {
                warnings.insert(format!(
                    "{}: the group {} names moderators of {alias}, but there is no group of its members",
                    idp.name, orphan.label
                ));
            }
            !groups.members.is_empty()
        });
        for groups in rooms.values_mut() {
            groups.members.sort_by(|a, b| a.label.cmp(&b.label));
            groups.owners.sort_by(|a, b| a.label.cmp(&b.label));
        }
        let named = Named::of(&snapshot.groups);
        let of_idp = |reference: &RoomGroup| reference.idp.as_ref().is_none_or(|only| *only == idp.name);
        let references = config.rooms.iter().flat_map(|room| room.groups.iter().map(move |group| (room, group)));
        let described = references.filter(|(_, reference)| of_idp(reference)).filter_map(|(room, reference)| {
            let groups = named.find(&reference.group);
            (!groups.is_empty()).then_some((room, reference, groups))
        });
        Self { rooms, described: described.collect() }
    }

    /// The accounts that are in some group of some room.
    pub(super) fn reached(&self) -> HashSet<&'a str> {
        self.rooms
            .values()
            .flat_map(|room| room.members.iter().chain(&room.owners))
            .chain(self.described.iter().flat_map(|(_, _, groups)| groups))
            .flat_map(|group| group.members.certain().iter().chain(group.owners.iter().flat_map(Members::certain)))
            .map(String::as_str)
            .collect()
    }
}
