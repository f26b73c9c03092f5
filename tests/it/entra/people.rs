//! Who somebody is in Matrix.

use serde_json::json;

use super::{ROOM, fetch, members, root};
use crate::support::graph::{Graph, guid};

#[test]
fn the_username_comes_from_the_property_that_the_configuration_names() {
    let extension = "extension_0123456789abcdef0123456789abcdef_matrix";
    let graph = Graph::start();
    let group = {
        let mut world = graph.world();
        let alice = world.user("alice");
        world.set(&alice, "mail", json!("a.mail@corp.example"));
        world.set(&alice, "mailNickname", json!("a-nick"));
        world.set(&alice, "onPremisesSamAccountName", json!("A.Sam"));
        world.set(&alice, "onPremisesExtensionAttributes", json!({ "extensionAttribute7": "a7" }));
        world.set(&alice, extension, json!("a-ext"));
        world.group(ROOM, &[&alice], &[])
    };
    let root_id = root(&graph, &[&group]);
    for (property, name) in [
        ("userPrincipalName", "alice"),
        ("mail", "a.mail"),
        ("mailNickname", "a-nick"),
        ("onPremisesSamAccountName", "A.Sam"),
        ("extensionAttribute7", "a7"),
        (extension, "a-ext"),
    ] {
        let snapshot = fetch(&graph, &root_id, &format!("username_property = {property:?}\n")).unwrap();
        assert_eq!(members(&snapshot, ROOM).unwrap(), [name], "{property}");
    }
}

#[test]
fn a_person_without_a_username_makes_the_room_unknown() {
    let graph = Graph::start();
    let group = {
        let mut world = graph.world();
        let [alice, bob] = ["alice", "bob"].map(|name| world.user(name));
        world.set(&bob, "mail", json!(null));
        world.group(ROOM, &[&alice, &bob], &[])
    };
    let root_id = root(&graph, &[&group]);
    let snapshot = fetch(&graph, &root_id, "username_property = \"mail\"\n").unwrap();
    assert_eq!(members(&snapshot, ROOM).unwrap_err(), "bob@corp.example has no mail");
}

#[test]
fn guests_are_skipped_with_a_notice_unless_the_configuration_says_more() {
    let graph = Graph::start();
    let (group, contractor) = {
        let mut world = graph.world();
        let alice = world.user("alice");
        let partner = world.guest("alice", "partner.com");
        let other = world.guest("odd_name", "other.org");
        // A guest with an account of this tenant, and somebody from elsewhere who is no guest in name.
        let contractor = world.user("contractor");
        world.set(&contractor, "userType", json!("Guest"));
        let synced = world.guest("eve", "sister.com");
        world.set(&synced, "userType", json!("Member"));
        (world.group(ROOM, &[&alice, &partner, &other, &contractor, &synced], &[&partner]), contractor)
    };
    let root_id = root(&graph, &[&group]);
    let skipped = fetch(&graph, &root_id, "").unwrap();
    assert_eq!(members(&skipped, ROOM).unwrap(), ["alice"]);
    assert_eq!(
        skipped.notices.iter().map(String::as_str).collect::<Vec<_>>(),
        ["guests are left out (see guests in the configuration): alice_partner.com#EXT#@corp.example, \
             contractor@corp.example, eve_sister.com#EXT#@corp.example and 1 more"]
    );

    let rules = "guests = \"map\"\nguest_homeservers = { \"Partner.com\" = \"matrix.partner.com\" }\n";
    let mapped = fetch(&graph, &root_id, rules).unwrap();
    let partner = &mapped.accounts[&guid("alice_partner.com#EXT#@corp.example")];
    assert_eq!(partner.mxid.as_ref().unwrap(), "@alice:matrix.partner.com");
    assert_eq!(members(&mapped, ROOM).unwrap(), ["alice", "alice"], "one of them elsewhere");
    assert!(
        mapped
            .notices
            .iter()
            .any(|notice| notice.contains("guest_homeservers has no rule for their domain): contractor@"))
    );

    let local = fetch(&graph, &root_id, "guests = \"local\"\n").unwrap();
    assert_eq!(
        members(&local, ROOM).unwrap(),
        ["alice", "alice_partner.com=ext", "contractor=ext", "eve_sister.com=ext", "odd_name_other.org=ext"]
    );
    assert_eq!(local.accounts[&contractor].mxid, None);
}
