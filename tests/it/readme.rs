//! What the README promises, held against the program.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{CommandFactory as _, Parser as _};
use inviter::cli::Cli;
use inviter::config::Config;

const MATRIX: &str = "[matrix]\nhomeserver = \"https://a\"\naccess_token = \"a\"\n";
const FILE: &str = "[[idp]]\nname = \"a\"\nmxid_homeserver = \"a\"\ntype = \"file\"\npath = \"a.toml\"\n";

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// An example that `cargo test` has built beside this test.
fn example(name: &str) -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples");
    let path = folder.join(name);
    assert!(path.is_file(), "{} is missing: run tests/run, or cargo build --examples", path.display());
    path
}

#[test]
fn the_tour_prints_what_the_readme_shows() {
    let output = Command::new(example("quickstart")).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    let (_, told) = stdout.split_once("\n\n$ ").expect("the tour runs inviter");
    let told = format!("$ {told}");
    let indented: String =
        told.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("    {line}\n") }).collect();
    assert!(readme().contains(&indented), "README.md should show this:\n\n{indented}");
}

/// The keys that a section knows, as the complaint about an unknown one lists them.
fn keys(before: &str, after: &str) -> Vec<String> {
    let text = format!("{before}no_such_key = 1\n{after}");
    let complaint = Config::parse(Path::new("inviter.toml"), &text).expect_err("this key is unknown").to_string();
    let (_, list) = complaint.split_once("expected one of ").unwrap_or_else(|| panic!("{complaint}"));
    list.split(", ").map(|key| key.trim_matches('`').to_owned()).collect()
}

#[test]
fn every_key_of_the_configuration_is_in_the_readme() {
    let sections = [
        keys("[matrix]\nhomeserver = \"https://a\"\n", ""),
        keys(&format!("{MATRIX}[[idp]]\ntype = \"ldap\"\n"), ""),
        keys(&format!("{MATRIX}[[idp]]\ntype = \"file\"\n"), ""),
        keys(&format!("{MATRIX}{FILE}[policy]\n"), ""),
        keys(&format!("{MATRIX}{FILE}[room]\n"), ""),
        keys(&format!("{MATRIX}{FILE}[[rooms]]\n"), ""),
    ];
    let readme = readme();
    for key in sections.iter().flatten() {
        assert!(readme.contains(&format!("`{key}`")), "README.md does not tell of `{key}`");
    }
    assert!(sections.iter().all(|keys| keys.len() > 3), "{sections:?}");
}

#[test]
fn every_block_of_configuration_in_the_readme_is_read() {
    let readme = readme();
    let mut blocks = 0;
    for block in readme.split("```toml\n").skip(1) {
        let block = block.split("```").next().unwrap().replace("\n   ", "\n");
        let text = block
            .replace("access_token_file = \"", "access_token = \"")
            .replace("password_file = \"", "password = \"")
            .replace("secret_file = \"", "secret = \"");
        let text = match (text.contains("[matrix]"), text.contains("[[idp]]")) {
            (true, _) => text,
            (false, true) => format!("{MATRIX}{text}"),
            (false, false) if text.contains("moderators") => continue, // the file of a `type = "file"`
            (false, false) => format!("{MATRIX}{FILE}{text}"),
        };
        Config::parse(Path::new("README.md"), &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        blocks += 1;
    }
    assert!(blocks > 1);
}

#[test]
fn every_command_and_option_is_in_the_readme() {
    let readme = readme();
    let (_, synopsis) = readme.split_once("## The command line\n").unwrap();
    let synopsis = synopsis.split("`inviter help").next().unwrap();
    let program = Cli::command();
    for command in program.get_subcommands() {
        assert!(synopsis.contains(command.get_name()), "README.md does not tell of {}", command.get_name());
        for option in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(synopsis.contains(&format!("--{option}")), "{} --{option}", command.get_name());
        }
    }
    assert!(program.get_subcommands().count() > 5);
}

#[test]
fn the_exit_statuses_of_the_readme_are_those_of_the_help() {
    let help = Command::new(env!("CARGO_BIN_EXE_inviter")).arg("--help").output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let (_, statuses) = help.split_once("Exit status:\n").expect("the help tells the exit statuses");
    let readme = readme();
    for line in statuses.lines().filter(|line| !line.trim().is_empty()) {
        let (code, _) = line.trim().split_once(' ').unwrap();
        assert!(readme.contains(&format!("| {code} |")), "{line}");
    }
}

#[test]
fn every_command_line_of_the_readme_is_one_that_inviter_takes() {
    let readme = readme();
    let mut seen = 0;
    for line in readme.lines().filter(|line| line.starts_with("    ")) {
        let line = line.trim().trim_start_matches("$ ").trim_start_matches("*/30 * * * *  ");
        // The synopsis has brackets and bars.
        if !line.starts_with("inviter ") || line.contains(['[', '|']) || line.contains("...") {
            continue;
        }
        let line = line.split('>').next().unwrap().trim_end();
        // What the shell would put in place of a command.
        let line = match line.split_once("\"$(") {
            Some((before, _)) => format!("{before}{}", "0123456789abcdef".repeat(4)),
            None => line.to_owned(),
        };
        let words = line.split_whitespace().map(|word| word.trim_matches(['\'', '"']));
        Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}
