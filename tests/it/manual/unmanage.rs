//! `unmanage`: a room is handed over.

use std::time::Duration;

use serde_json::{Value, json};

use super::{BY_HAND, VERSIONS, document};
use crate::support::inviter::{Inviter, Victim};
use crate::support::recorder::Action;
use crate::sync::scene::{Scene, run};

/// A managed room of this version, and the arguments that hand it over to `boss`.
async fn managed(scene: &Scene, version: &str) -> (Inviter, Vec<String>) {
    let more = format!("[room]\nroom_version = {version:?}\n[room.permissions]\nban = 60\n");
    let inviter = scene.with_file(&[("ops", &["alice*"])], &more);
    run(&inviter, &["sync"]).await.success();
    scene.recorder.clear();
    let mut arguments = vec!["unmanage".into(), scene.alias("ops"), scene.user("boss")];
    if version == "12" {
        arguments.push("--leave-as-creator".into());
    }
    (inviter, arguments)
}

fn strings(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

async fn stamp(scene: &Scene, by: &crate::support::account::Account, room: &str) -> Option<Value> {
    by.state_event(room, "dev.inviter.managed", &scene.me.user_id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_handed_over_once_its_new_admin_has_come() {
    for version in VERSIONS {
        let scene = Scene::new(&format!("hand{version}")).await;
        let people = scene.people(&["alice", "boss"]).await;
        let (inviter, arguments) = managed(&scene, version).await;
        let (arguments, boss) = (strings(&arguments), scene.user("boss"));
        let room = scene.room("ops").await;
        let before = scene.me.power_levels(&room).await;

        let dry = run(&inviter, &[&arguments[..], &["--dry-run"]].concat()).await.status(5);
        assert!(dry.stdout.contains(&format!("  + invite {boss}\n  ~ power level of {boss}: 0 -> 100\n")), "{dry}");
        assert!(dry.stdout.contains("nothing was written"), "{dry}");
        assert!(dry.stdout.contains(&format!("the identity providers still name {}: ", scene.alias("ops"))), "{dry}");
        assert_eq!(scene.recorder.writes(), []);

        let first = run(&inviter, &arguments).await.status(5);
        assert!(first.stdout.contains(&format!("Waiting for {boss} to accept the invitation")), "{first}");
        let mut expected = before.clone();
        expected["users"][&boss] = json!(100);
        assert_eq!(scene.me.power_levels(&room).await, expected, "all else is kept");
        assert!(scene.roster("ops").await.contains(&"boss invite 100".into()));

        let writes = scene.recorder.writes().len();
        let impatient = run(&inviter, &arguments).await.status(5);
        assert_eq!(scene.recorder.writes().len(), writes, "{impatient}");
        assert!(stamp(&scene, &scene.me, &room).await.unwrap()["groups"].is_array(), "inviter manages it until then");

        scene.accept("ops", &people, &["boss"]).await;
        let handed = run(&inviter, &arguments).await.success();
        assert!(handed.stdout.ends_with("  - leave the room\nDone.\n"), "{handed}");
        assert_eq!(stamp(&scene, &people["boss"], &room).await, Some(json!({})));
        expected["users"].as_object_mut().unwrap().remove(&scene.me.user_id);
        assert_eq!(people["boss"].power_levels(&room).await, expected);
        assert_eq!(people["boss"].members(&room).await[&scene.me.user_id], "leave");

        let again = run(&inviter, &arguments).await.success();
        assert!(again.stdout.contains("Nothing to do: inviter is already out of the room"), "{again}");
        let told = document(&run(&inviter, &[&["--format", "json"], &arguments[..]].concat()).await.success(), BY_HAND);
        assert_eq!((&told["result"], &told["command"]), (&json!("already"), &json!("unmanage")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creator_is_told_that_its_power_stays_before_anything_is_written() {
    let scene = Scene::new("creator").await;
    scene.people(&["alice", "boss"]).await;
    let (inviter, arguments) = managed(&scene, "12").await;
    let refused = run(&inviter, &strings(&arguments[..3])).await.status(1);
    assert!(refused.stderr.contains("inviter is a creator of"), "{refused}");
    assert!(refused.stderr.contains("--leave-as-creator"), "{refused}");
    assert_eq!(scene.recorder.writes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn unmanage_can_wait_for_the_new_admin() {
    let scene = Scene::new("wait").await;
    let people = scene.people(&["alice", "boss"]).await;
    let (inviter, arguments) = managed(&scene, "11").await;
    let short = [&strings(&arguments)[..], &["--wait", "1s"]].concat();
    run(&inviter, &short).await.status(5);

    let long = [&["--format", "json"], &strings(&arguments)[..], &["--wait", "10m"]].concat();
    let running = inviter.spawn(&long, &Victim::default());
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.accept("ops", &people, &["boss"]).await;
    let outcome = running.wait().await.success();
    let told = document(&outcome, BY_HAND);
    assert_eq!(told["result"], "done");
    let actions: Vec<&str> =
        told["steps"].as_array().unwrap().iter().filter_map(|step| step["action"].as_str()).collect();
    assert_eq!(actions, ["take_mark", "power_levels", "leave"]);
    assert!(outcome.duration < Duration::from_secs(20), "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_declines_while_they_are_waited_for_is_not_invited_again() {
    let scene = Scene::new("decline").await;
    let people = scene.people(&["alice", "boss"]).await;
    let (inviter, arguments) = managed(&scene, "12").await;
    run(&inviter, &strings(&arguments)).await.status(5);
    let running = inviter.spawn(&[&strings(&arguments)[..], &["--wait", "10m"]].concat(), &Victim::default());
    tokio::time::sleep(Duration::from_secs(1)).await;
    people["boss"].leave(&scene.room("ops").await).await;
    let outcome = running.wait().await.status(5);
    assert!(outcome.stdout.contains("Waiting up to 10m for"), "{outcome}");
    assert!(outcome.stdout.contains("declined the invitation"), "{outcome}");
    assert_eq!(scene.recorder.writes().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_outlasts_a_homeserver_that_is_away_for_a_moment() {
    let scene = Scene::new("away").await;
    let people = scene.people(&["alice", "boss"]).await;
    let (inviter, arguments) = managed(&scene, "11").await;
    run(&inviter, &strings(&arguments)).await.status(5);
    let running = inviter.spawn(&[&strings(&arguments)[..], &["--wait", "1m"]].concat(), &Victim::default());
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.recorder.on_request(|_, _| Action::Answer { status: 502, headers: vec![], body: "away".into() });
    scene.accept("ops", &people, &["boss"]).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    scene.recorder.forward_all();
    let outcome = running.wait().await.success();
    assert!(outcome.stderr.contains("502"), "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handover_that_was_killed_at_any_write_is_completed_by_the_same_command() {
    for version in VERSIONS {
        let scene = Scene::new(&format!("handkill{version}")).await;
        let people = scene.people(&["alice", "boss"]).await;
        let (inviter, arguments) = managed(&scene, version).await;
        let arguments = strings(&arguments);
        for index in [0, 1] {
            let victim = Victim::default();
            scene.recorder.at_write(0, Action::KillAfter(victim.clone()));
            inviter.spawn(&arguments, &victim).wait().await.killed();
            assert_eq!(scene.recorder.writes().len(), index + 1);
        }
        scene.recorder.forward_all();
        run(&inviter, &arguments).await.status(5);
        scene.accept("ops", &people, &["boss"]).await;
        scene.recorder.clear();
        let steps = if version == "12" { 2 } else { 3 };
        for _ in 0..steps {
            let victim = Victim::default();
            scene.recorder.at_write(0, Action::KillAfter(victim.clone()));
            inviter.spawn(&arguments, &victim).wait().await.killed();
        }
        scene.recorder.forward_all();
        let last = run(&inviter, &arguments).await.success();
        assert!(last.stdout.contains("inviter is already out of the room"), "{last}");
        assert_eq!(scene.recorder.writes().len(), steps, "each step was taken once");
        let room = people["boss"].resolve_alias(&scene.alias("ops")).await.unwrap();
        let levels = people["boss"].power_levels(&room).await;
        assert_eq!(levels["users"].get(&scene.me.user_id), None, "{levels}");
        assert_eq!(people["boss"].members(&room).await[&scene.me.user_id], "leave");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_step_fails_those_after_it_are_not_tried() {
    let scene = Scene::new("handfail").await;
    let people = scene.people(&["alice", "boss"]).await;
    let (inviter, arguments) = managed(&scene, "11").await;
    let arguments = strings(&arguments);
    run(&inviter, &arguments).await.status(5);
    scene.accept("ops", &people, &["boss"]).await;
    let no = Action::Answer { status: 403, headers: vec![], body: r#"{"errcode":"M_FORBIDDEN","error":"no"}"#.into() };
    scene.recorder.at_write(1, no);
    let failed = run(&inviter, &[&["--format", "json"], &arguments[..]].concat()).await.status(3);
    let told = document(&failed, BY_HAND);
    let statuses: Vec<&Value> =
        told["steps"].as_array().unwrap().iter().map(|step| &step["outcome"]["status"]).collect();
    assert_eq!(statuses, ["applied", "failed", "skipped"], "{failed}");
    assert_eq!(told["result"], "failed");
    // An answer that got lost is looked up.
    scene.recorder.at_write(1, Action::DropAfter);
    let completed = run(&inviter, &arguments).await.success();
    assert!(completed.stdout.contains("- leave the room  (done already)"), "{completed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_the_room_gets_the_power_in_the_event_that_takes_inviters() {
    let scene = Scene::new("handmember").await;
    let people = scene.people(&["alice", "boss"]).await;
    let (inviter, _) = managed(&scene, "11").await;
    scene.accept("ops", &people, &["alice"]).await;
    run(&inviter, &["unmanage", &scene.alias("ops"), &scene.user("alice")]).await.success();
    assert_eq!(scene.recorder.writes().len(), 3);
    let room = people["alice"].resolve_alias(&scene.alias("ops")).await.unwrap();
    let levels = people["alice"].power_levels(&room).await;
    assert_eq!(levels["users"], json!({ scene.user("alice"): 100 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_goes_back_to_its_creator_without_an_entry() {
    let scene = Scene::new("handback").await;
    let people = scene.people(&["root"]).await;
    let (local, _) = scene.alias("ops")[1..].split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let room = people["root"]
        .create_room(json!({ "room_alias_name": local, "room_version": "12", "invite": [scene.me.user_id] }))
        .await;
    let mut levels = people["root"].power_levels(&room).await;
    levels["users"][&scene.me.user_id] = json!(100);
    people["root"].put_state(&room, "m.room.power_levels", "", levels).await;
    let inviter = scene.with_file(&[("ops", &[])], "[policy]\nadopt = true\n");
    run(&inviter, &["sync"]).await.success();
    run(&inviter, &["sync"]).await.success();
    inviter.file("rooms.toml", "rooms = \"broken\"");
    let handed = run(&inviter, &["unmanage", &scene.alias("ops"), &scene.user("root")]).await.success();
    assert!(handed.stdout.contains("whether the identity providers still name this room is not known: "), "{handed}");
    assert_eq!(people["root"].power_levels(&room).await["users"], json!({}));
    assert_eq!(people["root"].members(&room).await[&scene.me.user_id], "leave");
}
