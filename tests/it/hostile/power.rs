//! Power levels that somebody prepared.

use serde_json::{Value, json};

use crate::support::account::Account;
use crate::support::inviter::{Inviter, Outcome};
use crate::sync::scene::{Scene, run};

/// A room of people with these power levels, in which `inviter` is, adopted; alice and mallory are wanted, the latter as
/// a moderator.
async fn prepared(
    scene: &Scene,
    owner: &Account,
    people: &[&Account],
    version: &str,
    levels: Value,
) -> (Inviter, String) {
    let alias = scene.alias("ops");
    let local = alias[1..].split(':').next().unwrap();
    let mut body = json!({ "room_alias_name": local, "room_version": version });
    let users: Vec<&str> =
        people.iter().map(|person| person.user_id.as_str()).chain([scene.me.user_id.as_str()]).collect();
    body["invite"] = json!(users);
    let room = owner.create_room(body).await;
    for person in people {
        person.join(&room).await;
    }
    scene.me.join(&room).await;
    let mut content = owner.power_levels(&room).await;
    for (key, value) in levels.as_object().unwrap() {
        match (value, content.get_mut(key)) {
            (Value::Object(new), Some(Value::Object(old))) => old.extend(new.clone()),
            _ => content[key] = value.clone(),
        }
    }
    owner.put_state(&room, "m.room.power_levels", "", content).await;
    let more = format!(
        "[policy]\nadopt = true\nprotected_users = [{:?}]\n[room]\npermissions = {{ invite = 50, kick = 50 }}\n",
        owner.user_id
    );
    (scene.with_file(&[("ops", &["alice", "mallory*"])], &more), room)
}

/// Runs, and checks that a second run has nothing left to do.
async fn settles(inviter: &Inviter, status: i32) -> Outcome {
    let first = run(inviter, &["sync", "--kick"]).await.status(status);
    let second = run(inviter, &["sync", "--kick", "--dry-run", "--format", "json"]).await.status(status);
    let document: Value = serde_json::from_str(&second.stdout).unwrap();
    let changes =
        document["rooms"].as_array().unwrap().iter().flat_map(|room| room["changes"].as_array().unwrap()).count();
    assert_eq!(changes, 0, "the first run\n{first}\nthe second\n{second}");
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_that_nobody_wants_are_brought_down_and_permissions_mended() {
    for (prefix, version) in [("raised9", "9"), ("raised11", "11"), ("raised12", "12")] {
        let scene = Scene::new(prefix).await;
        let people = scene.people(&["root", "alice", "mallory", "friend"]).await;
        let levels = json!({
            "users": {
                scene.me.user_id.as_str(): 100, scene.user("mallory"): 99, scene.user("alice"): 75,
                scene.user("friend"): 50,
            },
            "invite": 0, "kick": 0,
        });
        let guests = [&people["alice"], &people["mallory"], &people["friend"]];
        let (inviter, room) = prepared(&scene, &people["root"], &guests, version, levels).await;
        let outcome = settles(&inviter, 0).await;
        let after = scene.me.power_levels(&room).await;
        let expected = match version {
            "12" => ["alice join 0", "mallory join 50", "root join 0"],
            _ => ["alice join 0", "mallory join 50", "root join 100"],
        };
        assert_eq!(scene.roster("ops").await, expected, "{outcome}");
        assert_eq!((&after["invite"], &after["kick"]), (&json!(50), &json!(50)), "{outcome}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_everybody_may_do_is_a_warning() {
    let scene = Scene::new("everybody").await;
    let people = scene.people(&["root", "alice", "mallory"]).await;
    let levels = json!({
        "users": { scene.me.user_id.as_str(): 100 }, "users_default": 50, "state_default": 0, "ban": 0,
    });
    let (inviter, _) = prepared(&scene, &people["root"], &[&people["alice"], &people["mallory"]], "11", levels).await;
    let outcome = settles(&inviter, 0).await;
    let warning =
        "everybody in the room has power level 50 (users_default) and may kick, ban, let anybody in, move the alias";
    assert!(outcome.stdout.contains(warning), "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn power_that_inviter_lost_is_a_problem_with_its_remedy() {
    let bars = [
        ("lost0", json!({}), 0),
        ("lost50", json!({ "events": { "m.room.power_levels": 100 }, "invite": 60, "kick": 60 }), 50),
        ("lostall", json!({ "state_default": 100, "invite": 100, "kick": 100, "ban": 100, "events_default": 100 }), 50),
        ("lostneg", json!({ "users_default": -5, "invite": 0, "kick": 0 }), -5),
    ];
    for (prefix, mut levels, own) in bars {
        let scene = Scene::new(prefix).await;
        let people = scene.people(&["root", "alice", "mallory", "friend"]).await;
        levels["users"] = json!({ scene.me.user_id.as_str(): own });
        let guests = [&people["alice"], &people["friend"]];
        let (inviter, _) = prepared(&scene, &people["root"], &guests, "11", levels).await;
        let outcome = run(&inviter, &["sync", "--kick"]).await.status(3);
        assert!(outcome.stdout.contains("the power level of inviter is too low"), "{outcome}");
        assert!(outcome.stdout.contains("have an admin of the room raise it"), "{outcome}");
        assert!(!outcome.stdout.contains("failed"), "what cannot be done is not tried\n{outcome}");
    }
}
