//! From nothing to a first run, by what stands in the README alone.

use std::env;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::installed;
use crate::support::inviter::Inviter;
use crate::support::slapd::{Slapd, SlapdOptions};
use crate::support::synapse::{Options, Synapse};

const URL: &str = "https://matrix.example.com";

/// The section of the README, without the indentation of lists.
fn section() -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, rest) = readme.split_once("## The first run on your own servers\n").unwrap();
    let (section, _) = rest.split_once("\n## ").unwrap();
    section.lines().map(|line| line.trim_start().to_owned()).collect()
}

/// The lines from the first that begins like this up to an empty one, or the end of a block.
fn block(lines: &[String], start: &str) -> String {
    let lines = lines.iter().skip_while(|line| !line.starts_with(start));
    let block: Vec<&str> =
        lines.map(String::as_str).take_while(|line| !line.is_empty() && !line.starts_with("```")).collect();
    assert!(!block.is_empty(), "the README has no line {start}");
    block.join("\n")
}

/// Runs a command of the README against this homeserver.
fn shell(command: &str, synapse: &Synapse) -> String {
    let scripts = installed::folder().join("synapse/bin");
    let path = format!("{}:{}", scripts.display(), env::var("PATH").unwrap());
    let command = command.replace(URL, &synapse.url());
    let output = Command::new("sh").args(["-ec", &command]).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_leads_from_nothing_to_a_first_run() {
    let section = section();
    let synapse = Synapse::start(Options { server_name: "example.com".into(), ..Options::default() });
    let slapd = Slapd::start(&SlapdOptions::default());

    // What it would ask for, and read from the homeserver's configuration.
    let asked = "register_new_matrix_user --shared-secret registration-secret --password a-password";
    let register = block(&section, "register_new_matrix_user").replacen("register_new_matrix_user", asked, 1);
    shell(&register, &synapse);
    let login = shell(&block(&section, "curl").replace("\"...\"", "\"a-password\""), &synapse);
    let login: Value = serde_json::from_str(&login).unwrap();

    slapd.people(&["alice", "bob"]);
    slapd.group("xxxoperationsxxxexample.com", &["alice", "bob"]);
    slapd.group("xxxoperationsxxxexample.com_owners", &["alice"]);

    let ca_file = format!("\nca_file = {:?}\n", slapd.ca_file());
    let config = [block(&section, "[matrix]"), block(&section, "[[idp]]")]
        .join("\n")
        .replace(&format!("{URL:?}"), &format!("{:?}\nallow_plaintext = true", synapse.url()))
        .replace("\"ldaps://ldap.example.com\"", &format!("{:?}{ca_file}", slapd.ldaps_url()))
        .replace("/etc/inviter/", "");
    let inviter = Inviter::new(&config);
    inviter.secret("matrix-token", login["access_token"].as_str().unwrap());
    inviter.secret("directory-password", slapd.password());

    let mut told = Vec::new();
    for command in ["inviter check", "inviter sync --dry-run"] {
        assert!(block(&section, "inviter check").lines().any(|line| line == command), "{command}");
        let arguments: Vec<&str> = command.split(' ').skip(1).collect();
        told.push(inviter.run(&arguments).await.success().stdout);
    }
    let [check, plan] = told.as_slice() else { panic!("{told:?}") };
    assert!(!check.contains("failed"), "{check}");
    assert!(plan.contains("+ invite @alice:example.com as moderator (50)") && plan.contains("Digest: "), "{plan}");
    assert!(section.iter().any(|line| line == "inviter sync"));
    let run = inviter.run(&["sync"]).await.success().stdout;
    assert!(run.ends_with("3 writes: 3 done.\n"), "{run}");
    assert_eq!(inviter.run(&["sync"]).await.success().stdout, "1 room: nothing to do.\n");
}
