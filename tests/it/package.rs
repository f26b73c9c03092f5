//! The Debian package: what it is made of is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::installed::on_path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The commands of the README that make a package, from the folder of the package on.
fn commands() -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, commands) = readme.split_once("    cargo build --release --locked\n").expect("the README tells how");
    let (commands, _) = commands.split_once("    cargo deb --no-build\n").expect("the README tells how");
    commands.lines().map(|line| line.trim().to_owned()).collect()
}

/// A source of the package: its folder, and a name that may have `*` in it.
fn is_there(root: &Path, source: &str) -> bool {
    let path = root.join(source);
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let pattern = wildmatch::WildMatch::new(&name);
    let Ok(folder) = fs::read_dir(path.parent().unwrap()) else { return false };
    folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).any(|name| pattern.matches(&name))
}

#[test]
fn what_the_package_is_made_of_is_in_the_repository_or_made_by_the_commands_of_the_readme() {
    let folder = tempfile::tempdir().unwrap();
    let release = folder.path().join("target/release");
    fs::create_dir_all(&release).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_inviter"), release.join("inviter")).unwrap();
    for command in commands() {
        let done = Command::new(on_path("sh")).args(["-ec", &command]).current_dir(folder.path()).status().unwrap();
        assert!(done.success(), "{command}");
    }
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let mut targets = BTreeSet::new();
    for asset in assets {
        let (source, target) = (asset[0].as_str().unwrap(), asset[1].as_str().unwrap());
        let from: PathBuf = if source.starts_with("target/") { folder.path().into() } else { root().into() };
        assert!(is_there(&from, source), "{source} is missing");
        assert!(!target.starts_with('/') && !target.starts_with("etc"), "{target}");
        targets.insert(target);
    }
    // The unit calls the program where the package puts it.
    let unit = fs::read_to_string(root().join("examples/systemd/inviter.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/inviter ") && targets.contains("usr/bin/"));
}
