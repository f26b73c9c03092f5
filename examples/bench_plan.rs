//! How long a plan takes, and how much memory: 10,000 rooms with 100 people each, without any server.
//!
//!     cargo run --release --example bench_plan [ROOMS...]
//!
//! Each world is planned in a process of its own, for the memory that it takes.

#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on panics, and prints its figures"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inviter::actual::{Actual, ActualRoom, JoinedRoom, Member, Membership, Stamp, StampedGroup};
use inviter::desired::{Desired, DesiredMember, DesiredRoom, Via};
use inviter::plan::text::Dress;
use inviter::plan::{Limits, OrphanLimits, Orphans, Policy, Removals, RenamedAlias, compute, guard, json, text};
use inviter::power::PowerLevels;
use inviter::printable::HarmlessJson;
use matrix_sdk::ruma::{OwnedUserId, RoomAliasId, RoomId, RoomVersionId, UserId};

const MEMBERS: usize = 100;
const PEOPLE: usize = 50_000;
const NOW: u64 = 1_800_000_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [what, rooms] = arguments.as_slice()
        && let Some(existing) = ["drift", "first"].iter().position(|known| known == what)
    {
        return one(existing == 0, rooms.parse().expect("a number"));
    }
    let sizes = if arguments.is_empty() { vec!["2500".into(), "5000".into(), "10000".into()] } else { arguments };
    let itself = std::env::current_exe().expect("it has a file");
    println!("| what | plan | memberships a second | guard | JSON | peak memory | text | peak memory |");
    println!("|---|---|---|---|---|---|---|---|");
    for what in ["drift", "first"] {
        for rooms in &sizes {
            let status = Command::new(&itself).args([what, rooms]).status().expect("it starts");
            assert!(status.success());
        }
    }
}

/// Plans one world: rooms that exist, where one person in a hundred has gone and one has come, or rooms that do not.
fn one(existing: bool, rooms: usize) {
    let (desired, actual) = world(existing, rooms);
    let memberships = rooms * MEMBERS;
    let policy = Policy {
        removals: Removals::Made,
        kick: false,
        renamed: RenamedAlias::Keep,
        adopt: false,
        adds: false,
        orphans: Orphans::Report,
        now: NOW,
        reinvite_after: 24 * 60 * 60 * 1000,
        protected: Vec::new(),
    };
    let orphans = OrphanLimits { max_percent: 20, percent_from: 10, allowed: None };
    let limits = Limits {
        max_kicks: u64::MAX,
        max_percent: 30,
        percent_from: 10,
        keep_last_moderator: true,
        allowed: None,
        orphans,
    };
    let (plan, planned) = timed(|| compute(&desired, &actual, &policy));
    let changes: usize = plan.rooms.iter().map(|room| room.changes.len()).sum();
    let (refusals, guarded) = timed(|| guard(&plan, &desired, &actual, &limits));
    assert_eq!((refusals.len(), changes), (0, rooms * if existing { 2 } else { MEMBERS + 1 }));
    let ((), written) = timed(|| {
        let document = json::Document::new(&plan, &refusals, None);
        let out = HarmlessJson(std::io::BufWriter::new(std::io::sink()));
        serde_json::to_writer_pretty(out, &document).expect("JSON");
    });
    let with_json = peak();
    let (length, told) = timed(|| text::plan(&plan, &refusals, Dress::new(false)).len());
    assert!(length > 0);
    let what = if existing { "1 % drift" } else { "first sync" };
    println!(
        "| {what}: {rooms} rooms, {memberships} memberships | {planned:.2?} | {:.1} million | {guarded:.2?} | {written:.2?} | \
         {with_json} | {told:.2?} | {} |",
        memberships as f64 / planned.as_secs_f64() / 1e6,
        peak()
    );
}

fn timed<T>(step: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let made = step();
    (made, started.elapsed())
}

fn user(person: usize) -> OwnedUserId {
    UserId::parse(format!("@person{person:06}:example.com")).expect("a user ID")
}

fn world(existing: bool, rooms: usize) -> (Desired, Actual) {
    let me = UserId::parse("@inviter:example.com").expect("a user ID");
    let mut desired = Desired::default();
    let mut actual = Actual {
        me: me.clone(),
        default_room_version: Some(RoomVersionId::V12),
        rooms: BTreeMap::new(),
        joined: BTreeSet::new(),
        others: BTreeMap::new(),
    };
    for room in 0..rooms {
        let alias = RoomAliasId::parse(format!("#room{room}:example.com")).expect("an alias");
        let group = format!("xxxroom{room}xxxexample.com");
        let stamp = Stamp { groups: [StampedGroup { idp: "corp".into(), id: group.clone() }].into(), orphaned: false };
        let via = Arc::new(BTreeSet::from([Via { idp: "corp".into(), group }]));
        let people = |from: usize| (from..from + MEMBERS).map(move |at| (room * 37 + at) % PEOPLE);
        let wanted = DesiredRoom {
            members: people(0).map(|it| (user(it), DesiredMember { level: None, via: Arc::clone(&via) })).collect(),
            servers: [me.server_name().to_owned()].into(),
            stamp: stamp.clone(),
            ..DesiredRoom::default()
        };
        desired.rooms.insert(alias.clone(), wanted);
        let there = if existing {
            let id = RoomId::parse(format!("!room{room}")).expect("a room ID");
            let joined = |user| (user, Member { membership: Membership::Join, sender: None, since: NOW });
            let members = people(1).map(user).chain([me.clone()]).map(joined).collect();
            let levels = serde_json::json!({ "invite": 50, "users": {} });
            ActualRoom::Joined(Box::new(JoinedRoom {
                id,
                version: RoomVersionId::V12,
                members,
                power: PowerLevels::new(levels.as_object().cloned(), [me.clone()].into(), None),
                history_visibility: Some("shared".into()),
                name: Some(format!("room{room}")),
                topic: None,
                canonical_alias: Some(alias.clone()),
                alias_is_own: true,
                alt_aliases: BTreeSet::new(),
                orphaned_since: None,
                standing_invitations: BTreeSet::new(),
                is_space: false,
                join_rules: None,
                children: BTreeSet::new(),
                parents: BTreeSet::new(),
                replaces: None,
                in_directory: None,
                encrypted: false,
                replaced_by: None,
                stamp: Some(stamp),
                released: false,
            }))
        } else {
            ActualRoom::Missing
        };
        actual.rooms.insert(alias, there);
    }
    (desired, actual)
}

/// The most memory that this process has held.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim().to_owned()
}
