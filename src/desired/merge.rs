//! From the answers of the identity providers, and the configuration, to [`Desired`].

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedUserId};

use super::groups::{OneRoom, RoomGroups};
use super::users::{Users, lookup, renamed_user, user_ids};
use super::{Answered, CONFIGURATION, Described, Desired, DesiredError, DesiredRoom, Via};
use crate::actual::StampedGroup;
use crate::config::{Config, ExplicitRoom, Idp, OwnersOutside, RenamedUser, RoomGroup};
use crate::power::MODERATOR;
use crate::snapshot::{Account, Group, Members, Snapshot, SourceId, Standing};

impl Desired {
    /// Brings the answers of all identity providers together.
    ///
    /// `snapshots` holds one answer for each identity provider of the configuration, in that order.
    ///
    /// # Errors
    /// When two accounts of one identity provider come out as the same Matrix user.
    pub fn build<S: Borrow<Snapshot>>(config: &Config, snapshots: &[S]) -> Result<Self, DesiredError> {
        let mut desired = Self { open_rooms: config.open_rooms.clone(), ..Self::default() };
        let mut found: BTreeSet<&RoomGroup> = BTreeSet::new();
        let entries: BTreeMap<_, _> = config.rooms.iter().map(|room| (&room.alias, &room.overrides)).collect();
        for (idp, snapshot) in config.idps.iter().zip(snapshots.iter().map(Borrow::borrow)) {
            desired.warnings.extend(snapshot.notices.iter().map(|notice| format!("{}: {notice}", idp.name)));
            desired.idps.insert(idp.name.clone(), Answered::of(idp, snapshot));
            let groups = RoomGroups::sort(config, idp, snapshot, &mut desired.warnings);
            let users = user_ids(config, idp, snapshot, &groups, &mut desired.warnings)?;
            let merge = |alias: &OwnedRoomAliasId| Merge {
                config,
                idp,
                users: &users,
                renamed: entries.get(alias).map(|overrides| &overrides.renamed_users),
            };
            for (alias, groups) in groups.rooms {
                merge(&alias).groups(&groups, desired.rooms.entry(alias).or_default());
            }
            for (described, reference, groups) in groups.described {
                found.insert(reference);
                merge(&described.alias).described(
                    reference,
                    &groups,
                    desired.rooms.entry(described.alias.clone()).or_default(),
                );
            }
        }
        for described in &config.rooms {
            desired.rooms.entry(described.alias.clone()).or_default().describe(described, &found);
        }
        desired.note_twins();
        for (alias, room) in &mut desired.rooms {
            room.settings =
                entries.get(alias).map_or_else(|| config.room.clone(), |overrides| overrides.over(&config.room));
        }
        Ok(desired)
    }

    /// Notes which rooms bear the same mark, so that none is taken for the other.
    fn note_twins(&mut self) {
        let mut aliases: BTreeMap<BTreeSet<StampedGroup>, BTreeSet<OwnedRoomAliasId>> = BTreeMap::new();
        for (alias, room) in &self.rooms {
            aliases.entry(room.stamp.groups.clone()).or_default().insert(alias.clone());
        }
        for (alias, room) in &mut self.rooms {
            let same = aliases.get(&room.stamp.groups).into_iter().flatten();
            room.twins = same.filter(|other| *other != alias).cloned().collect();
        }
    }
}

impl Answered {
    fn of(idp: &Idp, snapshot: &Snapshot) -> Self {
        let groups = snapshot.groups.iter().map(|group| stamped(idp, group).id);
        Self {
            server: idp.mxid_homeserver.clone(),
            groups: groups.chain(snapshot.other_groups.iter().cloned()).collect(),
            more_groups: snapshot.more_groups.clone(),
        }
    }
}

/// What the mark of a room says of a group.
fn stamped(idp: &Idp, group: &Group) -> StampedGroup {
    StampedGroup { idp: idp.name.clone(), id: group.id.clone().unwrap_or_else(|| group.name.clone()) }
}

impl DesiredRoom {
    /// Adds what the configuration says of the room itself; `found` are the groups that some identity provider has.
    fn describe(&mut self, room: &ExplicitRoom, found: &BTreeSet<&RoomGroup>) {
        for missing in room.groups.iter().filter(|group| !found.contains(group)) {
            let place = missing.idp.as_deref().map_or("any identity provider".into(), |idp| format!("{idp:?}"));
            self.incomplete.insert(format!("there is no group {} in {place}", missing.group));
        }
        for (user, level) in &room.members {
            let member = self.members.entry(user.clone()).or_default();
            member.level = member.level.max(*level);
            Arc::make_mut(&mut member.via).insert(Via { idp: CONFIGURATION.into(), group: "[[rooms]] members".into() });
        }
        if self.stamp.groups.is_empty() {
            self.stamp.groups.insert(StampedGroup { idp: CONFIGURATION.into(), id: room.alias.to_string() });
        }
        self.described = Described {
            is_listed: true,
            is_space: room.is_space,
            name: room.name.clone(),
            topic: room.topic.clone(),
            in_directory: room.listed,
            parent: room.parent.clone(),
            restricted: room.restricted,
            cautious: room.overrides.cautious,
            protected_users: room.overrides.protected_users.clone(),
        };
    }
}

/// Adds what one identity provider says to a room.
struct Merge<'a> {
    config: &'a Config,
    idp: &'a Idp,
    users: &'a Users<'a>,
    /// Users who have another name in this room alone.
    renamed: Option<&'a BTreeMap<String, RenamedUser>>,
}

impl Merge<'_> {
    fn groups(&self, groups: &OneRoom<'_>, room: &mut DesiredRoom) {
        room.servers.insert(self.idp.mxid_homeserver.clone());
        for twins in [&groups.members, &groups.owners] {
            if let [first, second, ..] = twins.as_slice() {
                room.ambiguous.insert(format!(
                    "{}: the groups {} and {} both stand for this room: rename one",
                    self.idp.name, first.label, second.label
                ));
            }
        }
        let Some(group) = groups.members.first() else { return };
        room.stamp.groups.insert(stamped(self.idp, group));
        self.members(group, None, room);
        if let Some(owners) = &group.owners {
            self.owners(group, group, owners, room);
        }
        if let Some(sibling) = groups.owners.first() {
            self.owners(group, sibling, &sibling.members, room);
        }
    }

    /// Adds a group that the configuration names for a room.
    fn described(&self, reference: &RoomGroup, groups: &[&Group], room: &mut DesiredRoom) {
        room.servers.insert(self.idp.mxid_homeserver.clone());
        if let [first, second, ..] = groups {
            room.ambiguous.insert(format!(
                "{}: {} may be {} or {}: name it by its distinguished name",
                self.idp.name, reference.group, first.label, second.label
            ));
        }
        let Some(group) = groups.first() else { return };
        room.stamp.groups.insert(stamped(self.idp, group));
        self.members(group, reference.level, room);
        if reference.may_be_empty {
            room.empty.remove(&stamped(self.idp, group));
        }
    }

    fn members(&self, group: &Group, level: Option<i64>, room: &mut DesiredRoom) {
        self.note_gap(group, &group.members, room);
        let via = self.via(group);
        let people: Vec<_> = group.members.certain().iter().filter_map(|id| self.person(id)).collect();
        if people.is_empty() {
            room.empty.extend(via.iter().map(|via| (stamped(self.idp, group), via.clone())));
        }
        for (user, account) in people {
            want(user, account, &via, level, room);
        }
    }

    fn owners(&self, group: &Group, holder: &Group, owners: &Members, room: &mut DesiredRoom) {
        self.note_gap(holder, owners, room);
        let members = group.members.certain();
        let mut ignored = Vec::new();
        let via = self.via(holder);
        for id in owners.certain() {
            let Some((user, account)) = self.person(id) else { continue };
            if members.contains(id) || self.config.policy.owners_outside_group == OwnersOutside::Moderator {
                want(user, account, &via, Some(MODERATOR), room);
            } else {
                ignored.push(user.to_string());
            }
        }
        if !ignored.is_empty() {
            ignored.sort_unstable();
            room.warnings.insert(format!(
                "named as moderator by {} ({}), but no member of {}: {}",
                holder.name,
                self.idp.name,
                group.name,
                ignored.join(", ")
            ));
        }
    }

    /// The account and its Matrix user in this room; none if it can have none.
    fn person(&self, id: &SourceId) -> Option<(OwnedUserId, &Account)> {
        let (user, account) = self.users.get(id.as_str())?;
        let user = match self.renamed.and_then(|renamed| lookup(renamed, &account.username)) {
            Some(renamed) => renamed_user(renamed, self.idp).ok()?,
            None => user.clone()?,
        };
        Some((user, account))
    }

    fn via(&self, group: &Group) -> Arc<BTreeSet<Via>> {
        Arc::new([Via { idp: self.idp.name.clone(), group: group.name.clone() }].into())
    }

    fn note_gap(&self, group: &Group, members: &Members, room: &mut DesiredRoom) {
        if let Some(reason) = members.unknown_because() {
            room.incomplete.insert(format!("{}: {}: {reason}", self.idp.name, group.label));
        }
    }
}

fn want(user: OwnedUserId, account: &Account, via: &Arc<BTreeSet<Via>>, level: Option<i64>, room: &mut DesiredRoom) {
    if account.standing == Standing::LockedOut {
        room.held.insert(user);
        return;
    }
    let member = room.members.entry(user).or_default();
    member.level = member.level.max(level);
    if member.via.is_empty() {
        member.via = Arc::clone(via);
    } else if !member.via.is_superset(via) {
        Arc::make_mut(&mut member.via).extend(via.iter().cloned());
    }
}
