//! What the identity providers want: the rooms, who is in them, and at which level.

use std::borrow::Borrow;
use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedServerName, OwnedUserId, UserId};
use serde::Serialize;

use crate::actual::{Stamp, StampedGroup};
use crate::config::{Config, ExplicitRoom, Idp, OwnersOutside, RenamedUser, RoomGroup, RoomSettings};
use crate::dn::Dn;
use crate::naming::{self, GroupName};
use crate::power::MODERATOR;
use crate::shard::Shard;
use crate::snapshot::{Account, Group, Members, Snapshot, SourceId, Standing};
use crate::suggest::nearest;

/// What stands for the identity provider of a room, or of a member, that the configuration alone names.
pub const CONFIGURATION: &str = "configuration";

/// All rooms that the identity providers name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Desired {
    /// The rooms by alias.
    pub rooms: BTreeMap<OwnedRoomAliasId, DesiredRoom>,
    /// What a person should know that concerns no single room.
    pub warnings: BTreeSet<String>,
    /// The identity providers that could not be read, and why.
    pub unread: BTreeMap<String, String>,
    /// What the identity providers that could be read have in all.
    pub idps: BTreeMap<String, Answered>,
    /// The aliases of rooms that are described for values that only the command line gives: patterns with `*`.
    pub open_rooms: Vec<String>,
    /// Whether only some rooms were asked for.
    pub is_restricted: bool,
    /// Those of the rooms that another run takes care of: nothing is planned for them.
    pub elsewhere: BTreeSet<OwnedRoomAliasId>,
    /// The part of the rooms that this run takes care of, if it is not all of them.
    pub shard: Option<Shard>,
}

/// What an identity provider has in all, apart from who is in its groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The homeserver whose users it speaks for.
    pub server: OwnedServerName,
    /// All groups that it is known to have, those that stand for no room among them, as [`StampedGroup::id`] has them.
    pub groups: BTreeSet<String>,
    /// Why there may be more groups, if so.
    pub more_groups: Option<String>,
}

/// A room as the identity providers want it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DesiredRoom {
    /// Who is to be in the room.
    pub members: BTreeMap<OwnedUserId, DesiredMember>,
    /// Members whose account is locked out for the moment: nothing is done about them.
    pub held: BTreeSet<OwnedUserId>,
    /// The homeservers whose users the identity providers of this room speak for.
    pub servers: BTreeSet<OwnedServerName>,
    /// The groups of the room that have nobody who could be in it, and how a person calls them; without those that the
    /// configuration lets be empty.
    pub empty: BTreeMap<StampedGroup, Via>,
    /// Why there may be more members than these; nobody is removed from a room while there is a reason.
    pub incomplete: BTreeSet<String>,
    /// The identity providers that could not be read; what the room's mark says of them is left as it is.
    pub unread: BTreeSet<String>,
    /// Why it cannot be told which group the room stands for; nothing is done in a room while there is a reason.
    pub ambiguous: BTreeSet<String>,
    /// What a person should know.
    pub warnings: BTreeSet<String>,
    /// The mark that the room is to bear.
    pub stamp: Stamp,
    /// How the room is set up.
    pub settings: RoomSettings,
    /// What the configuration says of this room alone.
    pub described: Described,
}

/// What the configuration says of one room alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Described {
    /// Whether the room has an entry of its own, so that it may be adopted.
    pub is_listed: bool,
    /// Whether it is a space.
    pub is_space: bool,
    /// The name that the room is to have.
    pub name: Option<String>,
    /// The topic that the room is to have.
    pub topic: Option<String>,
    /// Whether the room is in the homeserver's room directory.
    pub in_directory: Option<bool>,
    /// The space that the room is to be in.
    pub parent: Option<OwnedRoomAliasId>,
    /// Whether members of that space may join without an invitation, and so may stay.
    pub restricted: bool,
    /// In place of the policy for all rooms.
    pub cautious: Option<bool>,
    /// Users who are never touched here: patterns over whole user IDs.
    pub protected_users: Vec<String>,
}

/// A person who is to be in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DesiredMember {
    /// The level of their own; `None` for the room's `users_default`.
    pub level: Option<i64>,
    /// The groups that say so; shared by those of whom the same groups do.
    pub via: Arc<BTreeSet<Via>>,
}

/// A group because of which somebody is wanted in a room.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Via {
    /// The name of the identity provider in the configuration.
    pub idp: String,
    /// The name of the group.
    pub group: String,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.group, self.idp)
    }
}

/// Why no rooms can be made out of what the identity providers said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DesiredError {
    /// Two accounts are one Matrix user.
    #[error(
        "{idp}: the accounts {first} and {second} would both be {user}: rename one of them, or map it to another user \
         under [renamed_users]"
    )]
    Collision {
        /// The identity provider.
        idp: String,
        /// One account.
        first: String,
        /// The other.
        second: String,
        /// The Matrix user.
        user: OwnedUserId,
    },
    /// A room was asked for that no identity provider names.
    #[error("no identity provider has a group for the room {0}{1}")]
    NoSuchRoom(OwnedRoomAliasId, String),
}

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
        for (alias, room) in &mut desired.rooms {
            room.settings =
                entries.get(alias).map_or_else(|| config.room.clone(), |overrides| overrides.over(&config.room));
        }
        Ok(desired)
    }

    /// Notes that an identity provider could not be read. Which rooms and people it would have named is then not
    /// known, so all rooms are incomplete.
    pub fn lose(&mut self, idp: &str, reason: &str) {
        for room in self.rooms.values_mut() {
            room.incomplete.insert(format!("{idp} could not be read"));
            room.unread.insert(idp.to_owned());
        }
        self.idps.remove(idp);
        self.unread.insert(idp.to_owned(), reason.to_owned());
    }

    /// Leaves only these rooms; all of them if none is given.
    ///
    /// # Errors
    /// When one of them is not named by any identity provider.
    pub fn restrict(&mut self, aliases: &BTreeSet<OwnedRoomAliasId>) -> Result<(), DesiredError> {
        if let Some(unknown) = aliases.iter().find(|alias| !self.rooms.contains_key(*alias)) {
            let same = |known: &&OwnedRoomAliasId| known.as_str().eq_ignore_ascii_case(unknown.as_str());
            let hint = match self.rooms.keys().find(same) {
                Some(known) => format!("; there is {known}: upper and lower case matter in an alias"),
                None if self.unread.is_empty() => {
                    nearest(unknown.as_str(), self.rooms.keys().map(|alias| alias.as_str()))
                        .map_or(String::new(), |known| format!("; did you mean {known}?"))
                }
                None => {
                    let unread: Vec<String> = self.unread.values().cloned().collect();
                    format!("; not all of them could be read: {}", unread.join("; "))
                }
            };
            return Err(DesiredError::NoSuchRoom(unknown.clone(), hint));
        }
        if !aliases.is_empty() {
            self.rooms.retain(|alias, _| aliases.contains(alias));
            self.is_restricted = true;
        }
        Ok(())
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

impl Desired {
    /// Leaves rooms to other runs. They stay known: a room may be in a space that another run takes care of.
    pub fn leave_to_others(&mut self, theirs: impl Fn(&OwnedRoomAliasId) -> bool) {
        self.elsewhere = self.rooms.keys().filter(|alias| theirs(alias)).cloned().collect();
    }

    /// Leaves the rooms of other shards to them.
    pub fn keep(&mut self, shard: Shard) {
        self.leave_to_others(|alias| !shard.holds(alias.as_str()));
        self.shard = Some(shard);
    }

    /// The rooms that this run takes care of.
    pub fn own(&self) -> impl Iterator<Item = (&OwnedRoomAliasId, &DesiredRoom)> {
        self.rooms.iter().filter(|(alias, _)| !self.elsewhere.contains(*alias))
    }
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
struct OneRoom<'a> {
    members: Vec<&'a Group>,
    owners: Vec<&'a Group>,
}

struct RoomGroups<'a> {
    rooms: BTreeMap<OwnedRoomAliasId, OneRoom<'a>>,
    /// The groups that the configuration names for a room, by what it calls them.
    described: Vec<(&'a ExplicitRoom, &'a RoomGroup, Vec<&'a Group>)>,
}

impl<'a> RoomGroups<'a> {
    fn sort(config: &'a Config, idp: &Idp, snapshot: &'a Snapshot, warnings: &mut BTreeSet<String>) -> Self {
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
    fn reached(&self) -> HashSet<&'a str> {
        self.rooms
            .values()
            .flat_map(|room| room.members.iter().chain(&room.owners))
            .chain(self.described.iter().flat_map(|(_, _, groups)| groups))
            .flat_map(|group| group.members.certain().iter().chain(group.owners.iter().flat_map(Members::certain)))
            .map(String::as_str)
            .collect()
    }
}

/// Accounts by their identity, and the Matrix user of each, if it can have one.
type Users<'a> = HashMap<&'a str, (Option<OwnedUserId>, &'a Account)>;

/// The Matrix users of all accounts. That an account can have none is reported if it is in a group of a room.
fn user_ids<'a>(
    config: &Config,
    idp: &Idp,
    snapshot: &'a Snapshot,
    groups: &RoomGroups<'_>,
    warnings: &mut BTreeSet<String>,
) -> Result<Users<'a>, DesiredError> {
    let mut users = Users::with_capacity(snapshot.accounts.len());
    // Mostly nobody asks who is in some group of a room.
    let reached = LazyCell::new(|| groups.reached());
    for (id, account) in &snapshot.accounts {
        let user = user_id(config, idp, account);
        if let Err(reason) = &user
            && reached.contains(id.as_str())
        {
            warnings.insert(format!(
                "{}: the account {} ({:?}) is left out: {reason}",
                idp.name, account.label, account.username
            ));
        }
        users.insert(id.as_str(), (user.ok(), account));
    }
    let mut by_user: Vec<_> =
        users.iter().filter_map(|(id, (user, account))| Some((user.as_ref()?, &account.label, *id))).collect();
    by_user.sort_unstable();
    for ((user, first, first_id), (other, second, second_id)) in by_user.iter().zip(by_user.iter().skip(1)) {
        if user == other && [first_id, second_id].into_iter().any(|id| reached.contains(*id)) {
            let [first, second] = [first, second].map(|label| (*label).clone());
            return Err(DesiredError::Collision { idp: idp.name.clone(), first, second, user: (*user).clone() });
        }
    }
    Ok(users)
}

/// The Matrix user of an account.
pub(crate) fn user_id(config: &Config, idp: &Idp, account: &Account) -> Result<OwnedUserId, String> {
    if let Some(user) = &account.mxid {
        return Ok(user.clone());
    }
    match lookup(&config.renamed_users, &account.username) {
        Some(renamed) => renamed_user(renamed, idp),
        None => naming::user_id(&account.username, &idp.mxid_homeserver, idp.invalid_names),
    }
}

/// What a table of renamed users has for a username.
fn lookup<'a>(renamed: &'a BTreeMap<String, RenamedUser>, username: &str) -> Option<&'a RenamedUser> {
    if renamed.is_empty() { None } else { renamed.get(&username.to_lowercase()) }
}

fn renamed_user(renamed: &RenamedUser, idp: &Idp) -> Result<OwnedUserId, String> {
    match renamed {
        RenamedUser::UserId(user) => Ok(user.clone()),
        RenamedUser::Localpart(localpart) => {
            UserId::parse(format!("@{localpart}:{}", idp.mxid_homeserver)).map_err(|error| error.to_string())
        }
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
