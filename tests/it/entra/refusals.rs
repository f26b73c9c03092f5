//! What is not answered well is never read as fewer members.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{ROOM, fetch, members, root};
use crate::support::graph::{Answer, Asked, Fault, Graph, Kind, error};

const OTHER: &str = "MTRX #other:example.com";

/// Two rooms, one with 1500 members and one with alice alone.
fn two_rooms() -> (Graph, String) {
    let graph = Graph::start();
    let groups = {
        let mut world = graph.world();
        let users: Vec<String> = (0..1500).map(|n| world.user(&format!("user{n:04}"))).collect();
        let alice = world.user("alice");
        let all: Vec<&str> = users.iter().map(String::as_str).collect();
        [world.group(ROOM, &all, &[]), world.group(OTHER, &[&alice], &[])]
    };
    let root_id = root(&graph, &[&groups[0], &groups[1]]);
    (graph, root_id)
}

/// Whether this asks for the members of the large room.
fn is_large(asked: &Asked) -> bool {
    asked.path.contains(&crate::support::graph::guid(ROOM)) && asked.path.contains("transitiveMembers")
}

fn is_second_page(asked: &Asked) -> bool {
    asked.path.contains("skiptoken")
}

#[test]
fn a_missing_permission_is_named() {
    let (graph, root_id) = two_rooms();
    graph.world().may_read_users = false;
    let told = fetch(&graph, &root_id, "").unwrap_err();
    assert!(
        told.starts_with("identity provider azure: cannot read the groups of rooms at https://localhost:"),
        "{told}"
    );
    assert!(
        told.contains("the property userPrincipalName of the user ")
            && told.contains("Grant the application permission User.Read.All"),
        "{told}"
    );
    graph.world().may_read_groups = false;
    let told = fetch(&graph, &root_id, "").unwrap_err();
    assert!(
        told.contains(&format!("cannot read the members of the root group {root_id} at https://localhost:"))
            && told.contains(
                "403 Authorization_RequestDenied: Insufficient privileges to complete the operation (request-id "
            )
            && told.contains("GroupMember.Read.All"),
        "{told}"
    );
}

#[test]
fn null_properties_of_one_person_are_an_error() {
    for property in ["accountEnabled", "userPrincipalName"] {
        let (graph, root_id) = two_rooms();
        graph.world().set(&crate::support::graph::guid("alice"), property, json!(null));
        let told = fetch(&graph, &root_id, "").unwrap_err();
        assert!(told.contains(&format!("the property {property} of the user")), "{told}");
    }
}

#[test]
fn a_refusal_for_one_group_makes_that_room_unknown() {
    let refused = error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.");
    let (graph, root_id) = two_rooms();
    graph.on_asked(move |_, asked| is_large(asked).then(|| Fault::Answer(refused.clone())));
    let snapshot = fetch(&graph, &root_id, "").unwrap();
    let reason = members(&snapshot, ROOM).unwrap_err();
    assert!(reason.starts_with("403 Authorization_RequestDenied"), "{reason}");
    assert_eq!(members(&snapshot, OTHER).unwrap(), ["alice"]);
}

#[test]
fn an_unfinished_chain_of_pages_makes_that_room_unknown() {
    let expired = error(400, "Directory_ExpiredPageToken", "The specified page token value has expired.");
    let broken = Answer { status: 200, headers: Vec::new(), body: "{\"value\": [{\"id\"".to_owned() };
    let no_value = Answer::json(200, &json!({}));
    for answer in [expired, broken, no_value] {
        let (graph, root_id) = two_rooms();
        let fault = answer.clone();
        graph.on_asked(move |_, asked| is_second_page(asked).then(|| Fault::Answer(fault.clone())));
        let snapshot = fetch(&graph, &root_id, "").unwrap();
        assert!(members(&snapshot, ROOM).is_err(), "{answer:?}");
        let room = snapshot.groups.iter().find(|group| group.name == ROOM).unwrap();
        assert_eq!(room.members.certain().len(), 999, "those of the first page are certain");
        assert_eq!(members(&snapshot, OTHER).unwrap(), ["alice"]);
    }
}

#[test]
fn the_next_page_is_asked_only_of_the_same_server_and_not_in_a_circle() {
    let (graph, root_id) = two_rooms();
    let elsewhere = Graph::start();
    let (here, there) = (graph.url(), elsewhere.url());
    graph.on_asked(move |_, asked| {
        is_large(asked).then(|| Fault::Replace(format!("nextLink\":\"{here}"), format!("nextLink\":\"{there}")))
    });
    let reason = members(&fetch(&graph, &root_id, "").unwrap(), ROOM).unwrap_err();
    assert!(reason.contains("where the token must not go"), "{reason}");
    assert_eq!(elsewhere.requests(), 0);

    let link =
        format!("{}/v1.0/groups/{}/transitiveMembers?$skiptoken=x", graph.url(), crate::support::graph::guid(ROOM));
    graph.on_asked(move |_, asked| {
        is_second_page(asked)
            .then(|| Fault::Answer(Answer::json(200, &json!({ "value": [], "@odata.nextLink": link }))))
    });
    let reason = members(&fetch(&graph, &root_id, "").unwrap(), ROOM).unwrap_err();
    assert!(reason.contains("the pages go in a circle"), "{reason}");
}

#[test]
fn a_type_that_is_not_known_makes_the_room_unknown() {
    let (graph, root_id) = two_rooms();
    {
        let mut world = graph.world();
        let odd = world.other(Kind::Odd, "odd");
        world.entry(&crate::support::graph::guid(OTHER)).members.push(odd);
    }
    let snapshot = fetch(&graph, &root_id, "").unwrap();
    let reason = members(&snapshot, OTHER).unwrap_err();
    assert!(reason.contains("has the type \"#microsoft.graph.hologram\", which is not known here"), "{reason}");
    assert_eq!(members(&snapshot, ROOM).unwrap().len(), 1500);
}

#[test]
fn a_hidden_membership_that_looks_empty_is_unknown() {
    let (graph, root_id) = two_rooms();
    {
        let mut world = graph.world();
        let id = crate::support::graph::guid(OTHER);
        world.set(&id, "visibility", json!("HiddenMembership"));
        world.entry(&id).members.clear();
    }
    let reason = members(&fetch(&graph, &root_id, "").unwrap(), OTHER).unwrap_err();
    assert!(reason.contains("Member.Read.Hidden"), "{reason}");
}

#[test]
fn throttling_is_waited_for_as_graph_asks() {
    let throttled =
        |seconds: &str| error(429, "TooManyRequests", "Please retry again later.").with("Retry-After", seconds);
    // Once for the root, once for a part of the batch, once for the batch as a whole, once for a second page.
    let (graph, root_id) = two_rooms();
    let places: [fn(&Asked) -> bool; 4] =
        [|asked| asked.path.contains("/members?"), is_large, |asked| asked.path == "/$batch", is_second_page];
    let times: [AtomicUsize; 4] = Default::default();
    graph.on_asked(move |_, asked| {
        let place = (0..4).rev().find(|at| places[*at](asked))?;
        (times[place].fetch_add(1, Ordering::Relaxed) == 0).then(|| Fault::Answer(throttled("1")))
    });
    let started = Instant::now();
    let snapshot = fetch(&graph, &root_id, "").unwrap();
    assert_eq!(members(&snapshot, ROOM).unwrap().len(), 1500);
    assert_eq!(members(&snapshot, OTHER).unwrap(), ["alice"]);
    assert!(started.elapsed() >= Duration::from_secs(4), "{:?}", started.elapsed());
    let parts = graph.asked().iter().filter(|asked| asked.in_batch).count();
    assert_eq!(parts, 4 + 1, "only the part that was refused is asked again");
}

#[test]
fn waiting_for_graph_has_an_end() {
    let unavailable = error(503, "serviceNotAvailable", "Try again.").with("Retry-After", "120");
    let (graph, root_id) = two_rooms();
    graph.on_asked(move |_, asked| asked.in_batch.then(|| Fault::Answer(unavailable.clone())));
    let told = fetch(&graph, &root_id, "rate_limit_patience = \"1m\"\n").unwrap_err();
    assert!(
        told.contains(
            "Graph limits the rate (status 503) and asks to wait 2m more; 0s of rate_limit_patience = 1m are used up"
        ),
        "{told}"
    );
    let always = error(429, "TooManyRequests", "Please retry again later.");
    graph.on_asked(move |_, _| Some(Fault::Answer(always.clone())));
    let told = fetch(&graph, &root_id, "rate_limit_patience = \"3s\"\n").unwrap_err();
    assert!(told.contains("Graph limits the rate (status 429) and asks to wait 4s more; 3s of"), "{told}");
}

#[test]
fn a_failure_that_passes_is_no_failure() {
    let (graph, root_id) = two_rooms();
    graph.on_asked(|index, _| match index {
        2 => Some(Fault::Answer(Answer { status: 502, headers: Vec::new(), body: "<html>".into() })),
        // A request; then a part that is left out, and one that fails.
        0 | 4 => Some(Fault::Drop),
        5 => Some(Fault::Answer(error(500, "generalException", "Oops."))),
        _ => None,
    });
    let snapshot = fetch(&graph, &root_id, "").unwrap();
    assert_eq!((members(&snapshot, ROOM).unwrap().len(), members(&snapshot, OTHER).unwrap().len()), (1500, 1));
}

#[test]
fn a_lasting_failure_is_an_error_and_of_one_group_makes_it_unknown() {
    let (graph, root_id) = two_rooms();
    let gateway = Answer { status: 502, headers: Vec::new(), body: "<html>".into() };
    graph.on_asked(move |_, _| Some(Fault::Answer(gateway.clone())));
    let told = fetch(&graph, &root_id, "").unwrap_err();
    assert!(told.contains("502 without a word of Graph. Run again later"), "{told}");
    let failing = error(500, "generalException", "Oops.");
    graph.on_asked(move |_, asked| (is_large(asked) && asked.in_batch).then(|| Fault::Answer(failing.clone())));
    let snapshot = fetch(&graph, &root_id, "").unwrap();
    assert!(members(&snapshot, ROOM).unwrap_err().starts_with("500 generalException: Oops"));
    assert_eq!(members(&snapshot, OTHER).unwrap(), ["alice"]);
}

#[test]
fn a_root_group_that_does_not_exist_is_told() {
    let (graph, _) = two_rooms();
    let told = fetch(&graph, "00000000-0000-0000-0000-000000000000", "").unwrap_err();
    assert!(told.contains("404 Request_ResourceNotFound") && told.contains("check its ID and tenant_id"), "{told}");
}
