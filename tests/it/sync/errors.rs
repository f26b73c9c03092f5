//! What goes wrong, what is said of it, and that nothing was written where nothing should be.

use serde_json::json;

use super::scene::{Scene, run};
use crate::support::inviter::Inviter;
use crate::support::recorder::{Action, Recorder};
use crate::support::slapd::{Slapd, SlapdOptions};
use crate::support::watchdog::free_port;

/// Runs with a directory section changed, and checks the status, that nothing was written, and what is said.
async fn directory_error(scene: &Scene, slapd: &Slapd, from: &str, to: &str, said: &[&str]) {
    let section = scene.directory_section(slapd);
    assert!(section.contains(from), "{from} is not in\n{section}");
    let inviter = Inviter::new(&format!("{}{}", scene.matrix_section(), section.replace(from, to)));
    let outcome = run(&inviter, &["sync"]).await.status(1);
    for part in said {
        assert!(outcome.stderr.contains(part), "{part:?} is not in\n{outcome}");
    }
    assert!(outcome.stderr.starts_with("error: ") && outcome.stdout.is_empty(), "{outcome}");
    assert_eq!(scene.recorder.writes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_at_the_directory_stops_the_run_and_says_what_to_do() {
    let scene = Scene::new("direrr").await;
    let slapd = scene.directory(&["alice"]);
    scene.add_group(&slapd, &scene.group("ops"), &["alice"]);
    let url = slapd.ldaps_url();
    let nobody = format!("ldaps://127.0.0.1:{}", free_port());
    let cases: [(&str, &str, &[&str]); 5] = [
        (&url, &nobody, &["corp", &nobody, "refused"]),
        ("ou=services", "ou=elsewhere", &["corp", "bind", "ou=elsewhere", "password"]),
        ("ca_file", "# ca_file", &["corp", "certificate", "ca_file"]),
        ("ou=people", "ou=nowhere", &["corp", "ou=nowhere", "user_base"]),
        ("ou=groups", "ou=nowhere", &["corp", "ou=nowhere", "group_base"]),
    ];
    for (from, to, said) in cases {
        directory_error(&scene, &slapd, from, to, said).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_answer_of_the_directory_stops_the_run_before_the_first_write() {
    let scene = Scene::new("cut").await;
    let slapd = Slapd::start(&SlapdOptions { size_limit: Some(3), ..SlapdOptions::default() });
    let uids: Vec<String> = (0..10).map(|number| scene.uid(&format!("p{number}"))).collect();
    let uids: Vec<&str> = uids.iter().map(String::as_str).collect();
    slapd.people(&uids);
    slapd.group(&scene.group("ops"), &uids);
    directory_error(&scene, &slapd, "[[idp]]", "[[idp]]", &["corp", "limit"]).await;
}

/// Runs against another homeserver than the recorder's, and checks the status and what is said.
async fn homeserver_error(scene: &Scene, from: &str, to: &str, said: &[&str]) {
    let rooms: &[(&str, &[&str])] = &[("ops", &["alice"])];
    let inviter = scene.with_file(rooms, "");
    let path = inviter.folder().join("inviter.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    assert!(config.contains(from), "{from} is not in\n{config}");
    std::fs::write(&path, config.replace(from, to)).unwrap();
    let outcome = run(&inviter, &["sync"]).await.status(1);
    for part in said {
        assert!(outcome.stderr.contains(part), "{part:?} is not in\n{outcome}");
    }
    assert!(!outcome.stderr.contains(&scene.me.access_token), "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_at_the_homeserver_stops_the_run_and_says_what_to_do() {
    let scene = Scene::new("hserr").await;
    let url = scene.recorder.url();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    homeserver_error(&scene, &url, &nobody, &[&nobody, "refused"]).await;
    homeserver_error(&scene, &scene.me.access_token, "syt_no_such_token", &["M_UNKNOWN_TOKEN", "access token"]).await;
    let tls = Recorder::start_tls(&scene.synapse.url()).await;
    homeserver_error(&scene, &url, &tls.url(), &["certificate", "ca_file"]).await;
    let trusted = format!("{:?}\nca_file = {:?}", tls.url(), tls.ca_file());
    let inviter = scene.with_file(&[("ops", &[])], "");
    let path = inviter.folder().join("inviter.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace(&format!("{url:?}"), &trusted)).unwrap();
    run(&inviter, &["sync", "--dry-run"]).await.success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_in_mid_run_stops_the_run_and_tells_what_is_left() {
    let scene = Scene::new("expire").await;
    scene.people(&["alice", "bob"]).await;
    let inviter = scene.with_file(&[("ops", &[])], "");
    run(&inviter, &["sync"]).await.success();
    scene.recorder.clear();
    scene.write_rooms(&inviter, &[("ops", &["alice", "bob"])]);
    let expired = json!({ "errcode": "M_UNKNOWN_TOKEN", "error": "Access token has expired", "soft_logout": true });
    scene.recorder.at_write(0, Action::Answer { status: 401, headers: Vec::new(), body: expired.to_string() });
    let outcome = run(&inviter, &["sync"]).await.status(3);
    assert!(outcome.stdout.contains("failed: ") && outcome.stdout.contains("skipped: "), "{outcome}");
    assert!(scene.recorder.writes().len() <= 2, "nothing is asked with a token that is known to be dead");
    scene.recorder.forward_all();
    run(&inviter, &["sync"]).await.success();
    assert_eq!(scene.roster("ops").await, ["alice invite 0", "bob invite 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_rooms_failure_leaves_the_others_done() {
    let scene = Scene::new("onefails").await;
    let people = scene.people(&["root", "alice"]).await;
    let alias = scene.alias("weak");
    let local = alias[1..].split(':').next().unwrap();
    let room = people["root"].create_room(json!({ "room_alias_name": local, "invite": [scene.me.user_id] })).await;
    let mut levels = people["root"].power_levels(&room).await;
    levels["invite"] = json!(50);
    people["root"].put_state(&room, "m.room.power_levels", "", levels).await;
    scene.me.join(&room).await;
    let rooms: &[(&str, &[&str])] =
        &[("ops", &["alice"]), ("weak", &["root", "alice"]), ("broken", &["alice"]), ("unreadable", &["alice"])];
    let inviter = scene.with_file(rooms, "[policy]\nadopt = true\n");
    let (broken, unreadable) = (scene.uid("broken"), scene.uid("unreadable"));
    scene.recorder.on_request(move |_, request| {
        let answer = |status, body: &str| Action::Answer { status, headers: Vec::new(), body: body.into() };
        if request.path.ends_with("/createRoom") && request.body.contains(&broken) {
            answer(500, r#"{"errcode":"M_UNKNOWN","error":"Internal server error"}"#)
        } else if request.path.contains(&unreadable) && !request.is_write() {
            answer(502, "<html>Bad gateway</html>")
        } else {
            Action::Forward
        }
    });
    let outcome = run(&inviter, &["sync"]).await.status(3);
    for part in [
        "the power level of inviter is too low to invite: it has 0 and needs 50",
        "Internal server error",
        "502",
        &format!("failed: {}", scene.alias("broken")),
    ] {
        assert!(outcome.stdout.contains(part), "{part:?} is not in\n{outcome}");
    }
    assert_eq!(scene.roster("ops").await, ["alice invite 0"]);
    scene.recorder.forward_all();
    run(&inviter, &["sync"]).await.status(3);
    assert_eq!(scene.roster("broken").await, ["alice invite 0"]);
    assert_eq!(scene.roster("unreadable").await, ["alice invite 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_create_room_makes_no_second_room() {
    for (prefix, action) in [("lostafter", Action::DropAfter), ("lostbefore", Action::DropBefore)] {
        let scene = Scene::new(prefix).await;
        scene.people(&["alice"]).await;
        let inviter = scene.with_file(&[("ops", &["alice"])], "");
        scene.recorder.at_write(0, action);
        run(&inviter, &["sync"]).await;
        scene.recorder.forward_all();
        run(&inviter, &["sync"]).await.success();
        assert_eq!(scene.me.joined_rooms().await.len(), 1);
        assert_eq!(scene.roster("ops").await, ["alice invite 0"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_that_are_one_matrix_user_stop_the_run() {
    let scene = Scene::new("twins").await;
    let slapd = scene.directory(&["alice", "other"]);
    scene.add_group(&slapd, &scene.group("ops"), &["alice"]);
    let more = format!("[renamed_users]\n{:?} = {:?}\n", scene.uid("other"), scene.uid("alice"));
    let outcome = run(&scene.with_directory(&slapd, &more), &["sync"]).await.status(1);
    for part in [scene.uid("alice"), scene.uid("other"), scene.user("alice"), "[renamed_users]".into()] {
        assert!(outcome.stderr.contains(&part), "{part:?} is not in\n{outcome}");
    }
    assert_eq!(scene.recorder.writes(), []);
}
