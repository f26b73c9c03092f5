//! Microsoft Entra ID, against a double of Graph.

mod contract;
mod people;
mod reading;
mod refusals;
mod sign_in;
mod sync;

use std::path::Path;

use inviter::config::{Config, Idp};
use inviter::snapshot::{Members, Snapshot};

use crate::support::graph::Graph;

/// The name of the group of the room that most tests are about.
pub const ROOM: &str = "MTRX #ops:example.com";

/// A double with a root group over these groups.
pub fn root(graph: &Graph, groups: &[&str]) -> String {
    graph.world().group("Chat rooms", groups, &[])
}

/// The identity provider with more keys.
pub fn idp(section: &str, more: &str) -> Idp {
    let text = format!(
        "[matrix]\nhomeserver = \"https://matrix.example.com\"\naccess_token = \"x\"\n[[idp]]\nname = \"azure\"\n\
         mxid_homeserver = \"example.com\"\n{section}{more}"
    );
    let mut config = Config::parse(Path::new("inviter.toml"), &text).unwrap_or_else(|error| panic!("{error}"));
    config.idps.remove(0)
}

/// What the double says under a root group.
pub fn fetch(graph: &Graph, root: &str, more: &str) -> Result<Snapshot, String> {
    fetch_idp(&idp(&graph.section(root), more))
}

pub fn fetch_idp(idp: &Idp) -> Result<Snapshot, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wanted = |name: &str| !matches!(idp.convention.read(name), Ok(inviter::naming::GroupName::Other));
    runtime.block_on(inviter::idp::fetch(idp, &wanted)).map_err(|error| error.to_string())
}

/// The usernames in a list of members.
pub fn names(snapshot: &Snapshot, members: &Members) -> Vec<String> {
    let mut names: Vec<String> = members.certain().iter().map(|id| snapshot.accounts[id].username.clone()).collect();
    names.sort();
    names
}

/// The usernames of a room's members, who must be known, or the reason why not.
pub fn members(snapshot: &Snapshot, room: &str) -> Result<Vec<String>, String> {
    let group = snapshot.groups.iter().find(|group| group.name == room).unwrap_or_else(|| panic!("{snapshot:?}"));
    match group.members.unknown_because() {
        None => Ok(names(snapshot, &group.members)),
        Some(reason) => Err(reason.to_owned()),
    }
}

/// The usernames of a room's owners, where it has some of its own.
pub fn owners(snapshot: &Snapshot, room: &str) -> Option<Vec<String>> {
    let group = snapshot.groups.iter().find(|group| group.name == room).unwrap_or_else(|| panic!("{snapshot:?}"));
    group.owners.as_ref().map(|owners| names(snapshot, owners))
}
