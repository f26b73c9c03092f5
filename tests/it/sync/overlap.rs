//! Runs that overlap, with each other and with people.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use super::scene::{Scene, run, summary};
use crate::support::account::Account;
use crate::support::inviter::Victim;
use crate::support::recorder::{Action, Recorded};

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_end_as_one_does() {
    const ROUNDS: usize = 4;
    let (mut started, mut doubled) = (0, 0);
    for round in 0..ROUNDS {
        let scene = Scene::new(&format!("two{round}")).await;
        let people = scene.people(&["alice", "bob", "carol", "dave"]).await;
        let before: &[(&str, &[&str])] = &[("old", &["alice*", "bob", "carol"])];
        run(&scene.with_file(before, ""), &["sync"]).await.success();
        scene.accept("old", &people, &["alice", "bob"]).await;
        let after: &[(&str, &[&str])] =
            &[("old", &["alice", "carol*", "dave"]), ("new", &["alice*", "dave"]), ("more", &["bob", "dave"])];
        let inviter = scene.with_file(after, "[room.permissions]\nban = 60\n");
        let arguments = ["sync", "--kick"];
        let (one, two) = tokio::join!(run(&inviter, &arguments), run(&inviter, &arguments));
        started += 2;
        for outcome in [one, two] {
            assert!([0, 3].contains(&outcome.status), "{outcome}");
            doubled += usize::from(outcome.stdout.contains("done already"));
        }
        run(&inviter, &arguments).await.success();
        let last = run(&inviter, &arguments).await.success();
        assert_eq!(summary(&last), "3 rooms: nothing to do.");
        assert_eq!(scene.roster("old").await, ["alice join 0", "carol invite 50", "dave invite 0"]);
        assert_eq!(scene.roster("new").await, ["alice invite 50", "dave invite 0"]);
        assert_eq!(scene.roster("more").await, ["bob invite 0", "dave invite 0"]);
        assert_eq!(scene.me.joined_rooms().await.len(), 3, "one room for each alias, and none is stranded");
    }
    println!("{started} runs, two at a time, {doubled} of which found something done already");
}

/// The content of a room's power levels with one thing changed.
async fn changed_levels(account: &Account, room: &str, user: &str, level: i64) -> Value {
    let mut levels = account.power_levels(room).await;
    levels["users"][user] = json!(level);
    levels
}

/// Sets the power levels of a room right before such requests are passed on: the last of these contents first, each once.
fn interfere(
    scene: &Scene,
    room: &str,
    theirs: Vec<Value>,
    before: impl Fn(&Recorded) -> bool + Send + Sync + 'static,
) {
    let (account, room, theirs) = (scene.me.clone(), room.to_owned(), Mutex::new(theirs));
    scene.recorder.on_request(move |_, request| {
        if before(request)
            && let Some(theirs) = theirs.lock().unwrap().pop()
        {
            let (account, room) = (account.clone(), room.clone());
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(account.put_state(&room, "m.room.power_levels", "", theirs));
            });
        }
        Action::Forward
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_moderator_changes_between_plan_and_write_is_kept() {
    for version in ["12", "11"] {
        let scene = Scene::new(&format!("between{version}")).await;
        let people = scene.people(&["alice", "bob", "carol", "mod"]).await;
        let more = format!("[room]\nroom_version = {version:?}\n");
        run(&scene.with_file(&[("ops", &["alice", "bob", "carol"])], &more), &["sync"]).await.success();
        scene.accept("ops", &people, &["alice", "bob", "carol"]).await;
        let room = scene.room("ops").await;
        let levels = changed_levels(&scene.me, &room, &scene.user("carol"), 99).await;
        scene.me.put_state(&room, "m.room.power_levels", "", levels).await;

        // alice and bob are to be moderators; bob is made one of another kind, and a permission is changed, meanwhile.
        let mut theirs = changed_levels(&scene.me, &room, &scene.user("bob"), 100).await;
        theirs["redact"] = json!(42);
        // The first read of a single event comes right before the write.
        interfere(&scene, &room, vec![theirs], |request| request.path.contains("/state/m.room.power_levels"));
        let inviter = scene.with_file(&[("ops", &["alice*", "bob*", "carol*"])], &more);
        let outcome = run(&inviter, &["sync"]).await.status(3);
        let said = format!("the power level of {} is 100 now, and was 0: left as it is", scene.user("bob"));
        assert!(outcome.stdout.contains(&said), "{outcome}");
        assert_eq!(scene.roster("ops").await, ["alice join 50", "bob join 100", "carol join 99"]);
        assert_eq!(scene.me.power_levels(&room).await["redact"], 42);
        scene.recorder.forward_all();
        run(&inviter, &["sync"]).await.success();
        assert_eq!(scene.roster("ops").await, ["alice join 50", "bob join 100", "carol join 99"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_overwritten_in_a_lost_race_is_brought_back() {
    // What others give alice and bob right before each write; with 50 for alice, nothing of our own is left to be done.
    for (round, races) in [&[(0, 25)][..], &[(0, 24), (0, 25)], &[(50, 25)]].into_iter().enumerate() {
        let scene = Scene::new(&format!("race{round}")).await;
        let people = scene.people(&["alice", "bob"]).await;
        run(&scene.with_file(&[("ops", &["alice", "bob"])], ""), &["sync"]).await.success();
        scene.accept("ops", &people, &["alice", "bob"]).await;
        let room = scene.room("ops").await;
        let mut theirs = Vec::new();
        for (at, (alice, bob)) in races.iter().enumerate().rev() {
            let mut levels = changed_levels(&scene.me, &room, &scene.user("bob"), *bob).await;
            levels["users"][scene.user("alice")] = json!(alice);
            levels["redact"] = json!(41 + at);
            theirs.push(levels);
        }
        scene.recorder.clear();
        interfere(&scene, &room, theirs, Recorded::is_write);
        let protected = format!("[policy]\nprotected_users = [{:?}]\n", scene.user("bob"));
        let inviter = scene.with_file(&[("ops", &["alice*", "bob"])], &protected);
        run(&inviter, &["sync"]).await.success();
        assert_eq!(scene.recorder.writes().len(), races.len() + 1, "each race is run once more");
        assert_eq!(scene.roster("ops").await, ["alice join 50", "bob join 25"]);
        assert_eq!(scene.me.power_levels(&room).await["redact"], 40 + races.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_file_lets_one_run_at_a_time() {
    let scene = Scene::new("lock").await;
    scene.people(&["alice"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"])], "");
    let arguments = ["sync", "--lock-file", "run.lock"];
    let victim = Victim::default();
    scene.recorder.at_write(0, Action::Delay(Duration::from_secs(6)));
    let first = inviter.spawn(&arguments, &victim);
    while scene.recorder.writes().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let second = run(&inviter, &arguments).await.status(75);
    assert_eq!(second.stdout, "");
    assert!(second.stderr.contains("another run has the lock file run.lock: nothing was done"), "{second}");
    let quiet = run(&inviter, &["-q", "sync", "--lock-file", "run.lock"]).await.status(75);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""), "cron sends no mail of it");
    let waiting = run(&inviter, &["sync", "--lock-file", "run.lock", "--lock-wait", "60s"]).await.success();
    assert_eq!(summary(&waiting), "1 room: nothing to do.");
    first.wait().await.success();

    // The system takes the lock from a run that was killed.
    scene.write_rooms(&inviter, &[("ops", &["alice", "bob"])]);
    let victim = Victim::default();
    scene.recorder.at_write(0, Action::KillBefore(victim.clone()));
    inviter.spawn(&arguments, &victim).wait().await.killed();
    scene.recorder.forward_all();
    run(&inviter, &arguments).await.success();
    assert!(inviter.folder().join("run.lock").exists());

    let unwritable = run(&inviter, &["sync", "--lock-file", "no such folder/run.lock"]).await.status(1);
    assert!(
        unwritable.stderr.starts_with("error: the lock file no such folder/run.lock cannot be opened"),
        "{unwritable}"
    );
}
