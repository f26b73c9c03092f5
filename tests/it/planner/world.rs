//! A small world to plan in: what is desired, what is there, and a homeserver that does as it is told.

use std::collections::{BTreeMap, BTreeSet};

use inviter::actual::{Actual, ActualRoom, JoinedRoom, Member, Membership, Stamp, StampedGroup};
use inviter::config::WhenRefused;
use inviter::desired::{Answered, Desired, DesiredMember, DesiredRoom, Via};
use inviter::plan::text::Dress;
use inviter::plan::{
    Change, Creation, Limits, OrphanLimits, Orphans, Plan, Policy, Refusal, Removals, RenamedAlias, Way, compute,
    decide, guard, text,
};
use inviter::power::{Power, PowerLevels};
use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomAliasId, RoomId, RoomVersionId, UserId};
use serde_json::{Map, Value, json};

/// The time of every plan in the tests, in milliseconds since 1970.
pub const NOW: u64 = 1_800_000_000_000;
/// An hour in milliseconds.
pub const HOUR: u64 = 60 * 60 * 1000;

/// What is desired, what is there, and what may be done.
#[derive(Debug, Clone)]
pub struct World {
    pub desired: Desired,
    pub actual: Actual,
    pub policy: Policy,
}

/// The account of `inviter`.
pub fn me() -> OwnedUserId {
    user("inviter")
}

/// A user of the own homeserver, or a whole user ID.
pub fn user(name: &str) -> OwnedUserId {
    let id = if name.starts_with('@') { name.to_owned() } else { format!("@{name}:example.com") };
    UserId::parse(id).expect("a user ID")
}

/// A room on the own homeserver, or a whole alias.
pub fn alias(name: &str) -> OwnedRoomAliasId {
    let alias = if name.starts_with('#') { name.to_owned() } else { format!("#{name}:example.com") };
    RoomAliasId::parse(alias).expect("an alias")
}

/// The mark of a room that stands for the group of its name.
pub fn stamp(name: &str) -> Stamp {
    Stamp { groups: [StampedGroup { idp: "corp".into(), id: format!("id-of-{name}") }].into(), orphaned: false }
}

impl World {
    /// A world without rooms.
    pub fn new() -> Self {
        let actual = Actual {
            me: me(),
            default_room_version: Some(RoomVersionId::V12),
            rooms: BTreeMap::new(),
            joined: BTreeSet::new(),
            others: BTreeMap::new(),
        };
        let policy = Policy {
            removals: Removals::Made,
            kick: false,
            renamed: RenamedAlias::Keep,
            adopt: false,
            adds: false,
            now: NOW,
            reinvite_after: 24 * HOUR,
            protected: Vec::new(),
            orphans: Orphans::Report,
        };
        let corp = Answered { server: user("x").server_name().to_owned(), groups: BTreeSet::new(), more_groups: None };
        let desired = Desired { idps: [("corp".into(), corp)].into(), ..Desired::default() };
        Self { desired, actual, policy }
    }

    /// A world in which there is one room, of these members, and nothing to do; `*` marks moderators.
    pub fn with_room(name: &str, members: &[&str]) -> Self {
        let mut world = Self::new();
        world.want_room(name);
        for member in members {
            match member.strip_suffix('*') {
                Some(moderator) => world.want_at(name, moderator, Some(50)),
                None => world.want(name, member),
            }
        }
        world.settle();
        world
    }

    /// The same with a room of version 11, where `inviter` has level 100 by an entry of its own.
    pub fn with_old_room(name: &str, members: &[&str]) -> Self {
        let mut world = Self::new();
        world.actual.default_room_version = Some(RoomVersionId::V11);
        world.want_room(name);
        for member in members {
            world.want(name, member);
        }
        world.settle();
        world
    }

    /// The identity provider names a room.
    pub fn want_room(&mut self, name: &str) -> &mut DesiredRoom {
        let room = DesiredRoom {
            servers: [user("x").server_name().to_owned()].into(),
            stamp: stamp(name),
            ..DesiredRoom::default()
        };
        self.desired.rooms.insert(alias(name), room);
        self.corp().groups.insert(format!("id-of-{name}"));
        self.actual.rooms.entry(alias(name)).or_insert(ActualRoom::Missing);
        self.desired(name)
    }

    /// What the identity provider has in all.
    pub fn corp(&mut self) -> &mut Answered {
        self.desired.idps.get_mut("corp").expect("an identity provider that answered")
    }

    /// The group of a room is gone, and the room is there still.
    pub fn lose_group(&mut self, name: &str) -> DesiredRoom {
        self.corp().groups.remove(&format!("id-of-{name}"));
        if let Some(ActualRoom::Joined(room)) = self.actual.rooms.remove(&alias(name)) {
            self.actual.others.insert(room.id.clone(), *room);
        }
        self.desired.rooms.remove(&alias(name)).expect("a room that is wanted")
    }

    /// The group of a room is there again.
    pub fn regain_group(&mut self, name: &str, desired: DesiredRoom) {
        self.corp().groups.insert(format!("id-of-{name}"));
        let room = self.actual.others.remove(&room_id(&alias(name))).expect("the room");
        self.actual.rooms.insert(alias(name), ActualRoom::Joined(Box::new(room)));
        self.desired.rooms.insert(alias(name), desired);
    }

    /// A room that nobody names any more.
    pub fn orphan(&mut self, name: &str) -> &mut JoinedRoom {
        self.actual.others.get_mut(&room_id(&alias(name))).expect("a room that nobody names")
    }

    /// The identity provider wants somebody in a room.
    pub fn want(&mut self, room: &str, name: &str) {
        self.want_at(room, name, None);
    }

    /// The identity provider wants somebody in a room at a level.
    pub fn want_at(&mut self, room: &str, name: &str, level: Option<i64>) {
        let via = [Via { idp: "corp".into(), group: format!("{room}-group") }].into();
        self.desired(room).members.insert(user(name), DesiredMember { level, via });
    }

    /// The identity provider does not want somebody in a room any more.
    pub fn unwant(&mut self, room: &str, name: &str) {
        self.desired(room).members.remove(&user(name));
    }

    /// What is wanted of a room.
    pub fn desired(&mut self, room: &str) -> &mut DesiredRoom {
        self.desired.rooms.get_mut(&alias(room)).expect("a room that is wanted")
    }

    /// What is there of a room.
    pub fn room(&mut self, room: &str) -> &mut JoinedRoom {
        match self.actual.rooms.get_mut(&alias(room)) {
            Some(ActualRoom::Joined(room)) => room,
            other => panic!("{room} is {other:?}"),
        }
    }

    /// Somebody's membership changes by their own doing, some hours before the plan.
    pub fn member(&mut self, room: &str, name: &str, membership: Membership, hours_ago: u64) {
        self.member_by(room, name, membership, hours_ago, name);
    }

    /// Somebody's membership changes by somebody's doing.
    pub fn member_by(&mut self, room: &str, name: &str, membership: Membership, hours_ago: u64, by: &str) {
        let member = Member { membership, sender: user(by), since: NOW - hours_ago * HOUR };
        self.room(room).members.insert(user(name), member);
    }

    /// Rewrites the power levels of a room.
    pub fn set_levels(&mut self, room: &str, change: impl FnOnce(&mut Value)) {
        let creators = self.creators(room);
        let room = self.room(room);
        let mut content = Value::Object(room.power.patched(&BTreeMap::new(), &BTreeMap::new()));
        change(&mut content);
        let Value::Object(content) = content else { panic!("not an object") };
        room.power = PowerLevels::new(Some(content), creators, None);
    }

    fn creators(&mut self, room: &str) -> BTreeSet<OwnedUserId> {
        if is_v12(&self.room(room).version) { [me()].into() } else { BTreeSet::new() }
    }

    /// The plan.
    pub fn plan(&self) -> Plan {
        compute(&self.desired, &self.actual, &self.policy)
    }

    /// What the guard says of the plan with its usual limits.
    pub fn refusals(&self) -> Vec<Refusal> {
        guard(&self.plan(), &self.desired, &self.actual, &limits())
    }

    /// What the guard says, as a person reads it.
    pub fn refused(&self) -> Vec<String> {
        self.refusals().iter().map(ToString::to_string).collect()
    }

    /// The plan of a run, and what the guard refused of it.
    pub fn decide(&self, limits: &Limits, when_refused: WhenRefused) -> (Plan, Vec<Refusal>) {
        decide(&self.desired, &self.actual, &self.policy, limits, when_refused)
    }

    /// Checks the plan of a room, in the lines that a person would read.
    #[track_caller]
    pub fn expect(&self, room: &str, expected: &[&str]) {
        let mut plan = self.plan();
        plan.rooms.retain(|plan| plan.alias == alias(room));
        plan.warnings.clear();
        let text = text::plan(&plan, &[], Dress::new(false));
        let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert_eq!(lines, expected, "\n{text}");
    }

    /// Applies the plan, lets everybody accept, until there is nothing to do.
    pub fn settle(&mut self) {
        for _ in 0..3 {
            let plan = self.plan();
            self.apply(&plan);
            self.accept_all();
        }
        assert!(self.plan().is_empty(), "{:#?}", self.plan());
    }

    /// Everybody who is invited joins.
    pub fn accept_all(&mut self) {
        for room in self.actual.rooms.values_mut() {
            let ActualRoom::Joined(room) = room else { continue };
            for member in room.members.values_mut().filter(|member| member.membership == Membership::Invite) {
                member.membership = Membership::Join;
            }
        }
    }

    fn id(&self, alias: &OwnedRoomAliasId) -> OwnedRoomId {
        match self.actual.rooms.get(alias) {
            Some(ActualRoom::Joined(room)) => room.id.clone(),
            other => panic!("{alias} is {other:?}"),
        }
    }

    /// Does what a plan says, as a homeserver would.
    pub fn apply(&mut self, plan: &Plan) {
        let is_new_space = |room: &&inviter::plan::RoomPlan| matches!(room.changes.first(), Some(Change::Create(creation)) if creation.is_space);
        for room in plan.rooms.iter().filter(is_new_space) {
            self.apply_one(&room.alias, &room.changes[0]);
        }
        for room in &plan.rooms {
            for change in room.changes.iter().skip(usize::from(is_new_space(&room))) {
                self.apply_one(&room.alias, change);
            }
        }
        for orphan in &plan.orphans {
            let (alias, id) = (&orphan.plan.alias, orphan.plan.room_id.clone().expect("a room"));
            let room = self.actual.others.remove(&id).expect("the room");
            self.actual.rooms.insert(alias.clone(), ActualRoom::Joined(Box::new(room)));
            for change in &orphan.plan.changes {
                self.apply_one(alias, change);
            }
            if let Some(ActualRoom::Joined(room)) = self.actual.rooms.remove(alias) {
                self.actual.others.insert(id, *room);
            }
        }
    }

    fn apply_one(&mut self, alias: &OwnedRoomAliasId, change: &Change) {
        let me = self.actual.me.clone();
        if let Change::Create(creation) = change {
            let room = ActualRoom::Joined(Box::new(created(creation, &me)));
            self.actual.rooms.insert(alias.clone(), room);
            return;
        }
        if let Change::SpaceChild(link) = change {
            let child = self.id(alias);
            self.room(link.space.as_str()).children.insert(child);
            return;
        }
        if let Change::SpaceParent(link) | Change::Restrict { space: link, .. } = change {
            let space = self.id(&link.space);
            let room = self.room(alias.as_str());
            match change {
                Change::Restrict { allow, .. } => {
                    let mut allow = allow.clone();
                    allow.push(json!({ "type": "m.room_membership", "room_id": space }));
                    room.join_rules = json!({ "join_rule": "restricted", "allow": allow }).as_object().cloned();
                }
                _ => drop(room.parents.insert(space)),
            }
            return;
        }
        if let Change::Alias(change) = change {
            let moved = |room: &JoinedRoom| room.canonical_alias == change.from && room.replaced_by.is_none();
            let id = self.actual.others.values().find(|room| moved(room)).map(|room| room.id.clone());
            let mut room = self.actual.others.remove(&id.expect("a room to move")).expect("a room to move");
            room.canonical_alias = Some(change.to.clone());
            room.alt_aliases.clone_from(&change.others);
            self.actual.rooms.insert(alias.clone(), ActualRoom::Joined(Box::new(room)));
            return;
        }
        let Some(ActualRoom::Joined(room)) = self.actual.rooms.get_mut(alias) else {
            assert!(matches!(change, Change::Join { .. }), "{change:?} in a room that cannot be written to");
            return;
        };
        let mut set = |user: &OwnedUserId, membership| {
            room.members.insert(user.clone(), Member { membership, sender: me.clone(), since: NOW });
        };
        match change {
            Change::Create(_)
            | Change::Join { .. }
            | Change::Alias(_)
            | Change::Restrict { .. }
            | Change::SpaceParent(_)
            | Change::SpaceChild(_) => {}
            Change::Stamp(stamp) => {
                room.orphaned_since = stamp.orphaned.then_some(NOW);
                room.stamp = Some(stamp.clone());
            }
            Change::PowerLevels(change) => {
                let creators = if room.power.of(&me) == Power::Creator { [me].into() } else { BTreeSet::new() };
                room.power = PowerLevels::new(Some(change.content.clone()), creators, None);
            }
            Change::HistoryVisibility { to, .. } => room.history_visibility = Some(to.to_string()),
            Change::Name { to, .. } => room.name = Some(to.clone()),
            Change::Topic { to, .. } => room.topic = Some(to.clone()),
            Change::Directory { listed } => room.in_directory = Some(*listed),
            Change::Kick(kick) => set(&kick.user, Membership::Leave),
            Change::Invite(invite) if invite.way == Way::Add => set(&invite.user, Membership::Join),
            Change::Invite(invite) => {
                set(&invite.user, Membership::Invite);
                if invite.way == Way::InviteAgain {
                    room.standing_invitations.insert(invite.user.clone());
                }
            }
        }
    }
}

/// Limits that are narrow enough to be met by a small world.
pub fn limits() -> Limits {
    let orphans = OrphanLimits { max_percent: 20, percent_from: 10, allowed: None };
    Limits { max_kicks: 5, max_percent: 30, percent_from: 10, keep_last_moderator: true, allowed: None, orphans }
}

fn is_v12(version: &RoomVersionId) -> bool {
    *version == RoomVersionId::V12
}

/// The ID of the room that is created with an alias.
pub fn room_id(alias: &RoomAliasId) -> OwnedRoomId {
    RoomId::parse(format!("!{}", alias.alias())).expect("a room ID")
}

fn created(creation: &Creation, me: &OwnedUserId) -> JoinedRoom {
    let version = creation.version.clone().expect("a version");
    let mut levels: Map<String, Value> = Map::new();
    let defaults = json!({
        "ban": 50, "kick": 50, "redact": 50, "invite": 0, "state_default": 50, "events_default": 0, "users_default": 0,
        "events": { "m.room.power_levels": 100 }, "users": {},
    });
    levels.extend(defaults.as_object().expect("an object").clone());
    levels.extend(creation.power_levels.clone());
    let named = levels["users"].as_object().expect("users").contains_key(me.as_str());
    assert_ne!(named, is_v12(&version), "a creator is named in `users` below version 12 and only there");
    let creators = if is_v12(&version) { [me.clone()].into() } else { BTreeSet::new() };
    JoinedRoom {
        id: room_id(&creation.alias),
        version,
        members: [(me.clone(), Member { membership: Membership::Join, sender: me.clone(), since: NOW })].into(),
        power: PowerLevels::new(Some(levels), creators, None),
        history_visibility: Some(creation.history_visibility.map_or("shared".into(), |value| value.to_string())),
        name: Some(creation.name.clone()),
        topic: creation.topic.clone(),
        canonical_alias: Some(creation.alias.clone()),
        alias_is_own: false,
        alt_aliases: BTreeSet::new(),
        is_space: creation.is_space,
        join_rules: None,
        in_directory: None,
        children: BTreeSet::new(),
        parents: BTreeSet::new(),
        replaces: None,
        encrypted: creation.encryption,
        replaced_by: None,
        stamp: Some(creation.stamp.clone()),
        orphaned_since: None,
        released: false,
        standing_invitations: BTreeSet::new(),
    }
}
