//! A tour of inviter between a real OpenLDAP and a real Synapse; `examples/quickstart.sh` starts it.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unused_self,
    reason = "an example prints, and gives up where it cannot go on"
)]

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::process::ExitCode;

#[path = "../tests/it/support/mod.rs"]
mod support;

use support::account::Account;
use support::inviter::Inviter;
use support::slapd::{Slapd, SlapdOptions, group_dn};
use support::synapse::{Options, Synapse};

/// People of the directory; mallory is no employee.
const PEOPLE: [&str; 5] = ["alice", "bob", "carol", "dave", "mallory"];

#[tokio::main]
async fn main() -> ExitCode {
    let keep = std::env::args().any(|argument| argument == "--keep");
    println!("Starting Synapse and OpenLDAP ...");
    let synapse = Synapse::start(Options { server_name: "example.com".into(), ..Options::default() });
    let account = synapse.register("inviter").await;
    synapse.register_many(&PEOPLE).await;
    let slapd = directory();
    let inviter = Inviter::new(&configuration(&synapse, &account, &slapd));
    inviter.secret("directory-password", slapd.password());
    inviter.secret("matrix-token", &account.access_token);
    println!("Ready. The configuration is {}/inviter.toml:\n", inviter.folder().display());
    println!("{}", configuration(&synapse, &account, &slapd));

    let mut last = String::new();
    for arguments in [&["sync", "--dry-run"][..], &["sync"], &["sync"]] {
        println!("\n$ inviter {}", arguments.join(" "));
        let outcome = inviter.run(arguments).await;
        print!("{}{}", without_digest(&outcome.stdout), outcome.stderr);
        if outcome.status != 0 {
            println!("inviter ended with status {}", outcome.status);
            return ExitCode::FAILURE;
        }
        last = outcome.stdout;
    }
    println!("\nWhat Synapse says now:");
    let mut rooms = Vec::new();
    for room in account.joined_rooms().await {
        rooms.push(describe(&account, &room).await);
    }
    rooms.sort();
    print!("{}", rooms.concat());
    if keep {
        println!("\nThe servers stay until you press Enter. Try, in another terminal:");
        println!("  {} -c {}/inviter.toml sync", binary(), inviter.folder().display());
        println!("The directory is {}, the homeserver {}.", slapd.ldaps_url(), synapse.url());
        let _ = std::io::stdout().flush();
        let _ = std::io::stdin().read(&mut [0]);
    }
    if last.ends_with(": nothing to do.\n") { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The digest is another one in each tour, since the directory makes up the immutable IDs of the groups.
fn without_digest(stdout: &str) -> String {
    let line = |line: &str| {
        if line.starts_with("Digest: ") { "Digest: (64 hexadecimal digits)\n".into() } else { format!("{line}\n") }
    };
    stdout.lines().map(line).collect()
}

/// A directory as a company would have it: employees, teams, a team in a team, moderators.
fn directory() -> Slapd {
    let slapd = Slapd::start(&SlapdOptions { member_of: true, ..SlapdOptions::default() });
    slapd.people(&PEOPLE);
    slapd.group("company_employees", &["alice", "bob", "carol", "dave"]);
    slapd.group("night_shift", &["carol", "dave"]);
    slapd.group("xxxoperationsxxxexample.com", &["alice", "bob", "mallory", &group_dn("night_shift")]);
    slapd.group("xxxoperationsxxxexample.com_owners", &["alice"]);
    slapd.group("xxxlunch_planningxxxexample.com", &["bob", "dave"]);
    slapd
}

fn configuration(synapse: &Synapse, account: &Account, slapd: &Slapd) -> String {
    assert_eq!(account.user_id, "@inviter:example.com");
    format!(
        r#"[matrix]
homeserver = "{}"
allow_plaintext = true                     # loopback only; use https:// elsewhere
access_token_file = "matrix-token"

[[idp]]
name = "corp"
type = "ldap"
mxid_homeserver = "example.com"
url = "{}"
ca_file = "{}"
bind_dn = "{}"
bind_password_file = "directory-password"
group_base = "ou=groups,dc=example,dc=com"
user_base = "ou=people,dc=example,dc=com"
user_filter = "(memberOf=cn=company_employees,ou=groups,dc=example,dc=com)"

[room]
history_visibility = "joined"
permissions = {{ invite = 50 }}"#,
        synapse.url(),
        slapd.ldaps_url(),
        slapd.ca_file().display(),
        slapd.bind_dn(),
    )
}

async fn describe(account: &Account, room: &str) -> String {
    let content = |kind: &'static str| async move { account.state_event(room, kind, "").await.unwrap_or_default() };
    let (alias, name) = (content("m.room.canonical_alias").await, content("m.room.name").await);
    let mut text = format!("  {}  {}\n", alias["alias"].as_str().unwrap_or(room), name["name"]);
    let levels = account.power_levels(room).await;
    for (user, membership) in account.members(room).await {
        let level = levels["users"].get(&user).map(|level| format!(", power level {level}")).unwrap_or_default();
        let _ = writeln!(text, "    {user}  {membership}{level}");
    }
    text
}

fn binary() -> String {
    let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.parent()?.join("inviter")));
    beside.map_or_else(|| "inviter".into(), |path| path.display().to_string())
}
