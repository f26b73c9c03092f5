//! `inviter check`: what it finds, what it says to do, and that it writes nothing.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::account::encode;
use crate::support::inviter::{Inviter, Outcome};
use crate::support::recorder::Action;
use crate::support::slapd::Slapd;
use crate::support::synapse::Synapse;
use crate::support::watchdog::free_port;
use crate::sync::scene::{Scene, run};

const SCHEMA: &str = include_str!("../../examples/check.schema.json");

/// A directory with a group for a room, and the program that uses both.
async fn organisation(prefix: &str) -> (Scene, Slapd, Inviter) {
    let scene = Scene::new(prefix).await;
    scene.people(&["alice", "bob"]).await;
    let slapd = scene.directory(&["alice", "bob"]);
    scene.add_group(&slapd, &scene.group("ops"), &["alice", "bob"]);
    let inviter = scene.with_directory(&slapd, "");
    (scene, slapd, inviter)
}

/// Replaces a part of the configuration, which must be there.
fn replace(inviter: &Inviter, from: &str, to: &str) {
    let path = inviter.folder().join("inviter.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    assert!(config.contains(from), "{from} is not in\n{config}");
    std::fs::write(&path, config.replacen(from, to, 1)).unwrap();
}

/// The document that a check printed, which fits the published schema.
#[track_caller]
fn document(outcome: &Outcome) -> Value {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let document: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"));
    let complaints: Vec<String> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&document).map(|error| error.to_string()).collect();
    assert_eq!(complaints, Vec::<String>::new(), "{outcome}");
    document
}

/// The messages of the findings of a kind in an area.
fn said(document: &Value, area: &str, status: &str) -> Vec<String> {
    let findings = document["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["area"] == area && finding["status"] == status)
        .map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} -> {}", text("about"), text("message"), text("remedy"))
        })
        .collect()
}

/// Checks, and expects a failure in this area that says this; nothing may have been written.
async fn fails(scene: &Scene, inviter: &Inviter, area: &str, parts: &[&str]) -> Value {
    let outcome = run(inviter, &["--format", "json", "check"]).await.status(3);
    let found = document(&outcome);
    let failed = said(&found, area, "failed");
    for part in parts {
        assert!(failed.iter().any(|message| message.contains(part)), "{part:?} is not in {failed:#?}\n{outcome}");
    }
    assert!(!outcome.stdout.contains(&scene.me.access_token), "{outcome}");
    assert_eq!(scene.recorder.writes(), []);
    found
}

#[test]
fn the_published_schema_is_that_of_the_program() {
    let published: Value = serde_json::from_str(SCHEMA).unwrap();
    assert!(
        published == inviter::check::Findings::schema(),
        "run: cargo run --example check_schema > examples/check.schema.json"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_as_it_should_be_is_ok_and_nothing_is_written() {
    let (scene, slapd, inviter) = organisation("checkok").await;
    let before = run(&inviter, &["check"]).await.success();
    for line in [
        "inviter.toml is read: 1 identity provider, 0 described rooms\n".to_owned(),
        format!("{} answers, and its certificate is trusted; it lets {} in", slapd.ldaps_url(), slapd.bind_dn()),
        format!("1 group of rooms: {} -> {}", scene.group("ops"), scene.alias("ops")),
        format!("2 accounts: {} -> {}", scene.uid("alice"), scene.user("alice")),
        "is Synapse 1.".into(),
        " and speaks Matrix v1.1 to v1.".into(),
        format!("{}, device ", scene.me.user_id),
        "not needed: all rooms and people are of inviter.test".into(),
        "1 room can be managed, of which 1 do not exist yet".into(),
        "sync --kick would not be refused".into(),
        "whether the account is limited is told to administrators alone\n".into(),
        format!("POST /_synapse/admin/v1/users/{}/override_ratelimit", scene.me.user_id),
    ] {
        assert!(before.stdout.contains(&line), "{line:?} is not in\n{before}");
    }
    run(&inviter, &["sync"]).await.success();
    scene.recorder.clear();
    let after = run(&inviter, &["--format", "json", "check"]).await.success();
    assert_eq!(said(&document(&after), "rooms", "ok"), [" 1 room can be managed -> "]);
    // whoami, versions, the version of Synapse, the joined rooms, and two for the room.
    assert_eq!(scene.recorder.requests().len(), 6, "{:#?}", scene.recorder.requests());
    assert_eq!(scene.recorder.writes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_line_up_and_words_stay_without_colour() {
    let (_scene, _slapd, inviter) = organisation("checktext").await;
    let plain = run(&inviter, &["check"]).await.success().stdout;
    let colored = run(&inviter, &["--color", "always", "check"]).await.success().stdout;
    assert_ne!(plain, colored);
    assert_eq!(anstream::adapter::strip_str(&colored).to_string(), plain);
    let starts: Vec<&str> = plain.lines().filter(|line| !line.is_empty()).filter_map(|line| line.get(..9)).collect();
    for start in &starts[..starts.len() - 1] {
        assert!(["ok       ", "warning  ", "failed   ", "         "].contains(start), "{start:?}\n{plain}");
    }
    assert!(plain.is_ascii(), "{plain}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_followed_is_the_one_finding() {
    let inviter = Inviter::new("[matrix]\nhomeserver = \"https://a\"\nno_such_key = 1\n");
    let outcome = run(&inviter, &["--format", "json", "check"]).await.status(3);
    let found = document(&outcome);
    assert_eq!(found["findings"].as_array().unwrap().len(), 1, "{outcome}");
    assert!(said(&found, "configuration", "failed")[0].contains("inviter.toml:3:1: matrix.no_such_key"), "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_homeserver_is_told_and_the_directory_is_looked_at_all_the_same() {
    let (scene, _slapd, inviter) = organisation("checkhs").await;
    let url = scene.recorder.url();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    replace(&inviter, &url, &nobody);
    let found = fails(&scene, &inviter, "homeserver", &[&nobody, "is it running"]).await;
    assert_eq!(said(&found, "identity_provider", "ok").len(), 3, "{found:#}");
    assert!(said(&found, "rooms", "warning")[0].contains("not looked at, since the homeserver"), "{found:#}");
    replace(&inviter, &nobody, &url);
    replace(&inviter, &scene.me.access_token, "syt_bad");
    fails(&scene, &inviter, "homeserver", &["M_UNKNOWN_TOKEN", "make a new one"]).await;
    replace(&inviter, "access_token = \"syt_bad\"\n", "");
    fails(&scene, &inviter, "homeserver", &["the access token is missing: give access_token"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_directory_is_told_with_what_worked_before() {
    let (scene, slapd, inviter) = organisation("checkldap").await;
    let url = slapd.ldaps_url();
    let nobody = format!("ldaps://127.0.0.1:{}", free_port());
    let cases: [(&str, &str, &[&str], usize); 5] = [
        (&url, &nobody, &["cannot connect", "refused"], 0),
        ("ca_file", "# ca_file", &["certificate"], 0),
        ("directory-secret", "wrong", &["cannot bind", "password"], 1),
        ("ou=people", "ou=nowhere", &["ou=nowhere", "user_base"], 1),
        ("ou=groups", "ou=nowhere", &["ou=nowhere", "group_base"], 1),
    ];
    for (from, to, parts, worked) in cases {
        replace(&inviter, from, to);
        let found = fails(&scene, &inviter, "identity_provider", parts).await;
        assert_eq!(said(&found, "identity_provider", "ok").len(), worked, "{found:#}");
        assert!(said(&found, "rooms", "warning")[0].contains("it is not known which are wanted"), "{found:#}");
        assert_eq!(said(&found, "homeserver", "ok").len(), 1);
        replace(&inviter, to, from);
    }
    run(&inviter, &["check"]).await.success();
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_that_cannot_be_managed_are_told_with_the_remedy() {
    let scene = Scene::new("checkrooms").await;
    let people = scene.people(&["root", "alice"]).await;
    let local = |name: &str| scene.uid(name);
    people["root"].create_room(json!({ "room_alias_name": local("outside") })).await;
    let weak = people["root"]
        .create_room(json!({ "room_alias_name": local("weak"), "invite": [scene.me.user_id],
                             "power_level_content_override": { "invite": 50 } }))
        .await;
    scene.me.join(&weak).await;
    let rooms: &[(&str, &[&str])] = &[("ops", &["alice"]), ("outside", &["alice"]), ("weak", &["alice"])];
    let inviter = scene.with_file(rooms, "[policy]\nadopt = true\n");
    scene.recorder.clear();
    let found = fails(
        &scene,
        &inviter,
        "rooms",
        &[
            "but inviter is neither in it nor invited: have an admin of the room invite it",
            "the power level of inviter is too low to invite: it has 0 and needs 50: have an admin of the room raise it",
        ],
    )
    .await;
    assert_eq!(said(&found, "rooms", "ok"), [" 1 room can be managed, of which 1 do not exist yet -> "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_the_guard_would_refuse_is_told() {
    let scene = Scene::new("checkguard").await;
    scene.people(&["alice", "bob"]).await;
    let inviter = scene.with_file(&[("ops", &["alice", "bob"])], "[policy]\ncautious = true\n");
    run(&inviter, &["sync"]).await.success();
    scene.write_rooms(&inviter, &[("ops", &[])]);
    scene.recorder.clear();
    let found = document(&run(&inviter, &["--format", "json", "check"]).await.success());
    let told = said(&found, "guard", "warning");
    assert!(
        told[0].contains("sync --kick would be refused: ") && told[0].ends_with("inviter sync --kick --dry-run"),
        "{told:?}"
    );
    replace(&inviter, "cautious = true", "cautious = false");
    fails(&scene, &inviter, "guard", &["sync would be refused: ", "a group has nobody any more who could be there"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_rate_are_told_and_lifted_only_when_asked_to() {
    let (scene, _slapd, inviter) = organisation("checkfix").await;
    let admin = scene.synapse.register_admin("checkfix-admin").await;
    let refused = document(&run(&inviter, &["--format", "json", "check", "--fix"]).await.status(3));
    assert!(said(&refused, "rate_limits", "failed")[0].contains("--fix takes an admin_token"), "{refused:#}");
    inviter.file("admin-token", &admin.access_token);
    replace(&inviter, "[matrix]\n", "[matrix]\nadmin_token_file = \"admin-token\"\n");
    let told = document(&run(&inviter, &["--format", "json", "check"]).await.success());
    assert!(said(&told, "rate_limits", "warning")[0].contains("the account is limited like everybody's"), "{told:#}");
    assert!(said(&told, "admin_api", "ok")[0].contains("as @checkfix-admin:inviter.test"), "{told:#}");
    assert_eq!(scene.recorder.writes(), []);

    let fixed = document(&run(&inviter, &["--format", "json", "check", "--fix"]).await.success());
    assert!(said(&fixed, "rate_limits", "ok")[0].contains("was limited, and is not any more"), "{fixed:#}");
    let writes = scene.recorder.writes();
    assert_eq!(writes.len(), 1, "{writes:#?}");
    let path = format!("/_synapse/admin/v1/users/{}/override_ratelimit", encode(&scene.me.user_id));
    assert_eq!(
        (writes[0].method.as_str(), writes[0].path.replace('@', "%40").replace(":inv", "%3Ainv")),
        ("POST", path.clone())
    );
    assert_eq!(
        admin.ok("GET", &path, None).await,
        json!({ "messages_per_second": 0, "burst_count": 0 }),
        "the homeserver says so too"
    );
    scene.recorder.clear();
    let again = document(&run(&inviter, &["--format", "json", "check", "--fix"]).await.success());
    assert!(said(&again, "rate_limits", "ok")[0].contains("the account is not limited"), "{again:#}");
    assert_eq!(scene.recorder.writes(), []);

    // The token of the account itself is no administrator's.
    inviter.file("admin-token", &scene.me.access_token);
    fails(&scene, &inviter, "admin_api", &["You are not a server admin"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_people_can_be_added_is_told() {
    let scene = Scene::of_admin(Synapse::shared(), "checkadd").await;
    scene.people(&["alice"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"])], "");
    let keys = format!("[matrix]\nadd_members = \"join\"\nadmin_token = {:?}\n", scene.me.access_token);
    replace(&inviter, "[matrix]\n", &keys);
    let told = document(&run(&inviter, &["--format", "json", "check"]).await.success());
    assert!(said(&told, "admin_api", "ok").iter().any(|said| said.contains("people are added to rooms")), "{told:#}");
    scene.recorder.on_request(|_, request| {
        let body = json!({ "errcode": "M_UNRECOGNIZED", "error": "Unrecognized request" }).to_string();
        let absent = Action::Answer { status: 404, headers: Vec::new(), body };
        if request.path.starts_with("/_synapse/") { absent } else { Action::Forward }
    });
    let found = fails(&scene, &inviter, "admin_api", &["is the homeserver a Synapse, and does the proxy"]).await;
    assert!(said(&found, "admin_api", "warning")[0].contains("people are invited rather than added"), "{found:#}");
    assert!(!said(&found, "homeserver", "ok")[0].contains("Synapse"), "{found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_others_can_read_are_a_warning() {
    let (scene, _slapd, inviter) = organisation("checksecret").await;
    let token = inviter.file("token", &scene.me.access_token);
    replace(&inviter, &format!("access_token = {:?}", scene.me.access_token), "access_token_file = \"token\"");
    let chmod = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    chmod(&inviter.folder().join("inviter.toml"), 0o600);
    // What is in a folder that others cannot enter, they cannot read.
    chmod(inviter.folder(), 0o755);
    for (mode, warnings) in [(0o644, 1), (0o640, 0), (0o600, 0)] {
        chmod(&token, mode);
        let found = document(&run(&inviter, &["--format", "json", "check"]).await.success());
        let warned = said(&found, "secrets", "warning");
        assert_eq!((warned.len(), said(&found, "secrets", "ok").len()), (warnings, 1 - warnings), "{found:#}");
        assert!(warned.iter().all(|warned| warned.contains("everybody on this machine can read it (mode 0644)")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_room_is_looked_at() {
    let scene = Scene::new("checkreport").await;
    let people = scene.people(&["root"]).await;
    let inviter = scene.with_file(&[("ops", &["root"])], &format!("[report]\nroom = {:?}\n", scene.alias("log")));
    fails(&scene, &inviter, "report_room", &["there is no room", "create it, and invite inviter"]).await;
    let body = json!({ "room_alias_name": scene.uid("log"), "invite": [scene.me.user_id] });
    let room = people["root"].create_room(body).await;
    let asked = document(&run(&inviter, &["--format", "json", "check"]).await.success());
    assert!(said(&asked, "report_room", "ok")[0].contains("the next report joins"), "{asked:#}");
    scene.me.join(&room).await;
    let joined = document(&run(&inviter, &["--format", "json", "check"]).await.success());
    assert!(said(&joined, "report_room", "ok")[0].contains("it can be written to"), "{joined:#}");
    assert_eq!(scene.recorder.writes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_another_homeserver_than_the_accounts_are_pointed_out() {
    let scene = Scene::new("checkserver").await;
    let inviter = scene.with_file(&[("ops", &["alice"])], "");
    replace(&inviter, "mxid_homeserver = \"inviter.test\"", "mxid_homeserver = \"example.com\"");
    let found = document(&run(&inviter, &["--format", "json", "check"]).await.success());
    assert!(said(&found, "account", "warning")[0].ends_with("is mxid_homeserver what you mean?"), "{found:#}");
    assert!(said(&found, "federation", "ok")[0].contains("needed with example.com"), "{found:#}");
}
