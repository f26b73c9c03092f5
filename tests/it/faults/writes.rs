//! A fault at each kind of request that changes something.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::Value;

use super::kinds::{Fault, Means};
use super::world::{CALM, KINDS, World, changes, plans, rooms};
use crate::support::inviter::Outcome;
use crate::support::recorder::Recorded;

/// How many worlds go side by side: most of the time is spent waiting.
const LANES: usize = 4;
const REPORT: &str = "/send/m.room.message";

/// What was tried in a lane, and what came of it.
#[derive(Default)]
struct Counts {
    faults: usize,
    converged: usize,
    kinds: BTreeSet<&'static str>,
    lost: Vec<String>,
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
        // That somebody else is deactivated is not told in other words.
        Means::Account if fault.name == "deactivated" && action == "invite" && status == "blocked" => true,
        Means::No if action == "invite" && status == "blocked" => fault.told.contains("M_NOT_FOUND"),
        // Who takes an alias away finds it gone.
        Means::No if action == "alias" && fault.told.contains("404") && done => true,
        Means::Account | Means::Gone => {
            failed || follows || status == "skipped" && told.contains("not tried, after this")
        }
        Means::Lost | Means::No | Means::Object => failed || follows,
    }
}

/// Whether a request is to be hit, of those that change something.
fn is_chosen(request: &Recorded) -> bool {
    // What is to be hit there comes after that.
    request.is_write() && !(request.method == "DELETE" && request.path.contains("-late"))
}

/// A fault at every change of a run at once, but for one room, which must not suffer.
async fn everywhere(world: &World, fault: &Fault) -> (BTreeSet<String>, Outcome) {
    let calm = world.id(CALM);
    world.scene.recorder.clear();
    let (hit, outcome) =
        world.run_with(fault, &[], move |request| is_chosen(request) && !request.path.contains(&calm)).await;
    let requests = world.scene.recorder.writes();
    let creations = requests.iter().filter(|request| request.path.ends_with("/createRoom")).count();
    assert_eq!(
        creations,
        if fault.means == Means::Moment { 2 } else { 1 },
        "{}: it is not repeated\n{outcome}",
        fault.name
    );
    for room in rooms() {
        let outcomes = changes(&outcome, &world.scene.alias(&world.name(room)));
        assert!(!outcomes.is_empty(), "{}: nothing to do in {room}\n{outcome}", fault.name);
        for change in outcomes {
            let right = match room {
                CALM if fault.means != Means::Wait => change.1 == "applied",
                CALM => true,
                _ => is_right(fault, &change),
            };
            assert!(right, "{} in {room}: {change:?}\n{outcome}", fault.name);
        }
    }
    assert_eq!(outcome.status, if is_harmless(fault) { 0 } else { 3 }, "{}\n{outcome}", fault.name);
    let unsent = outcome.stderr.contains("the report was not sent to") && outcome.stderr.contains(fault.told);
    assert!(is_harmless(fault) || unsent, "{}\n{outcome}", fault.name);
    (hit, outcome)
}

/// Whether what is to be done is done in spite of a fault, in the same run.
fn is_harmless(fault: &Fault) -> bool {
    fault.processed || fault.means == Means::Moment
}

/// A fault that ends the run, at one kind of request alone, in a run of one room.
async fn alone(world: &World, fault: &Fault, room: &str) -> (BTreeSet<String>, Outcome) {
    let alias = world.scene.alias(&world.name(room));
    let (hit, outcome) = world.run_with(fault, &["--room", &alias], is_chosen).await;
    let outcomes = changes(&outcome, &alias);
    assert!(!outcomes.is_empty(), "{}: nothing to do in {room}\n{outcome}", fault.name);
    for change in &outcomes {
        assert!(is_right(fault, change), "{} in {room}: {change:?}\n{outcome}", fault.name);
    }
    let is_blocked = outcomes.iter().all(|change| change.1 == "blocked");
    assert_eq!(outcome.status, if is_blocked { 0 } else { 3 }, "{} in {room}\n{outcome}", fault.name);
    (hit, outcome)
}

/// A fault at the report of a run.
async fn report(world: &World, fault: &Fault) -> BTreeSet<String> {
    let calm = world.scene.alias(CALM);
    let (hit, outcome) = world.run_with(fault, &["--room", &calm], |request| request.path.contains(REPORT)).await;
    let told = outcome.stderr.contains("the report was not sent to") && outcome.stderr.contains(fault.told);
    assert_eq!(outcome.status, 3, "{}\n{outcome}", fault.name);
    assert!(told, "{}\n{outcome}", fault.name);
    hit
}

/// Walks some faults. One that keeps all from being done must leave all to be done as it was: then the next run is the
/// one that would have been without it. One run after several of them shows that this ends right.
async fn lane(prefix: String, share: impl Fn(usize) -> bool) -> Counts {
    let mut world = World::new(&prefix).await;
    let mut counts = Counts::default();
    let faults: Vec<Fault> =
        world.faults().into_iter().enumerate().filter_map(|(at, fault)| share(at).then_some(fault)).collect();
    let (harmless, others): (Vec<_>, Vec<_>) = faults.iter().partition(|fault| is_harmless(fault));
    let groups = [others].into_iter().chain(harmless.into_iter().map(|fault| vec![fault]));
    for group in groups.filter(|group| !group.is_empty()) {
        let wanted = world.plan().await;
        let mut hits = 0;
        for fault in &group {
            let mut hit = BTreeSet::new();
            if matches!(fault.means, Means::Account | Means::Gone) {
                for (room, ..) in KINDS {
                    let (alone, outcome) = alone(&world, fault, room).await;
                    left_as_it_was(fault, &wanted, &outcome);
                    hit.extend(alone);
                }
                hit.extend(report(&world, fault).await);
            } else {
                let (all, outcome) = everywhere(&world, fault).await;
                left_as_it_was(fault, &wanted, &outcome);
                hit.extend(all);
            }
            world.disturb_calm().await;
            for kind in KINDS.iter().map(|kind| kind.2).chain([REPORT]) {
                if hit.iter().any(|request| request.contains(kind)) {
                    counts.kinds.insert(kind);
                }
            }
            hits += hit.len();
        }
        world.converge().await;
        let wrongs = world.wrongs().await;
        counts.faults += hits;
        if wrongs.is_empty() {
            counts.converged += hits;
        } else {
            let names: Vec<&str> = group.iter().map(|fault| fault.name).collect();
            counts.lost.push(format!("{names:?}: {}", wrongs.join(", ")));
        }
        world.disturb().await;
    }
    counts
}

/// What a run planned is what would have been planned without the faults before.
fn left_as_it_was(fault: &Fault, wanted: &BTreeMap<String, Value>, outcome: &Outcome) {
    for (alias, plan) in plans(outcome) {
        assert_eq!(Some(&plan), wanted.get(&alias), "before {}: {alias}\n{outcome}", fault.name);
    }
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
