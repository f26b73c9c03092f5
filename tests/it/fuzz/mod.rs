//! Made-up text for what reads text from outside, through the front door; what is private has such tests beside it.
//!
//! `INVITER_FUZZ_SECONDS=600 cargo test fuzz` gives each of them ten minutes.

use std::collections::BTreeMap;
use std::path::Path;

use inviter::config::Config;
use inviter::import::import;
use inviter::naming::{self, Convention, GroupName, InvalidNames};
use inviter::power::{PermissionKey, PowerLevels};
use inviter::printable::harmless;
use matrix_sdk::ruma::{server_name, user_id};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::fuzz::{any_json, mutated, nasty, try_all};

fn examples() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut texts: Vec<String> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "toml"))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    texts.sort();
    assert!(texts.len() > 5);
    texts
}

#[test]
fn fuzz_any_configuration_is_one_or_an_error_that_names_the_file_and_no_secret() {
    let inline = "[matrix]\nhomeserver = \"https://a\"\naccess_token = \"canary-1\"\ntimeout = \"30s\"\n[[idp]]\nname = \"a\"\n\
                  type = \"ldap\"\nmxid_homeserver = \"a\"\nurl = \"ldaps://a\"\nbind_dn = \"cn=a\"\nbind_password = \"canary-2\"\n\
                  group_base = \"dc=a\"\nuser_base = \"dc=a\"\nuser_filter = \"(&(a=b)(!(c=d)))\"\n[policy]\nmax_kicks = 7\n\
                  reinvite_after = \"24h\"\n[room]\npermissions = { invite = 50, events = { \"m.room.name\" = 60 } }\n\
                  [[rooms]]\nalias = \"#a-<1>:a\"\nfor_each = [\"b\"]\ngroups = [{ group = \"g\", level = 50 }]\n\
                  [renamed_users]\na = \"b\"\n";
    let samples = examples().into_iter().chain([inline.to_owned(), inline.to_owned(), String::new()]).collect();
    try_all(&mutated(samples), |text| match Config::parse(Path::new("inviter.toml"), &text) {
        Ok(config) => {
            assert!(!config.idps.is_empty());
            assert!(!format!("{config:?}").contains("canary"), "{config:?}");
        }
        Err(error) => {
            let error = error.to_string();
            assert!(error.starts_with("inviter.toml:"), "{error}\n{text}");
            // Where a secret stands under another key than its own, it is none that can be known.
            let cut = text.contains("access_token = \"canary-1\"\n") && text.contains("bind_password = \"canary-2\"\n");
            assert!(!cut || !error.contains("canary"), "{error}\n{text}");
            assert!(harmless(&error).chars().count() < 20_000);
        }
    });
}

#[test]
fn fuzz_any_configuration_of_a_bot_is_toml_or_an_error_that_names_the_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/import");
    let bot = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let samples = vec![bot("directory_bot.yaml"), bot("mappings_bot.yaml"), String::new()];
    try_all(&(mutated(samples), proptest::collection::vec("[a-z0-9]{1,5}", 0..3)), |(yaml, values)| {
        match import(Path::new("bot.yaml"), &yaml, &values) {
            Ok(toml) => {
                assert!(toml.parse::<toml::Table>().is_ok(), "{toml}");
                assert!(!toml.chars().any(|c| c != '\n' && harmless(&c.to_string()) != c.to_string()), "{toml:?}");
            }
            Err(error) => assert!(error.to_string().starts_with("bot.yaml"), "{error}\n{yaml}"),
        }
    });
}

#[test]
fn fuzz_a_group_name_is_the_alias_that_it_was_made_of_or_no_room() {
    let token = Convention::Token { token: "xxx".into(), owners_suffix: "_owners".into() };
    let prefix = Convention::Prefix { prefix: "MTRX ".into(), owners_suffix: None };
    let sound = ("[a-w0-9._=-]{1,20}", "[a-w][a-w0-9.-]{0,20}[a-w]", proptest::option::of(1_u16..));
    try_all(&sound, |(local, server, port)| {
        let server = port.map_or(server.clone(), |port| format!("{server}:{port}"));
        let alias = format!("#{local}:{server}");
        for (convention, name) in [
            (&token, format!("xxx{local}xxx{}", server.replace(':', "xxx"))),
            (&prefix, format!("MTRX {alias}")),
            (&Convention::Alias, alias.clone()),
        ] {
            match convention.read(&name) {
                Ok(GroupName::Room(read)) => assert_eq!(read.as_str(), alias, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    });
    let odd = prop_oneof![
        nasty(),
        nasty().prop_map(|text| format!("xxx{text}xxxa")),
        nasty().prop_map(|text| format!("MTRX #{text}:a"))
    ];
    try_all(&odd, |name| {
        for convention in [&token, &prefix, &Convention::Alias] {
            match convention.read(&name) {
                Ok(GroupName::Room(alias) | GroupName::Owners(alias)) => {
                    let seen = harmless(alias.as_str()).replace("\\u{200c}", "").replace("\\u{200d}", "");
                    assert!(!seen.contains("\\u{") || alias.as_str().contains("\\u{"), "{seen}");
                    assert!(alias.as_str().len() <= 255 && !alias.as_str().contains(char::is_whitespace));
                    let _ = naming::room_name(&alias);
                }
                Ok(GroupName::Other) => {
                    assert!(!name.starts_with("xxx") || !matches!(convention, Convention::Token { .. }));
                }
                Err(error) => assert!(harmless(&error.to_string()).contains("no room alias")),
            }
        }
    });
}

#[test]
fn fuzz_a_username_is_a_valid_matrix_user_or_an_error() {
    let name = prop_oneof![nasty(), "[A-Za-z0-9._=/+-]{1,20}", "\\PC{0,300}"];
    try_all(&name, |name| {
        for invalid in [InvalidNames::Report, InvalidNames::Map] {
            let Ok(user) = naming::user_id(&name, server_name!("example.com"), invalid) else { continue };
            let local = user.localpart();
            let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._=/+".contains(c);
            assert!(!local.is_empty() && local.chars().all(is_allowed) && user.as_str().len() <= 255, "{user}");
            assert_eq!(user.server_name(), "example.com");
            if invalid == InvalidNames::Map {
                assert_eq!(unmapped(local), name.to_lowercase().into_bytes(), "{user}");
            }
        }
    });
}

/// The bytes that `=xx` stand for.
fn unmapped(local: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = local;
    while let Some(c) = rest.chars().next() {
        if c == '=' {
            bytes.push(u8::from_str_radix(&rest[1..3], 16).unwrap());
            rest = &rest[3..];
        } else {
            bytes.push(rest.as_bytes()[0]);
            rest = &rest[1..];
        }
    }
    bytes
}

#[test]
fn fuzz_any_power_levels_are_read_and_patching_changes_what_is_named_and_nothing_else() {
    let content = (any_json(), any_json(), any_json()).prop_map(|(whole, users, bar)| match whole {
        Value::Object(mut content) => {
            content.insert("users".into(), users);
            content.insert("kick".into(), bar);
            content
        }
        _ => serde_json::Map::new(),
    });
    let key = prop_oneof![
        nasty().prop_map(PermissionKey::Top),
        nasty().prop_map(PermissionKey::Event),
        nasty().prop_map(PermissionKey::Notification)
    ];
    let permissions = proptest::collection::btree_map(key, -100..=100_i64, 0..3);
    try_all(&(content, permissions, proptest::option::of(0..=100_i64)), |(content, permissions, level)| {
        // What replaces a whole table is a case of its own.
        let replaces = |key: &PermissionKey| matches!(key, PermissionKey::Top(name) if matches!(name.as_str(), "users" | "events" | "notifications"));
        if permissions.keys().any(replaces) {
            return;
        }
        let levels = PowerLevels::new(Some(content.clone()), [].into(), None);
        let (alice, me) = (user_id!("@a:x"), user_id!("@me:x"));
        let before = levels.of(me);
        let _ = (levels.to_invite(), levels.to_kick(), levels.to_send_state("m.room.name"), levels.entries().count());
        let patched = levels.patched(&permissions, &BTreeMap::from([(alice.to_owned(), level)]));
        let after = PowerLevels::new(Some(patched.clone()), [].into(), None);
        assert_eq!(after.entry(alice), level);
        for (key, wanted) in &permissions {
            assert_eq!(after.permission(key), Some(*wanted), "{key:?}");
        }
        let changes_default = permissions.contains_key(&PermissionKey::Top("users_default".into()));
        if content.get("users").is_none_or(Value::is_object) && !changes_default {
            assert_eq!(after.of(me), before);
        }
        for (key, value) in &content {
            let is_ours = key == "users"
                || permissions.keys().any(|named| match named {
                    PermissionKey::Top(name) => name == key,
                    PermissionKey::Event(_) => key == "events",
                    PermissionKey::Notification(_) => key == "notifications",
                });
            assert!(is_ours || patched.get(key) == Some(value), "{key}");
        }
        // Once more makes no difference.
        assert_eq!(after.patched(&permissions, &BTreeMap::from([(alice.to_owned(), level)])), patched);
    });
}
