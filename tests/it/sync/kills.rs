//! A kill at any moment, followed by a normal run, ends in the same state.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::scene::{Scene, run, summary};
use crate::support::account::Account;
use crate::support::inviter::{Inviter, Victim};
use crate::support::recorder::Action;

const BEFORE: &[(&str, &[&str])] = &[("old", &["alice*", "bob", "carol"])];
const AFTER: &[(&str, &[&str])] = &[("old", &["alice", "carol*", "dave"]), ("new", &["alice*", "dave"])];
const MORE: &str = "[room]\nhistory_visibility = \"joined\"\n[room.permissions]\nban = 60\n";

/// A scene in which one room is to be changed in every way and another to be created.
async fn scene(prefix: &str) -> (Scene, Inviter) {
    let scene = Scene::new(prefix).await;
    let people: BTreeMap<String, Account> = scene.people(&["alice", "bob", "carol", "dave"]).await;
    run(&scene.with_file(BEFORE, ""), &["sync"]).await.success();
    scene.accept("old", &people, &["alice", "bob"]).await;
    let room = scene.room("old").await;
    scene.me.put_state(&room, "m.room.name", "", json!({ "name": "" })).await;
    scene.recorder.clear();
    let inviter = scene.with_file(AFTER, MORE);
    (scene, inviter)
}

/// What can be seen of both rooms, without what differs from scene to scene.
async fn state(scene: &Scene) -> Vec<String> {
    let mut seen = Vec::new();
    for name in ["new", "old"] {
        seen.extend(scene.roster(name).await.into_iter().map(|line| format!("{name}: {line}")));
        let room = scene.room(name).await;
        for (kind, field) in [("m.room.history_visibility", "history_visibility"), ("m.room.power_levels", "ban")] {
            let value =
                scene.me.state_event(&room, kind, "").await.map_or(Value::Null, |content| content[field].clone());
            seen.push(format!("{name}: {field} {value}"));
        }
        let named =
            scene.me.state_event(&room, "m.room.name", "").await.is_some_and(|content| content["name"].is_string());
        seen.push(format!("{name}: named {named}"));
    }
    let mut rooms = 0;
    for room in scene.me.joined_rooms().await {
        let alias = scene.me.state_event(&room, "m.room.canonical_alias", "").await;
        assert!(alias.is_some_and(|content| content["alias"].is_string()), "a room without an alias was left behind");
        rooms += 1;
    }
    seen.push(format!("{rooms} rooms"));
    seen
}

/// Waits until the homeserver has answered what other rooms had under way: it goes on with a request whose sender is gone.
async fn homeserver_is_quiet(scene: &Scene, never_asked: usize) {
    for _ in 0..500 {
        let open = scene.recorder.requests().iter().filter(|request| request.status.is_none()).count();
        if open <= never_asked {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the homeserver does not answer: {:#?}", scene.recorder.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_request_followed_by_a_normal_run_ends_in_the_same_state() {
    let (undisturbed, inviter) = scene("kill").await;
    run(&inviter, &["sync", "--kick"]).await.success();
    let requests = undisturbed.recorder.requests();
    let alone = requests.iter().filter(|request| request.path.ends_with("/invite")).count();
    assert_eq!(alone, 1, "those of the new room ride along with its creation");
    let expected = state(&undisturbed).await;
    assert_eq!(
        expected,
        [
            "new: alice invite 50",
            "new: dave invite 0",
            "new: history_visibility \"joined\"",
            "new: ban 60",
            "new: named true",
            "old: alice join 0",
            "old: carol invite 50",
            "old: dave invite 0",
            "old: history_visibility \"joined\"",
            "old: ban 60",
            "old: named true",
            "2 rooms",
        ]
    );

    let mut kills = 0;
    for index in 0..requests.len() {
        for after in [false, true] {
            let (scene, inviter) = scene(&format!("kill{index}{}", if after { "after" } else { "before" })).await;
            let victim = Victim::default();
            let kill = if after { Action::KillAfter(victim.clone()) } else { Action::KillBefore(victim.clone()) };
            scene.recorder.at_request(index, kill);
            inviter.spawn(&["sync", "--kick"], &victim).wait().await.killed();
            kills += 1;
            scene.recorder.forward_all();
            homeserver_is_quiet(&scene, usize::from(!after)).await;
            run(&inviter, &["sync", "--kick"]).await.success();
            assert_eq!(
                state(&scene).await,
                expected,
                "killed at request {index} ({})",
                if after { "after" } else { "before" }
            );
            let again = run(&inviter, &["sync", "--kick"]).await.success();
            assert_eq!(summary(&again), "2 rooms: nothing to do.", "killed at request {index}");
        }
    }
    println!("{kills} kills at {} requests, all converged", requests.len());
}
