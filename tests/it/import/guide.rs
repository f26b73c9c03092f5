//! What the README tells of moving over, held against the samples and the program.

use std::path::Path;

use serde_json::Value;

use super::{DIRECTORY_BOT, MAPPINGS_BOT, imported_with, ldap_bot};

fn guide() -> String {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, rest) = readme.split_once("\n## Moving over from the chat bots\n").expect("the README has this section");
    rest.split("\n## ").next().unwrap().to_owned()
}

/// The first column of all rows.
fn first_cells(table: &str) -> Vec<&str> {
    table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).collect()
}

/// The ways to all values, without the places in lists, and without the types of events.
fn keys(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) if path != "permissions.events" => {
            for (key, value) in map {
                keys(&if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, value, found);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            for value in list {
                keys(path, value, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn every_key_of_both_bots_is_in_its_table() {
    let guide = guide();
    for (title, sample, count) in [
        ("### The keys of the maubot plugin for Azure AD and LDAP\n", DIRECTORY_BOT, 28),
        ("### The keys of the maubot plugin for LDAP room mappings\n", MAPPINGS_BOT, 14),
    ] {
        let (_, table) = guide.split_once(title).expect("each bot has a table");
        let table = table.split("\n### ").next().unwrap();
        let mut found = Vec::new();
        keys("", &serde_saphyr::from_str(sample).unwrap(), &mut found);
        found.sort();
        found.dedup();
        assert_eq!(found.len(), count, "{found:?}");
        for key in found {
            let is_told = first_cells(table).iter().any(|cell| cell.contains(&format!("`{key}`")));
            assert!(is_told, "README.md does not tell what becomes of {key}");
        }
    }
}

#[test]
fn every_command_of_both_bots_is_in_the_table() {
    let guide = guide();
    let cells = first_cells(&guide).join(" ");
    for command in [
        "!inviter",
        "!idp",
        "!joined",
        "!managed",
        "!sync",
        "!sync dry",
        "!unmanage",
        "!invite-member",
        "!kick-member",
        "!invite-admin",
        "!ldap-check",
        "!ldap-sync",
    ] {
        assert!(cells.contains(&format!("`{command}")), "README.md does not tell what becomes of {command}");
    }
}

#[test]
fn every_file_and_mark_that_the_output_names_is_in_the_steps() {
    let guide = guide();
    for toml in
        [imported_with(DIRECTORY_BOT, &[]), imported_with(&ldap_bot(), &[]), imported_with(MAPPINGS_BOT, &["a"])]
    {
        for file in super::secret_files(&toml) {
            assert!(guide.contains(&format!("`{file}`")), "README.md does not name {file}");
        }
        for mark in ["TO DO", "CHANGED"] {
            assert!(toml.contains(&format!("# {mark}: ")) && guide.contains(&format!("`{mark}`")), "{mark}");
        }
    }
}
