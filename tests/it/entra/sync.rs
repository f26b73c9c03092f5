//! From Graph to a real homeserver.

use serde_json::json;

use super::root;
use crate::support::account::Account;
use crate::support::graph::{Fault, Graph, error};
use crate::support::inviter::Inviter;
use crate::sync::scene::{Scene, run, summary};

/// The name of the group that stands for a room.
fn group(scene: &Scene, room: &str) -> String {
    format!("MTRX {}", scene.alias(room))
}

fn section(scene: &Scene, name: &str, graph: &Graph, root: &str) -> String {
    format!("[[idp]]\nname = {name:?}\nmxid_homeserver = {:?}\n{}", scene.synapse.server_name(), graph.section(root))
}

async fn stamp(account: &Account, room: &str) -> serde_json::Value {
    account.state_event(room, "dev.inviter.managed", &account.user_id).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_a_tenant_become_rooms_and_who_leaves_is_removed() {
    let scene = Scene::new("entra").await;
    let people = scene.people(&["alice", "bob", "carol", "dave", "guest"]).await;
    let graph = Graph::start();
    let (ops, bob) = {
        let mut world = graph.world();
        let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|name| world.user(&scene.uid(name)));
        let guest = world.guest(&scene.uid("guest"), "partner.com");
        world.set(&dave, "accountEnabled", json!(false));
        let inner = world.group("inner", &[&carol], &[]);
        (world.group(&group(&scene, "ops_team"), &[&alice, &bob, &dave, &guest, &inner], &[&alice]), bob)
    };
    let root_id = root(&graph, &[&ops]);
    let inviter = Inviter::new(&format!("{}{}", scene.matrix_section(), section(&scene, "azure", &graph, &root_id)));

    let dry = run(&inviter, &["sync", "--dry-run"]).await.success();
    let invite = format!("+ invite {}", scene.user("carol"));
    assert!(dry.stdout.contains(&invite) && !dry.stdout.contains(&scene.user("dave")), "{dry}");
    assert!(
        dry.stdout.contains(
            "warning: azure: guests are left out (see guests in the configuration): entra-guest_partner.com#EXT#@"
        ),
        "{dry}"
    );
    run(&inviter, &["sync"]).await.success();
    assert_eq!(scene.roster("ops_team").await, ["alice invite 50", "bob invite 0", "carol invite 0"]);
    let room = scene.room("ops_team").await;
    assert_eq!(stamp(&scene.me, &room).await, json!({ "groups": [{ "idp": "azure", "id": ops }] }));
    let again = run(&inviter, &["sync", "--kick"]).await.success();
    assert!(summary(&again).starts_with("1 room: nothing to do"), "{again}");

    scene.accept("ops_team", &people, &["alice", "bob"]).await;
    graph.world().entry(&ops).members.retain(|id| *id != bob);
    run(&inviter, &["sync", "--kick"]).await.success();
    assert_eq!(scene.roster("ops_team").await, ["alice join 50", "carol invite 0"]);

    // Somebody else is gone as well, but now the answer is not complete.
    graph.world().entry(&ops).members.clear();
    let refused = error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.");
    graph.on_asked(move |_, asked| asked.path.contains("transitiveMembers").then(|| Fault::Answer(refused.clone())));
    let unknown = run(&inviter, &["sync", "--kick"]).await.success();
    assert!(unknown.stdout.contains("not all members are known, so nobody is removed: azure:"), "{unknown}");
    assert_eq!(scene.roster("ops_team").await, ["alice join 50", "carol invite 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_identity_providers_are_merged_and_while_one_is_down_nobody_is_removed() {
    let scene = Scene::new("merge").await;
    let people = scene.people(&["alice", "bob", "carol", "dave"]).await;
    let slapd = scene.directory(&["alice", "bob"]);
    scene.add_group(&slapd, &scene.group("ops"), &["alice", "bob"]);
    let graph = Graph::start();
    let (ops, root_id) = {
        let mut world = graph.world();
        let [alice, carol] = ["alice", "carol"].map(|name| world.user(&scene.uid(name)));
        let ops = world.group(&group(&scene, "ops"), &[&alice, &carol], &[&alice]);
        let root_id = world.group("Chat rooms", &[&ops], &[]);
        (ops, root_id)
    };
    let inviter = Inviter::new(&format!(
        "{}{}{}",
        scene.matrix_section(),
        scene.directory_section(&slapd),
        section(&scene, "azure", &graph, &root_id)
    ));
    let first = run(&inviter, &["sync"]).await.success();
    let both = format!("(in MTRX {} (azure), {} (corp))", scene.alias("ops"), scene.group("ops"));
    assert!(
        first.stdout.lines().any(|line| line.contains(&scene.user("alice")) && line.contains(&both)),
        "{both}: {first}"
    );
    assert_eq!(
        scene.roster("ops").await,
        ["alice invite 50", "bob invite 0", "carol invite 0"],
        "the higher role wins"
    );
    scene.accept("ops", &people, &["alice", "bob", "carol"]).await;
    let room = scene.room("ops").await;
    let mark = stamp(&scene.me, &room).await;
    assert_eq!(mark["groups"].as_array().unwrap().len(), 2, "{mark}");

    // Entra is down. What the directory says is done, but nobody is removed, not even whom it does not want any more.
    let gateway = error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.");
    graph.on_asked(move |_, _| Some(Fault::Answer(gateway.clone())));
    slapd.people(&[scene.uid("dave").as_str()]);
    slapd.add_to_group(&scene.group("ops"), &[&scene.uid("dave")]);
    slapd.remove_from_group(&scene.group("ops"), &[&scene.uid("bob")]);
    let down = run(&inviter, &["sync", "--kick"]).await.status(3);
    assert!(
        down.stdout.contains("problem: identity provider azure: cannot read the members of the root group"),
        "{down}"
    );
    assert!(down.stdout.contains("azure could not be read"), "{down}");
    assert_eq!(scene.roster("ops").await, ["alice join 50", "bob join 0", "carol join 0", "dave invite 0"]);
    assert_eq!(stamp(&scene.me, &room).await, mark, "the mark keeps what is not known");
    let json = run(&inviter, &["--format", "json", "sync", "--dry-run", "--kick"]).await.status(3);
    let document: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(document["problems"][0].as_str().unwrap().starts_with("identity provider azure: "), "{document}");
    let elsewhere = run(&inviter, &["sync", "--dry-run", "--room", &scene.alias("other")]).await.status(1);
    assert!(elsewhere.stderr.contains("not all of them could be read: identity provider azure"), "{elsewhere}");

    // Both are back.
    graph.on_asked(|_, _| None);
    graph.world().entry(&ops).members.truncate(1);
    run(&inviter, &["sync", "--kick", "--allow-kicks", "2"]).await.success();
    assert_eq!(scene.roster("ops").await, ["alice join 50", "dave invite 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_no_identity_provider_can_be_read_nothing_is_done() {
    let scene = Scene::new("alldown").await;
    let graph = Graph::start();
    let root_id = root(&graph, &[]);
    let refused = error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.");
    graph.on_asked(move |_, _| Some(Fault::Answer(refused.clone())));
    let one = section(&scene, "one", &graph, &root_id);
    for sections in [one.clone(), format!("{one}{}", section(&scene, "two", &graph, &root_id))] {
        let inviter = Inviter::new(&format!("{}{sections}", scene.matrix_section()));
        let outcome = run(&inviter, &["sync", "--kick"]).await.status(1);
        assert!(outcome.stderr.contains("identity provider one: "), "{outcome}");
        assert_eq!(outcome.stderr.contains("identity provider two: "), sections != one, "{outcome}");
        assert!(scene.recorder.writes().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_invited_as_the_user_of_another_homeserver() {
    let scene = Scene::new("extguest").await;
    scene.people(&["alice"]).await;
    let graph = Graph::start();
    let ops = {
        let mut world = graph.world();
        let alice = world.user(&scene.uid("alice"));
        let guest = world.guest("bob", "partner.com");
        world.group(&group(&scene, "ops"), &[&alice, &guest], &[])
    };
    let root_id = root(&graph, &[&ops]);
    let more = "guests = \"map\"\nguest_homeservers = { \"partner.com\" = \"matrix.partner.com\" }\n";
    let config = format!("{}{}{more}", scene.matrix_section(), section(&scene, "azure", &graph, &root_id));
    let dry = run(&Inviter::new(&config), &["sync", "--dry-run"]).await.success();
    assert!(dry.stdout.contains("+ invite @bob:matrix.partner.com"), "{dry}");
    assert!(!dry.stdout.contains(&format!("@bob:{}", scene.synapse.server_name())), "{dry}");
}
