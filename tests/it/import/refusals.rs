//! What cannot be imported, and what a person is told.

use std::fmt::Write as _;
use std::path::Path;

use inviter::import::import;

use super::{DIRECTORY_BOT, MAPPINGS_BOT, ldap_bot};
use crate::support::inviter::Inviter;

fn refusal(yaml: &str, values: &[&str]) -> String {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    match import(Path::new("bot.yaml"), yaml, &values) {
        Err(error) => error.to_string(),
        Ok(toml) => panic!("{yaml}\n{toml}"),
    }
}

#[test]
fn a_malformed_value_is_named_with_file_line_and_key() {
    let ldap = ldap_bot();
    for (old, new, expected) in [
        ("port: 389", "port: many", "bot.yaml:12:9: ldap.port: expected a whole number, found text"),
        ("port: 389", "port: 70000", "bot.yaml:12:9: ldap.port: expected a port, a number from 1 to 65535"),
        ("host: \"ipa.example.com\"", "host: [a]", "bot.yaml:11:9: ldap.host: expected text, found a list"),
        ("ipa.example.com", "ldapi://%2fsocket", "bot.yaml:11:9: ldap.host: inviter speaks to directories over"),
        ("ipa.example.com", "a/b", "bot.yaml:11:9: ldap.host: expected a host, perhaps with a port"),
        ("(!(memberof", "((memberof", "bot.yaml:17:16: ldap.user_filter: expected a search filter"),
        ("\"uid\"", "\"u id\"", "bot.yaml:18:23: ldap.username_attribute: expected the name of an attribute"),
        ("\"example.com\"", "\"exa mple\"", "bot.yaml:3:18: mxid_homeserver: expected a server name"),
        ("idp_type: ldap", "idp_type: file", "bot.yaml:2:11: idp_type: expected azure_ad or ldap"),
        ("cautious: True", "cautious: yes", "bot.yaml:41:11: cautious: expected true or false, found text"),
        ("cautious: True", "cautious:", "cautious: expected true or false, found nothing"),
        ("\"shared\"", "\"everyone\"", "bot.yaml:39:21: history_visibility: expected one of world_readable, shared"),
        ("kick: 100", "kick: 101", "bot.yaml:25:9: permissions.kick: inviter sets levels from -100 to 100"),
        ("kick: 100", "kick: 1.5", "permissions.kick: expected a power level, a whole number, found a number with"),
        ("m.room.topic: 50", "m.room.topic: all", "permissions.events.m.room.topic: expected a power level"),
        ("room: \"\"", "room: \"!abc:example.com\"", "administration_room: expected a room alias like #room"),
        ("renamed_users:", "renamed_users: {a: \"@b:c\"}", "renamed_users.a: expected the old username"),
        ("renamed_users:", "renamed_users: [a]", "renamed_users: expected keys with values, found a list"),
    ] {
        let message = refusal(&ldap.replacen(old, new, 1), &[]);
        assert!(message.starts_with("bot.yaml:") && message.contains(expected), "{expected}\n{message}");
    }
    let azure = DIRECTORY_BOT.replace("login.microsoftonline.com", "login.example.com");
    assert!(refusal(&azure, &[]).contains("azure_ad.azure_cloud_instance: expected the address of a cloud"));
}

#[test]
fn a_malformed_mapping_is_named_with_its_place_in_the_list() {
    for (old, new, expected) in [
        ("alias: '#event", "alias: 'event", "bot.yaml:10:12: sync_rooms[0].alias: "),
        ("'private'", "'secret'", "sync_rooms[0].visibility: expected public or private"),
        ("power_level: 0", "power_level: -1", "sync_rooms[0].ldap_members[0].power_level: inviter sets levels from 0"),
        ("        power_level: 0\n", "", "sync_rooms[0].ldap_members[0].power_level: this key is missing"),
        (
            "'@super.admin:matrix.server.tld'\n        power",
            "'super.admin'\n        power",
            "members[0].mxid: expected",
        ),
        ("#event-<1>-group-1", "#event", "sync_rooms[0].name: this has <1> and the alias has not"),
        ("sync_rooms:\n", "sync_rooms:\n  - alias: '#event-<1>-group-1:matrix.server.tld'\n", "two rooms are called"),
    ] {
        let message = refusal(&MAPPINGS_BOT.replacen(old, new, 1), &[]);
        assert!(message.starts_with("bot.yaml:") && message.contains(expected), "{expected}\n{message}");
    }
    assert!(refusal(MAPPINGS_BOT, &["a b"]).contains("it has a space"));
    assert!(refusal(&ldap_bot(), &["a"]).contains("leave out --value"));
    assert!(refusal(&MAPPINGS_BOT.replace("<1>", "x"), &["a"]).contains("leave out --value"));
}

#[test]
fn what_is_no_configuration_of_a_bot_is_refused() {
    for (yaml, expected) in [
        ("", "bot.yaml: this is the configuration of neither bot"),
        ("[1, 2]", "bot.yaml:1:1: expected keys with values, found a list"),
        ("idp_type: ldap\nsync_rooms: []\n", "bot.yaml: this has keys of two bots"),
        ("idp_type: ldap\nidp_type: ldap\n", "bot.yaml:2:1: this key is there twice"),
        ("idp_type: ldap\n", "ldap: this key is missing"),
        ("idp_type: *nothing\n", "bot.yaml:1:11: this alias refers to nothing"),
        ("idp_type: 'open\n", "bot.yaml:1:11: this cannot be read as YAML: unclosed quote"),
        ("idp_type: a\n---\nidp_type: b\n", "this cannot be read as YAML"),
    ] {
        let message = refusal(yaml, &[]);
        assert!(message.contains(expected), "{expected}\n{message}");
    }
}

#[test]
fn aliases_of_aliases_are_cut_off() {
    let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        let _ = writeln!(yaml, "a{level}: &a{level} [{aliases}]");
    }
    yaml.push_str("idp_type: *a19\n");
    assert!(refusal(&yaml, &[]).contains("its aliases expand to too much"));
    let deep = format!("idp_type: {}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(refusal(&deep, &[]).contains("YAML") || refusal(&deep, &[]).contains("larger"));
}

#[test]
fn an_error_never_quotes_what_may_be_a_secret() {
    for yaml in [
        "idp_type: ldap\nldap:\n  bind_password: \"hush\n  host: a\n",
        "idp_type: ldap\nldap:\n  bind_password: @hush\n",
        "idp_type: ldap\nldap:\n  host: a\n bind_password: hush\n",
        "idp_type: ldap\nldap:\n  bind_password: *hush\n",
        "idp_type: ldap\nldap: hush\n",
        "idp_type: ldap\nldap:\n  port: hush\n",
        "idp_type: hush\n",
    ] {
        let message = refusal(yaml, &[]);
        assert!(!message.contains("hush"), "{message}");
    }
}

#[tokio::test]
async fn the_program_prints_the_configuration_and_needs_none() {
    let inviter = Inviter::new("");
    std::fs::remove_file(inviter.folder().join("inviter.toml")).unwrap();
    inviter.file("bot.yaml", MAPPINGS_BOT);
    let outcome = inviter.run(&["import", "bot.yaml", "--value", "2026"]).await.success();
    assert!(outcome.stdout.contains("\nfor_each = [\"2026\"]\n") && outcome.stderr.is_empty(), "{outcome}");

    let missing = inviter.run(&["import", "other.yaml"]).await.status(1);
    assert!(missing.stderr.starts_with("error: other.yaml cannot be read: "), "{missing}");
    inviter.file("bot.yaml", "idp_type: \u{1b}[2J\n");
    let refused = inviter.run(&["import", "bot.yaml"]).await.status(1);
    assert!(refused.stderr.starts_with("error: bot.yaml:1:") && refused.stdout.is_empty(), "{refused}");
    assert!(!refused.stderr.contains('\u{1b}'), "{refused}");
}
