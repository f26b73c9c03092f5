//! What holds for every decision, whatever the room is like.

use std::collections::{BTreeMap, BTreeSet};

use inviter::actual::{ActualRoom, JoinedRoom, Member, Membership, Stamp};
use inviter::manual::{Bounds, Decision, End, Request, Step, Task, decide};
use inviter::power::{ADMIN, Power, PowerLevels};
use matrix_sdk::ruma::{OwnedUserId, RoomVersionId, UserId, room_alias_id, room_id, user_id};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const ME: &str = "@me:x";
const SOMEBODY: &str = "@somebody:far";

#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
#[derive(Debug, Clone)]
struct Facts {
    creators_rank_above_all: bool,
    i_am_creator: bool,
    they_are_creator: bool,
    my_level: Option<i64>,
    their_level: Option<i64>,
    their_membership: Option<Membership>,
    users_default: i64,
    to_set_levels: i64,
    stamped: bool,
    released: bool,
}

fn facts() -> impl Strategy<Value = Facts> {
    let level = || prop::option::of(prop::sample::select(vec![-1, 0, 50, 99, 100, 150]));
    let membership = prop::sample::select(vec![
        None,
        Some(Membership::Join),
        Some(Membership::Invite),
        Some(Membership::Knock),
        Some(Membership::Leave),
        Some(Membership::Ban),
    ]);
    let some = prop::sample::select(vec![0, 50, 100]);
    (any::<[bool; 5]>(), level(), level(), membership, some.clone(), some).prop_map(
        |(flags, my_level, their_level, their_membership, users_default, to_set_levels)| {
            let [twelve, me, they, stamped, released] = flags;
            Facts {
                creators_rank_above_all: twelve,
                i_am_creator: twelve && me,
                they_are_creator: twelve && they,
                my_level: my_level.filter(|_| !(twelve && me)),
                their_level: their_level.filter(|_| !(twelve && they)),
                their_membership,
                users_default,
                to_set_levels,
                stamped,
                released,
            }
        },
    )
}

fn tasks() -> impl Strategy<Value = Task> {
    prop::sample::select(vec![
        Task::Unmanage { leave_as_creator: false },
        Task::Unmanage { leave_as_creator: true },
        Task::InviteMember,
        Task::KickMember,
        Task::InviteAdmin,
    ])
}

fn creators(facts: &Facts) -> BTreeSet<OwnedUserId> {
    let all = [(facts.i_am_creator, ME), (facts.they_are_creator, SOMEBODY)];
    all.iter().filter(|(is, _)| *is).map(|(_, user)| UserId::parse(*user).unwrap()).collect()
}

fn room(facts: &Facts) -> JoinedRoom {
    let levels = [(ME, facts.my_level), (SOMEBODY, facts.their_level)];
    let users: Map<String, Value> =
        levels.iter().filter_map(|(user, level)| Some(((*user).to_owned(), json!((*level)?)))).collect();
    let content = json!({
        "users": users, "users_default": facts.users_default, "events": { "m.room.power_levels": facts.to_set_levels },
        "org.example": "kept",
    });
    let member = |membership| Member { membership, sender: user_id!("@me:x").to_owned(), since: 0 };
    let mut members = BTreeMap::from([(user_id!("@me:x").to_owned(), member(Membership::Join))]);
    if let Some(membership) = facts.their_membership {
        members.insert(user_id!("@somebody:far").to_owned(), member(membership));
    }
    let version = if facts.creators_rank_above_all { RoomVersionId::V12 } else { RoomVersionId::V11 };
    JoinedRoom {
        id: room_id!("!r:x").to_owned(),
        version,
        members,
        power: PowerLevels::new(content.as_object().cloned(), creators(facts), None),
        history_visibility: None,
        name: None,
        topic: None,
        canonical_alias: None,
        alias_is_own: false,
        alt_aliases: BTreeSet::new(),
        is_space: false,
        join_rules: None,
        in_directory: None,
        children: BTreeSet::new(),
        parents: BTreeSet::new(),
        replaces: None,
        encrypted: false,
        replaced_by: None,
        stamp: facts.stamped.then(Stamp::default),
        orphaned_since: None,
        standing_invitations: BTreeSet::new(),
        released: facts.released && !facts.stamped,
    }
}

/// The room after a step; the person is the only one who can be touched.
fn after(facts: &Facts, mut room: JoinedRoom, step: &Step) -> JoinedRoom {
    let somebody = user_id!("@somebody:far");
    let mut become_member = |membership| {
        let member = Member { membership, sender: user_id!("@me:x").to_owned(), since: 0 };
        room.members.insert(somebody.to_owned(), member);
    };
    match step {
        Step::Invite(user) => {
            assert_eq!(user, somebody);
            become_member(Membership::Invite);
        }
        Step::Kick { user, .. } => {
            assert_eq!(user, somebody);
            assert!(room.power.of(somebody) < Power::Level(ADMIN), "admins are never removed");
            become_member(Membership::Leave);
        }
        Step::PowerLevels { content, .. } => {
            assert!(room.power.of(user_id!("@me:x")) >= Power::Level(facts.to_set_levels), "it would be refused");
            assert_eq!(content["org.example"], "kept");
            for creator in creators(facts) {
                assert!(content["users"].get(creator.as_str()).is_none(), "creators have no entry: {content:?}");
            }
            room.power = PowerLevels::new(Some(content.clone()), creators(facts), None);
        }
        Step::TakeMark => (room.stamp, room.released) = (None, true),
        Step::Leave => {
            assert_eq!(room.membership(somebody), Membership::Join);
            assert!(room.power.of(somebody) >= Power::Level(ADMIN), "a room is never left without an admin");
            assert_eq!(room.power.entry(user_id!("@me:x")), None, "no power is left behind");
            assert_eq!(room.stamp, None, "no mark is left behind");
        }
    }
    room
}

fn request(task: Task) -> Request {
    Request { alias: room_alias_id!("#r:x").to_owned(), user: user_id!("@somebody:far").to_owned(), task }
}

fn bounds() -> Bounds {
    Bounds {
        me: user_id!("@me:x").to_owned(),
        managed_servers: [user_id!("@me:x").server_name().to_owned()].into(),
        protected: Vec::new(),
    }
}

proptest! {
    #[test]
    fn no_decision_breaks_a_rule_and_none_is_left_after_its_steps(facts in facts(), task in tasks()) {
        let mut room = room(&facts);
        let decide = |room: &JoinedRoom| decide(&request(task), &ActualRoom::Joined(Box::new(room.clone())), &bounds());
        let Ok(Decision { steps, end, .. }) = decide(&room) else { return Ok(()) };
        let unmanages = matches!(task, Task::Unmanage { .. });
        prop_assert!(facts.stamped || (facts.released && unmanages));
        let leaves = steps.last() == Some(&Step::Leave);
        prop_assert_eq!(leaves, unmanages && end == End::Done);
        prop_assert!(!facts.i_am_creator || task != (Task::Unmanage { leave_as_creator: false }), "it needs a word");
        for (index, step) in steps.iter().enumerate() {
            room = after(&facts, room, step);
            if *step != Step::Leave {
                // Whatever ends a run between two steps, the rest is still decided alike.
                prop_assert_eq!(decide(&room).unwrap().steps.len(), steps.len() - index - 1);
            }
        }
    }
}
