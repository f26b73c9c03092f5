//! What a plan comes to grows as the rooms do.

use std::sync::Arc;

use inviter::plan::text::{self, Dress};
use inviter::plan::{Change, Reason, json};

use super::world::World;

/// What a plan for so many rooms comes to, each with two people to invite and one to remove: changes, lines and members of
/// the JSON document.
fn extent(rooms: usize) -> [usize; 3] {
    let mut world = World::new();
    let names: Vec<String> = (0..rooms).map(|room| format!("room{room:04}")).collect();
    for name in &names {
        world.want_room(name);
        world.want(name, "alice");
    }
    world.settle();
    for name in &names {
        world.unwant(name, "alice");
        world.want(name, "bob");
        world.want(name, "carol");
    }
    let plan = world.plan();
    let text = text::plan(&plan, &[], Dress::new(false));
    let document = serde_json::to_string_pretty(&json::Document::new(&plan, &[], None)).expect("JSON");
    let changes = plan.rooms.iter().map(|room| room.changes.len()).sum();
    [changes, text.lines().count(), document.lines().count()]
}

#[test]
fn a_plan_grows_as_the_rooms_do() {
    let [one, two, four] = [50, 100, 200].map(extent);
    assert_eq!((one[0], two[0], four[0]), (150, 300, 600));
    for at in 0..3 {
        assert_eq!(four[at] - two[at], 2 * (two[at] - one[at]), "{one:?} {two:?} {four:?}");
    }
}

#[test]
fn people_of_the_same_groups_share_what_says_so() {
    let mut world = World::new();
    world.want_room("ops");
    for person in ["alice", "bob"] {
        world.want("ops", person);
    }
    let snapshot = world.desired("ops").members.clone();
    let plan = world.plan();
    let reasons: Vec<_> = plan.rooms[0]
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Invite(invite) => Some(invite),
            _ => None,
        })
        .collect();
    for invite in reasons {
        let Reason::Wanted(via) = &invite.reason else { panic!("{invite:?}") };
        assert!(Arc::ptr_eq(via, &snapshot[&invite.user].via), "a plan holds no copy of the groups");
    }
}
