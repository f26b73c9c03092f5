//! A double of Entra and Microsoft Graph with a few people, to try `inviter` by hand: `cargo run --example graph`.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unused_self,
    reason = "an example prints, and gives up where it cannot go on"
)]

use std::io::{Read as _, Write as _};

#[path = "../tests/it/support/mod.rs"]
mod support;

use serde_json::json;
use support::graph::{Graph, Kind};
use support::synapse::{Options, Synapse};

#[tokio::main]
async fn main() {
    let alone = std::env::args().any(|argument| argument == "--alone");
    let graph = Graph::start();
    let root = populate(&graph);
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    // Without a homeserver of its own the section [matrix] is for the reader to fill in.
    let synapse = (!alone).then(|| {
        println!("Starting Synapse ...");
        Synapse::start(Options { server_name: "example.com".into(), ..Options::default() })
    });
    let matrix = match &synapse {
        Some(synapse) => {
            let account = synapse.register("inviter").await;
            synapse.register_many(&["alice", "bob", "carol", "dave"]).await;
            (synapse.url(), account.access_token)
        }
        None => ("http://localhost:8008".to_owned(), "syt_...".to_owned()),
    };
    let config = format!(
        "[matrix]\nhomeserver = {:?}\nallow_plaintext = true\naccess_token = {:?}\n\n[[idp]]\nname = \"azure\"\n\
         mxid_homeserver = \"example.com\"\n{}",
        matrix.0,
        matrix.1,
        graph.section(&root)
    );
    let path = folder.path().join("inviter.toml");
    std::fs::write(&path, &config).expect("the folder is writable");
    println!("The configuration is {}:\n\n{config}", path.display());
    println!("Try, in another terminal:\n\n    cargo run -- -c {} sync --dry-run\n", path.display());
    println!("The double stays until you press Enter.");
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().read(&mut [0]);
    println!("Graph got {} requests, and {} for tokens.", graph.requests(), graph.sign_ins());
}

/// A root group over two rooms and something that is none.
fn populate(graph: &Graph) -> String {
    let mut world = graph.world();
    let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|name| world.user(name));
    world.set(&dave, "accountEnabled", json!(false));
    let guest = world.guest("erin", "partner.com");
    let laptop = world.other(Kind::Device, "Laptop of Alice");
    let inner = world.group("Night shift", &[&carol, &laptop], &[]);
    let operations = world.group("MTRX #operations:example.com", &[&alice, &bob, &dave, &guest, &inner], &[&alice]);
    let project = world.group("MTRX #project_x:example.com", &[&bob, &carol], &[&bob]);
    let typo = world.group("MTRX operations:example.com", &[&alice], &[]);
    let staff = world.group("All staff", &[&alice], &[]);
    world.group("Chat rooms", &[&operations, &project, &typo, &staff], &[])
}
