//! What a run costs, and what a dry run must not do.

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::LazyConfigAcceptor;

use super::scene::{Scene, run, summary};
use crate::support::inviter::Inviter;
use crate::support::odd::Odd;
use crate::support::recorder::{Action, Recorded};
use crate::support::synapse::{Options, RateLimits, Synapse};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_nothing_to_do_costs_two_requests_per_room_and_three_more() {
    const ROOMS: usize = 12;
    let scene = Scene::new("cost").await;
    scene.people(&["alice", "bob"]).await;
    let names: Vec<String> = (0..ROOMS).map(|number| format!("room{number}")).collect();
    let rooms: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), ["alice*", "bob"].as_slice())).collect();
    let inviter = scene.with_file(&rooms, "");
    run(&inviter, &["sync"]).await.success();
    scene.recorder.clear();
    let outcome = run(&inviter, &["sync"]).await.success();
    assert_eq!(summary(&outcome), "12 rooms: nothing to do.");
    let requests = scene.recorder.requests();
    assert!(requests.len() <= 2 * ROOMS + 3, "{}: {requests:#?}", requests.len());
    assert_eq!(scene.recorder.writes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn creating_a_room_of_twenty_people_is_one_request() {
    let scene = Scene::new("birth").await;
    let names: Vec<String> = (0..20).map(|number| format!("p{number:02}")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    scene.people(&names).await;
    names[0] = "p00*";
    let inviter = scene.with_file(&[("ops", &names)], "[room]\nencryption = true\n");
    let outcome = run(&inviter, &["sync"]).await.success();
    assert_eq!(summary(&outcome), "21 writes: 21 done.");
    assert_eq!(writes(&scene), ["createRoom of 20: 200"]);
    // whoami, versions, the joined rooms, the alias, and the default room version
    assert_eq!(scene.recorder.requests().len(), 1 + 5, "{:#?}", scene.recorder.requests());
    let mut expected: Vec<String> = names[1..].iter().map(|name| format!("{name} invite 0")).collect();
    expected.insert(0, "p00 invite 50".into());
    assert_eq!(scene.roster("ops").await, expected);
    assert_eq!(summary(&run(&inviter, &["sync"]).await.success()), "1 room: nothing to do.");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_ride_along_with_the_creation_is_invited_alone() {
    let scene = Scene::new("crowd").await;
    let names: Vec<String> = (0..53).map(|number| format!("p{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let inviter = scene.with_file(&[("ops", &names)], "");
    let elsewhere =
        format!("[[rooms]]\nalias = {:?}\nmembers = [{{ user = \"@guest:elsewhere.test\" }}]\n", scene.alias("small"));
    let with_guest = scene.with_file(&[("small", &["p00"])], &elsewhere);
    run(&inviter, &["sync"]).await.success();
    assert_eq!(writes(&scene), ["createRoom of 50: 200", "invite: 200", "invite: 200", "invite: 200"]);
    assert_eq!(scene.roster("ops").await.len(), 53);
    scene.recorder.clear();
    // This homeserver reaches no other one, and a creation with this guest would have failed as a whole.
    run(&with_guest, &["sync"]).await.status(3);
    assert_eq!(writes(&scene)[0], "createRoom of 1: 200");
    assert_eq!(scene.roster("small").await, ["p00 invite 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_with_its_usual_limits_is_asked_once_for_more_than_it_lets() {
    let limited = Synapse::start(Options { rate_limits: RateLimits::Default, ..Options::default() });
    let scene = Scene::on(Box::leak(Box::new(limited)), "limited").await;
    let names: Vec<String> = (0..12).map(|number| format!("p{number:02}")).collect();
    let (one, other): (Vec<&str>, Vec<&str>) =
        (names.iter().map(String::as_str).collect(), names.iter().take(11).map(String::as_str).collect());
    let inviter = scene.with_file(&[("one", &one), ("other", &other)], "");
    let outcome = run(&inviter, &["sync"]).await.success();
    assert_eq!(summary(&outcome), "25 writes: 25 done.");
    let mut writes = writes(&scene);
    let refused = writes.remove(0);
    assert!(refused == "createRoom of 12: 400" || refused == "createRoom of 11: 400", "{refused}");
    writes.sort();
    let ten = "createRoom of 10: 200";
    assert_eq!(writes, [ten, ten, "invite: 200", "invite: 200", "invite: 200"]);
    assert_eq!((scene.roster("one").await.len(), scene.roster("other").await.len()), (12, 11));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_answer_to_a_creation_everybody_is_invited_alone() {
    let scene = Scene::new("lostbirth").await;
    scene.people(&["alice", "bob", "carol"]).await;
    let inviter = scene.with_file(&[("ops", &["alice*", "bob", "carol"])], "");
    scene.recorder.at_write(0, Action::DropAfter);
    let outcome = run(&inviter, &["--format", "json", "sync"]).await.success();
    let document: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let outcomes: Vec<&Value> = document["rooms"][0]["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|change| &change["outcome"]["status"])
        .collect();
    assert_eq!(outcomes, ["already_done", "applied", "applied", "applied"]);
    assert_eq!(writes(&scene), ["createRoom of 3: 200", "invite: 200", "invite: 200", "invite: 200"]);
    assert_eq!(scene.roster("ops").await, ["alice invite 50", "bob invite 0", "carol invite 0"]);
    assert_eq!(scene.me.joined_rooms().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_creation_that_was_made_and_answered_by_trouble_everybody_is_invited_alone() {
    for status in [500, 502] {
        let scene = Scene::new(&format!("trouble{status}")).await;
        scene.people(&["alice", "bob"]).await;
        let inviter = scene.with_file(&[("ops", &["alice", "bob*"])], "");
        let body = r#"{"errcode":"M_UNKNOWN","error":"Internal server error"}"#;
        let head = format!("HTTP/1.1 {status} Trouble\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        let answer = Odd::Bytes(format!("{head}{body}").into_bytes());
        scene.recorder.at_write(0, Action::Odd { processed: true, answer });
        let outcome = run(&inviter, &["sync"]).await.success();
        assert_eq!(summary(&outcome), "3 writes: 2 done, 1 done already.");
        assert_eq!(writes(&scene), ["createRoom of 2: 200", "invite: 200", "invite: 200"]);
        assert_eq!(scene.roster("ops").await, ["alice invite 0", "bob invite 50"]);
        assert_eq!(scene.me.joined_rooms().await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_used_again() {
    const ROOMS: usize = 40;
    let scene = Scene::new("alive").await;
    let names: Vec<String> = (0..ROOMS).map(|number| format!("room{number}")).collect();
    let rooms: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), [].as_slice())).collect();
    let inviter = scene.with_file(&rooms, "");
    run(&inviter, &["sync", "--dry-run"]).await.success();
    // whoami, versions, the joined rooms, the default room version, and each alias
    assert_eq!(scene.recorder.requests().len(), ROOMS + 4);
    let connections = scene.recorder.connections();
    // As many as requests go side by side, and the odd one that was opened while another became free.
    assert!(connections < ROOMS / 2, "{connections} connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_offered() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let inviter = Inviter::new(&format!(
        "[matrix]\nhomeserver = \"https://{}\"\naccess_token = \"x\"\n\
         [[idp]]\nname = \"people\"\ntype = \"file\"\nmxid_homeserver = \"x\"\npath = \"rooms.toml\"\n",
        listener.local_addr().unwrap()
    ));
    inviter.file("rooms.toml", "");
    let offered = async {
        let (stream, _) = listener.accept().await.unwrap();
        let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await.unwrap();
        let hello = hello.client_hello();
        let protocols: Vec<String> =
            hello.alpn().into_iter().flatten().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        drop(listener);
        protocols
    };
    let (outcome, offered) = tokio::join!(inviter.run(&["sync"]), offered);
    outcome.status(1);
    assert_eq!(offered, ["h2", "http/1.1"]);
}

/// What was written, and what was answered.
fn writes(scene: &Scene) -> Vec<String> {
    let told = |write: &Recorded| {
        let what = write.path.rsplit('/').next().unwrap_or_default();
        let body: Value = serde_json::from_str(&write.body).unwrap_or_default();
        let invitees = body["invite"].as_array().map_or(String::new(), |people| format!(" of {}", people.len()));
        format!("{what}{invitees}: {}", write.status.unwrap_or(0))
    };
    scene.recorder.writes().iter().map(told).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing_whatever_there_is_to_do() {
    let scene = Scene::new("dry").await;
    let people = scene.people(&["root", "alice", "bob", "carol"]).await;
    let everything: &[(&str, &[&str])] =
        &[("ops", &["alice*", "bob"]), ("missing", &["alice"]), ("pending", &["alice"]), ("closed", &["alice"])];
    let more = "[policy]\nadopt = true\n[room]\nhistory_visibility = \"joined\"\n[room.permissions]\nban = 60\n";
    run(&scene.with_file(&[("ops", &["bob*", "carol"])], ""), &["sync"]).await.success();
    scene.accept("ops", &people, &["bob", "carol"]).await;
    for (name, invited) in [("pending", true), ("closed", false)] {
        let invite = if invited { json!([scene.me.user_id]) } else { json!([]) };
        let alias = scene.alias(name);
        let local = alias[1..].split(':').next().unwrap();
        people["root"].create_room(json!({ "room_alias_name": local, "invite": invite })).await;
    }
    scene.recorder.clear();
    let inviter = scene.with_file(everything, more);
    let dry = run(&inviter, &["sync", "--dry-run", "--kick"]).await.status(3);
    for part in
        ["create the room", "+ join the room", "- kick", "+ invite", "~ power level", "~ history visibility", "problem"]
    {
        assert!(dry.stdout.contains(part), "{part}\n{dry}");
    }
    assert_eq!(scene.recorder.writes(), []);
    assert_eq!(scene.roster("ops").await, ["bob join 50", "carol join 0"]);
    assert_eq!(scene.me.resolve_alias(&scene.alias("missing")).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_changes_are_told_by_the_exit_status_if_asked_for() {
    let scene = Scene::new("detailed").await;
    scene.people(&["alice"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"])], "");
    run(&inviter, &["sync", "--dry-run"]).await.success();
    run(&inviter, &["sync", "--dry-run", "--detailed-exitcode"]).await.status(2);
    run(&inviter, &["sync"]).await.success();
    run(&inviter, &["sync", "--dry-run", "--detailed-exitcode"]).await.success();
}
