//! The test infrastructure itself.

use std::{
    collections::BTreeMap,
    env, fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{
    account::{Account, client, encode},
    inviter::{Inviter, Victim},
    recorder::{Action, Recorded, Recorder},
    slapd::{Slapd, SlapdOptions, group_dn, person_dn},
    synapse::{Options, RateLimits, Synapse},
    tls::Authority,
    watchdog::{Watchdog, server_folder},
};

fn process_exists(pid: &str) -> bool {
    Path::new("/proc").join(pid.trim()).exists()
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn start_sleeper() -> (Watchdog, String) {
    let watchdog = Watchdog::start("sleep", server_folder("sleep"), &["sleep", "1000"]);
    let pid = watchdog.folder().join("pid");
    watchdog.wait_until(|| fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n')));
    let pid = fs::read_to_string(pid).expect("the pid was written");
    (watchdog, pid)
}

#[test]
fn a_dropped_watchdog_leaves_no_server_and_no_folder() {
    let (watchdog, pid) = start_sleeper();
    let folder = watchdog.folder().to_owned();
    assert!(process_exists(&pid));
    drop(watchdog);
    assert!(!process_exists(&pid));
    assert!(!folder.exists());
}

const HOLDER: &str = "INVITER_TEST_HOLDS_A_SERVER_IN";

// The process that the next test kills; does nothing by itself.
#[test]
fn holds_a_server() {
    let Some(file) = env::var_os(HOLDER) else {
        return;
    };
    let (watchdog, pid) = start_sleeper();
    let folder = watchdog.folder().display();
    fs::write(file, format!("{pid}{folder}\n\n")).expect("the file is writable");
    thread::sleep(Duration::from_mins(1));
}

#[test]
fn a_killed_test_process_leaves_no_server_and_no_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("server");
    let mut holder = Command::new(env::current_exe().expect("a path"))
        .args(["--exact", "servers::holds_a_server"])
        .env(HOLDER, &file)
        .spawn()
        .expect("the test binary runs");
    eventually("the server runs", || fs::read_to_string(&file).is_ok_and(|text| text.ends_with("\n\n")));
    let text = fs::read_to_string(&file).expect("it was written");
    let (pid, server_folder) = text.trim().split_once('\n').expect("two lines");
    assert!(process_exists(pid));
    holder.kill().expect("it runs");
    holder.wait().expect("it ends");
    eventually("the server is gone", || !process_exists(pid));
    eventually("its folder is gone", || !Path::new(server_folder).exists());
}

#[test]
#[should_panic(expected = "no such option")]
fn a_server_that_does_not_start_shows_its_log() {
    let script = "echo no such option; sleep 0.2; exit 1";
    Watchdog::start("broken", server_folder("broken"), &["sh", "-c", script]).wait_until(|| false);
}

#[tokio::test(flavor = "multi_thread")]
async fn synapse_has_users_rooms_and_members() {
    let synapse = Synapse::shared();
    let users = synapse.register_many(&["infra-a", "infra-b", "infra-c"]).await;
    let [a, b, c] = users.as_slice() else { panic!("three were registered") };
    assert_eq!(a.user_id, "@infra-a:inviter.test");

    let room = a.create_room(json!({ "room_alias_name": "infra", "invite": [b.user_id] })).await;
    let alias = format!("#infra:{}", synapse.server_name());
    assert_eq!(a.resolve_alias(&alias).await, Some(room.clone()));
    assert_eq!(a.resolve_alias("#no/such:inviter.test").await, None);
    b.join(&alias).await;
    a.invite(&room, &c.user_id).await;
    let expected = [(a, "join"), (b, "join"), (c, "invite")];
    let expected: BTreeMap<_, _> =
        expected.map(|(user, membership)| (user.user_id.clone(), membership.to_owned())).into();
    assert_eq!(a.members(&room).await, expected);

    c.leave(&room).await;
    a.kick(&room, &b.user_id).await;
    a.ban(&room, &c.user_id).await;
    let members = a.members(&room).await;
    assert_eq!(members[&b.user_id], "leave");
    assert_eq!(members[&c.user_id], "ban");
    assert_eq!(a.joined_rooms().await, std::slice::from_ref(&room));

    a.put_state(&room, "com.example.stamp", "", json!({ "id": 1 })).await;
    let stamp = a.state_event(&room, "com.example.stamp", "").await;
    assert_eq!(stamp, Some(json!({ "id": 1 })));
    assert_eq!(a.state_event(&room, "com.example.stamp", "x").await, None);
    assert!(a.state(&room).await.len() > 5);
    assert_eq!(a.power_levels(&room).await["ban"], 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_of_synapse_may_use_the_admin_api() {
    let synapse = Synapse::shared();
    let admin = synapse.register_admin("infra-admin").await;
    let user = synapse.register("infra-user").await;
    let path = format!("/_synapse/admin/v2/users/{}", encode(&user.user_id));
    assert_eq!(admin.ok("GET", &path, None).await["deactivated"], false);
    assert_eq!(user.request("GET", &path, None).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synapse_of_ones_own_may_have_its_limits_and_another_name() {
    let synapse = Synapse::start(Options {
        rate_limits: RateLimits::Default,
        server_name: "other.test".to_owned(),
        federation: None,
        extra_config: "default_room_version: '11'".to_owned(),
    });
    let user = synapse.register("infra").await;
    assert_eq!(user.user_id, "@infra:other.test");
    let room = user.create_room(json!({})).await;
    let creation = user.state_event(&room, "m.room.create", "").await;
    assert_eq!(creation.expect("a room has a creation")["room_version"], "11");
    let path = "/_matrix/client/v3/createRoom";
    let limited = async || user.request("POST", path, Some(&json!({}))).await.0 == 429;
    for _ in 0..20 {
        if limited().await {
            return;
        }
    }
    panic!("twenty rooms in a row were not limited");
}

// As the program would: the service account, the plain port and the private authority.
fn ldapsearch(slapd: &Slapd, connection: &[&str], filter: &str) -> (Option<i32>, String) {
    let output = Command::new("ldapsearch")
        .env("LDAPTLS_CACERT", slapd.ca_file())
        // libldap takes the name of the machine for `localhost` when it checks a certificate.
        .args(connection.iter().map(|word| word.replace("localhost", "127.0.0.1")))
        .args(["-x", "-LLL", "-o", "ldif-wrap=no", "-b", slapd.base_dn()])
        .args(["-D", slapd.bind_dn(), "-w", slapd.password(), filter, "*", "+"])
        .output()
        .expect("ldapsearch runs");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), stdout)
}

#[test]
fn slapd_answers_over_every_kind_of_connection() {
    let slapd = Slapd::start(&SlapdOptions::default());
    let dn = slapd.person("alice");
    let connections = [
        vec!["-H".to_owned(), slapd.ldap_url()],
        vec!["-ZZ".to_owned(), "-H".to_owned(), slapd.ldap_url()],
        vec!["-H".to_owned(), slapd.ldaps_url()],
    ];
    for connection in connections {
        let connection: Vec<_> = connection.iter().map(String::as_str).collect();
        let (status, found) = ldapsearch(&slapd, &connection, "(uid=alice)");
        assert_eq!(status, Some(0), "{connection:?}");
        assert!(found.starts_with(&format!("dn: {dn}\n")), "{found}");
        assert!(!found.contains("userPassword"), "{found}");
    }
}

#[test]
fn slapd_may_require_tls() {
    let slapd = Slapd::start(&SlapdOptions { require_tls: true, ..SlapdOptions::default() });
    let url = slapd.ldap_url();
    assert_eq!(ldapsearch(&slapd, &["-H", &url], "(uid=*)").0, Some(13));
    assert_eq!(ldapsearch(&slapd, &["-ZZ", "-H", &url], "(uid=*)").0, Some(0));
}

#[test]
fn slapd_may_limit_a_search_even_when_it_is_paged() {
    let slapd = Slapd::start(&SlapdOptions { size_limit: Some(3), ..SlapdOptions::default() });
    slapd.people(&["a", "b", "c", "d"]);
    let url = slapd.ldaps_url();
    let search = |filter: &str| ldapsearch(&slapd, &["-E", "pr=2/noprompt", "-H", &url], filter);
    let (status, found) = search("(uid=*)");
    assert_eq!(status, Some(4), "{found}");
    assert_eq!(search("(|(uid=a)(uid=b)(uid=c))").0, Some(0));
}

#[test]
fn slapd_has_groups_that_change_and_may_be_empty() {
    let slapd = Slapd::start(&SlapdOptions { member_of: true, ..SlapdOptions::default() });
    slapd.people(&["alice", "bob"]);
    slapd.group("team", &["alice"]);
    slapd.group("parent", &[&group_dn("team"), "bob"]);
    let uuid = slapd.entry_uuid(&group_dn("team"));

    slapd.add_to_group("team", &["bob"]);
    slapd.set_owners("team", &["bob"]);
    let (alice, bob) = (person_dn("alice"), person_dn("bob"));
    let found = slapd.search("(cn=team)", &["member", "owner"]);
    assert!(found.contains(&format!("member: {alice}\nmember: {bob}\nowner: {bob}\n")), "{found}");
    let found = slapd.search("(uid=bob)", &["memberOf"]);
    assert_eq!(found.matches("memberOf:").count(), 2, "{found}");

    slapd.remove_from_group("team", &["alice", "bob"]);
    slapd.rename_group("team", "crew");
    assert!(!slapd.search("(cn=crew)", &["member"]).contains("member:"));
    assert_eq!(slapd.entry_uuid(&group_dn("crew")), uuid);
    slapd.delete(&group_dn("crew"));
    assert_eq!(slapd.search("(cn=crew)", &[]), "");
}

#[test]
fn slapd_tells_the_two_locks_apart() {
    let slapd = Slapd::start(&SlapdOptions::default());
    slapd.people(&["locked", "out"]);
    slapd.lock("locked");
    slapd.lock_out("out");
    let url = slapd.ldaps_url();
    let (_, found) = ldapsearch(&slapd, &["-H", &url], "(uid=locked)");
    assert!(found.contains("pwdAccountLockedTime: 000001010000Z\n"), "{found}");
    let (_, found) = ldapsearch(&slapd, &["-H", &url], "(uid=out)");
    assert!(found.contains("pwdAccountLockedTime: 20"), "{found}");
    slapd.unlock("out");
    let (_, found) = ldapsearch(&slapd, &["-H", &url], "(uid=out)");
    assert!(!found.contains("pwdAccountLockedTime"), "{found}");
}

fn seen(requests: &[Recorded]) -> Vec<(&str, &str, Option<u16>)> {
    requests.iter().map(|request| (request.method.as_str(), request.path.as_str(), request.status)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorder_records_what_it_forwards() {
    let synapse = Synapse::shared();
    let user = synapse.register("infra-recorded").await;
    let recorder = Recorder::start(&synapse.url()).await;
    let user = through(&recorder, client(), &user);

    user.resolve_alias("#a/b c%2F:inviter.test").await;
    let room = user.create_room(json!({})).await;
    user.joined_rooms().await;
    let alias = "/_matrix/client/v3/directory/room/%23a%2Fb%20c%252F%3Ainviter.test";
    assert_eq!(
        seen(&recorder.requests()),
        [
            ("GET", alias, Some(404)),
            ("POST", "/_matrix/client/v3/createRoom", Some(200)),
            ("GET", "/_matrix/client/v3/joined_rooms", Some(200)),
        ]
    );
    assert_eq!(recorder.writes()[0].body, "{}");

    recorder.clear();
    user.leave(&room).await;
    assert_eq!(recorder.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorder_fails_on_purpose() {
    let synapse = Synapse::shared();
    let direct = synapse.register("infra-faults").await;
    let recorder = Recorder::start(&synapse.url()).await;
    let http = client();
    let user = through(&recorder, http.clone(), &direct);
    let create = || {
        let url = format!("{}/_matrix/client/v3/createRoom", recorder.url());
        let request = http.post(url).bearer_auth(&user.access_token);
        request.json(&json!({})).send()
    };

    recorder.at_write(0, Action::DropBefore);
    create().await.expect_err("the connection was closed");
    assert_eq!(recorder.writes()[0].status, None);
    assert_eq!(direct.joined_rooms().await.len(), 0);

    recorder.clear();
    recorder.at_request(1, Action::DropAfter);
    user.joined_rooms().await;
    create().await.expect_err("the connection was closed");
    assert_eq!(recorder.writes()[0].status, Some(200));
    assert_eq!(direct.joined_rooms().await.len(), 1);

    recorder.on_request(|_, _| Action::Answer {
        status: 429,
        headers: vec![("Retry-After", "7".to_owned())],
        body: json!({ "errcode": "M_LIMIT_EXCEEDED" }).to_string(),
    });
    let answer = create().await.expect("an answer");
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["Retry-After"], "7");

    recorder.on_request(|_, _| Action::Delay(Duration::from_millis(300)));
    let start = Instant::now();
    user.joined_rooms().await;
    assert!(start.elapsed() >= Duration::from_millis(300));
    recorder.forward_all();
    assert_eq!(create().await.expect("an answer").status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorder_is_trusted_by_its_authority_alone() {
    let synapse = Synapse::shared();
    let recorder = Recorder::start_tls(&synapse.url()).await;
    let pem = fs::read(recorder.ca_file()).expect("the file is there");
    let other = Authority::new("another authority").pem();
    for (pem, trusted) in [(pem, true), (other.into_bytes(), false)] {
        let authority = reqwest::Certificate::from_pem(&pem).expect("a certificate");
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().expect("a client");
        let url = format!("{}/_matrix/client/versions", recorder.url());
        let answer = client.get(url).send().await;
        assert_eq!(answer.is_ok(), trusted, "{answer:?}");
    }
}

fn through(recorder: &Recorder, client: reqwest::Client, user: &Account) -> Account {
    Account::anonymous(client, recorder.url()).with_token(user.user_id.clone(), user.access_token.clone())
}

// Stands in for the program: bash reads this first, sends one request and waits for its answer.
const ONE_REQUEST: &str = r#"
exec 3<>"/dev/tcp/localhost/$PORT"
printf 'POST /_matrix/client/v3/createRoom HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 2\r\n\r\n{}' "$TOKEN" >&3
read -r answer <&3
echo "$answer"
env >&2
exit 3
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_recorder_kills_the_program_at_a_request() {
    let synapse = Synapse::shared();
    let user = synapse.register("infra-kill").await;
    let recorder = Recorder::start(&synapse.url()).await;
    let url = recorder.url();
    let port = url.rsplit(':').next().expect("the URL has a port");
    let inviter = Inviter::new("").binary("/bin/bash").env("PORT", port).env("TOKEN", &user.access_token);
    let script = inviter.file("script", ONE_REQUEST);
    let inviter = inviter.env("BASH_ENV", script.to_str().expect("a UTF-8 path"));

    let outcome = inviter.run(&[]).await.status(3);
    assert_eq!(outcome.stdout, "HTTP/1.1 200 OK\r\n");
    assert!(!outcome.stderr.contains("CARGO"), "{outcome}");
    assert_eq!(user.joined_rooms().await.len(), 1);

    let victim = Victim::default();
    recorder.at_write(0, Action::KillBefore(victim.clone()));
    let outcome = inviter.spawn(&[], &victim).wait().await.killed();
    assert_eq!(outcome.stdout, "");
    assert_eq!(user.joined_rooms().await.len(), 1);

    recorder.at_write(0, Action::KillAfter(victim.clone()));
    let outcome = inviter.spawn(&[], &victim).wait().await.killed();
    assert_eq!(outcome.stdout, "");
    assert_eq!(user.joined_rooms().await.len(), 2);
}

#[tokio::test]
#[should_panic(expected = "inviter hangs")]
async fn a_program_that_hangs_fails_its_test() {
    let inviter = Inviter::new("").binary("/bin/bash").timeout(Duration::from_millis(100));
    let script = inviter.file("script", "exec sleep 60");
    let inviter = inviter.env("BASH_ENV", script.to_str().expect("a UTF-8 path"));
    inviter.run(&[]).await;
}
