//! Rooms that the configuration describes, spaces, renamed groups, upgraded rooms, and the report.

use serde_json::{Value, json};

use super::scene::{Scene, run, summary};
use crate::support::slapd::group_dn;

#[tokio::test(flavor = "multi_thread")]
async fn a_described_room_is_made_and_kept_as_it_is_described() {
    for version in ["12", "11"] {
        let scene = Scene::new(&format!("described{version}")).await;
        scene.people(&["alice", "tutor", "boss"]).await;
        let slapd = scene.directory(&["alice", "tutor"]);
        scene.add_group(&slapd, "event-a", &["alice"]);
        scene.add_group(&slapd, "tutors", &["tutor"]);
        let template = scene.alias("event-<1>");
        let entry = format!(
            "[[rooms]]\nalias = {template:?}\nname = \"Event <1>\"\ntopic = \"All about <1>\"\ndirectory = \"public\"\n\
             room_version = {version:?}\nencryption = true\npermissions = {{ ban = 75 }}\n\
             groups = [{{ group = \"CN=event-<1>, ou=groups,dc=example,dc=com\" }}, {{ group = \"tutors\", level = 60 }}]\n\
             members = [{{ user = {:?}, level = 40 }}]\n",
            scene.user("boss")
        );
        let inviter = scene.with_directory(&slapd, &entry);
        let nothing = run(&inviter, &["sync"]).await.success();
        assert_eq!(summary(&nothing), "0 rooms: nothing to do.");
        let created = run(&inviter, &["sync", "--value", "a"]).await.success();
        assert_eq!(summary(&created), "4 writes: 4 done.");
        assert_eq!(scene.roster("event-a").await, ["alice invite 0", "boss invite 40", "tutor invite 60"]);
        let room = scene.room("event-a").await;
        let state =
            async |kind, field: &str| scene.me.state_event(&room, kind, "").await.unwrap_or_default()[field].clone();
        assert_eq!(state("m.room.name", "name").await, "Event a");
        assert_eq!(state("m.room.topic", "topic").await, "All about a");
        assert_eq!(state("m.room.encryption", "algorithm").await, "m.megolm.v1.aes-sha2");
        let listed = format!("/_matrix/client/v3/directory/list/room/{room}");
        assert_eq!(scene.me.ok("GET", &listed, None).await["visibility"], "public");
        let again = run(&inviter, &["sync", "--value", "a"]).await.success();
        assert_eq!(summary(&again), "1 room: nothing to do.");

        scene.me.put_state(&room, "m.room.name", "", json!({ "name": "Party" })).await;
        let changed = scene.with_directory(&slapd, &entry.replace("public", "private").replace("All", "Nothing"));
        let outcome = run(&changed, &["sync", "--value", "a"]).await.success();
        assert_eq!(summary(&outcome), "3 writes: 3 done.");
        assert_eq!(state("m.room.name", "name").await, "Event a");
        assert_eq!(state("m.room.topic", "topic").await, "Nothing about a");
        assert_eq!(scene.me.ok("GET", &listed, None).await["visibility"], "private");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_room_for_a_group_is_made_beside_the_first() {
    let scene = Scene::new("secondroom").await;
    scene.people(&["alice"]).await;
    let slapd = scene.directory(&["alice"]);
    scene.add_group(&slapd, "ops", &["alice"]);
    let entry = |room: &str| format!("[[rooms]]\nalias = {:?}\ngroups = [{{ group = \"ops\" }}]\n", scene.alias(room));
    run(&scene.with_directory(&slapd, &entry("first")), &["sync"]).await.success();
    let first = scene.room("first").await;
    let inviter = scene.with_directory(&slapd, &[entry("first"), entry("second")].concat());
    for arguments in [&["sync", "--room", &scene.alias("second"), "--dry-run"][..], &["sync"]] {
        let planned = run(&inviter, arguments).await.success();
        assert!(planned.stdout.contains("create the room") && !planned.stdout.contains("main alias"), "{planned}");
    }
    assert_eq!(scene.room("first").await, first);
    assert_ne!(scene.room("second").await, first);
    assert_eq!(summary(&run(&inviter, &["sync"]).await.success()), "2 rooms: nothing to do.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_space_is_made_with_its_rooms_in_it_and_its_members_may_join_them() {
    for version in ["12", "11"] {
        let scene = Scene::new(&format!("space{version}")).await;
        let people = scene.people(&["alice", "bob"]).await;
        let more = format!(
            "[room]\nroom_version = {version:?}\n[[rooms]]\nalias = {0:?}\ntype = \"space\"\nname = \"Headquarters\"\n\
             [[rooms]]\nalias = {1:?}\nparent = {0:?}\nrestricted = true\n[[rooms]]\nalias = {2:?}\ntype = \"space\"\nparent = {0:?}\n",
            scene.alias("hq"),
            scene.alias("ops"),
            scene.alias("annex"),
        );
        let rooms: &[(&str, &[&str])] = &[("hq", &["alice", "bob"]), ("ops", &["alice"])];
        let inviter = scene.with_file(rooms, &more);
        run(&inviter, &["sync"]).await.success();
        let (hq, ops, annex) = (scene.room("hq").await, scene.room("ops").await, scene.room("annex").await);
        assert_eq!(scene.me.state_event(&hq, "m.room.create", "").await.unwrap()["type"], "m.space");
        for child in [&ops, &annex] {
            let link = scene.me.state_event(&hq, "m.space.child", child).await.unwrap();
            assert_eq!(link["via"], json!([scene.synapse.server_name()]));
            assert!(scene.me.state_event(child, "m.space.parent", &hq).await.is_some());
        }
        let again = run(&inviter, &["sync", "--kick"]).await.success();
        assert_eq!(summary(&again), "3 rooms: nothing to do.");

        // bob is in the space, and joins its room without an invitation.
        scene.accept("hq", &people, &["alice", "bob"]).await;
        scene.accept("ops", &people, &["alice", "bob"]).await;
        let tolerated = run(&inviter, &["sync", "--kick"]).await.success();
        assert_eq!(summary(&tolerated), "3 rooms: nothing to do.");
        scene.write_rooms(&inviter, &[("hq", &["alice"]), ("ops", &["alice"])]);
        run(&inviter, &["sync", "--kick"]).await.success();
        assert_eq!(scene.roster("hq").await, ["alice join 0"]);
        assert_eq!(scene.roster("ops").await, ["alice join 0"], "who leaves the space is put out of its rooms as well");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_space_made_by_people_is_managed_like_a_room() {
    let scene = Scene::new("handspace").await;
    let people = scene.people(&["root", "alice"]).await;
    let alias = scene.alias("hq");
    let space = people["root"]
        .create_room(json!({
            "room_alias_name": alias[1..].split(':').next(), "creation_content": { "type": "m.space" },
            "invite": [scene.me.user_id],
        }))
        .await;
    let mut levels = people["root"].power_levels(&space).await;
    levels["users"][&scene.me.user_id] = json!(100);
    people["root"].put_state(&space, "m.room.power_levels", "", levels).await;
    let rooms: &[(&str, &[&str])] = &[("hq", &["alice"])];
    let inviter = scene.with_file(rooms, "[policy]\nadopt = true\n");
    run(&inviter, &["sync"]).await.success();
    run(&inviter, &["sync"]).await.success();
    assert_eq!(scene.roster("hq").await, ["alice invite 0", "root join 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_renamed_keeps_its_room() {
    for (policy, old_stays) in [("keep_alias", true), ("drop_alias", false)] {
        let scene = Scene::new(if old_stays { "renkeep" } else { "rendrop" }).await;
        scene.people(&["alice"]).await;
        let slapd = scene.directory(&["alice"]);
        scene.add_group(&slapd, &scene.group("old"), &["alice"]);
        let inviter = scene.with_directory(&slapd, &format!("[policy]\nrenamed_rooms = {policy:?}\n"));
        run(&inviter, &["sync"]).await.success();
        let room = scene.room("old").await;
        slapd.rename_group(&scene.group("old"), &scene.group("new"));
        assert!(!slapd.entry_uuid(&group_dn(&scene.group("new"))).is_empty());
        let renamed = run(&inviter, &["sync", "--kick"]).await.success();
        assert!(renamed.stdout.contains("(its group was renamed"), "{renamed}");
        assert_eq!(scene.me.resolve_alias(&scene.alias("new")).await, Some(room.clone()));
        assert_eq!(scene.me.resolve_alias(&scene.alias("old")).await.is_some(), old_stays);
        let aliases = scene.me.state_event(&room, "m.room.canonical_alias", "").await.unwrap();
        assert_eq!(aliases["alias"], scene.alias("new"));
        let others = if old_stays { json!([scene.alias("old")]) } else { json!([]) };
        assert_eq!(aliases.get("alt_aliases").cloned().unwrap_or(json!([])), others);
        assert_eq!(scene.roster("new").await, ["alice invite 0"]);
        let again = run(&inviter, &["sync", "--kick"]).await.success();
        assert_eq!(summary(&again), "1 room: nothing to do.");
        assert_eq!(scene.me.joined_rooms().await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgraded_room_is_followed_when_both_rooms_say_so() {
    for version in ["12", "11"] {
        let scene = Scene::new(&format!("upgrade{version}")).await;
        scene.people(&["alice"]).await;
        let inviter = scene.with_file(&[("ops", &["alice"])], "[room]\nroom_version = \"11\"\n");
        run(&inviter, &["sync"]).await.success();
        let old = scene.room("ops").await;
        let upgrade = format!("/_matrix/client/v3/rooms/{old}/upgrade");
        let answer = scene.me.ok("POST", &upgrade, Some(&json!({ "new_version": version }))).await;
        let new = answer["replacement_room"].as_str().unwrap().to_owned();
        let followed = run(&inviter, &["sync", "--kick"]).await.success();
        assert!(followed.stdout.contains("mark the room as managed"), "{followed}");
        assert_eq!(scene.room("ops").await, new);
        assert_eq!(scene.roster("ops").await, ["alice invite 0"]);
        let again = run(&inviter, &["sync", "--kick"]).await.success();
        assert_eq!(summary(&again), "1 room: nothing to do.");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_that_leads_nowhere_is_a_problem_and_nothing_else_happens() {
    let scene = Scene::new("tomb").await;
    scene.people(&["alice"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"]), ("dev", &["alice"])], "");
    run(&inviter, &["sync"]).await.success();
    let (room, other) = (scene.room("ops").await, scene.room("dev").await);
    scene.me.put_state(&room, "m.room.tombstone", "", json!({ "body": "moved", "replacement_room": other })).await;
    scene.write_rooms(&inviter, &[("ops", &[]), ("dev", &["alice"])]);
    let outcome = run(&inviter, &["sync", "--kick"]).await.status(3);
    assert!(outcome.stdout.contains("the room was replaced by"), "{outcome}");
    assert_eq!(scene.roster("ops").await, ["alice invite 0"]);
}

/// The notices in a room, oldest first.
async fn notices(scene: &Scene, room: &str) -> Vec<String> {
    let path = format!("/_matrix/client/v3/rooms/{room}/messages?dir=f&limit=100");
    let page = scene.me.ok("GET", &path, None).await;
    let events = page["chunk"].as_array().unwrap().iter();
    events.filter(|event| event["content"]["msgtype"] == "m.notice").map(body).collect()
}

fn body(event: &Value) -> String {
    event["content"]["body"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_changed_something_is_told_in_the_report_room_once() {
    let scene = Scene::new("report").await;
    let people = scene.people(&["root", "alice"]).await;
    let alias = scene.alias("reports");
    let local = alias[1..].split(':').next();
    let room = people["root"].create_room(json!({ "room_alias_name": local, "invite": [scene.me.user_id] })).await;
    let inviter = scene.with_file(&[("ops", &["alice"])], &format!("[report]\nroom = {alias:?}\n"));
    run(&inviter, &["sync", "--dry-run"]).await.success();
    assert!(!scene.me.joined_rooms().await.contains(&room), "a dry run tells nobody");
    run(&inviter, &["sync"]).await.success();
    run(&inviter, &["sync"]).await.success();
    let told = notices(&scene, &room).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("+ create the room") && told[0].ends_with("2 writes: 2 done.\n"), "{}", told[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_report_room_is_refused_with_a_clear_message() {
    let scene = Scene::new("secret").await;
    scene.people(&["alice"]).await;
    let alias = scene.alias("reports");
    let local = alias[1..].split(':').next();
    let encryption =
        json!({ "type": "m.room.encryption", "state_key": "", "content": { "algorithm": "m.megolm.v1.aes-sha2" } });
    let room = scene.me.create_room(json!({ "room_alias_name": local, "initial_state": [encryption] })).await;
    let inviter = scene.with_file(&[("ops", &["alice"])], &format!("[report]\nroom = {alias:?}\n"));
    let outcome = run(&inviter, &["sync"]).await.status(3);
    assert!(outcome.stderr.contains("is encrypted, and inviter does not encrypt"), "{outcome}");
    assert_eq!(summary(&outcome), "2 writes: 2 done.");
    assert_eq!(notices(&scene, &room).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_may_have_its_own_caution_protection_and_names() {
    let scene = Scene::new("own").await;
    let people = scene.people(&["alice", "bot", "old", "gone"]).await;
    let more = format!(
        "[[rooms]]\nalias = {:?}\ncautious = false\nprotected_users = [{:?}]\nrenamed_users = {{ {:?} = {:?} }}\n",
        scene.alias("ops"),
        scene.user("bot"),
        scene.uid("new"),
        scene.uid("old"),
    );
    let everybody: &[(&str, &[&str])] = &[("ops", &["alice", "bot", "gone"]), ("dev", &["alice", "gone"])];
    let inviter = scene.with_file(everybody, "");
    run(&inviter, &["sync"]).await.success();
    scene.accept("ops", &people, &["alice", "bot", "gone"]).await;
    let inviter = scene.with_file(&[("ops", &["alice", "new"]), ("dev", &["alice"])], &more);
    let outcome = run(&inviter, &["sync"]).await.success();
    assert!(outcome.stdout.contains("withheld"), "{outcome}");
    assert_eq!(scene.roster("ops").await, ["alice join 0", "bot join 0", "old invite 0"]);
    assert_eq!(scene.roster("dev").await, ["alice invite 0", "gone invite 0"]);
}
