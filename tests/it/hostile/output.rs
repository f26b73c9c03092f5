//! Nothing that steers a terminal or misleads a reader comes through, whatever it stands in.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::account::encode;
use crate::support::double::{Double, Manners};
use crate::support::inviter::{Inviter, Outcome};
use crate::support::recorder::Action;
use crate::support::slapd::{Slapd, SlapdOptions};
use crate::sync::scene::Scene;

/// Writes the clipboard, clears the screen, sets a title, colours by a C1 control, turns the direction, hides.
const EVIL: &str =
    "a\u{1b}]52;c;aGk=\u{7}\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\r\n\u{8}\u{202e}b\u{2066}\u{200b}\u{2028}\u{e0041}\u{ad}c";

/// Looks at every character of both streams.
#[track_caller]
fn clean(outcome: &Outcome, about: &str) {
    for (stream, text) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
        let harmful = text.chars().find(|c| {
            c.is_control() && *c != '\n'
                || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
                || matches!(c, '\u{feff}' | '\u{e0000}'..='\u{e007f}')
        });
        assert_eq!(harmful, None, "{about}: {stream}\n{text:?}");
    }
}

/// Runs all commands in all formats, with all that is logged, and returns what they said.
async fn every_command(inviter: &Inviter, alias: &str, user: &str) -> String {
    let commands: [&[&str]; 9] = [
        &["sync", "--dry-run", "--kick"],
        &["sync"],
        &["sync", "--kick"],
        &["idp"],
        &["joined"],
        &["managed"],
        &["unmanage", alias, user, "--dry-run"],
        &["invite-member", alias, user],
        &["kick-member", alias, user],
    ];
    let mut said = String::new();
    for command in commands {
        for format in ["text", "json"] {
            let arguments = [&["-vvv", "--color", "never", "--format", format], command].concat();
            let outcome = inviter.run(&arguments).await;
            clean(&outcome, &arguments.join(" "));
            if format == "json" && !outcome.stdout.is_empty() {
                serde_json::from_str::<Value>(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"));
            }
            let _ = writeln!(said, "{outcome}");
        }
    }
    said
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            encoded.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    encoded
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_directory_or_a_room_steers_the_terminal() {
    let scene = Scene::new("evilout").await;
    let people = scene.people(&["root", "alice", "bob"]).await;
    let slapd = Slapd::start(&SlapdOptions::default());
    let base = slapd.base_dn();
    let mut ldif = String::new();
    for (uid, name) in [("alice", scene.uid("alice")), ("bob", scene.uid("bob")), ("evil", EVIL.to_owned())] {
        let _ = write!(
            ldif,
            "dn: uid={uid},ou=people,{base}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn:: {}\nsn: x\ndescription:: {}\n\n",
            base64(EVIL),
            base64(&name)
        );
    }
    let server = scene.synapse.server_name();
    let names = [
        scene.group("ops"),
        format!("{}_owners", scene.group("ops")),
        format!("xxx{EVIL}xxx{server}"),
        format!("xxx{EVIL}"),
        format!("xxx{}-b\u{202e}idi\u{200b}xxx{server}", scene.uid("x")),
        EVIL.to_owned(),
    ];
    for (at, name) in names.iter().enumerate() {
        let _ = write!(
            ldif,
            "dn: cn=g{at},ou=groups,{base}\nobjectClass: groupOfNames\ncn: g{at}\ndescription:: {}\n\
             member: uid=alice,ou=people,{base}\nmember: uid=evil,ou=people,{base}\nmember:: {}\n\n",
            base64(name),
            base64(&format!("cn=gone \\1b\\c2\\9b \u{202e},{base}")),
        );
    }
    slapd.add(&ldif);

    // A room of people, in which everything that can be is hostile.
    let alias = scene.alias("ops");
    let local = alias[1..].split(':').next().unwrap();
    let room = people["root"]
        .create_room(json!({
            "room_alias_name": local, "name": EVIL, "topic": EVIL, "room_version": "9", "invite": [scene.me.user_id, people["bob"].user_id],
            "power_level_content_override": { "events": { EVIL: 50 }, "notifications": { EVIL: 50 } },
        }))
        .await;
    people["bob"].join(&room).await;
    let member = json!({ "membership": "join", "displayname": EVIL, EVIL: EVIL });
    people["bob"].put_state(&room, "m.room.member", &people["bob"].user_id, member).await;
    scene.me.join(&room).await;
    people["root"].put_state(&room, "org.example", EVIL, json!({ EVIL: EVIL })).await;
    people["root"].put_state(&room, "m.space.child", EVIL, json!({ "via": [EVIL] })).await;
    people["root"].put_state(&room, "m.room.history_visibility", "", json!({ "history_visibility": "shared" })).await;

    let more = format!(
        "group_name_attribute = \"description\"\nusername_attribute = \"description\"\n[policy]\nadopt = true\n[[rooms]]\n\
         alias = {alias:?}\nname = \"plain\"\ntopic = {topic}\ngroups = [{{ group = {group} }}]\n",
        topic = json!(EVIL.replace('\u{7f}', "")),
        group = json!(EVIL),
    );
    let inviter = scene.with_directory(&slapd, &more);
    let said = every_command(&inviter, &alias, &scene.user("bob")).await;
    for (what, part) in [
        ("text", "a\\u{1b}]52;c;aGk="),
        ("text", "\\u{202e}b\\u{2066}"),
        ("JSON", "\\u202eb\\u2066"),
        ("a group that names no room", "is no room alias"),
        ("the room", &alias),
    ] {
        assert!(said.contains(part), "{what} does not show {part:?}, so this looks at nothing\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_homeserver_answers_steers_the_terminal() {
    let scene = Scene::new("evilhs").await;
    let people = scene.people(&["alice", "bob"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"]), ("new", &["bob"])], "");
    let alias = scene.alias("ops");
    inviter.run(&["sync", "--room", &alias]).await.success();
    scene.accept("ops", &people, &["alice"]).await;
    let bodies = [
        (403, json!({ "errcode": EVIL, "error": EVIL }).to_string()),
        (429, json!({ "errcode": "M_LIMIT_EXCEEDED", "error": EVIL, "retry_after_ms": 86_400_000 }).to_string()),
        (502, format!("<html><title>{EVIL}</title>")),
        (200, format!("{{\"{EVIL}")),
        (200, json!({ EVIL: EVIL, "user_id": EVIL, "room_id": EVIL, "joined_rooms": EVIL }).to_string()),
    ];
    let mut said = String::new();
    for (status, body) in bodies {
        for (part, writes) in
            [("", true), ("/state", false), ("whoami", false), ("/directory/", false), ("versions", false)]
        {
            let body = body.clone();
            scene.recorder.on_request(move |_, request| {
                if request.is_write() == writes && request.path.contains(part) {
                    Action::Answer { status, headers: Vec::new(), body: body.clone() }
                } else {
                    Action::Forward
                }
            });
            let (by_run, by_hand) = (vec!["sync", "--kick"], vec!["invite-member", &alias, "@guest:elsewhere.org"]);
            for command in if writes { vec![by_run, by_hand] } else { vec![vec!["managed"]] } {
                let arguments = [vec!["-vvv", "--color", "never"], command].concat();
                let outcome = inviter.run(&arguments).await;
                clean(&outcome, &format!("{status} to {part:?}: {}", arguments.join(" ")));
                let _ = writeln!(said, "{outcome}");
            }
        }
    }
    assert!(said.contains("403 a\\u{1b}]52;c;aGk="), "this looks at nothing\n{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_configuration_a_file_or_a_bot_steers_the_terminal() {
    let quoted = json!(EVIL);
    let sound = "[matrix]\nhomeserver = \"https://a\"\naccess_token = \"a\"\n";
    let file = "[[idp]]\nname = \"a\"\ntype = \"file\"\nmxid_homeserver = \"a\"\npath = \"r.toml\"\n";
    let mut said = String::new();
    let mut told = |outcome: &Outcome, about: &str| {
        clean(outcome, about);
        assert_ne!(outcome.status, 101, "{outcome}");
        let _ = writeln!(said, "{outcome}");
    };
    let configurations = [
        format!("{quoted} = 1\n"),
        format!("[matrix]\n{quoted} = 1\n"),
        format!("[matrix]\nhomeserver = {quoted}\n"),
        format!("{sound}[[idp]]\nname = {quoted}\ntype = \"file\"\nmxid_homeserver = \"a\"\npath = {quoted}\n"),
        format!("{sound}{file}[room]\npermissions = {{ {quoted} = 1 }}\n"),
        format!("{sound}{file}[renamed_users]\n{quoted} = {quoted}\n"),
        format!("{sound}{file}[[rooms]]\nalias = {quoted}\n"),
        EVIL.to_owned(),
    ];
    for configuration in &configurations {
        told(&Inviter::new(configuration).run(&["-vvv", "idp"]).await, configuration);
    }
    let inviter = Inviter::new(&format!("{sound}{file}"));
    for rooms in [
        format!("[[rooms]]\nalias = {quoted}\nid = {quoted}\nmembers = [\"a\"]\n"),
        format!("[[rooms]]\nalias = \"#a:a\"\nmembers = [{quoted}]\n"),
        "[[rooms]]\nalias = \"#a:a\"\nmembers = [\"b\u{202e}c\u{200b}\"]\n".to_owned(),
        "[[rooms]]\nalias = \"#a\u{202e}:a\"\nmembers = [\"b\"]\n".to_owned(),
        format!("[[rooms]]\n{quoted} = 1\n"),
        EVIL.to_owned(),
    ] {
        inviter.file("r.toml", &rooms);
        for format in ["text", "json"] {
            told(&inviter.run(&["-vvv", "--format", format, "idp"]).await, &rooms);
        }
    }
    for yaml in [
        format!("{quoted}: {quoted}\n"),
        format!("idp_type: {quoted}\n"),
        format!("ldap: {{{quoted}: 1}}\n"),
        EVIL.to_owned(),
    ] {
        inviter.file("bot.yaml", &yaml);
        told(&inviter.run(&["import", "bot.yaml"]).await, &yaml);
    }
    told(&inviter.run(&["import", &format!("{EVIL}.yaml")]).await, "a file name");
    assert!(said.contains("\\u{202e}"), "this looks at nothing\n{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_directory_says_of_an_error_steers_the_terminal() {
    for code in [1, 4, 11, 49, 50, 52, 80] {
        let manners = Manners { result: Some(("groups", code, 0)), says: EVIL, ..Manners::default() };
        let double =
            Double::start(manners, vec![("ou=groups,dc=a".into(), Vec::new()), ("ou=people,dc=a".into(), Vec::new())]);
        let inviter = Inviter::new(&format!(
            "[matrix]\nhomeserver = \"https://a\"\naccess_token = \"a\"\n[[idp]]\nname = \"a\"\ntype = \"ldap\"\n\
             mxid_homeserver = \"a\"\nurl = {:?}\nallow_plaintext = true\ngroup_base = \"ou=groups,dc=a\"\nuser_base = \"ou=people,dc=a\"\n",
            double.url()
        ));
        let outcome = inviter.run(&["-vvv", "idp"]).await.status(1);
        clean(&outcome, "an LDAP error");
        assert!(outcome.stderr.contains("\\u{1b}]52;c;aGk="), "{outcome}");
    }
}

#[test]
fn a_harmful_character_is_found() {
    let outcome = |stdout: &str| Outcome {
        status: 0,
        stdout: stdout.into(),
        stderr: String::new(),
        duration: std::time::Duration::ZERO,
    };
    clean(&outcome("fine\n"), "");
    for c in ["\u{1b}", "\r", "\u{9b}", "\u{202e}", "\u{200b}", "\u{2028}", "\u{ad}"] {
        assert!(std::panic::catch_unwind(|| clean(&outcome(c), "")).is_err(), "{c:?}");
    }
    assert_eq!((base64("abc"), base64("ab"), base64("a")), ("YWJj".into(), "YWI=".into(), "YQ==".into()));
    assert_eq!(encode("\u{1b}"), "%1B");
}
