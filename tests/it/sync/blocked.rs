//! People whom nobody can invite: told of in each report, and no failure of each run.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::scene::{Scene, run, summary};
use crate::support::recorder::{Action, Recorded};
use crate::support::synapse::{Options, Synapse};

/// A homeserver whose people can block invitations (MSC4155).
fn synapse() -> &'static Synapse {
    static SYNAPSE: OnceLock<Synapse> = OnceLock::new();
    SYNAPSE.get_or_init(|| {
        let extra_config = "experimental_features: { msc4155_enabled: true }\n".to_owned();
        Synapse::start(Options { extra_config, ..Options::default() })
    })
}

/// Where somebody says whose invitations they take.
fn blocklist(scene: &Scene, name: &str) -> String {
    let user = scene.user(name);
    format!("/_matrix/client/v3/user/{user}/account_data/org.matrix.msc4155.invite_permission_config")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_whose_creation_ends_at_a_blocked_invitation_is_found_and_all_are_invited_alone() {
    let scene = Scene::on(synapse(), "midway").await;
    let people = scene.people(&["alice", "bob", "carol"]).await;
    let path = blocklist(&scene, "bob");
    people["bob"].ok("PUT", &path, Some(&json!({ "enabled": true, "blocked_users": ["@*"] }))).await;
    let inviter = scene.with_file(&[("ops", &["alice", "bob", "carol*"])], "");
    let outcome = run(&inviter, &["sync"]).await.success();
    assert_eq!(summary(&outcome), "4 writes: 2 done, 1 done already, 1 blocked.");
    let told = |write: &Recorded| {
        format!("{} {}", write.path.rsplit('/').next().unwrap_or_default(), write.status.unwrap_or_default())
    };
    let writes: Vec<String> = scene.recorder.writes().iter().map(told).collect();
    assert_eq!(writes, ["createRoom 403", "invite 200", "invite 403", "invite 200"]);
    assert_eq!(scene.roster("ops").await, ["alice invite 0", "carol invite 50"]);
    assert_eq!(scene.me.joined_rooms().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_no_invitations_is_told_of_and_fails_no_run() {
    let scene = Scene::on(synapse(), "blocked").await;
    let people = scene.people(&["alice", "bob"]).await;
    let path = blocklist(&scene, "bob");
    people["bob"].ok("PUT", &path, Some(&json!({ "enabled": true, "blocked_users": ["@*"] }))).await;
    let alias = scene.alias("reports");
    let local = alias[1..].split(':').next().unwrap();
    let room = scene.me.create_room(json!({ "room_alias_name": local })).await;
    let told = async || {
        let path =
            format!("/_matrix/client/v3/rooms/{}/messages?dir=b&limit=100", crate::support::account::encode(&room));
        let events = scene.me.ok("GET", &path, None).await;
        let events = events["chunk"].as_array().unwrap().clone();
        events.iter().filter(|event| event["type"] == "m.room.message").count()
    };
    let inviter = scene.with_file(&[("ops", &["alice", "bob"])], &format!("[report]\nroom = {alias:?}\n"));

    let first = run(&inviter, &["sync"]).await.success();
    // The room was there when the invitation was refused that its creation carried, and everybody was invited alone then.
    assert_eq!(summary(&first), "3 writes: 1 done, 1 done already, 1 blocked.");
    assert_eq!(told().await, 1);
    let said = format!("blocked: {}: invite {}: ", scene.alias("ops"), scene.user("bob"));
    assert!(first.stdout.contains(&said) && first.stdout.contains("they take no invitations"), "{first}");
    let second = run(&inviter, &["sync"]).await.success();
    assert_eq!(summary(&second), "1 write: 0 done, 1 blocked.");
    assert_eq!(told().await, 1, "the room has been told of it");
    let json = run(&inviter, &["sync", "--format", "json"]).await.success();
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["rooms"][0]["changes"][0]["outcome"]["status"], "blocked");
    assert_eq!(scene.roster("ops").await, ["alice invite 0"]);

    people["bob"].ok("PUT", &path, Some(&json!({ "enabled": false }))).await;
    run(&inviter, &["sync"]).await.success();
    assert_eq!(scene.roster("ops").await, ["alice invite 0", "bob invite 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_knows_nobody_of_that_name_says_so() {
    let scene = Scene::new("nobody").await;
    scene.people(&["alice", "bob", "carol"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"])], "");
    run(&inviter, &["sync"]).await.success();
    scene.write_rooms(&inviter, &[("ops", &["alice", "bob", "carol"])]);
    let (bob, carol) = (scene.user("bob"), scene.user("carol"));
    scene.recorder.on_request(move |_, request| {
        let answer = |status, code| Action::Answer {
            status,
            headers: Vec::new(),
            body: json!({ "errcode": code, "error": "no" }).to_string(),
        };
        match request.path.ends_with("/invite") {
            true if request.body.contains(&bob) => answer(404, "M_NOT_FOUND"),
            true if request.body.contains(&carol) => answer(403, "M_USER_DEACTIVATED"),
            _ => Action::Forward,
        }
    });
    let outcome = run(&inviter, &["sync"]).await.success();
    assert_eq!(summary(&outcome), "2 writes: 0 done, 2 blocked.");
    for part in ["nobody has that name there", "their account there is deactivated"] {
        assert!(outcome.stdout.contains(part), "{part}\n{outcome}");
    }
}
