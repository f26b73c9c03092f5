//! The rails: what the guard refuses on a real homeserver, and that only what was reviewed is applied.

use serde_json::Value;

use super::scene::{Scene, run, summary};
use crate::support::inviter::Outcome;

/// The digest that a dry run printed, by itself on the last line.
fn digest(outcome: &Outcome) -> String {
    summary(outcome).strip_prefix("Digest: ").unwrap_or_else(|| panic!("{outcome}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_removals_are_refused_the_rest_is_done_or_nothing() {
    let scene = Scene::new("railsrefused").await;
    let people = scene.people(&["alice", "bob", "carol"]).await;
    let before: &[(&str, &[&str])] = &[("ops", &["alice*", "bob"])];
    run(&scene.with_file(before, ""), &["sync"]).await.success();
    scene.accept("ops", &people, &["alice", "bob"]).await;
    // Nobody moderates any more.
    let after: &[(&str, &[&str])] = &[("ops", &["alice", "carol"]), ("dev", &["bob"])];
    let stopping = scene.with_file(after, "[policy]\nwhen_refused = \"do_nothing\"\n");
    scene.recorder.clear();
    let shown = run(&stopping, &["sync", "--kick", "--dry-run"]).await.status(4);
    let stopped = run(&stopping, &["sync", "--kick"]).await.status(4);
    assert!(stopped.stdout.starts_with(&shown.stdout), "{shown}{stopped}");
    for line in [
        "The guard stopped this run:".to_owned(),
        format!("{}: no moderator would be left but for {}; keep_last", scene.alias("ops"), scene.user("alice")),
        "repeat with --allow-kicks 1, go room by room with --room ALIAS".into(),
        ". withheld: create the room".into(),
        format!(". withheld: invite {}", scene.user("carol")),
    ] {
        assert!(stopped.stdout.contains(&line), "{line}\n{stopped}");
    }
    assert_eq!(scene.recorder.writes(), []);
    let json = run(&stopping, &["--format", "json", "sync", "--kick"]).await.status(4);
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["allow_kicks"], 1, "{document:#}");

    let going_on = scene.with_file(after, "");
    let refused = run(&going_on, &["sync", "--kick"]).await.status(4);
    assert_eq!(summary(&refused), "3 writes: 3 done.");
    assert_eq!(scene.roster("ops").await, ["alice join 50", "bob join 0", "carol invite 0"]);
    assert_eq!(scene.roster("dev").await, ["bob invite 0"]);

    run(&stopping, &["sync", "--kick", "--allow-kicks", "0"]).await.status(4);
    run(&stopping, &["sync", "--kick", "--allow-kicks", "1"]).await.success();
    assert_eq!(scene.roster("ops").await, ["alice join 0", "carol invite 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_plan_that_was_reviewed_is_applied() {
    let scene = Scene::new("expect").await;
    let people = scene.people(&["alice", "bob", "carol"]).await;
    run(&scene.with_file(&[("ops", &["alice", "bob"])], ""), &["sync"]).await.success();
    scene.accept("ops", &people, &["alice", "bob"]).await;
    let inviter = scene.with_file(&[("ops", &["alice*", "carol"]), ("dev", &["bob"])], "");
    let review = run(&inviter, &["sync", "--kick", "--dry-run"]).await.success();
    let reviewed = digest(&review);
    let json = run(&inviter, &["--format", "json", "sync", "--kick", "--dry-run"]).await.success();
    assert_eq!(serde_json::from_str::<Value>(&json.stdout).unwrap()["digest"], reviewed.as_str());
    scene.recorder.clear();

    // Other options, another directory, another room: each makes another plan, and nothing is written.
    let expect = ["sync", "--kick", "--expect", &reviewed];
    let differs = |outcome: Outcome| {
        let outcome = outcome.status(1);
        for part in ["nothing was changed", &reviewed, "the plan is now", "--kick, --allow-kicks, --room or --value"] {
            assert!(outcome.stderr.contains(part), "{part}\n{outcome}");
        }
        outcome
    };
    let cautious = differs(run(&inviter, &["sync", "--expect", &reviewed]).await);
    assert!(cautious.stdout.contains("removals need --kick"), "the plan as it is now is shown: {cautious}");
    differs(run(&inviter, &["sync", "--kick", "--room", &scene.alias("ops"), "--expect", &reviewed]).await);
    scene.write_rooms(&inviter, &[("ops", &["alice*"]), ("dev", &["bob"])]);
    differs(run(&inviter, &expect).await);
    let json = differs(run(&inviter, &["--format", "json", "sync", "--kick", "--expect", &reviewed]).await);
    let now: Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(json.stderr.contains(now["digest"].as_str().unwrap()), "{json}");
    scene.write_rooms(&inviter, &[("ops", &["alice*", "carol"]), ("dev", &["bob"])]);
    let room = scene.room("ops").await;
    let levels = scene.me.power_levels(&room).await;
    let mut changed = levels.clone();
    changed["org.example.other"] = 1.into();
    scene.me.put_state(&room, "m.room.power_levels", "", changed).await;
    differs(run(&inviter, &expect).await);
    differs(run(&inviter, &["sync", "--kick", "--dry-run", "--expect", &reviewed]).await);
    scene.me.put_state(&room, "m.room.power_levels", "", levels).await;
    assert_eq!(scene.recorder.writes(), []);

    run(&inviter, &["sync", "--kick", "--dry-run", "--expect", &reviewed]).await.success();
    assert_eq!(scene.recorder.writes(), []);
    let applied = run(&inviter, &expect).await.success();
    let shown = review.stdout.trim_end().rsplit_once('\n').unwrap().0;
    assert!(applied.stdout.starts_with(shown), "{review}{applied}");
    assert_eq!(summary(&applied), "5 writes: 5 done.");
    assert_eq!(scene.roster("ops").await, ["alice join 50", "carol invite 0"]);
    differs(run(&inviter, &expect).await);
    let ill_formed = run(&inviter, &["sync", "--expect", &reviewed[1..]]).await.status(64);
    assert!(ill_formed.stderr.contains("64 hexadecimal digits"), "{ill_formed}");
}
