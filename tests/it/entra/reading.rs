//! Rooms, members and owners, and what it costs to read them.

use super::{ROOM, fetch, members, owners, root};
use crate::support::graph::{Graph, Kind, guid};
use serde_json::json;

#[test]
fn members_are_reached_through_groups_in_groups_and_owners_are_read() {
    let graph = Graph::start();
    let root_id = {
        let mut world = graph.world();
        let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|name| world.user(name));
        let inner = world.group("inner", &[&carol], &[]);
        let outer = world.group("outer", &[&inner, &bob], &[]);
        // A circle.
        world.entry(&inner).members.push(outer.clone());
        world.set(&dave, "accountEnabled", json!(false));
        world.group(ROOM, &[&alice, &outer, &dave], &[&alice, &dave])
    };
    let root_id = root(&graph, &[&root_id]);
    let snapshot = fetch(&graph, &root_id, "").unwrap();
    assert_eq!(members(&snapshot, ROOM).unwrap(), ["alice", "bob", "carol"], "a disabled account is left out");
    assert_eq!(owners(&snapshot, ROOM).unwrap(), ["alice"]);
    assert_eq!(snapshot.groups[0].id.as_deref(), Some(guid(ROOM).as_str()), "the stamp gets the group's id");
    assert!(snapshot.notices.is_empty(), "{:?}", snapshot.notices);
}

#[test]
fn every_page_is_read_to_the_end() {
    let graph = Graph::start();
    let group = {
        let mut world = graph.world();
        let users: Vec<String> = (0..2500).map(|n| world.user(&format!("user{n:04}"))).collect();
        let all: Vec<&str> = users.iter().map(String::as_str).collect();
        world.group(ROOM, &all, &all[..1200])
    };
    let root_id = root(&graph, &[&group]);
    let snapshot = fetch(&graph, &root_id, "").unwrap();
    assert_eq!(members(&snapshot, ROOM).unwrap().len(), 2500);
    assert_eq!(owners(&snapshot, ROOM).unwrap().len(), 1200);
    assert_eq!(graph.requests(), 5, "the root, a batch, two more pages of members and one of owners");
}

#[test]
fn the_number_of_requests_does_not_depend_on_the_number_of_members() {
    for people in [1, 50] {
        let graph = Graph::start();
        let groups: Vec<String> = {
            let mut world = graph.world();
            let users: Vec<String> = (0..people).map(|n| world.user(&format!("user{n}"))).collect();
            let all: Vec<&str> = users.iter().map(String::as_str).collect();
            (0..30).map(|room| world.group(&format!("MTRX #room{room}:example.com"), &all, &all[..1])).collect()
        };
        let root_id = root(&graph, &groups.iter().map(String::as_str).collect::<Vec<_>>());
        let snapshot = fetch(&graph, &root_id, "").unwrap();
        assert_eq!((snapshot.groups.len(), snapshot.accounts.len()), (30, people));
        assert_eq!((graph.requests(), graph.sign_ins()), (4, 1), "the root, and three batches of ten rooms");
    }
}

#[test]
fn what_in_the_root_group_is_no_room_is_told_by_name() {
    let graph = Graph::start();
    let (everybody, alice, typo, ops) = {
        let mut world = graph.world();
        let alice = world.user("alice");
        (
            world.group("Everybody", &[&alice], &[]),
            alice.clone(),
            world.group("MTRX ops:example.com", &[&alice], &[]),
            world.group(ROOM, &[&alice], &[]),
        )
    };
    let root_id = root(&graph, &[&everybody, &alice, &typo, &ops]);
    let snapshot = fetch(&graph, &root_id, "").unwrap();
    assert_eq!(members(&snapshot, ROOM).unwrap(), ["alice"]);
    let notices = snapshot.notices.iter().cloned().collect::<Vec<_>>().join("\n");
    assert!(
        notices.contains("members of the root group that are no groups are ignored: \"alice\" (user)"),
        "{notices}"
    );
    assert!(notices.contains("the group \"Everybody\""), "{notices}");
    // The name that begins like that of a room is warned of where it is read.
    assert!(snapshot.groups.iter().any(|group| group.name == "MTRX ops:example.com"));
    assert!(!graph.asked().iter().any(|asked| asked.path.contains(&typo)), "its members are of no use");
}

#[test]
fn an_empty_root_group_is_told() {
    let graph = Graph::start();
    let root_id = root(&graph, &[]);
    let snapshot = fetch(&graph, &root_id, "").unwrap();
    assert!(snapshot.groups.is_empty());
    assert!(snapshot.notices.iter().any(|notice| notice.contains("has no members, so there are no rooms")));
}

#[test]
fn what_is_no_person_is_ignored_and_counted() {
    let graph = Graph::start();
    let group = {
        let mut world = graph.world();
        let alice = world.user("alice");
        let app = world.other(Kind::ServicePrincipal, "app");
        let laptop = world.other(Kind::Device, "laptop");
        let phone = world.other(Kind::Device, "phone");
        let contact = world.other(Kind::OrgContact, "contact");
        world.group(ROOM, &[&alice, &app, &laptop, &phone, &contact], &[&app, &alice])
    };
    let root_id = root(&graph, &[&group]);
    let snapshot = fetch(&graph, &root_id, "").unwrap();
    assert_eq!(members(&snapshot, ROOM).unwrap(), ["alice"]);
    assert_eq!(
        snapshot.notices.iter().map(String::as_str).collect::<Vec<_>>(),
        [
            "contacts among the members are ignored: 1",
            "devices among the members are ignored: 2",
            "service principals among the members are ignored: 1"
        ]
    );
}

#[test]
fn a_sibling_group_takes_the_place_of_owners() {
    let graph = Graph::start();
    let (ops, sibling, other) = {
        let mut world = graph.world();
        let [alice, bob] = ["alice", "bob"].map(|name| world.user(name));
        let ops = world.group(ROOM, &[&alice, &bob], &[&bob]);
        world.set(&ops, "onPremisesSyncEnabled", json!(true));
        (ops, world.group("MTRX #ops:example.com_owners", &[&alice], &[]), world.group("moderators", &[&bob], &[]))
    };
    let only_room = root(&graph, &[&ops]);
    let snapshot = fetch(&graph, &only_room, "").unwrap();
    assert_eq!(owners(&snapshot, ROOM), None);
    assert!(
        snapshot.notices.iter().any(|notice| notice.contains("cannot be read, so their rooms have no moderators: use owners_suffix or owners_groups. They are \"MTRX #ops:example.com\"")),
        "{:?}",
        snapshot.notices
    );
    assert!(!graph.asked().iter().any(|asked| asked.path.contains("/owners")), "Graph could not tell");

    let with_mapping = format!("owners_groups = {{ \"#ops:example.com\" = {other:?} }}\n");
    assert_eq!(owners(&fetch(&graph, &only_room, &with_mapping).unwrap(), ROOM).unwrap(), ["bob"]);

    let both = graph.world().group("both", &[&ops, &sibling], &[]);
    let snapshot = fetch(&graph, &both, "owners_suffix = \"_owners\"\n").unwrap();
    assert_eq!(members(&snapshot, "MTRX #ops:example.com_owners").unwrap(), ["alice"]);
    assert!(snapshot.notices.is_empty(), "{:?}", snapshot.notices);
}
