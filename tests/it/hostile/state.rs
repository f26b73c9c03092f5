//! State that is not what it should be.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::account::encode;
use crate::support::recorder::Action;
use crate::sync::scene::{Scene, run};

/// `depth` arrays in each other.
fn deep(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_member_cannot_make_a_room_unreadable() {
    let scene = Scene::new("deep").await;
    let people = scene.people(&["alice", "bob"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"])], "");
    run(&inviter, &["sync"]).await.success();
    scene.accept("ops", &people, &["alice"]).await;
    let room = scene.room("ops").await;
    let mut state = scene.me.state(&room).await;
    // The deepest nesting that Synapse takes, twice, so that the first stands in `prev_content`.
    let path =
        format!("/_matrix/client/v3/rooms/{}/state/m.room.member/{}", encode(&room), encode(&people["alice"].user_id));
    let mut taken = 0;
    for depth in (100..=130).rev() {
        let deep: Value = serde_json::from_str::<Value>(&deep(depth.min(120))).unwrap();
        let deep = (120..depth).fold(deep, |inner, _| json!([inner]));
        for number in [1, 2] {
            let content = json!({ "membership": "join", "deep": deep, "number": number });
            taken += usize::from(people["alice"].request("PUT", &path, Some(&content)).await.0 == 200);
        }
        if taken > 0 {
            println!("Synapse takes {depth} levels");
            break;
        }
    }
    assert_eq!(taken, 2);
    let outcome = run(&inviter, &["sync", "--kick"]).await.success();
    assert_eq!(outcome.stdout, "1 room: nothing to do.\n", "{outcome}");
    // Other homeservers may take more.
    let member = state.iter_mut().find(|event| event["state_key"] == people["alice"].user_id).unwrap();
    (member["content"]["deep"], member["content"]["huge"]) = (json!("DEEP"), json!("HUGE"));
    let body = Value::from(state).to_string().replace("\"DEEP\"", &deep(5000)).replace("\"HUGE\"", "1e400");
    scene.recorder.on_request(move |_, request| {
        if request.path.ends_with("/state") {
            Action::Answer { status: 200, headers: Vec::new(), body: body.clone() }
        } else {
            Action::Forward
        }
    });
    let outcome = run(&inviter, &["sync", "--kick"]).await.success();
    assert_eq!(outcome.stdout, "1 room: nothing to do.\n", "{outcome}");
    scene.recorder.forward_all();
    people["alice"].put_state(&room, "m.room.member", &people["alice"].user_id, json!({ "membership": "join" })).await;
    scene.write_rooms(&inviter, &[("ops", &["alice", "bob"])]);
    run(&inviter, &["sync"]).await.success();
    assert_eq!(scene.roster("ops").await, ["alice join 0", "bob invite 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_state_is_survived_in_bounded_time() {
    let scene = Scene::new("oddstate").await;
    scene.people(&["alice", "bob"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"])], "[room]\npermissions = { invite = 50 }\n");
    run(&inviter, &["sync"]).await.success();
    let sound = scene.me.state(&scene.room("ops").await).await;
    scene.recorder.clear();
    let event = |kind: &str, key: &str, content: Value| json!({ "type": kind, "state_key": key, "sender": "@x:elsewhere.org", "origin_server_ts": 1, "content": content });
    let many = |count: usize, of: &dyn Fn(usize) -> Value| (0..count).map(of).collect::<Vec<Value>>();
    let aliases: Vec<String> = (0..5000).map(|at| format!("#{at}:elsewhere.org")).collect();
    let cases: Vec<(&str, Vec<Value>)> = vec![
        (
            "10,000 members",
            many(10_000, &|at| {
                event("m.room.member", &format!("@{at}:elsewhere.org"), json!({ "membership": "join" }))
            }),
        ),
        (
            "odd members",
            vec![
                event("m.room.member", "@a:b", json!({ "membership": "JOIN" })),
                event("m.room.member", "@a:c", json!({ "membership": 7 })),
                event("m.room.member", "@a:d", json!([])),
                event("m.room.member", "no user", json!({ "membership": "join" })),
            ],
        ),
        (
            "thousands of aliases",
            vec![event("m.room.canonical_alias", "", json!({ "alias": aliases[0], "alt_aliases": aliases }))],
        ),
        (
            "garbage for aliases",
            vec![event("m.room.canonical_alias", "", json!({ "alias": 7, "alt_aliases": [7, null, "x", {}] }))],
        ),
        (
            "garbage for a name",
            vec![
                event("m.room.name", "", json!({ "name": { "a": [] } })),
                event("m.room.topic", "", json!({ "topic": 1 })),
            ],
        ),
        (
            "thousands of conditions",
            vec![event(
                "m.room.join_rules",
                "",
                json!({ "join_rule": "restricted", "allow": many(5000, &|at| json!({ "type": at })) }),
            )],
        ),
        (
            "garbage for spaces",
            vec![
                event("m.space.child", "x", json!({ "via": "y" })),
                event("m.space.child", "!a:b", json!({ "via": [7], "order": {} })),
                event("m.space.parent", "", json!([1])),
            ],
        ),
        (
            "64 KiB",
            vec![
                event("org.example", "", json!({ "x": "y".repeat(65_000) })),
                event("m.room.topic", "", json!({ "topic": "z".repeat(60_000) })),
            ],
        ),
        (
            "absurd levels",
            vec![event(
                "m.room.power_levels",
                "",
                json!({
                    "users": { "@x:b": "50", "@y:b": i64::MAX, "@z:b": -9_007_199_254_740_993_i64, "x": 1, "@w:b": u64::MAX, "@v:b": 1.5, "@u:b": [] },
                    "invite": "9".repeat(400), "kick": null, "ban": {}, "events": [], "notifications": 3, "users_default": true,
                }),
            )],
        ),
        ("creators", vec![event("m.room.create", "", json!({ "room_version": "12", "additional_creators": [{}, 7] }))]),
        ("no version", vec![event("m.room.create", "", json!({ "room_version": {} }))]),
        ("no object", vec![json!(1), json!(null), json!([]), json!({ "type": [] })]),
    ];
    for (what, events) in cases {
        let mut state = sound.clone();
        let replaced = |new: &Value, old: &Value| new["type"] == old["type"] && new["state_key"] == old["state_key"];
        state.retain(|old| !events.iter().any(|new| new.is_object() && replaced(new, old)));
        state.extend(events);
        let body = Value::from(state).to_string();
        scene.recorder.on_request(move |_, request| {
            if request.path.ends_with("/state") {
                Action::Answer { status: 200, headers: Vec::new(), body: body.clone() }
            } else {
                Action::Forward
            }
        });
        let started = Instant::now();
        for command in [&["sync", "--dry-run", "--kick"][..], &["managed"], &["joined"]] {
            let outcome = run(&inviter, command).await;
            assert!(matches!(outcome.status, 0 | 1 | 3), "{what}\n{outcome}");
            assert!(!outcome.stderr.contains("panicked"), "{what}\n{outcome}");
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{what}: {:?}", started.elapsed());
        assert_eq!(scene.recorder.writes(), [], "{what}");
    }
}
