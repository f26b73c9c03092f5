//! systemd and cron.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser as _;
use inviter::cli::{Cli, Command as Task};

use crate::support::installed::on_path;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// The units with the program that was built in place of the installed one.
fn units() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["inviter.service", "inviter.timer"] {
        let text = fs::read_to_string(example("systemd").join(name)).unwrap();
        let text = text.replace("/usr/bin/inviter", env!("CARGO_BIN_EXE_inviter"));
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Whether these are the words of an unattended run: with an end, and without removing anybody.
fn is_a_scheduled_run(words: &str) -> bool {
    let cli = Cli::try_parse_from(words.split_whitespace()).unwrap_or_else(|error| panic!("{words}: {error}"));
    let Task::Sync(args) = cli.command else { panic!("{words}") };
    cli.config == Path::new("/etc/inviter/inviter.toml") && args.deadline.is_some() && !args.dry_run && !args.kick
}

#[test]
fn the_units_are_ones_that_systemd_takes() {
    let folder = units();
    let output = Command::new(on_path("systemd-analyze"))
        .args(["verify", "--man=no"])
        .args(["inviter.service", "inviter.timer"].map(|name| folder.path().join(name)))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // It also reads the units that the system itself has.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("inviter")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn a_mistake_in_a_unit_is_noticed() {
    let folder = units();
    let path = folder.path().join("inviter.service");
    let text = fs::read_to_string(&path).unwrap().replace("ProtectSystem=strict", "ProtectSystems=strict");
    fs::write(&path, text).unwrap();
    let output = Command::new(on_path("systemd-analyze")).args(["verify", "--man=no"]).arg(&path).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("ProtectSystems"));
}

#[test]
fn the_service_is_as_hardened_as_systemd_can_tell() {
    let folder = units();
    // The scale goes from 0 (safe) to 100; most services of a distribution are above 90.
    let output = Command::new(on_path("systemd-analyze"))
        .args(["security", "--no-pager", "--offline=yes", "--threshold=15"])
        .arg(folder.path().join("inviter.service"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_service_and_cron_start_a_run_with_an_end_that_removes_nobody() {
    let service = fs::read_to_string(example("systemd/inviter.service")).unwrap();
    let start = service.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert!(is_a_scheduled_run(start));
    let table = fs::read_to_string(example("inviter.cron")).unwrap();
    let line = table.lines().find(|line| line.starts_with("*/30")).unwrap();
    let (_, start) = line.split_once(" inviter ").expect("the sixth field is the user");
    assert!(is_a_scheduled_run(start) && start.contains("--lock-file"));
}
