//! The whole way, as the README tells it: from the bot's rooms and its configuration to the same rooms under `inviter`.

use serde_json::{Value, json};

use super::{MAPPINGS_BOT, ldap_bot};
use crate::support::inviter::Inviter;
use crate::support::slapd::{Slapd, SlapdOptions, group_dn};
use crate::sync::scene::{Scene, run, summary};

const VERSIONS: [&str; 2] = ["12", "11"];

/// The levels of the sample, as `m.room.power_levels` has them.
fn sample_levels() -> Value {
    json!({
        "users_default": 0, "events_default": 0, "state_default": 50,
        "invite": 100, "kick": 100, "ban": 100, "redact": 100,
        "events": {
            "m.room.name": 50, "m.room.power_levels": 100, "m.room.history_visibility": 100,
            "m.room.canonical_alias": 100, "m.room.avatar": 50, "m.room.tombstone": 100, "m.room.topic": 50,
            "m.room.pinned_events": 0, "m.reaction": 0, "m.room.redaction": 100,
        }
    })
}

/// The bot's configuration for this directory: the sample, with what every site fills in.
fn bot_configuration(scene: &Scene, slapd: &Slapd) -> String {
    let port = slapd.ldap_url().rsplit_once(':').map(|(_, port)| port.to_owned()).unwrap();
    let mut yaml = ldap_bot();
    for (old, new) in [
        ("\"example.com\"", format!("{:?}", scene.synapse.server_name())),
        ("ipa.example.com", "localhost".into()),
        ("port: 389", format!("port: {port}")),
        ("uid=inviterbot,cn=sysaccounts,cn=etc,dc=example,dc=com", slapd.bind_dn().into()),
        ("bind_password: \"\"", format!("bind_password: {:?}", slapd.password())),
        ("cn=users,cn=accounts,dc=example,dc=com", format!("ou=people,{}", slapd.base_dn())),
        (
            "base_dn_groups: \"cn=groups,cn=accounts,dc=example,dc=com\"",
            format!("base_dn_groups: \"ou=groups,{}\"", slapd.base_dn()),
        ),
        ("cn=company_employees,cn=groups,cn=accounts,dc=example,dc=com", group_dn("company_employees")),
        ("administration_room: \"\"", format!("administration_room: {:?}", scene.alias("admins"))),
    ] {
        assert!(yaml.contains(old), "{old}\n{yaml}");
        yaml = yaml.replace(old, &new);
    }
    format!("{}  {}: {}\n", yaml, scene.uid("new"), scene.uid("old"))
}

/// What the README asks a person to do with what `inviter import` printed. It stops at a request that it does not know.
fn followed(toml: &str, scene: &Scene, slapd: &Slapd, inviter: &Inviter) -> String {
    let mut toml = toml.to_owned();
    let requests = toml.lines().filter(|line| line.starts_with("# TO DO: ")).map(str::to_owned).collect::<Vec<_>>();
    for request in requests {
        if request.contains("check the address of the homeserver") {
            let guess = format!("homeserver = \"https://{}\"", scene.synapse.server_name());
            assert!(toml.contains(&guess), "{toml}");
            let real = format!("homeserver = {:?}\nallow_plaintext = true", scene.recorder.url());
            toml = toml.replace(&guess, &real);
        } else if request.contains("access token of the bot's account into the file matrix-token") {
            inviter.file("matrix-token", &format!("{}\n", scene.me.access_token));
        } else if request.contains("the password into the file directory-password") {
            inviter.file("directory-password", &format!("{}\n", slapd.password()));
        } else {
            panic!("the README does not tell what to do: {request}");
        }
    }
    // "For a private authority name its certificate in ca_file."
    toml.replace("# ca_file = \"directory-ca.pem\"", &format!("ca_file = \"{}\"", slapd.ca_file().display()))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moves_over_from_the_bot_finds_the_same_rooms() {
    for version in VERSIONS {
        let scene = Scene::new(&format!("move{version}")).await;
        let people = scene.people(&["alice", "bob", "carol", "old", "gone"]).await;
        let slapd = Slapd::start(&SlapdOptions { member_of: true, ..SlapdOptions::default() });
        for name in ["alice", "bob", "carol", "new", "employee"] {
            slapd.person(&scene.uid(name));
        }
        scene.add_group(&slapd, "company_employees", &["employee"]);
        for room in ["old_room", "new_room"] {
            scene.add_group(&slapd, &scene.group(room), &["alice", "bob", "new", "employee"]);
            scene.add_group(&slapd, &format!("{}_owners", scene.group(room)), &["alice", "carol", "employee"]);
        }
        let old_room = room_of_the_bot(&scene, version).await;
        scene.accept("old_room", &people, &["bob", "gone"]).await;
        let bots_levels = scene.me.power_levels(&old_room).await;

        make_administration_room(&scene).await;
        let inviter = Inviter::new("");
        std::fs::remove_file(inviter.folder().join("inviter.toml")).unwrap();
        inviter.file("bot.yaml", &bot_configuration(&scene, &slapd));
        let imported = run(&inviter, &["import", "bot.yaml"]).await.success();
        assert!(!imported.stdout.contains(slapd.password()), "{imported}");
        let toml = followed(&imported.stdout, &scene, &slapd, &inviter);
        // Only so that one homeserver shows both kinds of rooms.
        inviter.file("inviter.toml", &toml.replacen("[room]\n", &format!("[room]\nroom_version = {version:?}\n"), 1));

        let dry = run(&inviter, &["sync", "--dry-run"]).await.success();
        assert!(dry.stdout.contains("create the room") && scene.recorder.writes().is_empty(), "{dry}");
        run(&inviter, &["sync"]).await.success();
        assert_eq!(scene.roster("new_room").await, ["alice invite 50", "bob invite 0", "old invite 0"]);
        assert_eq!(
            scene.roster("old_room").await,
            ["alice invite 50", "bob join 0", "gone join 0", "old invite 0"],
            "a cautious run removes nobody"
        );
        for room in ["old_room", "new_room"] {
            assert_is_as_the_bot_makes_it(&scene, room, version).await;
            let name = scene.me.state_event(&scene.room(room).await, "m.room.name", "").await.unwrap();
            let expected = if room == "old_room" { "old room".to_owned() } else { format!("move{version}-new room") };
            assert_eq!(name["name"], expected);
        }
        let after = scene.me.power_levels(&old_room).await;
        assert_eq!(after["events"], bots_levels["events"], "nothing changes that the bot had set");

        let again = run(&inviter, &["sync"]).await.success();
        assert!(!again.stdout.contains("  + ") && !again.stdout.contains("  ~ "), "{again}");
        run(&inviter, &["sync", "--kick"]).await.success();
        assert_eq!(scene.roster("old_room").await, ["alice invite 50", "bob join 0", "old invite 0"]);
        let last = run(&inviter, &["sync", "--kick"]).await.success();
        assert!(summary(&last).starts_with("2 rooms: nothing to do"), "{last}");
    }
}

/// The room that the bot took its commands in, which its account is a member of.
async fn make_administration_room(scene: &Scene) {
    let alias = scene.alias("admins");
    let local = alias[1..].split(':').next().unwrap();
    scene.me.create_room(json!({ "room_alias_name": local })).await;
}

/// A room as the bot has left it: created with nothing but an alias, then set up event by event.
async fn room_of_the_bot(scene: &Scene, version: &str) -> String {
    let alias = scene.alias("old_room");
    let local = alias[1..].split(':').next().unwrap();
    let room = scene.me.create_room(json!({ "room_alias_name": local, "room_version": version })).await;
    scene.me.put_state(&room, "m.room.encryption", "", json!({ "algorithm": "m.megolm.v1.aes-sha2" })).await;
    for name in ["bob", "gone"] {
        scene.me.invite(&room, &scene.user(name)).await;
    }
    let mut levels = sample_levels();
    levels["users"] = if version == "12" { json!({}) } else { json!({ &scene.me.user_id: 100 }) };
    scene.me.put_state(&room, "m.room.power_levels", "", levels).await;
    scene.me.put_state(&room, "m.room.history_visibility", "", json!({ "history_visibility": "shared" })).await;
    scene.me.put_state(&room, "m.room.name", "", json!({ "name": "old room" })).await;
    room
}

/// A room that the other bot has made: its power levels name people, and for the rest its library's defaults.
async fn room_of_the_mappings_bot(scene: &Scene) -> String {
    let alias = scene.alias("2027-group-1");
    let local = alias[1..].split(':').next().unwrap();
    let room = scene.me.create_room(json!({ "room_alias_name": local, "room_version": "11" })).await;
    scene.me.put_state(&room, "m.room.name", "", json!({ "name": "Foo 2027" })).await;
    scene.me.invite(&room, &scene.user("tutor")).await;
    let levels = json!({
        "users": { &scene.me.user_id: 100, scene.user("tutor"): 100 }, "events": {},
        "users_default": 0, "events_default": 0, "state_default": 50, "invite": 50, "kick": 50, "ban": 50, "redact": 50,
    });
    scene.me.put_state(&room, "m.room.power_levels", "", levels).await;
    room
}

async fn assert_is_as_the_bot_makes_it(scene: &Scene, name: &str, version: &str) {
    let room = scene.room(name).await;
    let levels = scene.me.power_levels(&room).await;
    for (key, expected) in sample_levels().as_object().unwrap() {
        match expected.as_object() {
            None => assert_eq!(&levels[key], expected, "{name} {version}: {key} in {levels}"),
            Some(events) => {
                for (event, level) in events {
                    assert_eq!(&levels[key][event], level, "{name} {version}: {event} in {levels}");
                }
            }
        }
    }
    let me = levels["users"].get(&scene.me.user_id);
    assert_eq!(me, (version == "11").then_some(&json!(100)), "creators are not in users from version 12 on: {levels}");
    for (kind, key, expected) in [
        ("m.room.create", "room_version", version),
        ("m.room.history_visibility", "history_visibility", "shared"),
        ("m.room.encryption", "algorithm", "m.megolm.v1.aes-sha2"),
        ("m.room.join_rules", "join_rule", "invite"),
    ] {
        let content = scene.me.state_event(&room, kind, "").await.unwrap_or_else(|| panic!("{name} has no {kind}"));
        assert_eq!(content[key], expected, "{name} {version} {kind}");
    }
    assert_eq!(listed(scene, &room).await, "private");
}

/// Whether a room is in the homeserver's room directory: `public` or `private`.
async fn listed(scene: &Scene, room: &str) -> Value {
    let path = format!("/_matrix/client/v3/directory/list/room/{}", crate::support::account::encode(room));
    scene.me.ok("GET", &path, None).await["visibility"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moves_over_from_the_mappings_finds_the_same_members_and_levels() {
    let scene = Scene::new("mapped").await;
    scene.people(&["student", "tutor", "admin", "guest"]).await;
    let slapd = Slapd::start(&SlapdOptions { member_of: true, ..SlapdOptions::default() });
    for name in ["student", "tutor"] {
        slapd.person(&scene.uid(name));
    }
    for year in [2026, 2027] {
        scene.add_group(&slapd, &scene.uid(&format!("{year}-group1")), &["student", "tutor"]);
        scene.add_group(&slapd, &scene.uid(&format!("{year}-tutors1")), &["tutor"]);
    }
    let mut yaml = MAPPINGS_BOT.to_owned();
    for (old, new) in [
        ("ldap://foo.bar.tld:389", slapd.ldap_url()),
        ("uid=ldap-bot,cn=users,dc=foo,dc=bar,dc=tld", slapd.bind_dn().into()),
        ("verySecure", slapd.password().into()),
        ("cn=users,dc=foo,dc=bar,dc=tld", format!("ou=people,{}", slapd.base_dn())),
        ("cn=groups,dc=foo,dc=bar,dc=tld", format!("ou=groups,{}", slapd.base_dn())),
        ("cn=event", format!("cn={}", scene.uid("")).trim_end_matches('-').to_owned()),
        ("#event-<1>-group-1:matrix.server.tld", scene.alias("<1>-group-1")),
        ("@super.admin:matrix.server.tld", scene.user("admin")),
        ("matrix.server.tld", scene.synapse.server_name().into()),
    ] {
        assert!(yaml.contains(old), "{old}\n{yaml}");
        yaml = yaml.replace(old, &new);
    }
    let old_room = room_of_the_mappings_bot(&scene).await;
    let inviter = Inviter::new("");
    inviter.file("bot.yaml", &yaml);
    let values = ["--value", "2026", "--value", "2027"];
    let imported = run(&inviter, &[&["import", "bot.yaml"][..], &values].concat()).await.success();
    inviter.file("inviter.toml", &followed(&imported.stdout, &scene, &slapd, &inviter));

    run(&inviter, &["sync"]).await.success();
    assert_eq!(scene.room("2027-group-1").await, old_room);
    assert_eq!(scene.roster("2027-group-1").await, ["admin invite 100", "student invite 0", "tutor invite 100"]);
    let levels = scene.me.power_levels(&old_room).await;
    assert_eq!((&levels["invite"], &levels["events"]), (&json!(50), &json!({})), "the rest is kept: {levels}");
    assert_eq!(scene.roster("2026-group-1").await, ["admin invite 100", "student invite 0", "tutor invite 100"]);
    let room = scene.room("2026-group-1").await;
    assert_eq!(scene.me.state_event(&room, "m.room.name", "").await.unwrap()["name"], "Foo 2026");
    assert_eq!(listed(&scene, &room).await, "private");
    scene.me.invite(&room, &scene.user("guest")).await;
    slapd.remove_from_group(&scene.uid("2026-group1"), &[&scene.uid("student")]);
    run(&inviter, &["sync"]).await.success();
    assert_eq!(
        scene.roster("2026-group-1").await,
        ["admin invite 100", "guest invite 0", "student invite 0", "tutor invite 100"],
        "the bot removed nobody"
    );
}
