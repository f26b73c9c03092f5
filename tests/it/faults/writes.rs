//! A fault at each kind of request that changes something.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::Value;

use super::kinds::{Fault, Means};
use super::world::{ROOMS, World};
use crate::support::inviter::Outcome;
use crate::support::recorder::Recorded;

/// How many worlds go side by side: most of the time is spent waiting.
const LANES: usize = 6;
/// Each kind of request that changes something, by the room where it is made, and what it has in its path.
const KINDS: [(&str, &str, &str); 16] = [
    ("fresh", "POST", "/createRoom"),
    ("history", "PUT", "/m.room.history_visibility"),
    ("invite", "POST", "/invite"),
    ("join", "POST", "/join"),
    ("kick", "POST", "/kick"),
    ("levels", "PUT", "/m.room.power_levels"),
    ("linked", "PUT", "/m.room.join_rules"),
    ("linked", "PUT", "/m.space.child"),
    ("linked", "PUT", "/m.space.parent"),
    ("listed", "PUT", "/directory/list/room"),
    ("mark", "PUT", "/dev.inviter.managed"),
    ("moved", "PUT", "/directory/room"),
    ("moved", "DELETE", "/directory/room"),
    ("moved", "PUT", "/m.room.canonical_alias"),
    ("name", "PUT", "/m.room.name"),
    ("name", "PUT", "/m.room.topic"),
];
const REPORT: &str = "/send/m.room.message";

/// What was tried in a lane, and what came of it.
#[derive(Default)]
struct Counts {
    faults: usize,
    converged: usize,
    kinds: BTreeSet<&'static str>,
    lost: Vec<String>,
}

fn is(kind: &(&str, &str, &str), request: &Recorded) -> bool {
    request.method == kind.1 && request.path.contains(kind.2)
}

/// The changes of a room, and what became of each: `applied`, or `failed` with what is told.
fn outcomes(document: &Value, alias: &str) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let room = document["rooms"].as_array().unwrap().iter().find(|room| room["alias"] == alias);
    let changes = room.map(|room| room["changes"].as_array().unwrap().clone()).unwrap_or_default();
    let outcome = |change: &Value| {
        let outcome = &change["outcome"];
        (text(&change["action"]), text(&outcome["status"]), text(&outcome["message"]))
    };
    changes.iter().map(outcome).collect()
}

/// Whether a change may have ended so, by rule.
fn is_right(fault: &Fault, (action, status, told): &(String, String, String)) -> bool {
    let done = matches!(status.as_str(), "applied" | "already_done");
    let failed = status == "failed" && told.contains(fault.told);
    let follows = status == "skipped" && told == "the room was not created";
    match fault.means {
        _ if fault.processed => done,
        Means::Moment => done,
        // What is answered to these holds nothing, so nothing is missed in it.
        Means::Object if matches!(action.as_str(), "invite" | "kick" | "directory") => done || follows,
        Means::Wait => failed || follows || status == "skipped" && told.contains(fault.told),
        Means::Account | Means::Gone => failed || status == "skipped" && told.contains("not tried, after this"),
        Means::Lost | Means::No | Means::Object => failed || follows,
    }
}

fn document(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"))
}

/// A fault at every change of a run at once, but for one room, which must not suffer.
async fn everywhere(world: &World, fault: &Fault) -> BTreeSet<String> {
    let calm = world.id("calm");
    let (hit, outcome) =
        world.run_with(fault, &[], move |request| request.is_write() && !request.path.contains(&calm)).await;
    let document = document(&outcome);
    for room in ROOMS {
        let outcomes = outcomes(&document, &world.scene.alias(&world.name(room)));
        assert!(!outcomes.is_empty(), "{}: nothing to do in {room}\n{outcome}", fault.name);
        for change in outcomes {
            let right = match room {
                "calm" if fault.means != Means::Wait => change.1 == "applied",
                "calm" => true,
                _ => is_right(fault, &change),
            };
            assert!(right, "{} in {room}: {change:?}\n{outcome}", fault.name);
        }
    }
    let all_is_well = fault.processed;
    assert_eq!(outcome.status, if all_is_well { 0 } else { 3 }, "{}\n{outcome}", fault.name);
    let unsent = outcome.stderr.contains("the report was not sent to") && outcome.stderr.contains(fault.told);
    assert!(all_is_well || unsent, "{}\n{outcome}", fault.name);
    hit
}

/// A fault at one kind of request alone, in a run of one room.
async fn alone(world: &World, fault: &Fault, kind: &'static (&str, &str, &str)) -> BTreeSet<String> {
    let alias = world.scene.alias(&world.name(kind.0));
    let (hit, outcome) = world.run_with(fault, &["--room", &alias], |request| is(kind, request)).await;
    if hit.is_empty() {
        // An earlier fault at the same room has left nothing of this kind to do.
        return hit;
    }
    let outcomes = outcomes(&document(&outcome), &alias);
    let what = format!("{} at {kind:?}: {outcomes:?}\n{outcome}", fault.name);
    let harmless = fault.processed
        || fault.means == Means::Moment
        || fault.means == Means::Object && outcomes.iter().all(|change| change.1 == "applied")
        // Who takes an alias away finds it gone.
        || fault.told == "404" && kind.1 == "DELETE";
    assert_eq!(outcome.status, if harmless { 0 } else { 3 }, "{what}");
    // An object that was believed may fail a later request of the same change.
    let told = |change: &(String, String, String)| {
        change.1 == "failed" && (change.2.contains(fault.told) || fault.means == Means::Object)
    };
    assert!(harmless || outcomes.iter().any(told), "{what}");
    hit
}

/// A fault at the report of a run.
async fn report(world: &World, fault: &Fault) -> BTreeSet<String> {
    let calm = world.scene.alias("calm");
    let (hit, outcome) = world.run_with(fault, &["--room", &calm], |request| request.path.contains(REPORT)).await;
    let told = outcome.stderr.contains("the report was not sent to") && outcome.stderr.contains(fault.told);
    let harmless = fault.processed || fault.means == Means::Moment;
    assert_eq!(outcome.status, if harmless { 0 } else { 3 }, "{}\n{outcome}", fault.name);
    assert!(harmless || told, "{}\n{outcome}", fault.name);
    hit
}

async fn lane(prefix: String, share: impl Fn(usize) -> bool) -> Counts {
    let mut world = World::new(&prefix).await;
    let mut counts = Counts::default();
    for fault in world.faults().iter().enumerate().filter_map(|(at, fault)| share(at).then_some(fault)) {
        let mut hit = BTreeSet::new();
        match fault.means {
            Means::Account | Means::Gone | Means::Moment => {
                for kind in &KINDS {
                    hit.extend(alone(&world, fault, kind).await);
                }
                hit.extend(report(&world, fault).await);
            }
            _ => {
                hit.extend(everywhere(&world, fault).await);
                for kind in KINDS.iter().filter(|kind| kind.0 == "moved" && !fault.processed) {
                    hit.extend(alone(&world, fault, kind).await);
                }
            }
        }
        for kind in KINDS.iter().map(|kind| kind.2).chain([REPORT]) {
            if hit.iter().any(|request| request.contains(kind)) {
                counts.kinds.insert(kind);
            }
        }
        world.converge().await;
        let wrongs = world.wrongs().await;
        counts.faults += hit.len();
        if wrongs.is_empty() {
            counts.converged += hit.len();
        } else {
            counts.lost.push(format!("{}: {}", fault.name, wrongs.join(", ")));
        }
        world.disturb().await;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_a_change_is_told_and_the_next_run_ends_right() {
    let lanes = (0..LANES).map(|lane_of| lane(format!("fw{lane_of}"), move |at| at % LANES == lane_of));
    let mut all = Counts::default();
    for counts in join_all(lanes).await {
        all.faults += counts.faults;
        all.converged += counts.converged;
        all.kinds.extend(counts.kinds);
        all.lost.extend(counts.lost);
    }
    println!(
        "{} faults at {} kinds of changes: {} converged, {} lost",
        all.faults,
        all.kinds.len(),
        all.converged,
        all.faults - all.converged
    );
    assert_eq!(all.lost, Vec::<String>::new());
    let kinds: BTreeSet<&str> = KINDS.iter().map(|kind| kind.2).chain([REPORT]).collect();
    assert_eq!(all.kinds, kinds, "every kind of request was tried");
}
