//! `idp`, `joined` and `managed`.

use serde_json::json;

use super::{LISTS, VERSIONS, document, with_foreign_people};
use crate::support::inviter::Inviter;
use crate::sync::scene::{Scene, run};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_idp_wants_is_listed_without_a_request_or_a_token() {
    let scene = Scene::new("listidp").await;
    let section = format!("[matrix]\nhomeserver = {:?}\nallow_plaintext = true\n", scene.recorder.url());
    let inviter = Inviter::new(&format!(
        "{section}[[idp]]\nname = \"people\"\ntype = \"file\"\nmxid_homeserver = \"inviter.test\"\npath = \"rooms.toml\"\n"
    ));
    scene.write_rooms(&inviter, &[("ops", &["alice*", "bob"]), ("dev", &["bob"])]);

    let listed = run(&inviter, &["idp"]).await.success();
    let (alice, bob) = (scene.user("alice"), scene.user("bob"));
    for line in [
        scene.alias("ops"),
        format!("  {alice}  moderator (50)  "),
        format!("  {bob}    standard        "),
        "2 rooms, 2 people.".into(),
    ] {
        assert!(listed.stdout.lines().any(|said| said.starts_with(&line)), "{line}\n{listed}");
    }
    let listed = document(&run(&inviter, &["--format", "json", "idp"]).await.success(), LISTS);
    let ops = &listed["rooms"][1];
    assert_eq!((&listed["list"], &ops["alias"]), (&json!("idp"), &json!(scene.alias("ops"))));
    assert_eq!(ops["members"][0]["role"], "moderator");
    assert_eq!(ops["members"][1]["groups"][0]["idp"], "people");
    assert_eq!(scene.recorder.requests(), []);

    for command in ["joined", "managed", "sync"] {
        let refused = run(&inviter, &[command]).await.status(1);
        assert!(refused.stderr.contains("the access token is missing"), "{refused}");
    }
    assert_eq!(scene.recorder.requests(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_the_directory_is_named_beside_its_members() {
    let scene = Scene::new("listldap").await;
    let slapd = scene.directory(&["alice", "bob"]);
    scene.add_group(&slapd, &scene.group("ops"), &["alice", "bob"]);
    scene.add_group(&slapd, &format!("{}_owners", scene.group("ops")), &["bob"]);
    let listed = run(&scene.with_directory(&slapd, ""), &["idp"]).await.success();
    let group = scene.group("ops");
    assert!(listed.stdout.contains(&format!("moderator (50)  {group} (corp), {group}_owners (corp)")), "{listed}");
    assert!(listed.stdout.contains(&format!("standard        {group} (corp)\n")), "{listed}");
    assert_eq!(scene.recorder.requests(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn joined_rooms_are_listed_with_the_accounts_own_power() {
    for version in VERSIONS {
        let scene = Scene::new(&format!("listjoined{version}")).await;
        let people = scene.people(&["alice"]).await;
        let inviter = scene.with_file(&[("ops", &["alice"])], &format!("[room]\nroom_version = {version:?}\n"));
        run(&inviter, &["sync"]).await.success();
        let other = people["alice"]
            .create_room(json!({ "name": "A\u{202e}B", "room_version": version, "invite": [scene.me.user_id] }))
            .await;
        scene.me.join(&other).await;
        scene.recorder.clear();

        let listed = run(&inviter, &["joined"]).await.success();
        let power = if version == "12" { "creator" } else { "power level 100" };
        for part in [
            format!("{}  {}\n  ", scene.alias("ops"), scene.room("ops").await),
            format!(", version {version}, {power}, managed\n"),
            format!("(no alias)  {other}\n  \"A\\u{{202e}}B\", version {version}, power level 0\n"),
            format!("{} has joined 2 rooms.\n", scene.me.user_id),
        ] {
            assert!(listed.stdout.contains(&part), "{part}\n{listed}");
        }
        let listed = document(&run(&inviter, &["--format", "json", "joined"]).await.success(), LISTS);
        let level = if version == "12" { json!(null) } else { json!(100) };
        assert_eq!(
            (&listed["rooms"][0]["power_level"], &listed["rooms"][0]["is_creator"]),
            (&level, &json!(version == "12"))
        );
        assert_eq!(listed["rooms"][1]["room_id"], other);
        assert_eq!(scene.recorder.writes(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn managed_rooms_are_listed_with_those_who_are_there_and_those_who_are_not() {
    let scene = Scene::new("listmanaged").await;
    let people = scene.people(&["alice", "bob", "carol", "root"]).await;
    let inviter = scene.with_file(&[("ops", &["alice*", "bob"]), ("gone", &["alice"])], "");
    run(&inviter, &["sync"]).await.success();
    scene.accept("ops", &people, &["alice"]).await;
    let (local, _) = scene.alias("alien")[1..].split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    people["root"].create_room(json!({ "room_alias_name": local })).await;
    let gone = scene.room("gone").await;
    scene.write_rooms(&inviter, &[("ops", &["alice*", "bob", "carol"]), ("alien", &["bob"]), ("new", &["bob"])]);
    scene.me.invite(&scene.room("ops").await, &scene.user("root")).await;
    scene.recorder.clear();

    let listed = run(&inviter, &["managed"]).await.status(3);
    let ids = (scene.room("ops").await, scene.room("alien").await);
    for part in [
        format!("{}  {}\n  3 wanted: 1 joined, 1 invited, 1 missing\n", scene.alias("ops"), ids.0),
        format!("  missing: {}\n  not in the group: {} (invited)\n", scene.user("carol"), scene.user("root")),
        format!("  {}  {gone}\n    1 person in the room, stood for people ", scene.alias("gone")),
        format!(
            "  {}  {}\n  ! problem: the room exists ({}), but inviter is neither in it",
            scene.alias("alien"),
            ids.1,
            ids.1
        ),
        format!("  {}  no room yet\n    the next sync creates it\n", scene.alias("new")),
        "1 room managed, 1 orphaned, 2 not managed.\n".into(),
    ] {
        assert!(listed.stdout.contains(&part), "{part}\n{listed}");
    }
    let listed = document(&run(&inviter, &["--format", "json", "managed"]).await.status(3), LISTS);
    assert_eq!(listed["managed"][0]["invited"], json!([scene.user("bob")]));
    assert_eq!(listed["orphaned"][0]["room_id"], gone);
    assert_eq!(listed["not_managed"][0]["problems"][0]["kind"], "outside");
    assert_eq!(listed["not_managed"][1]["next"], "create");
    assert_eq!(scene.recorder.writes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_other_homeservers_are_listed_as_external() {
    let scene = Scene::new("listexternal").await;
    let people = scene.people(&["guest"]).await;
    let inviter = with_foreign_people(&scene, &[("ops", &[])], "");
    run(&inviter, &["sync"]).await.success();
    scene.me.invite(&scene.room("ops").await, &scene.user("guest")).await;
    scene.accept("ops", &people, &["guest"]).await;
    scene.write_rooms(&inviter, &[("ops", &["alice"])]);
    let listed = document(&run(&inviter, &["--format", "json", "managed"]).await.success(), LISTS);
    let ops = &listed["managed"][0];
    assert_eq!(ops["missing"], json!(["@listexternal-alice:corp.test"]));
    assert_eq!(ops["external"], json!([{ "user": scene.user("guest"), "is_invited": false }]));
    assert_eq!(ops["not_in_group"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_group_leaves_a_room_that_is_told_its_new_alias() {
    let scene = Scene::new("listrenamed").await;
    scene.people(&["alice"]).await;
    let slapd = scene.directory(&["alice"]);
    scene.add_group(&slapd, &scene.group("old"), &["alice"]);
    let inviter = scene.with_directory(&slapd, "");
    run(&inviter, &["sync"]).await.success();
    slapd.modify(&format!(
        "dn: {}\nchangetype: modrdn\nnewrdn: cn={}\ndeleteoldrdn: 1\n",
        crate::support::slapd::group_dn(&scene.group("old")),
        scene.group("new")
    ));
    let listed = run(&inviter, &["managed"]).await.success();
    let told = format!("its group stands for {} now", scene.alias("new"));
    assert!(listed.stdout.contains(&told), "{listed}");
}
