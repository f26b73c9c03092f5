//! Whatever stands in a bot's configuration, what comes out is a configuration or an error.

use std::fmt::Write as _;
use std::path::Path;

use inviter::config::IdpKind;
use inviter::import::import;
use proptest::prelude::*;

use super::{DIRECTORY_BOT, MAPPINGS_BOT, imported, ldap_bot, parsed};

/// Text as a YAML string that keeps every character.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        let _ = match c {
            ' '..='~' if c != '"' && c != '\\' => write!(quoted, "{c}"),
            _ => write!(quoted, "\\U{:08X}", u32::from(c)),
        };
    }
    quoted + "\""
}

/// Text with everything that quoting gets wrong.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\"".to_owned()),
        Just("\"\"\"".to_owned()),
        Just("'''".to_owned()),
        Just("\\".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\n[policy]\ncautious = false\n".to_owned()),
        Just("# ".to_owned()),
        Just("\u{1b}[2J".to_owned()),
        Just("\u{202e}\u{85}\u{2028}\u{feff}\u{0}\u{7f}".to_owned()),
        "[a-zA-Z0-9=, ]{1,12}",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

fn no_character_steers_a_terminal(toml: &str) {
    let odd = toml.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(odd, None, "{toml:?}");
    assert!(!toml.contains(['\u{202e}', '\u{2028}', '\u{feff}']), "{toml:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_well_formed_directory_is_accepted_and_its_text_arrives_as_it_was(
        (dn, groups, users) in (text(), text(), text()),
        renamed in proptest::collection::btree_map(text().prop_map(|key| key.to_lowercase()), "[a-z0-9._=-]{1,9}", 0..4),
        level in -100_i64..=100,
        (event, unknown) in (text(), text()),
        (encryption, cautious) in any::<(bool, bool)>(),
    ) {
        let mut yaml = format!(
            "idp_type: ldap\nmxid_homeserver: example.com\nencryption_on_room_creation: {encryption}\n\
             cautious: {cautious}\nldap:\n  host: a\n  bind_dn: {}\n  bind_password: hush-hush\n  base_dn_groups: {}\n  \
             base_dn_users: {}\n  user_filter: (a=b)\n  {}: 1\npermissions:\n  kick: {level}\n  events: {{{}: {level}}}\n\
             renamed_users:\n",
            quoted(&dn), quoted(&groups), quoted(&users), quoted(&format!("no {unknown}")), quoted(&event)
        );
        for (new, old) in &renamed {
            let _ = writeln!(yaml, "  {}: {}", quoted(new), quoted(old));
        }
        let toml = imported(&yaml);
        no_character_steers_a_terminal(&toml);
        prop_assert!(!toml.contains("hush-hush"));
        let config = parsed(&toml).map_err(|error| TestCaseError::fail(format!("{error}\n{toml}")))?;
        let IdpKind::Ldap(ldap) = &config.idps[0].kind else { panic!("{toml}") };
        prop_assert_eq!(&ldap.bind.as_ref().unwrap().0, &dn);
        prop_assert_eq!((&ldap.group_base, &ldap.user_base), (&groups, &users));
        prop_assert_eq!((config.room.encryption, config.policy.cautious), (encryption, cautious));
        prop_assert_eq!(config.renamed_users.len(), renamed.len());
        prop_assert_eq!(config.room.permissions.len(), 2);
    }

    #[test]
    fn well_formed_mappings_are_accepted_and_their_text_arrives_as_it_was(
        rooms in proptest::collection::vec((text(), text(), 0_i64..=100, any::<bool>()), 1..4),
        values in proptest::collection::btree_set("[a-z0-9]{1,5}", 1..4),
    ) {
        let mut yaml = "ldap: {uri: 'ldaps://a', mxid_homeserver: a, base_dn: b, user_filter: (a=b)}\nsync_rooms:\n"
            .to_owned();
        for (index, (name, group, level, public)) in rooms.iter().enumerate() {
            let visibility = if *public { "public" } else { "private" };
            let _ = write!(
                yaml,
                "  - alias: '#room{index}-<1>:a'\n    visibility: {visibility}\n    name: {}\n    ldap_members:\n      \
                 - ldap_group: {}\n        power_level: {level}\n",
                quoted(name), quoted(&format!("{group},dc=a"))
            );
        }
        let values: Vec<String> = values.into_iter().collect();
        let toml = import(Path::new("bot.yaml"), &yaml, &values)
            .map_err(|error| TestCaseError::fail(format!("{error}\n{yaml}")))?;
        no_character_steers_a_terminal(&toml);
        // A group whose name has an odd comma or backslash at its end may leave no base that all have in common.
        let toml = toml.replace("# group_base = ", "group_base = ");
        let config = parsed(&toml).map_err(|error| TestCaseError::fail(format!("{error}\n{toml}")))?;
        prop_assert_eq!(config.rooms.len(), rooms.len() * values.len());
        for (found, (name, group, level, public)) in config.rooms.chunks(values.len()).zip(&rooms) {
            prop_assert_eq!(found[0].name.as_ref(), Some(name));
            prop_assert_eq!(&found[0].groups[0].group, &format!("{group},dc=a"));
            prop_assert_eq!((found[0].groups[0].level, found[0].listed), (Some(*level), Some(*public)));
        }
    }

    #[test]
    fn a_broken_configuration_is_an_error_or_toml_and_never_a_panic(
        sample in 0..3_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..12_usize, text()), 1..6),
    ) {
        let mut yaml = [DIRECTORY_BOT.to_owned(), ldap_bot(), MAPPINGS_BOT.to_owned()][sample].clone();
        for (at, remove, insert) in changes {
            let boundaries: Vec<usize> = yaml.char_indices().map(|(index, _)| index).collect();
            if boundaries.is_empty() { break; }
            let start = at.index(boundaries.len());
            let end = boundaries.get(start + remove).copied().unwrap_or(yaml.len());
            yaml.replace_range(boundaries[start]..end, &insert);
        }
        if let Ok(toml) = import(Path::new("bot.yaml"), &yaml, &[]) {
            no_character_steers_a_terminal(&toml);
            prop_assert!(toml.parse::<toml::Table>().is_ok(), "{}", toml);
        }
    }

    #[test]
    fn any_text_is_an_error_or_toml_and_never_a_panic(yaml in text()) {
        if let Ok(toml) = import(Path::new("bot.yaml"), &yaml, &[]) {
            prop_assert!(toml.parse::<toml::Table>().is_ok(), "{}", toml);
        }
    }
}
