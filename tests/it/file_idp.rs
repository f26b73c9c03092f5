//! A file as identity provider.

use std::fs::{self, File};
use std::path::Path;

use inviter::config::{Config, Idp};

fn idp(folder: &Path, file: &str) -> Idp {
    let text = format!(
        "[matrix]\nhomeserver = \"https://matrix.example.com\"\naccess_token = \"x\"\n[[idp]]\nname = \"staff\"\n\
         type = \"file\"\nmxid_homeserver = \"example.com\"\npath = \"{file}\"\n"
    );
    Config::parse(&folder.join("inviter.toml"), &text).unwrap().idps.remove(0)
}

fn fetch(idp: &Idp) -> Result<inviter::snapshot::Snapshot, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(sendable(inviter::idp::fetch(idp, &|_| true))).map_err(|error| error.to_string())
}

/// A run may read its identity providers side by side, in tasks of their own.
fn sendable<F: Future + Send>(future: F) -> F {
    future
}

#[test]
fn a_file_is_read_from_the_folder_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rooms.toml"), "[[rooms]]\nalias = \"#ops:example.com\"\nmembers = [\"Alice\"]\n")
        .unwrap();
    let snapshot = fetch(&idp(folder.path(), "rooms.toml")).unwrap();
    assert_eq!(snapshot.groups[0].name, "#ops:example.com");
    assert_eq!(snapshot.accounts["alice"].username, "alice");
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display();
    let missing = fetch(&idp(folder.path(), "rooms.toml")).unwrap_err();
    assert!(
        missing.starts_with(&format!("identity provider staff: {place}/rooms.toml: cannot be read: No such")),
        "{missing}"
    );
    fs::write(folder.path().join("rooms.toml"), "[[rooms]]\nallias = 1\n").unwrap();
    let typo = fetch(&idp(folder.path(), "rooms.toml")).unwrap_err();
    assert!(
        typo.starts_with(&format!("identity provider staff: {place}/rooms.toml:2:1: unknown field `allias`")),
        "{typo}"
    );
    fs::write(folder.path().join("rooms.json"), b"\xff").unwrap();
    let binary = fetch(&idp(folder.path(), "rooms.json")).unwrap_err();
    assert!(binary.contains("valid UTF-8"), "{binary}");
    File::create(folder.path().join("rooms.json")).unwrap().set_len((64 << 20) + 1).unwrap();
    let endless = fetch(&idp(folder.path(), "rooms.json")).unwrap_err();
    assert!(endless.contains("it is larger than 64 MiB; is it the right file?"), "{endless}");
}
