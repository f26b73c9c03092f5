//! Rooms that somebody put in the way.

use serde_json::{Value, json};

use crate::support::account::{Account, encode};
use crate::support::recorder::Action;
use crate::sync::scene::{Scene, run};

const MARK: &str = "dev.inviter.managed";

fn local(alias: &str) -> String {
    alias[1..].split(':').next().unwrap().to_owned()
}

/// A room of an attacker with an alias that a group stands for.
async fn squatted(scene: &Scene, attacker: &Account, room: &str, more: Value) -> String {
    let mut body = json!({ "room_alias_name": local(&scene.alias(room)) });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    attacker.create_room(body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_on_another_server_is_never_created() {
    let scene = Scene::new("foreignalias").await;
    scene.people(&["alice"]).await;
    let inviter = scene.with_file(&[], "");
    // The recorder stands for a homeserver that says "not found" for the other server.
    scene.recorder.on_request(|_, request| {
        if request.path.contains("/directory/room/") {
            Action::Answer {
                status: 404,
                headers: Vec::new(),
                body: json!({ "errcode": "M_NOT_FOUND", "error": "no" }).to_string(),
            }
        } else {
            Action::Forward
        }
    });
    inviter.file(
        "rooms.toml",
        &format!("[[rooms]]\nalias = \"#ops:elsewhere.org\"\nmembers = [{:?}]\n", scene.uid("alice")),
    );
    let outcome = run(&inviter, &["sync", "--kick"]).await.status(3);
    assert!(outcome.stdout.contains("its alias belongs to another homeserver"), "{outcome}");
    assert_eq!(scene.recorder.writes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_of_another_purpose_is_neither_joined_nor_managed() {
    let scene = Scene::new("squat").await;
    let people = scene.people(&["mallory", "alice"]).await;
    let mallory = &people["mallory"];
    // One that inviter is not in, one that it is invited to, and one that it is in.
    squatted(&scene, mallory, "outside", json!({})).await;
    squatted(&scene, mallory, "invited", json!({ "invite": [scene.me.user_id] })).await;
    let joined = squatted(&scene, mallory, "joined", json!({ "invite": [scene.me.user_id] })).await;
    scene.me.join(&joined).await;
    let inviter = scene.with_file(&[("outside", &["alice"]), ("invited", &["alice"]), ("joined", &["alice"])], "");
    let outcome = run(&inviter, &["sync", "--kick"]).await.status(3);
    assert_eq!(scene.recorder.writes(), [], "{outcome}");
    assert_eq!(outcome.stdout.matches("bears no mark of it").count(), 2, "{outcome}");
    assert_eq!(scene.me.joined_rooms().await, [joined]);
    // To list a room, or to say adopt, is to trust whoever made it.
    let listed =
        scene.with_file(&[("joined", &["alice"])], &format!("[[rooms]]\nalias = {:?}\n", scene.alias("joined")));
    run(&listed, &["sync"]).await.status(3);
    assert_eq!(scene.roster("joined").await, ["alice invite 0", "mallory join 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_of_somebody_else_is_not_believed() {
    let scene = Scene::new("forged").await;
    let people = scene.people(&["mallory", "alice"]).await;
    let mallory = &people["mallory"];
    let groups = json!({ "groups": [{ "idp": "people", "id": scene.alias("ops") }] });
    let room = squatted(&scene, mallory, "ops", json!({ "invite": [scene.me.user_id] })).await;
    scene.me.join(&room).await;
    for key in ["", mallory.user_id.as_str(), "inviter"] {
        mallory.put_state(&room, MARK, key, groups.clone()).await;
    }
    let path = format!("/_matrix/client/v3/rooms/{}/state/{MARK}/{}", encode(&room), encode(&scene.me.user_id));
    let (status, _) = mallory.request("PUT", &path, Some(&groups)).await;
    assert_eq!(status, 403, "the authorisation rules keep the key for inviter");
    let inviter = scene.with_file(&[("ops", &["alice"])], "");
    run(&inviter, &["sync", "--kick"]).await.status(3);
    // And where a homeserver does let it in, the sender gives it away.
    let mut state = scene.me.state(&room).await;
    state.push(json!({ "type": MARK, "state_key": scene.me.user_id, "sender": mallory.user_id, "content": groups }));
    let body = Value::from(state).to_string();
    scene.recorder.on_request(move |_, request| {
        if request.path.ends_with("/state") {
            Action::Answer { status: 200, headers: Vec::new(), body: body.clone() }
        } else {
            Action::Forward
        }
    });
    let outcome = run(&inviter, &["sync", "--kick"]).await.status(3);
    assert!(outcome.stdout.contains("bears no mark of it"), "{outcome}");
    assert_eq!(scene.recorder.writes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_that_a_moderator_moved_is_not_followed_even_to_a_room_that_would_be_adopted() {
    let scene = Scene::new("movedalias").await;
    let people = scene.people(&["mallory", "alice"]).await;
    let mallory = &people["mallory"];
    let inviter = scene.with_file(&[("ops", &["mallory*", "alice"])], "[policy]\nadopt = true\n");
    run(&inviter, &["sync"]).await.success();
    scene.accept("ops", &people, &["mallory"]).await;
    let managed = scene.room("ops").await;
    let alias = format!("/_matrix/client/v3/directory/room/{}", encode(&scene.alias("ops")));
    mallory.ok("DELETE", &alias, None).await;
    let own = squatted(&scene, mallory, "ops", json!({ "invite": [scene.me.user_id] })).await;
    scene.recorder.clear();
    let outcome = run(&inviter, &["sync", "--kick"]).await.status(3);
    assert!(outcome.stdout.contains(&format!("somebody moved the alias away from {managed}")), "{outcome}");
    assert_eq!(scene.recorder.writes(), []);
    // Nor if inviter is in the attacker's room already.
    scene.me.join(&own).await;
    run(&inviter, &["sync", "--kick"]).await.status(3);
    assert_eq!(scene.recorder.writes(), []);
    // The remedy that is told works.
    mallory.ok("DELETE", &alias, None).await;
    run(&inviter, &["sync", "--kick"]).await.success();
    assert_eq!(scene.room("ops").await, managed);
}
