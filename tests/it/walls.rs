//! Who may know whom, read from the imports.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut files: Vec<PathBuf> =
        fs::read_dir(path).unwrap().flat_map(|entry| sources(&entry.unwrap().path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files.sort();
    files
}

fn src(module: &str) -> Vec<PathBuf> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (file, folder) = (src.join(format!("{module}.rs")), src.join(module));
    let files: Vec<PathBuf> =
        [file, folder].iter().filter(|path| path.exists()).flat_map(|path| sources(path)).collect();
    assert!(!files.is_empty(), "there is no module {module}");
    files
}

/// The code of a file without comments and tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn assert_unknown(modules: &[&str], forbidden: &[&str]) {
    for module in modules {
        for file in src(module) {
            let code = code(&file);
            for word in forbidden {
                assert!(!code.contains(word), "{} must not know {word}", file.display());
            }
        }
    }
}

const PURE: [&str; 13] = [
    "actual", "check", "desired", "import", "list", "manual", "naming", "page", "plan", "power", "report", "shard",
    "snapshot",
];

#[test]
fn the_core_knows_no_network_file_clock_environment_async_or_terminal() {
    assert_unknown(
        &PURE,
        &[
            "tokio",
            "reqwest",
            "ldap3",
            "std::fs",
            "std::net",
            "std::env",
            "SystemTime::now",
            "Instant",
            "async ",
            ".await",
            "indicatif",
            "anstream",
            "std::io",
            "tracing",
            "println!",
            "matrix_sdk::Client",
        ],
    );
    for module in PURE {
        for file in src(module) {
            for line in code(&file).lines().filter(|line| line.contains("matrix_sdk")) {
                assert!(line.contains("matrix_sdk::ruma"), "{}: {line}", file.display());
            }
        }
    }
}

#[test]
fn the_stages_do_not_know_each_other() {
    assert_unknown(&PURE, &["crate::idp", "crate::matrix", "crate::apply", "crate::cli", "crate::progress"]);
    assert_unknown(&["idp"], &["crate::matrix", "crate::plan", "crate::apply", "crate::actual", "crate::desired"]);
    assert_unknown(&["matrix"], &["crate::idp", "crate::snapshot", "crate::desired", "crate::naming"]);
    assert_unknown(&["idp", "matrix", "apply", "config"], &["crate::cli", "crate::progress", "indicatif", "clap"]);
}

#[test]
fn what_reads_the_homeserver_cannot_write() {
    let reader = src("matrix").into_iter().find(|file| file.ends_with("read.rs")).unwrap();
    for word in
        ["Writer", "create_room", "send_state_event", "invite_user", "kick_user", "join_room_by_id", "leave_room"]
    {
        assert!(!code(&reader).contains(word), "read.rs knows {word}");
    }
}
