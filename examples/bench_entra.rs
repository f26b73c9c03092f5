//! Reads 500 rooms with 100,000 memberships of 20,000 people from a double of Microsoft Graph, and compares that with
//! the requests of the predecessor: `cargo run --release --example bench_entra`.

#![allow(
    unreachable_pub,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unused_self,
    clippy::unwrap_used,
    reason = "an example prints, and gives up where it cannot go on"
)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

#[path = "../tests/it/support/mod.rs"]
mod support;

use inviter::config::Config;
use inviter::naming::GroupName;
use serde_json::Value;
use support::graph::{Graph, guid};

const ROOMS: usize = 500;
const PEOPLE: usize = 20_000;
const MEMBERS: usize = 200;
/// What is added to each answer, as the way to a real Graph would.
const DELAY: Duration = Duration::from_millis(20);
/// How many rooms the predecessor's requests are made for; the rest is reckoned.
const REPLAYED: usize = 2;

#[tokio::main]
async fn main() {
    if let Some(config) = std::env::args().nth(1) {
        return read(Path::new(&config)).await;
    }
    println!("{ROOMS} rooms, {PEOPLE} people, {} memberships, each answer takes {DELAY:?} longer.", ROOMS * MEMBERS);
    let graph = Graph::start();
    let root = populate(&graph);
    graph.set_delay(DELAY);
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let path = folder.path().join("inviter.toml");
    let config = format!(
        "[matrix]\nhomeserver = \"https://localhost:1\"\naccess_token = \"x\"\n[[idp]]\nname = \"azure\"\n\
         mxid_homeserver = \"example.com\"\n{}",
        graph.section(&root)
    );
    std::fs::write(&path, config).expect("the folder is writable");

    // In a process of its own, so that its memory is not that of the double.
    let reader =
        Command::new(std::env::current_exe().unwrap()).arg(&path).output().expect("this program can be started");
    print!("{}{}", String::from_utf8_lossy(&reader.stdout), String::from_utf8_lossy(&reader.stderr));
    let ours = graph.requests() + graph.sign_ins();
    println!("inviter: {} requests to Graph and {} for a token", graph.requests(), graph.sign_ins());

    graph.clear();
    let started = Instant::now();
    let seen = replay(&graph, &root).await;
    let (took, replayed) = (started.elapsed(), graph.requests());
    println!(
        "predecessor, {REPLAYED} of {ROOMS} rooms replayed: {replayed} requests, {took:.1?}, {seen} memberships seen"
    );
    // One for the root; for each room two, and two for each member that it sees, which are the first hundred.
    let per_room = replayed.saturating_sub(1) / REPLAYED;
    let all = 1 + ROOMS * per_room;
    let time = Duration::from_secs_f64(took.as_secs_f64() * all as f64 / replayed as f64);
    println!(
        "predecessor, all {ROOMS} rooms, reckoned: {all} requests, {} min, {} of {} memberships lost",
        time.as_secs() / 60,
        ROOMS * MEMBERS - seen / REPLAYED * ROOMS,
        ROOMS * MEMBERS
    );
    let whole = 1 + ROOMS * (2 + 2 * MEMBERS);
    println!("were it to see everybody: {whole} requests");
    println!("{} times fewer requests ({} times, were it to see everybody)", all / ours, whole / ours);
    assert!(all / ours >= 100, "at least 100 times fewer requests");
}

fn populate(graph: &Graph) -> String {
    let mut world = graph.world();
    let people: Vec<String> = (0..PEOPLE).map(|n| world.user(&format!("user{n}"))).collect();
    let rooms: Vec<String> = (0..ROOMS)
        .map(|room| {
            let members: Vec<&str> = (0..MEMBERS).map(|n| people[(room * 37 + n * 101) % PEOPLE].as_str()).collect();
            world.group(&format!("MTRX #room{room}:example.com"), &members, &members[..3])
        })
        .collect();
    world.group("Chat rooms", &rooms.iter().map(String::as_str).collect::<Vec<_>>(), &[])
}

/// Reads the identity provider of a configuration, and tells what it took.
async fn read(path: &Path) {
    let config = Config::load(path, &[]).unwrap_or_else(|error| panic!("{error}"));
    let idp = &config.idps[0];
    let wanted = |name: &str| !matches!(idp.convention.read(name), Ok(GroupName::Other));
    let started = Instant::now();
    let snapshot = inviter::idp::fetch(idp, &wanted).await.unwrap_or_else(|error| panic!("{error}"));
    let took = started.elapsed();
    let memberships: usize = snapshot.groups.iter().map(|group| group.members.certain().len()).sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("?").trim();
    println!(
        "inviter: {} rooms, {} people, {memberships} memberships in {took:.2?}, peak memory {peak}",
        snapshot.groups.len(),
        snapshot.accounts.len()
    );
}

/// Asks what the predecessor asks, one thing after the other: the members of the root; for each room its members and
/// its name; for each member the account's state and, again and again, the room's owners. It reads first pages only.
async fn replay(graph: &Graph, root: &str) -> usize {
    let ca = reqwest::Certificate::from_pem(&std::fs::read(graph.ca_file()).unwrap()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([ca]).build().unwrap();
    let token = graph.issue_token();
    let get = async |path: String| -> Value {
        let url = format!("{}/v1.0{path}", graph.url());
        client.get(url).bearer_auth(&token).send().await.unwrap().json().await.unwrap()
    };
    get(format!("/groups/{root}/members")).await;
    let mut seen = 0;
    for room in 0..REPLAYED {
        let id = guid(&format!("MTRX #room{room}:example.com"));
        let members = get(format!("/groups/{id}/transitiveMembers")).await;
        for member in members["value"].as_array().unwrap() {
            get(format!("/users/{}?$select=displayName,accountEnabled", member["id"].as_str().unwrap())).await;
            get(format!("/groups/{id}/owners")).await;
            seen += 1;
        }
        get(format!("/groups/{id}")).await;
    }
    seen
}
