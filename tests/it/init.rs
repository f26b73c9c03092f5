//! `init` writes a configuration to begin with.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use inviter::config::{Config, schema::schema};

use crate::support::inviter::Inviter;
use crate::support::terminal::on_terminal;

const ID: &str = "02bd9fd6-8f93-4758-87c3-1fb73740a315";
const HOMESERVER: [&str; 4] = ["--homeserver", "https://matrix.example.com", "--server-name", "example.com"];
const DIRECTORY: [&str; 4] = ["--url", "ldaps://ldap.example.com", "--base", "dc=example,dc=com"];
const ENTRA: [&str; 6] = ["--tenant-id", ID, "--client-id", ID, "--root-group-id", ID];

/// The program in a folder without a configuration.
fn inviter() -> Inviter {
    let inviter = Inviter::new("");
    fs::remove_file(inviter.folder().join("inviter.toml")).unwrap();
    inviter
}

/// What is written is read, by the program and by the schema, once the files with secrets are made as it says.
fn is_read(folder: &Path) -> Config {
    for name in ["matrix-token", "directory-password", "client-secret"] {
        fs::write(folder.join(name), "secret\n").unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let path = folder.join("inviter.toml");
    let text = fs::read_to_string(&path).unwrap();
    let document = serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
    jsonschema::validate(&schema(), &document).unwrap_or_else(|error| panic!("{error}\n{text}"));
    // What stands there to be filled in is right as well.
    let open: String = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_a_key(rest)).unwrap_or(line).to_owned() + "\n")
        .collect();
    Config::parse(&path, &open).unwrap_or_else(|error| panic!("{error}\n{open}"));
    Config::load(&path, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn is_a_key(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
}

#[tokio::test]
async fn a_configuration_for_each_kind_is_written_read_and_told_how_to_go_on_with() {
    for kind in ["ldap", "openldap", "389ds", "freeipa", "active-directory", "lldap", "entra", "file"] {
        let inviter = inviter();
        let more = match kind {
            "entra" => &ENTRA[..],
            "file" => &[],
            _ => &DIRECTORY[..],
        };
        let arguments = [&["init", "--idp", kind][..], &HOMESERVER, more].concat();
        let outcome = inviter.run(&arguments).await.success();
        assert_eq!(outcome.stdout, "");
        for told in ["matrix-token)", "umask 077", " check\n", " sync --dry-run\n"] {
            assert!(outcome.stderr.contains(told), "{kind}: {told}\n{}", outcome.stderr);
        }
        let config = is_read(inviter.folder());
        assert_eq!(config.warnings, BTreeSet::new(), "{kind}");
        assert_eq!((config.idps.len(), config.policy.cautious), (1, true));
        let text = fs::read_to_string(inviter.folder().join("inviter.toml")).unwrap();
        assert!(text.contains("# Base URL of the homeserver.\nhomeserver = "), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }
}

#[tokio::test]
async fn the_commands_that_are_told_make_what_is_missing() {
    let inviter = inviter();
    let arguments = [&["init", "--idp", "file", "--path", "my rooms.toml"][..], &HOMESERVER].concat();
    let told = inviter.run(&arguments).await.success().stderr;
    let commands = told.lines().filter_map(|line| line.strip_prefix("       "));
    for command in commands.filter(|command| !command.contains("inviter -c")) {
        let shell =
            std::process::Command::new("sh").args(["-c", command]).stdin(std::process::Stdio::null()).status().unwrap();
        assert!(shell.success(), "{command}");
    }
    let folder = inviter.folder();
    assert_eq!(fs::metadata(folder.join("matrix-token")).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(folder.join("matrix-token"), "secret").unwrap();
    let list = inviter.run(&["idp"]).await.success().stdout;
    assert!(list.contains("#operations:example.com") && list.contains("@alice:example.com"), "{list}");
}

#[tokio::test]
async fn no_file_is_overwritten() {
    let inviter = Inviter::new("# precious\n");
    let outcome = inviter.run(&[&["init", "--idp", "file"][..], &HOMESERVER].concat()).await.status(1);
    let told = "is there already, and is left as it is: name another file with --config FILE, or move it away\n";
    assert!(outcome.stderr.ends_with(told), "{}", outcome.stderr);
    assert_eq!(fs::read_to_string(inviter.folder().join("inviter.toml")).unwrap(), "# precious\n");
}

#[tokio::test]
async fn without_a_terminal_what_is_missing_or_wrong_is_named_and_nothing_is_written() {
    for (arguments, told) in [
        (&["init"][..], "--idp (openldap, 389ds, freeipa, active-directory, lldap, entra, file)"),
        (&["init", "--idp", "openldap"], "--homeserver, --server-name, --url, --base"),
        (&["init", "--idp", "entra"], "--homeserver, --server-name, --tenant-id, --client-id, --root-group-id"),
        (&["init", "--idp", "file", "--homeserver", "http://a"], "--homeserver: expected a URL with https://"),
        (&["init", "--idp", "file", "--homeserver", "https://a", "--server-name", "a", "--url", "ldaps://a"], "--url"),
        (&["init", "--idp", "nis"], "invalid value 'nis'"),
    ] {
        let inviter = inviter();
        let outcome = inviter.run(arguments).await.status(64);
        assert!(outcome.stderr.contains(told), "{arguments:?}: {}", outcome.stderr);
        assert!(!inviter.folder().join("inviter.toml").exists());
    }
}

#[test]
fn on_a_terminal_it_asks_shows_defaults_and_asks_again_after_a_slip() {
    let folder = tempfile::tempdir().unwrap();
    let command = format!("{} init", env!("CARGO_BIN_EXE_inviter"));
    let lines = ["nine", "4", "http://matrix.example.com", "https://matrix.example.com", "", "", "dc=corp", ""];
    let (status, screen) = on_terminal(folder.path(), &command, &lines);
    assert_eq!(status, 0, "{screen}");
    for seen in [
        "  4  active-directory  Active Directory, of Microsoft or Samba",
        "expected a number from 1 to 7, or a name",
        "expected a URL with https://",
        "Name of the homeserver, as in user IDs [example.com]: ",
        "Where the directory is [ldaps://dc1.example.com]: ",
        "Entry of the directory below which all is [dc=example,dc=com]: ",
        "Who binds to the directory [cn=inviter,cn=Users,dc=corp]: ",
        "inviter.toml is written.",
        "       inviter check",
    ] {
        assert!(screen.contains(seen), "{seen}\n{screen}");
    }
    let text = fs::read_to_string(folder.path().join("inviter.toml")).unwrap();
    assert!(text.contains("group_base = \"dc=corp\""), "{text}");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    is_read(folder.path());
}

#[test]
fn answers_that_end_leave_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let command = format!("{} init --idp file", env!("CARGO_BIN_EXE_inviter"));
    let (status, screen) = on_terminal(folder.path(), &command, &["\u{4}"]);
    assert_eq!(status, 1, "{screen}");
    assert!(screen.contains("the answers ended before the questions, so nothing was written"), "{screen}");
    assert!(!folder.path().join("inviter.toml").exists());
}
