//! What a run costs, and what a dry run must not do.

use serde_json::json;

use super::scene::{Scene, run, summary};

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
async fn creating_a_room_costs_one_request_and_one_for_each_invite() {
    let scene = Scene::new("birth").await;
    scene.people(&["alice", "bob"]).await;
    let inviter = scene.with_file(&[("ops", &["alice*", "bob"])], "[room]\nencryption = true\n");
    run(&inviter, &["sync"]).await.success();
    let writes: Vec<String> = scene.recorder.writes().iter().map(|write| write.method.clone()).collect();
    assert_eq!(writes, ["POST", "POST", "POST"]);
    let all = scene.recorder.requests();
    // whoami, versions, the joined rooms, the alias, and the default room version
    assert_eq!(all.len(), 3 + 5, "{all:#?}");
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
