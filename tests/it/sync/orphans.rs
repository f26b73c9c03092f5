//! Rooms whose group is gone.

use serde_json::{Value, json};

use super::scene::{Scene, run, summary};
use crate::support::slapd::group_dn;

const EMPTY: &str = "[policy]\norphans = \"empty\"\norphan_grace = \"0s\"\n";

/// What the mark of a room says.
async fn is_marked(scene: &Scene, room: &str) -> bool {
    let mark = scene.me.state_event(room, "dev.inviter.managed", &scene.me.user_id).await.unwrap();
    mark.get("orphaned") == Some(&json!(true))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphaned_room_is_told_of_and_left_as_it_is() {
    let scene = Scene::new("orphan").await;
    scene.people(&["alice", "bob"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"]), ("old", &["alice", "bob"])], "");
    run(&inviter, &["sync"]).await.success();
    let old = scene.room("old").await;
    scene.write_rooms(&inviter, &[("ops", &["alice"])]);
    scene.recorder.clear();
    let told = run(&inviter, &["sync", "--kick"]).await.success();
    let line = format!(
        "{0}  {old}\n  ! warning: orphaned, for people {0} is gone; \"orphan-old\"; 2 managed members\n",
        scene.alias("old")
    );
    assert!(told.stdout.contains(&line), "{line}\n{told}");
    assert_eq!(summary(&told), "1 room: nothing to do, 1 orphaned room.");
    assert_eq!(scene.recorder.writes(), []);
    let document = run(&inviter, &["--format", "json", "sync"]).await.success();
    let document: Value = serde_json::from_str(&document.stdout).unwrap();
    assert_eq!(document["orphans"][0]["room_id"], old);
    // Not with --room, which reads no other room.
    let alone = run(&inviter, &["sync", "--room", &scene.alias("ops")]).await.success();
    assert_eq!(summary(&alone), "1 room: nothing to do.");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphaned_room_is_emptied_and_filled_again_when_its_group_comes_back() {
    for version in ["12", "11"] {
        let scene = Scene::new(&format!("orphan{version}")).await;
        let people = scene.people(&["alice", "bob"]).await;
        let slapd = scene.directory(&["alice", "bob"]);
        let group = scene.group("old");
        let add = || {
            scene.add_group(&slapd, &group, &["alice", "bob"]);
            scene.add_group(&slapd, &format!("{group}_owners"), &["alice"]);
        };
        add();
        scene.add_group(&slapd, &scene.group("ops"), &["alice"]);
        let room_version = format!("[room]\nroom_version = {version:?}\n");
        let inviter = scene.with_directory(&slapd, &format!("{EMPTY}{room_version}"));
        run(&inviter, &["sync"]).await.success();
        scene.accept("old", &people, &["alice"]).await;
        let room = scene.room("old").await;
        let before = ["alice join 50", "bob invite 0"];
        assert_eq!(scene.roster("old").await, before);

        slapd.delete(&group_dn(&group));
        slapd.delete(&group_dn(&format!("{group}_owners")));
        let marking = run(&inviter, &["sync", "--kick"]).await.success();
        assert!(marking.stdout.contains("  ~ mark the room as orphaned\n"), "{marking}");
        assert_eq!(scene.roster("old").await, before, "the time of the mark is read by the next run");
        assert!(is_marked(&scene, &room).await);
        let listed = run(&inviter, &["managed"]).await.success();
        assert!(listed.stdout.contains("    marked as orphaned since 20"), "{listed}");
        let patient = scene.with_directory(&slapd, &EMPTY.replace("0s", "1h"));
        let waiting = run(&patient, &["sync", "--kick"]).await.success();
        assert_eq!(summary(&waiting), "1 room: nothing to do, 1 orphaned room.");
        let cautious = run(&inviter, &["sync"]).await.success();
        assert_eq!(summary(&cautious), "1 room: nothing to do, 3 changes withheld, 1 orphaned room.");
        assert_eq!(scene.roster("old").await, before);

        let emptying = run(&inviter, &["sync", "--kick"]).await.success();
        assert_eq!(summary(&emptying), "3 writes: 3 done.");
        assert_eq!(scene.roster("old").await, [""; 0]);
        let again = run(&inviter, &["sync", "--kick"]).await.success();
        assert_eq!(summary(&again), "1 room: nothing to do, 1 orphaned room.");

        add();
        run(&inviter, &["sync"]).await.success();
        assert_eq!(scene.room("old").await, room);
        assert_eq!(scene.roster("old").await, ["alice invite 50", "bob invite 0"]);
        assert!(!is_marked(&scene, &room).await);
        let again = run(&inviter, &["sync", "--kick"]).await.success();
        assert_eq!(summary(&again), "2 rooms: nothing to do.");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_that_all_become_orphaned_at_once_are_not_marked() {
    let scene = Scene::new("orphanall").await;
    scene.people(&["alice"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"])], EMPTY);
    run(&inviter, &["sync"]).await.success();
    let room = scene.room("ops").await;
    scene.write_rooms(&inviter, &[]);
    scene.recorder.clear();
    let told = run(&scene.with_file(&[], ""), &["sync", "--kick"]).await.success();
    assert!(told.stdout.contains("warning: 1 of 1 rooms are orphaned: is it right"), "{told}");
    let refused = run(&inviter, &["sync", "--kick"]).await.status(4);
    assert!(refused.stdout.contains("all 1 rooms would become orphaned at once"), "{refused}");
    assert_eq!(scene.recorder.writes(), []);
    run(&inviter, &["sync", "--kick", "--allow-orphans", "1"]).await.success();
    assert!(is_marked(&scene, &room).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_does_not_answer_or_shows_no_group_orphans_nothing() {
    let scene = Scene::new("orphandown").await;
    scene.people(&["alice"]).await;
    let slapd = scene.directory(&["alice"]);
    scene.add_group(&slapd, &scene.group("ops"), &["alice"]);
    let file = format!(
        "{EMPTY}[[idp]]\nname = \"people\"\ntype = \"file\"\nmxid_homeserver = {:?}\npath = \"rooms.toml\"\n",
        scene.synapse.server_name()
    );
    let inviter = scene.with_directory(&slapd, &file);
    scene.write_rooms(&inviter, &[("dev", &["alice"])]);
    run(&inviter, &["sync"]).await.success();
    scene.recorder.clear();
    slapd.delete(&group_dn(&scene.group("ops")));
    let nothing = run(&inviter, &["sync", "--kick"]).await.success();
    assert!(summary(&nothing).starts_with("1 room: nothing to do"), "{nothing}");
    scene.add_group(&slapd, &scene.group("other"), &[]);
    let control = run(&inviter, &["sync", "--kick", "--dry-run"]).await.success();
    assert!(control.stdout.contains("~ mark the room as orphaned"), "{control}");
    drop(slapd);
    let down = run(&inviter, &["sync", "--kick"]).await.status(3);
    assert!(!down.stdout.contains("orphaned") && !down.stdout.contains(&scene.alias("ops")), "{down}");
    assert_eq!(scene.recorder.writes(), []);
    assert_eq!(scene.roster("ops").await, ["alice invite 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_made_for_another_value_or_whose_group_is_there_is_no_orphan() {
    let scene = Scene::new("orphanvalue").await;
    scene.people(&["alice"]).await;
    let slapd = scene.directory(&["alice"]);
    for name in ["event-a", "event-b", "plain"] {
        scene.add_group(&slapd, name, &["alice"]);
    }
    let event = format!("[[rooms]]\nalias = {:?}\ngroups = [{{ group = \"event-<1>\" }}]\n", scene.alias("event-<1>"));
    let plain = format!("[[rooms]]\nalias = {:?}\ngroups = [{{ group = \"plain\" }}]\n", scene.alias("plain"));
    let both = scene.with_directory(&slapd, &format!("{EMPTY}{event}{plain}"));
    run(&both, &["sync", "--value", "a", "--value", "b"]).await.success();
    slapd.delete(&group_dn("event-a"));
    scene.recorder.clear();
    let inviter = scene.with_directory(&slapd, &format!("{EMPTY}{event}"));
    let outcome = run(&inviter, &["sync", "--kick", "--value", "b"]).await.success();
    assert!(outcome.stdout.contains(&format!("{}  ", scene.alias("plain"))), "{outcome}");
    assert!(outcome.stdout.contains("is there still; \"orphanvalue-plain\"; 1 managed member\n"), "{outcome}");
    assert_eq!(summary(&outcome), "1 room: nothing to do, 1 warning.");
    assert_eq!(scene.recorder.writes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_further_room_of_the_account_costs_one_request() {
    let scene = Scene::new("orphancost").await;
    scene.people(&["alice"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"]), ("old", &["alice"])], "");
    run(&inviter, &["sync"]).await.success();
    scene.me.create_room(json!({ "name": "of no group" })).await;
    scene.write_rooms(&inviter, &[("ops", &["alice"])]);
    scene.recorder.clear();
    run(&inviter, &["sync"]).await.success();
    let requests = scene.recorder.requests();
    assert_eq!(requests.len(), 2 + 3 + 2, "{requests:#?}");
}
