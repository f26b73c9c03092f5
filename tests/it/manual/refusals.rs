//! What is not done by hand, and what is said instead.

use serde_json::json;

use super::with_foreign_people;
use crate::sync::scene::{Scene, run};

const ALL: [&str; 4] = ["unmanage", "invite-member", "kick-member", "invite-admin"];

#[tokio::test(flavor = "multi_thread")]
async fn rooms_that_are_not_managed_are_refused() {
    let scene = Scene::new("unmarked").await;
    let people = scene.people(&["root", "guest"]).await;
    let inviter = with_foreign_people(&scene, &[("ops", &[])], "");
    run(&inviter, &["sync"]).await.success();
    for (name, invited) in [("joined", true), ("outside", false)] {
        let local = scene.alias(name)[1..].split(':').next().unwrap().to_owned();
        let invite = if invited { vec![scene.me.user_id.clone()] } else { vec![] };
        let room = people["root"].create_room(json!({ "room_alias_name": local, "invite": invite })).await;
        if invited {
            scene.me.join(&room).await;
        }
    }
    scene.recorder.clear();
    let guest = scene.user("guest");
    for command in ALL {
        let refused = run(&inviter, &[command, &scene.alias("joined"), &guest]).await.status(1);
        assert!(refused.stderr.contains("is not managed by inviter: it bears no mark"), "{refused}");
        let refused = run(&inviter, &[command, &scene.alias("nowhere"), &guest]).await.status(1);
        assert!(refused.stderr.contains(&format!("error: there is no room {}\n", scene.alias("nowhere"))), "{refused}");
        let upper = scene.alias("OPS");
        let refused = run(&inviter, &[command, &upper, &guest]).await.status(1);
        let hint = format!("there is no room {upper}; there is {}: upper and lower case matter", scene.alias("ops"));
        assert!(refused.stderr.contains(&hint), "{refused}");
        let outside = run(&inviter, &[command, &scene.alias("outside"), &guest]).await;
        if command == "unmanage" {
            assert!(outside.success().stdout.contains("inviter is already out of the room"));
        } else {
            assert!(outside.status(1).stderr.contains("is not managed by inviter"));
        }
        let oneself = run(&inviter, &[command, &scene.alias("ops"), &scene.me.user_id]).await.status(1);
        assert!(oneself.stderr.contains("the account of inviter itself"), "{oneself}");
    }
    assert_eq!(scene.recorder.writes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_ids_are_usage_errors() {
    let scene = Scene::new("malformed").await;
    let inviter = scene.with_file(&[], "");
    for command in ALL {
        let usage = run(&inviter, &[command, "ops:example.com", "@a:example.com"]).await.status(64);
        assert!(usage.stderr.contains("expected a room alias like #room:example.com"), "{usage}");
        let usage = run(&inviter, &[command, "#ops:example.com", "alice"]).await.status(64);
        assert!(usage.stderr.contains("expected a user ID like @alice:example.com"), "{usage}");
    }
    assert_eq!(scene.recorder.requests(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_the_idp_the_banned_the_protected_and_upper_case_are_refused() {
    let scene = Scene::new("refused").await;
    let people = scene.people(&["alice", "guest", "banned", "bot"]).await;
    let more = format!("[policy]\nprotected_users = [\"@{}:*\"]\n", scene.uid("b?t"));
    let inviter = with_foreign_people(&scene, &[("ops", &[])], &more);
    run(&inviter, &["sync"]).await.success();
    let (alias, room) = (scene.alias("ops"), scene.room("ops").await);
    for name in ["guest", "bot"] {
        scene.me.invite(&room, &scene.user(name)).await;
    }
    scene.accept("ops", &people, &["guest", "bot"]).await;
    scene.me.ban(&room, &scene.user("banned")).await;
    scene.recorder.clear();

    let refused = async |command: &str, user: &str, said: &str| {
        let refused = run(&inviter, &[command, &alias, user]).await.status(1);
        assert!(refused.stderr.contains(said), "{said}\n{refused}");
    };
    for command in ["invite-member", "kick-member"] {
        refused(command, "@alice:corp.test", "the identity providers speak for: add or remove them there").await;
        refused(command, "@alice:CORP.test", "the identity providers speak for").await;
    }
    for command in ["invite-member", "invite-admin"] {
        refused(command, &scene.user("banned"), "is banned from the room").await;
        let upper = scene.user("Someone");
        refused(command, &upper, &format!("use {}", upper.to_lowercase())).await;
    }
    refused("kick-member", &scene.user("bot"), "is protected by protected_users").await;
    let there = format!("is not in the room; there is {}: upper and lower case matter", scene.user("guest"));
    refused("kick-member", &scene.user("Guest"), &there).await;
    assert_eq!(scene.recorder.writes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_power_nothing_is_tried() {
    let scene = Scene::new("powerless").await;
    let people = scene.people(&["root", "guest"]).await;
    let local = scene.alias("ops")[1..].split(':').next().unwrap().to_owned();
    let room = people["root"].create_room(json!({ "room_alias_name": local, "invite": [scene.me.user_id] })).await;
    let mut levels = people["root"].power_levels(&room).await;
    levels["users"][&scene.me.user_id] = json!(50);
    people["root"].put_state(&room, "m.room.power_levels", "", levels).await;
    let inviter = with_foreign_people(&scene, &[("ops", &[])], "[policy]\nadopt = true\n");
    run(&inviter, &["sync"]).await.success();
    run(&inviter, &["sync"]).await.success();
    scene.recorder.clear();
    let refused = run(&inviter, &["invite-admin", &scene.alias("ops"), &scene.user("guest")]).await.status(1);
    assert!(refused.stderr.contains("the power level of inviter is too low to set the power level of"), "{refused}");
    let refused = run(&inviter, &["kick-member", &scene.alias("ops"), &scene.user("root")]).await.status(1);
    assert!(refused.stderr.contains("is an admin of the room (its creator)"), "{refused}");
    assert_eq!(scene.recorder.writes(), []);
}
