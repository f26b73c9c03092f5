//! A run that is to end before it is through: what is under way is finished, what is left is told, and the next run goes
//! on.

use std::time::Duration;

use serde_json::Value;

use super::scene::{Scene, run, summary};
use crate::support::inviter::{Inviter, Victim};
use crate::support::recorder::Action;

const PEOPLE: &[&str] = &["alice", "bob", "carol", "dave"];
const ROOMS: &[(&str, &[&str])] = &[("ops", PEOPLE), ("dev", PEOPLE)];
/// How long an answer is held back: more than a signal takes, less than a test may.
const HELD: Duration = Duration::from_millis(500);

/// A scene in which people are to be invited to two rooms, one request at a time.
async fn scene(prefix: &str) -> (Scene, Inviter) {
    let scene = Scene::new(prefix).await;
    scene.people(PEOPLE).await;
    let inviter = scene.with_file(&[("ops", &[]), ("dev", &[])], "");
    run(&inviter, &["sync"]).await.success();
    scene.write_rooms(&inviter, ROOMS);
    scene.recorder.clear();
    let path = inviter.folder().join("inviter.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("[[idp]]", "concurrency = 1\n[[idp]]")).unwrap();
    (scene, inviter)
}

/// How many outcomes of each kind a JSON report holds, after a look at the schema.
fn outcomes(stdout: &str) -> Vec<(String, usize)> {
    let document: Value = serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
    let schema: Value = serde_json::from_str(include_str!("../../../examples/plan.schema.json")).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&document), "{document:#}");
    let mut counts = std::collections::BTreeMap::new();
    for room in document["rooms"].as_array().unwrap() {
        for change in room["changes"].as_array().unwrap() {
            *counts.entry(change["outcome"]["status"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    counts.into_iter().collect()
}

async fn the_next_run_goes_on(scene: &Scene, inviter: &Inviter) {
    scene.recorder.forward_all();
    run(inviter, &["sync"]).await.success();
    for (room, people) in ROOMS {
        let expected: Vec<String> = people.iter().map(|name| format!("{name} invite 0")).collect();
        assert_eq!(scene.roster(room).await, expected);
    }
    assert_eq!(summary(&run(inviter, &["sync"]).await.success()), "2 rooms: nothing to do.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_lets_the_request_under_way_end_and_leaves_the_rest_to_the_next_run() {
    for (name, full) in [("TERM", "SIGTERM"), ("INT", "SIGINT")] {
        let (scene, inviter) = scene(&format!("sig{}", name.to_lowercase())).await;
        let victim = Victim::default();
        scene.recorder.at_write(3, Action::Signal(victim.clone(), name, HELD));
        let outcome = inviter.spawn(&["sync"], &victim).wait().await.status(3);
        assert_eq!(scene.recorder.writes().len(), 4, "no write after the one under way");
        assert!(scene.recorder.writes().iter().all(|write| write.status == Some(200)), "and that one was awaited");
        assert_eq!(summary(&outcome), "8 writes: 4 done, 4 skipped.");
        let reason = format!("not tried, since {full} was received; the next run goes on\n");
        assert_eq!(outcome.stdout.matches(&reason).count(), 4, "{outcome}");
        the_next_run_goes_on(&scene, &inviter).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_report_of_a_run_that_was_stopped_is_whole() {
    let (scene, inviter) = scene("sigjson").await;
    let victim = Victim::default();
    scene.recorder.at_write(2, Action::Signal(victim.clone(), "TERM", HELD));
    let outcome = inviter.spawn(&["sync", "--format", "json"], &victim).wait().await.status(3);
    assert_eq!(outcomes(&outcome.stdout), [("applied".to_owned(), 3), ("skipped".to_owned(), 5)]);
    the_next_run_goes_on(&scene, &inviter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_or_the_deadline_while_reading_ends_the_run_with_nothing_changed() {
    let (scene, inviter) = scene("sigread").await;
    let victim = Victim::default();
    scene.recorder.at_request(2, Action::Signal(victim.clone(), "TERM", Duration::from_secs(20)));
    let signalled = inviter.spawn(&["sync"], &victim).wait().await.status(1);
    assert_eq!(signalled.stderr, "error: SIGTERM was received before anything was written: nothing was changed\n");
    scene.recorder.clear();
    scene.recorder.at_request(2, Action::Delay(Duration::from_secs(20)));
    let late = run(&inviter, &["sync", "--deadline", "1s"]).await.status(1);
    assert_eq!(late.stderr, "error: the deadline of 1s is over before anything was written: nothing was changed\n");
    for outcome in [signalled, late] {
        assert!(outcome.stdout.is_empty() && outcome.duration < Duration::from_secs(15), "{outcome}");
    }
    assert_eq!(scene.recorder.writes(), []);
    the_next_run_goes_on(&scene, &inviter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_nothing_more_is_begun() {
    let (scene, inviter) = scene("late").await;
    scene.recorder.at_write(1, Action::Delay(Duration::from_secs(6)));
    let outcome = run(&inviter, &["sync", "--deadline", "5s"]).await.status(3);
    assert_eq!(summary(&outcome), "8 writes: 2 done, 6 skipped.");
    let reason = "not tried, since the deadline of 5s is over; the next run goes on\n";
    assert_eq!(outcome.stdout.matches(reason).count(), 6, "{outcome}");
    the_next_run_goes_on(&scene, &inviter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_run_at_once() {
    let (scene, inviter) = scene("sigtwice").await;
    let victim = Victim::default();
    let (first, second) = (victim.clone(), victim.clone());
    scene.recorder.on_request(move |_, request| {
        if !request.is_write() {
            return Action::Forward;
        }
        let second = second.clone();
        tokio::spawn(async move {
            tokio::time::sleep(HELD).await;
            second.signal("TERM");
        });
        Action::Signal(first.clone(), "TERM", Duration::from_secs(20))
    });
    let outcome = inviter.spawn(&["sync"], &victim).wait().await.status(3);
    assert!(outcome.stderr.contains("ended at once by a second signal") && outcome.duration < Duration::from_secs(15));
    the_next_run_goes_on(&scene, &inviter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_by_hand_is_stopped_between_two_requests() {
    let scene = Scene::new("sighand").await;
    scene.people(&["alice", "dave"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"])], "");
    run(&inviter, &["sync"]).await.success();
    scene.recorder.clear();
    let victim = Victim::default();
    let (alias, dave) = (scene.alias("ops"), scene.user("dave"));
    scene.recorder.at_write(0, Action::Signal(victim.clone(), "TERM", HELD));
    let command = ["invite-admin", alias.as_str(), dave.as_str()];
    let outcome = inviter.spawn(&command, &victim).wait().await.status(3);
    assert!(outcome.stdout.contains("skipped: not tried, since SIGTERM was received"), "{outcome}");
    assert_eq!(scene.roster("ops").await, ["alice invite 0", "dave invite 0"]);
    scene.recorder.forward_all();
    run(&inviter, &command).await.success();
    assert_eq!(scene.roster("ops").await, ["alice invite 0", "dave invite 100"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_room_is_told_of_a_run_that_was_stopped() {
    let (scene, _) = scene("sigtell").await;
    let alias = scene.alias("reports");
    let local = alias[1..].split(':').next().unwrap();
    let room = scene.me.create_room(serde_json::json!({ "room_alias_name": local })).await;
    let inviter = scene.with_file(ROOMS, &format!("[report]\nroom = {alias:?}\n"));
    let victim = Victim::default();
    scene.recorder.at_write(0, Action::Signal(victim.clone(), "TERM", HELD));
    inviter.spawn(&["sync"], &victim).wait().await.status(3);
    let path = format!("/_matrix/client/v3/rooms/{}/messages?dir=b&limit=1", crate::support::account::encode(&room));
    let told = scene.me.ok("GET", &path, None).await["chunk"][0]["content"]["body"].as_str().unwrap_or("").to_owned();
    assert!(told.contains("not tried, since SIGTERM was received; the next run goes on"), "{told}");
}
