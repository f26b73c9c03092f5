//! What becomes of each key.

use inviter::config::{HistoryVisibility, IdpKind, LdapIdp, RenamedUser};
use inviter::power::PermissionKey;

use super::{DIRECTORY_BOT, MAPPINGS_BOT, imported, imported_with, ldap_bot, parsed};

fn ldap_of(toml: &str) -> LdapIdp {
    let config = parsed(toml).unwrap_or_else(|error| panic!("{error}\n{toml}"));
    let IdpKind::Ldap(ldap) = &config.idps[0].kind else { panic!("{toml}") };
    (**ldap).clone()
}

#[test]
fn the_sample_for_azure_ad_reads_like_this() {
    insta::assert_snapshot!(imported(DIRECTORY_BOT));
}

#[test]
fn the_sample_for_ldap_reads_like_this() {
    insta::assert_snapshot!(imported(&ldap_bot()));
}

#[test]
fn the_sample_for_room_mappings_reads_like_this() {
    insta::assert_snapshot!(imported_with(MAPPINGS_BOT, &["2026", "2027"]));
}

#[test]
fn the_sample_for_ldap_is_accepted_and_means_the_same() {
    let toml = imported(&ldap_bot());
    let config = parsed(&toml).unwrap_or_else(|error| panic!("{error}\n{toml}"));
    let ldap = ldap_of(&toml);
    assert_eq!((ldap.urls[0].as_str(), ldap.starttls), ("ldap://ipa.example.com:389", true));
    assert_eq!(ldap.bind.unwrap().0, "uid=inviterbot,cn=sysaccounts,cn=etc,dc=example,dc=com");
    assert_eq!(ldap.group_base, "cn=groups,cn=accounts,dc=example,dc=com");
    assert_eq!(ldap.user_base, "cn=users,cn=accounts,dc=example,dc=com");
    assert_eq!(
        ldap.user_filter.as_deref(),
        Some("(!(memberof=cn=company_employees,cn=groups,cn=accounts,dc=example,dc=com))")
    );
    assert_eq!(ldap.username_attribute.as_deref(), Some("uid"));
    assert_eq!(config.idps[0].mxid_homeserver, "example.com");
    assert!(config.policy.cautious && config.policy.adopt && config.room.encryption);
    assert_eq!(config.room.history_visibility, Some(HistoryVisibility::Shared));
    let level = |key| config.room.permissions.get(&key).copied();
    for (key, expected) in [("users_default", 0), ("state_default", 50), ("invite", 100), ("kick", 100)] {
        assert_eq!(level(PermissionKey::Top(key.into())), Some(expected), "{key}");
    }
    assert_eq!(level(PermissionKey::Event("m.room.pinned_events".into())), Some(0));
    assert_eq!(config.room.permissions.len(), 7 + 10);
    assert!(config.renamed_users.is_empty() && config.report.room.is_none());
}

#[test]
fn the_sample_for_room_mappings_is_accepted_and_means_the_same() {
    let toml = imported_with(MAPPINGS_BOT, &["2026", "2027"]);
    let config = parsed(&toml).unwrap_or_else(|error| panic!("{error}\n{toml}"));
    let ldap = ldap_of(&toml);
    assert_eq!(ldap.group_base, "cn=groups,dc=foo,dc=bar,dc=tld");
    assert_eq!(ldap.user_base, "cn=users,dc=foo,dc=bar,dc=tld");
    assert_eq!(ldap.user_filter.as_deref(), Some("(objectClass=inetOrgPerson)"));
    assert!(config.policy.cautious, "the bot removed nobody");
    let aliases: Vec<&str> = config.rooms.iter().map(|room| room.alias.as_str()).collect();
    assert_eq!(aliases, ["#event-2026-group-1:matrix.server.tld", "#event-2027-group-1:matrix.server.tld"]);
    let room = &config.rooms[1];
    assert_eq!((room.name.as_deref(), room.listed), (Some("Foo 2027"), Some(false)));
    let groups: Vec<_> = room.groups.iter().map(|group| (group.group.as_str(), group.level)).collect();
    assert_eq!(
        groups,
        [
            ("cn=event-2027-group1,cn=groups,dc=foo,dc=bar,dc=tld", Some(0)),
            ("cn=event-2027-tutors1,cn=groups,dc=foo,dc=bar,dc=tld", Some(100))
        ]
    );
    let members: Vec<_> = room.members.iter().map(|(user, level)| (user.as_str(), *level)).collect();
    assert_eq!(members, [("@super.admin:matrix.server.tld", Some(100))]);
}

/// Whether `Config` knows `type = "entra"`. The test below fails when this is no longer true, and then wants it set.
const ENTRA_IS_KNOWN: bool = true;

#[test]
fn a_filled_in_azure_ad_means_the_same() {
    let id = |n: u8| format!("{n}{n}{n}{n}{n}{n}{n}{n}-0000-4000-8000-000000000000");
    let mut yaml = DIRECTORY_BOT.to_owned();
    for (n, key) in [(1, "azure_root_group_id"), (2, "azure_tenant_id"), (3, "azure_client_id")] {
        yaml = yaml.replace(&format!("{key}: \"\""), &format!("{key}: {:?}", id(n)));
    }
    let toml = imported(&yaml);
    let table: toml::Table = toml.parse().unwrap();
    let idp = &table["idp"][0];
    for (key, expected) in [
        ("type", "entra".to_owned()),
        ("name", "entra".to_owned()),
        ("mxid_homeserver", "example.com".to_owned()),
        ("cloud", "public".to_owned()),
        ("root_group_id", id(1)),
        ("tenant_id", id(2)),
        ("client_id", id(3)),
        ("client_secret_file", "client-secret".to_owned()),
        ("room_prefix", "MTRX ".to_owned()),
    ] {
        assert_eq!(idp[key].as_str(), Some(expected.as_str()), "{key}");
    }
    assert_eq!(idp.as_table().unwrap().len(), 9);
    assert_eq!(parsed(&toml).map(|_| ()).map_err(|error| error.to_string()).is_ok(), ENTRA_IS_KNOWN, "{toml}");
}

#[test]
fn without_values_the_placeholder_is_left_to_a_person() {
    let toml = imported(MAPPINGS_BOT);
    assert!(toml.contains("# TO DO: list the values of <1>") && toml.contains("# for_each = [\"...\"]"), "{toml}");
    let config = parsed(&toml).unwrap_or_else(|error| panic!("{error}\n{toml}"));
    assert!(config.rooms.is_empty());
    let filled = toml.replace("# for_each = [\"...\"]", "for_each = [\"2026\"]");
    assert_eq!(parsed(&filled).unwrap().rooms.len(), 1);
}

#[test]
fn what_a_bot_left_empty_is_a_comment_that_asks_for_it() {
    let toml = imported("idp_type: ldap\nldap:\n");
    for key in ["url", "mxid_homeserver", "homeserver", "group_base", "user_base"] {
        assert!(toml.contains(&format!("\n# {key} = ")), "{key}\n{toml}");
    }
    assert!(parsed(&toml).is_err(), "nothing runs until it is filled in");
}

#[test]
fn no_secret_is_copied() {
    for (yaml, key) in [
        (ldap_bot().replace("bind_password: \"\"", "bind_password: \"geheim!7\""), "directory-password"),
        (DIRECTORY_BOT.replace("azure_client_secret: \"\"", "azure_client_secret: \"geheim!7\""), "client-secret"),
        (MAPPINGS_BOT.replace("verySecure", "geheim!7"), "directory-password"),
    ] {
        let toml = imported(&yaml);
        assert!(!toml.contains("geheim"), "{toml}");
        assert!(toml.contains(&format!("into the file {key} beside this one; it is the bot's")), "{toml}");
    }
}

#[test]
fn what_the_bot_did_not_set_is_what_its_sample_says() {
    let toml = imported(
        "idp_type: ldap\nmxid_homeserver: example.com\nldap: {host: a, base_dn_users: b, base_dn_groups: c}\n",
    );
    let (found, expected) = (parsed(&toml).unwrap(), parsed(&imported(&ldap_bot())).unwrap());
    assert_eq!(found.room, expected.room);
    assert!(found.policy.cautious);
}

#[test]
fn the_address_of_the_directory_keeps_its_meaning() {
    for (host, port, url, starttls) in [
        ("ldap.example.com", "389", "ldap://ldap.example.com:389", true),
        ("ldap.example.com", "", "ldap://ldap.example.com", true),
        ("ldap.example.com", "\"3890\"", "ldap://ldap.example.com:3890", true),
        ("ldaps://ldap.example.com", "636", "ldaps://ldap.example.com:636", false),
        ("ldap.example.com:3890", "389", "ldap://ldap.example.com:3890", true),
        ("ldap.example.com", "636", "ldaps://ldap.example.com:636", false),
        ("\"2001:db8::1\"", "389", "ldap://[2001:db8::1]:389", true),
        ("192.0.2.1", "389", "ldap://192.0.2.1:389", true),
    ] {
        let yaml = ldap_bot().replace("host: \"ipa.example.com\"", &format!("host: {host}"));
        let toml = imported(&yaml.replace("port: 389", &format!("port: {port}")));
        let ldap = ldap_of(&toml);
        assert_eq!((ldap.urls[0].as_str(), ldap.starttls), (url, starttls), "{host} {port}");
        assert!(toml.contains("# CHANGED: the bot"), "the risk is named");
    }
}

#[test]
fn a_filter_of_several_parts_is_one_that_wants_all_of_them() {
    let toml =
        imported(&MAPPINGS_BOT.replace("(objectClass=inetOrgPerson)", "(objectClass=person)(employeeType=staff)"));
    assert_eq!(ldap_of(&toml).user_filter.as_deref(), Some("(&(objectClass=person)(employeeType=staff))"));
}

#[test]
fn clouds_are_called_by_their_names() {
    for (url, cloud) in [
        ("https://login.microsoftonline.com/", "public"),
        ("https://login.microsoftonline.us", "us_government"),
        ("https://login.chinacloudapi.cn/", "china"),
        ("login.partner.microsoftonline.cn", "china"),
    ] {
        let toml = imported(&DIRECTORY_BOT.replace("https://login.microsoftonline.com/", url));
        assert!(toml.contains(&format!("\ncloud = \"{cloud}\"\n")), "{toml}");
    }
}

#[test]
fn renamed_users_stay_who_they_are_and_what_the_bot_ignored_is_left_out() {
    let users = "renamed_users:\n  testnew: testold\n  Shouting: quiet\n  12: 34\n  nobody: \"\"\n";
    let toml = imported(&ldap_bot().replace("renamed_users:\n", users));
    let renamed = parsed(&toml).unwrap().renamed_users;
    let renamed: Vec<_> = renamed.iter().map(|(new, old)| (new.as_str(), old.clone())).collect();
    let localpart = |old: &str| RenamedUser::Localpart(old.into());
    assert_eq!(renamed, [("12", localpart("34")), ("testnew", localpart("testold"))]);
    assert!(toml.contains("usernames in lower case: Shouting"), "{toml}");
}

#[test]
fn the_administration_room_is_told_what_runs_do() {
    let toml = imported(&ldap_bot().replace("administration_room: \"\"", "administration_room: \"#bots:example.com\""));
    assert_eq!(parsed(&toml).unwrap().report.room.unwrap(), "#bots:example.com");
    assert!(toml.contains("# CHANGED: the bot took commands in this room"), "{toml}");
}

#[test]
fn keys_that_nobody_knows_are_listed_by_name_alone() {
    let yaml = ldap_bot()
        .replace("cautious: True", "cautious: True\nextra_token: hush")
        .replace("  port: 389", "  port: 389\n  use_tls: hush")
        .replace("  redact: 100", "  redact: 100\n  notifications: {room: 50}");
    let toml = imported(&yaml);
    assert!(toml.contains("left out: ldap.use_tls, permissions.notifications, extra_token\n"), "{toml}");
    assert!(!toml.contains("hush"), "{toml}");
    let mappings =
        imported(&MAPPINGS_BOT.replace("    visibility: 'private'", "    visibility: 'private'\n    topic: x"));
    assert!(mappings.contains("left out: sync_rooms[0].topic\n"), "{mappings}");
}

#[test]
fn groups_in_several_places_have_a_common_base_without_the_placeholder() {
    for (group, base) in [
        ("cn=a,ou=<1>,cn=groups,dc=foo,dc=bar,dc=tld", "cn=groups,dc=foo,dc=bar,dc=tld"),
        ("cn=a, ou=other, DC=foo, dc=bar, dc=tld", "DC=foo,dc=bar,dc=tld"),
        ("cn=a\\,b,cn=groups,dc=foo,dc=bar,dc=tld", "cn=groups,dc=foo,dc=bar,dc=tld"),
    ] {
        let toml = imported(&MAPPINGS_BOT.replace("cn=event-<1>-group1,cn=groups,dc=foo,dc=bar,dc=tld", group));
        assert_eq!(ldap_of(&toml).group_base, base);
    }
    let apart =
        imported(&MAPPINGS_BOT.replace("cn=event-<1>-group1,cn=groups,dc=foo,dc=bar,dc=tld", "cn=a,o=elsewhere"));
    assert!(apart.contains("\n# group_base = "), "{apart}");
}
