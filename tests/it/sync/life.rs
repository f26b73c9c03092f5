//! The life of a room: it is created, people come and go, settings change.

use serde_json::json;

use super::scene::{Scene, run, summary};
use crate::support::slapd::{group_dn, person_dn};

/// Room versions with and without creators that rank above all (MSC4289).
const VERSIONS: [&str; 2] = ["12", "11"];

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_a_directory_become_rooms_and_a_second_run_has_nothing_to_do() {
    for version in VERSIONS {
        let scene = Scene::new(&format!("life{version}")).await;
        let people = scene.people(&["alice", "bob", "carol", "dave", "erin"]).await;
        let slapd = scene.directory(&["alice", "bob", "carol", "dave", "erin", "outsider"]);
        // carol is reached through two groups that contain each other.
        let inner = scene.add_group(&slapd, "inner", &["carol"]);
        let outer = scene.add_group(&slapd, "outer", &[&inner]);
        slapd.add_to_group("inner", &[&outer]);
        scene.add_group(&slapd, &scene.group("ops_team"), &["alice", "bob", "dave", "erin", &outer]);
        scene.add_group(&slapd, &format!("{}_owners", scene.group("ops_team")), &["alice", "outsider"]);
        slapd.lock(&scene.uid("dave"));
        slapd.lock_out(&scene.uid("erin"));
        let inviter = scene.with_directory(&slapd, &format!("[room]\nroom_version = {version:?}\n"));

        let first = run(&inviter, &["sync"]).await.success();
        assert_eq!(summary(&first), "4 writes: 4 done.");
        assert_eq!(scene.roster("ops_team").await, ["alice invite 50", "bob invite 0", "carol invite 0"]);
        let room = scene.room("ops_team").await;
        let state = |kind| scene.me.state_event(&room, kind, "");
        assert_eq!(state("m.room.create").await.unwrap()["room_version"], version);
        assert_eq!(
            state("m.room.name").await.unwrap()["name"],
            format!("life{version}-ops team"),
            "underscores become spaces"
        );
        assert_eq!(state("m.room.join_rules").await.unwrap()["join_rule"], "invite");
        assert_eq!(state("m.room.canonical_alias").await.unwrap()["alias"], scene.alias("ops_team"));
        assert_eq!(
            scene.me.state_event(&room, "dev.inviter.managed", &scene.me.user_id).await.unwrap(),
            json!({ "groups": [{ "idp": "corp", "id": slapd.entry_uuid(&group_dn(&scene.group("ops_team"))) }] })
        );

        let second = run(&inviter, &["sync", "--kick"]).await.success();
        assert!(summary(&second).starts_with("1 room: nothing to do"), "{second}");
        scene.accept("ops_team", &people, &["alice", "bob", "carol"]).await;
        let third = run(&inviter, &["sync", "--kick"]).await.success();
        assert!(summary(&third).starts_with("1 room: nothing to do"), "{third}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_the_group_is_kicked_with_kick_and_loses_their_level() {
    for version in VERSIONS {
        let scene = Scene::new(&format!("kick{version}")).await;
        let people = scene.people(&["alice", "bob", "carol"]).await;
        let slapd = scene.directory(&["alice", "bob", "carol"]);
        scene.add_group(&slapd, &scene.group("ops"), &["alice", "bob", "carol"]);
        scene.add_group(&slapd, &format!("{}_owners", scene.group("ops")), &["bob"]);
        let inviter = scene.with_directory(&slapd, &format!("[room]\nroom_version = {version:?}\n"));
        run(&inviter, &["sync"]).await.success();
        scene.accept("ops", &people, &["alice", "bob"]).await;

        slapd.remove_from_group(&scene.group("ops"), &[&scene.uid("bob"), &scene.uid("carol")]);
        let cautious = run(&inviter, &["sync"]).await.success();
        let withheld = "in no group of this room; removals need --kick";
        for line in [
            format!("  . withheld: power level of {}: 50 -> 0  ({withheld})", scene.user("bob")),
            format!("  . withheld: kick {}  ({withheld})", scene.user("bob")),
            format!("  . withheld: withdraw the invitation of {}  ({withheld})", scene.user("carol")),
        ] {
            assert!(cautious.stdout.contains(&line), "{line}\n{cautious}");
        }
        assert_eq!(scene.roster("ops").await, ["alice join 0", "bob join 50", "carol invite 0"]);

        // bob is the last moderator.
        let kicking = run(&inviter, &["sync", "--kick", "--allow-kicks", "2"]).await.success();
        assert_eq!(summary(&kicking), "3 writes: 3 done.");
        assert_eq!(scene.roster("ops").await, ["alice join 0"]);
        let levels = scene.me.power_levels(&scene.room("ops").await).await;
        assert!(levels["users"].get(scene.user("bob")).is_none(), "{levels}");
        let again = run(&inviter, &["sync", "--kick"]).await.success();
        assert!(summary(&again).starts_with("1 room: nothing to do"), "{again}");

        slapd.add_to_group(&scene.group("ops"), &[&scene.uid("carol")]);
        run(&inviter, &["sync"]).await.success();
        assert_eq!(scene.roster("ops").await, ["alice join 0", "carol invite 0"], "whom inviter removed may come back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_born_with_its_settings_and_follows_them_later() {
    for version in VERSIONS {
        let scene = Scene::new(&format!("settings{version}")).await;
        scene.people(&["alice"]).await;
        let settings = |history: &str, ban: i64| {
            format!(
                "[room]\nroom_version = {version:?}\nencryption = true\nhistory_visibility = {history:?}\n\
                 [room.permissions]\nban = {ban}\nevents = {{ \"m.room.topic\" = 0 }}\nnotifications = {{ room = 75 }}\n"
            )
        };
        let inviter = scene.with_file(&[("ops", &["alice*"])], &settings("joined", 60));
        run(&inviter, &["sync"]).await.success();
        let room = scene.room("ops").await;
        let state = |kind| scene.me.state_event(&room, kind, "");
        assert_eq!(state("m.room.encryption").await.unwrap()["algorithm"], "m.megolm.v1.aes-sha2");
        assert_eq!(state("m.room.history_visibility").await.unwrap()["history_visibility"], "joined");
        let levels = scene.me.power_levels(&room).await;
        assert_eq!((&levels["ban"], &levels["notifications"]["room"]), (&json!(60), &json!(75)));
        assert_eq!(levels["events"]["m.room.topic"], 0);
        assert_eq!(levels["events"]["m.room.power_levels"], 100, "the homeserver's own protections stay: {levels}");
        let again = run(&inviter, &["sync"]).await.success();
        assert!(summary(&again).starts_with("1 room: nothing to do"), "{again}");

        let changed = scene.with_file(&[("ops", &["alice*"])], &settings("shared", 70));
        scene.me.put_state(&room, "m.room.name", "", json!({ "name": "" })).await;
        let run_changed = run(&changed, &["sync"]).await.success();
        assert_eq!(summary(&run_changed), "3 writes: 3 done.");
        assert_eq!(state("m.room.history_visibility").await.unwrap()["history_visibility"], "shared");
        assert_eq!(state("m.room.name").await.unwrap()["name"], format!("settings{version}-ops"));
        let after = scene.me.power_levels(&room).await;
        assert_eq!((&after["ban"], &after["users"]), (&json!(70), &levels["users"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_made_by_people_is_joined_and_managed_if_the_policy_adopts_it() {
    for version in VERSIONS {
        let scene = Scene::new(&format!("adopt{version}")).await;
        let people = scene.people(&["root", "alice", "bob"]).await;
        let (local, _) = scene.alias("ops")[1..].split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let room = people["root"]
            .create_room(json!({
                "room_alias_name": local, "room_version": version, "name": "The Ops",
                "invite": [scene.me.user_id, scene.user("bob")],
            }))
            .await;
        let mut levels = people["root"].power_levels(&room).await;
        levels["users"][&scene.me.user_id] = json!(100);
        people["root"].put_state(&room, "m.room.power_levels", "", levels).await;
        let rooms: &[(&str, &[&str])] = &[("ops", &["alice*", "root"])];

        let careful = run(&scene.with_file(rooms, ""), &["sync"]).await.status(3);
        assert!(careful.stdout.contains("set adopt = true under [policy]"), "{careful}");
        assert_eq!(scene.recorder.writes(), []);

        let inviter = scene.with_file(rooms, "[policy]\nadopt = true\n");
        let joining = run(&inviter, &["sync"]).await.success();
        assert!(joining.stdout.contains("+ join the room"), "{joining}");
        assert_eq!(summary(&joining), "1 write: 1 done.");
        run(&inviter, &["sync", "--kick"]).await.success();
        let creator = if version == "12" { "root join 0" } else { "root join 100" };
        assert_eq!(scene.roster("ops").await, ["alice invite 50", creator]);
        assert_eq!(scene.me.state_event(&room, "m.room.name", "").await.unwrap()["name"], "The Ops");
        let again = run(&inviter, &["sync", "--kick"]).await.success();
        assert!(summary(&again).starts_with("1 room: nothing to do"), "{again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bots_admins_and_the_banned_are_left_alone() {
    let scene = Scene::new("alone").await;
    let people = scene.people(&["alice", "bot", "admin", "banned"]).await;
    let more = format!("[policy]\nprotected_users = [\"@{}:*\"]\n", scene.uid("b?t"));
    let inviter = scene.with_file(&[("ops", &["alice", "banned"])], &more);
    run(&inviter, &["sync"]).await.success();
    let room = scene.room("ops").await;
    for name in ["bot", "admin"] {
        scene.me.invite(&room, &scene.user(name)).await;
    }
    scene.accept("ops", &people, &["alice", "bot", "admin"]).await;
    let mut levels = scene.me.power_levels(&room).await;
    levels["users"][scene.user("admin")] = json!(100);
    levels["users"][scene.user("bot")] = json!(50);
    scene.me.put_state(&room, "m.room.power_levels", "", levels).await;
    scene.me.ban(&room, &scene.user("banned")).await;
    let outcome = run(&inviter, &["sync", "--kick"]).await.success();
    assert!(outcome.stdout.contains(&format!("{} is banned", scene.user("banned"))), "{outcome}");
    assert_eq!(scene.roster("ops").await, ["admin join 100", "alice join 0", "banned ban 0", "bot join 50"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_room_can_be_asked_for_alone() {
    let scene = Scene::new("single").await;
    scene.people(&["alice"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"]), ("dev", &["alice"])], "");
    run(&inviter, &["sync", "--room", &scene.alias("dev")]).await.success();
    let other = scene.uid("ops");
    assert!(
        scene.recorder.requests().iter().all(|request| !request.path.contains(&other)),
        "no other room is even read"
    );
    assert_eq!(scene.me.resolve_alias(&scene.alias("ops")).await, None);
    assert_eq!(scene.roster("dev").await, ["alice invite 0"]);
    let unknown = run(&inviter, &["sync", "--room", &scene.alias("DEV")]).await.status(1);
    assert!(unknown.stderr.contains("upper and lower case matter"), "{unknown}");
    let slip = run(&inviter, &["sync", "--room", &scene.alias("devv")]).await.status(1);
    assert!(slip.stderr.contains(&format!("did you mean {}?", scene.alias("dev"))), "{slip}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_account_is_the_user_that_it_has_always_been() {
    let scene = Scene::new("renamed").await;
    scene.people(&["old"]).await;
    let more = format!("[renamed_users]\n{:?} = {:?}\n", scene.uid("new"), scene.uid("old"));
    let inviter = scene.with_file(&[("ops", &["New"])], &more);
    run(&inviter, &["sync"]).await.success();
    assert_eq!(scene.roster("ops").await, ["old invite 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_whom_the_filter_lets_through_become_members() {
    let scene = Scene::new("filter").await;
    scene.people(&["alice"]).await;
    let slapd = scene.directory(&["alice", "contractor"]);
    slapd.modify(&format!(
        "dn: {}\nchangetype: modify\nreplace: employeeType\nemployeeType: staff\n",
        person_dn(&scene.uid("alice"))
    ));
    scene.add_group(&slapd, &scene.group("ops"), &["alice", "contractor"]);
    let inviter = Inviter::new(&format!(
        "{}{}user_filter = \"(&(objectClass=inetOrgPerson)(employeeType=staff))\"\n",
        scene.matrix_section(),
        scene.directory_section(&slapd)
    ));
    run(&inviter, &["sync"]).await.success();
    assert_eq!(scene.roster("ops").await, ["alice invite 0"]);
}

use crate::support::inviter::Inviter;
