//! A bad configuration is told with file, line, column, key, and what was expected.

use std::path::Path;

use inviter::config::{Config, IdpKind};

const GOOD: &str = r#"[matrix]
homeserver = "https://matrix.example.com"
access_token = "syt_secret"

[[idp]]
name = "corp"
type = "ldap"
mxid_homeserver = "example.com"
url = "ldaps://ldap.example.com"
bind_dn = "cn=inviter,dc=example,dc=com"
bind_password = "hunter2"
group_base = "ou=groups,dc=example,dc=com"
user_base = "ou=people,dc=example,dc=com"

[policy]
cautious = true

[room]
history_visibility = "joined"
"#;

fn parse(text: &str) -> Result<Config, String> {
    let config = Config::parse(Path::new("inviter.toml"), text).map_err(|error| error.to_string())?;
    config.matrix.access_token.as_ref().map_err(ToString::to_string)?;
    Ok(config)
}

/// What is said when a part of a good configuration is replaced.
#[track_caller]
fn complaint(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    match parse(&GOOD.replace(from, to)) {
        Ok(_) => panic!("accepted: {to}"),
        Err(said) => said,
    }
}

#[test]
fn a_good_configuration_is_read() {
    let config = parse(GOOD).unwrap();
    let IdpKind::Ldap(ldap) = &config.idps[0].kind else { panic!("{config:?}") };
    assert_eq!((ldap.urls.len(), &ldap.username_attribute), (1, &None));
    assert!(config.policy.cautious);
    assert_eq!(config.matrix.access_token.unwrap().expose(), "syt_secret");
}

#[test]
fn each_mistake_names_file_line_column_key_and_what_was_expected() {
    let cases = [
        ("[matrix]", "[matrix", "inviter.toml:1:8: this is no TOML: unclosed table, expected `]`"),
        (
            "homeserver = ",
            "hommeserver = ",
            "inviter.toml:2:1: matrix.hommeserver: unknown field `hommeserver`, expected one of `homeserver`, \
             `access_token`, `access_token_file`, `access_token_env`, `admin_token`, `admin_token_file`, `admin_token_env`, \
             `add_members`, `join_fallback`, `ca_file`, `allow_plaintext`, `concurrency`, \
             `timeout`, `rate_limit_patience`; did you mean `homeserver`?",
        ),
        (
            "\"https://matrix.example.com\"",
            "\"matrix\"",
            "inviter.toml:2:14: matrix.homeserver: relative URL without a base: \"matrix\"",
        ),
        (
            "https://matrix",
            "http://matrix",
            "inviter.toml:2:1: matrix.homeserver: over http:// the access token travels unencrypted: use https://, or \
             say allow_plaintext = true",
        ),
        (
            "access_token = \"syt_secret\"",
            "",
            "inviter.toml:1:2: matrix.access_token: the access token is missing: give access_token, access_token_file or \
             access_token_env, or set INVITER_MATRIX__ACCESS_TOKEN in the environment",
        ),
        (
            "access_token = \"syt_secret\"",
            "access_token = \"a\"\naccess_token_file = \"b\"",
            "inviter.toml:3:1: matrix.access_token: give only one of access_token, access_token_file and access_token_env",
        ),
        (
            "access_token = \"syt_secret\"",
            "access_token_file = \"/nonexistent\"",
            "inviter.toml:3:1: matrix.access_token_file: /nonexistent cannot be read: No such file or directory (os error \
             2)",
        ),
        (
            "access_token = \"syt_secret\"",
            "access_token_env = \"INVITER_TEST_UNSET\"",
            "inviter.toml:3:1: matrix.access_token_env: the environment variable INVITER_TEST_UNSET: environment variable \
             not found",
        ),
        ("\"syt_secret\"", "\"\"", "inviter.toml:3:1: matrix.access_token: the secret is empty"),
        (
            "type = \"ldap\"",
            "type = \"ldpa\"",
            "inviter.toml:7:1: idp[0].type: expected type = \"ldap\", type = \"entra\" or type = \"file\"",
        ),
        (
            "type = \"ldap\"",
            "",
            "inviter.toml:5:1: idp[0].type: expected type = \"ldap\", type = \"entra\" or type = \"file\"",
        ),
        (
            "mxid_homeserver = \"example.com\"",
            "mxid_homeserver = \"exam ple\"",
            "inviter.toml:8:19: idp[0].mxid_homeserver: server name is not a valid IP address or domain name",
        ),
        (
            "ldaps://",
            "ldap://",
            "inviter.toml:9:1: idp[0].url: over plain ldap:// the password travels unencrypted: use ldaps://, say starttls \
             = true, or allow it with allow_plaintext = true",
        ),
        ("ldaps://", "https://", "inviter.toml:9:1: idp[0].url: expected a URL with ldaps:// or ldap://"),
        (
            "bind_password = \"hunter2\"\n",
            "",
            "inviter.toml:10:1: idp[0].bind_dn: the password is missing: give bind_password_file",
        ),
        (
            "user_base = \"ou=people,dc=example,dc=com\"",
            "user_base = \"ou=people\"\nuser_filter = \"(uid=*\"",
            "inviter.toml:14:15: idp[0].user_filter: expected a search filter in parentheses (RFC 4515), like \
             (objectClass=person)",
        ),
        ("user_base = \"ou=people,dc=example,dc=com\"", "", "inviter.toml:5:1: idp[0]: missing field `user_base`"),
        (
            "cautious = true",
            "cautious = 1",
            "inviter.toml:16:12: policy.cautious: invalid type: integer `1`, expected a boolean",
        ),
        (
            "cautious = true",
            "reinvite_after = \"soon\"",
            "inviter.toml:16:18: policy.reinvite_after: expected a duration like \"30s\" or \"24h\": expected number at 0",
        ),
        (
            "\"joined\"",
            "\"all\"",
            "inviter.toml:19:22: room.history_visibility: unknown variant `all`, expected one of `invited`, `joined`, \
             `shared`, `world_readable`",
        ),
        (
            "[room]",
            "[room]\npermissions = { bann = 3 }",
            "inviter.toml:19:15: room.permissions: `bann` is no permission: there are ban, events_default, invite, kick, \
             redact, state_default, users_default with a level each, and the tables events and notifications",
        ),
        (
            "[room]",
            "[roomz]",
            "inviter.toml:18:2: roomz: there is no such section; there are matrix, idp, policy, room, rooms, report, \
             renamed_users; did you mean room?",
        ),
        (
            "[room]",
            "[renamed_users]\nnew = \"o l d\"\n[room]",
            "inviter.toml:19:1: renamed_users.new: expected the localpart of a Matrix user ID, or a whole one \
             (@name:server): identifier contains invalid characters",
        ),
    ];
    for (from, to, expected) in cases {
        assert_eq!(complaint(from, to), expected);
    }
}

#[test]
fn no_mistake_quotes_a_secret() {
    for (from, to) in [
        ("\"syt_secret\"", "12345678"),
        ("\"hunter2\"", "[\"hunter2\"]"),
        ("\"hunter2\"", "\"hunter2"),
        ("\"syt_secret\"", "\"syt\\nsecret\""),
        ("bind_dn = \"cn=inviter,dc=example,dc=com\"\n", ""),
    ] {
        let said = complaint(from, to);
        assert!(!["hunter2", "12345678", "secret\""].iter().any(|secret| said.contains(secret)), "{said}");
    }
    let shown = format!("{:?}", parse(GOOD).unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains("syt_secret"), "{shown}");
}

#[test]
fn a_configuration_without_identity_provider_or_homeserver_is_none() {
    assert_eq!(parse("").unwrap_err(), "inviter.toml: matrix: the section [matrix] is missing");
    let (matrix, _) = GOOD.split_once("[[idp]]").unwrap();
    assert_eq!(parse(matrix).unwrap_err(), "inviter.toml: idp: no identity provider is given: add a section [[idp]]");
}

#[test]
fn a_missing_file_is_told_with_the_way_to_name_another() {
    let error = Config::load(Path::new("/nonexistent/inviter.toml"), &[]).unwrap_err().to_string();
    assert_eq!(
        error,
        "/nonexistent/inviter.toml: the configuration cannot be read: No such file or directory (os error 2); name the \
         file with --config FILE"
    );
}

#[test]
fn a_file_that_is_larger_than_anything_meant_is_not_read_to_its_end() {
    let told = "it is larger than 64 MiB; is it the right file?";
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large");
    std::fs::File::create(&large).unwrap().set_len((64 << 20) + 1).unwrap();
    let place = large.display();
    for path in [large.as_path(), Path::new("/dev/zero")] {
        let error = Config::load(path, &[]).unwrap_err().to_string();
        assert_eq!(error, format!("{}: the configuration cannot be read: {told}", path.display()));
    }
    let secret = GOOD.replace("access_token = \"syt_secret\"", &format!("access_token_file = \"{place}\""));
    let error = parse(&secret).unwrap_err();
    assert_eq!(error, format!("inviter.toml:3:1: matrix.access_token_file: {place} cannot be read: {told}"));
}

#[test]
fn every_configuration_under_examples_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut read = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("inviter") && path.extension().is_some_and(|ending| ending == "toml") {
            // Files with secrets are not there; everything else must be right.
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text
                .replace("access_token_file = \"", "access_token = \"")
                .replace("password_file = \"", "password = \"")
                .replace("secret_file = \"", "secret = \"");
            Config::parse(&path, &text).unwrap_or_else(|error| panic!("{error}"));
            read += 1;
        }
    }
    assert!(read > 0);
}
