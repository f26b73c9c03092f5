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
use std::io::BufWriter;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use inviter::actual::{Actual, ActualRoom, JoinedRoom, Member, Membership, Stamp, StampedGroup};
use inviter::config::{Config, WhenRefused};
use inviter::desired::Desired;
use inviter::plan::text::Dress;
use inviter::plan::{Limits, OrphanLimits, Orphans, Policy, Removals, RenamedAlias, compute, decide, json, text};
use inviter::power::PowerLevels;
use inviter::printable::HarmlessJson;
use inviter::snapshot::{Account, Group, Members, Snapshot, Standing};
use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedUserId, RoomAliasId, RoomId, RoomVersionId, UserId};

const CONFIG: &str = r#"
[matrix]
homeserver = "https://matrix.example.com"
access_token = "none is needed"

[[idp]]
name = "corp"
type = "file"
mxid_homeserver = "example.com"
path = "rooms.toml"
"#;

const MEMBERS: usize = 100;
const PEOPLE: usize = 50_000;
const NOW: u64 = 1_800_000_000_000;

/// What is planned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum World {
    /// The rooms exist; in each one person in a hundred has gone and one has come.
    Drift,
    /// No room exists.
    First,
    /// All people but one have gone from each group, and the guard refuses to remove them.
    Refused,
    /// All groups are gone.
    Orphaned,
}

impl World {
    const ALL: [Self; 4] = [Self::Drift, Self::First, Self::Refused, Self::Orphaned];

    fn name(self) -> &'static str {
        match self {
            Self::Drift => "1 % drift",
            Self::First => "first sync",
            Self::Refused => "all leave, refused",
            Self::Orphaned => "all orphaned",
        }
    }

    /// How many people each group has.
    fn wanted(self) -> usize {
        match self {
            Self::Drift | Self::First => MEMBERS,
            Self::Refused => 1,
            Self::Orphaned => 0,
        }
    }

    /// How many changes there are in each room.
    fn changes(self) -> usize {
        match self {
            Self::Drift => 2,
            Self::First => MEMBERS + 1,
            Self::Refused => 1,
            Self::Orphaned => 0,
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [what, rooms] = arguments.as_slice()
        && let Some(world) = World::ALL.into_iter().find(|world| world.name() == what)
    {
        return one(world, rooms.parse().expect("a number"));
    }
    let sizes = if arguments.is_empty() { vec!["2500".into(), "5000".into(), "10000".into()] } else { arguments };
    let itself = std::env::current_exe().expect("it has a file");
    println!("| what | merge | plan | memberships a second | guard | JSON | peak memory | text | peak memory |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for world in World::ALL {
        for rooms in &sizes {
            let status = Command::new(&itself).args([world.name(), rooms]).status().expect("it starts");
            assert!(status.success());
        }
    }
}

/// Plans one world.
fn one(world: World, rooms: usize) {
    let config = Config::parse(Path::new("inviter.toml"), CONFIG).expect("a configuration");
    let snapshot = snapshot(world, rooms);
    let (desired, merged) = timed(|| Desired::build(&config, &[&snapshot]).expect("no collision"));
    drop(snapshot);
    let actual = actual(world, rooms);
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
    let (alone, planned) = timed(|| compute(&desired, &actual, &policy));
    drop(alone);
    let ((plan, refusals), decided) = timed(|| decide(&desired, &actual, &policy, &limits, WhenRefused::DoTheRest));
    let changes: usize = plan.rooms.iter().map(|room| room.changes.len()).sum();
    let orphaned = if world == World::Orphaned { rooms } else { 0 };
    assert_eq!((changes, plan.orphans.len()), (rooms * world.changes(), orphaned));
    assert_eq!(refusals.is_empty(), world != World::Refused);
    let ((), written) = timed(|| {
        let document = json::Document::new(&plan, &refusals, None);
        let out = BufWriter::new(HarmlessJson(std::io::sink()));
        serde_json::to_writer_pretty(out, &document).expect("JSON");
    });
    let with_json = peak();
    let (length, told) = timed(|| text::plan(&plan, &refusals, Dress::new(false)).len());
    assert!(length > 0);
    // Planning twice is not always slower than planning once.
    let guarded = decided.checked_sub(planned).map_or("-".into(), |guarded| format!("{guarded:.2?}"));
    println!(
        "| {}: {rooms} rooms, {memberships} memberships | {merged:.2?} | {planned:.2?} | {:.1} million | {guarded} | \
         {written:.2?} | {with_json} | {told:.2?} | {} |",
        world.name(),
        memberships as f64 / planned.as_secs_f64() / 1e6,
        peak()
    );
}

fn timed<T>(step: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let made = step();
    (made, started.elapsed())
}

fn name(person: usize) -> String {
    format!("person{person:06}")
}

fn user(person: usize) -> OwnedUserId {
    UserId::parse(format!("@{}:example.com", name(person))).expect("a user ID")
}

fn alias(room: usize) -> OwnedRoomAliasId {
    RoomAliasId::parse(format!("#room{room}:example.com")).expect("an alias")
}

/// The people of a room, from this one on.
fn people(room: usize, from: usize) -> impl Iterator<Item = usize> {
    (from..from + MEMBERS).map(move |at| (room * 37 + at) % PEOPLE)
}

/// What the identity provider says.
fn snapshot(world: World, rooms: usize) -> Snapshot {
    let groups = (0..if world == World::Orphaned { 0 } else { rooms }).map(|room| Group {
        name: alias(room).to_string(),
        id: Some(format!("group{room}")),
        label: alias(room).to_string(),
        members: Members::Known(people(room, 0).take(world.wanted()).map(name).collect()),
        owners: None,
    });
    let account = |person: String| {
        let account =
            Account { username: person.clone(), mxid: None, label: person.clone(), standing: Standing::Active };
        (person, account)
    };
    Snapshot {
        groups: groups.collect(),
        accounts: (0..PEOPLE).map(|person| account(name(person))).collect(),
        ..Snapshot::default()
    }
}

/// What the homeserver says.
fn actual(world: World, rooms: usize) -> Actual {
    let me = UserId::parse("@inviter:example.com").expect("a user ID");
    let mut actual = Actual {
        me: me.clone(),
        default_room_version: Some(RoomVersionId::V12),
        rooms: BTreeMap::new(),
        joined: BTreeSet::new(),
        others: BTreeMap::new(),
    };
    for room in 0..rooms {
        let id = RoomId::parse(format!("!room{room}")).expect("a room ID");
        let group = StampedGroup { idp: "corp".into(), id: format!("group{room}") };
        let joined = |user| (user, Member { membership: Membership::Join, sender: None, since: NOW });
        let there = || JoinedRoom {
            id: id.clone(),
            version: RoomVersionId::V12,
            members: people(room, 1).map(user).chain([me.clone()]).map(joined).collect(),
            power: PowerLevels::new(
                serde_json::json!({ "invite": 50, "users": {} }).as_object().cloned(),
                [me.clone()].into(),
                None,
            ),
            history_visibility: Some("shared".into()),
            name: Some(format!("room{room}")),
            topic: None,
            canonical_alias: Some(alias(room)),
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
            stamp: Some(Stamp { groups: [group].into(), orphaned: false }),
            released: false,
        };
        match world {
            World::First => {
                actual.rooms.insert(alias(room), ActualRoom::Missing);
            }
            World::Drift | World::Refused => {
                actual.rooms.insert(alias(room), ActualRoom::Joined(Box::new(there())));
            }
            World::Orphaned => {
                actual.others.insert(id.clone(), there());
            }
        }
    }
    actual
}

/// The most memory that this process has held.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim().to_owned()
}
