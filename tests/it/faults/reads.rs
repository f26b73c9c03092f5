//! A fault at each kind of request that only reads.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use serde_json::Value;

use super::kinds::{Fault, Means};
use super::world::{CALM, World, changes};
use crate::support::inviter::Outcome;
use crate::support::recorder::{Action, Recorded};

/// How many worlds go side by side.
const LANES: usize = 4;
/// What nothing can be done without, by what it has in its path.
const FIRST: [&str; 3] = ["/account/whoami", "/client/versions", "/joined_rooms"];
/// What nothing can be done without in a room: the room, and what it has in its path and at its end.
const OF_ROOMS: [(&str, &str, &str); 4] = [
    ("history", "/directory/room/", ""),
    ("kick", "/rooms/", "/state"),
    ("listed", "/directory/list/room/", ""),
    ("join", "/room_summary/", ""),
];
/// What it can be done without.
const DISPENSABLE: &str = "/capabilities";
/// What is looked up before a change is made, or after the answer to it was lost: the room, and what it has in its path.
const LOOKED_UP: [(&str, &str); 5] = [
    ("fresh", "/directory/room/"),
    ("invite", "/state/m.room.member/"),
    ("kick", "/state/m.room.member/"),
    ("levels", "/state/m.room.power_levels"),
    ("limited", "/state/m.room.join_rules"),
];

fn path(request: &Recorded) -> &str {
    request.path.split('?').next().unwrap_or_default()
}

/// The names by which a room stands in paths.
fn marks(world: &World, room: &str) -> [String; 2] {
    [world.scene.uid(&world.name(room)), world.id(room)]
}

fn is_of(marks: &[String; 2], path: &str) -> bool {
    marks.iter().any(|mark| path.contains(mark))
}

fn rooms<'a>(world: &World, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    names.into_iter().flat_map(|name| ["--room".to_owned(), world.scene.alias(&world.name(name))]).collect()
}

fn is_harmless(fault: &Fault) -> bool {
    fault.processed || fault.means == Means::Moment
}

async fn run_with(
    world: &World,
    fault: &Fault,
    arguments: &[String],
    chosen: impl Fn(&Recorded) -> bool + Send + Sync + 'static,
) -> (BTreeSet<String>, Outcome) {
    world.scene.recorder.clear();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    world.run_with(fault, &arguments, move |request| !request.is_write() && chosen(request)).await
}

fn nothing_was_done(world: &World, fault: &Fault, what: &str, outcome: &Outcome) {
    let what = format!("{} at {what}\n{outcome}", fault.name);
    assert_eq!((outcome.status, outcome.stdout.as_str()), (1, ""), "{what}");
    assert!(outcome.stderr.contains(fault.told), "{what}");
    assert_eq!(world.scene.recorder.writes(), [], "{what}");
}

/// A fault at what nothing can be done without.
async fn first(world: &World, fault: &Fault) -> usize {
    for part in FIRST {
        let (hit, outcome) =
            run_with(world, fault, &rooms(world, [CALM]), move |request| path(request).ends_with(part)).await;
        assert_eq!(hit.len(), 1, "{} at {part}: {hit:?}\n{outcome}", fault.name);
        if is_harmless(fault) {
            assert_eq!(outcome.status, 0, "{} at {part}\n{outcome}", fault.name);
            assert_eq!(world.scene.roster(CALM).await, ["alice invite 0"], "{} at {part}\n{outcome}", fault.name);
            world.disturb_calm().await;
        } else {
            nothing_was_done(world, fault, part, &outcome);
        }
    }
    FIRST.len()
}

/// A fault at what nothing can be done without in these rooms, which leaves others alone.
async fn of_rooms(world: &World, fault: &Fault, kinds: &[(&str, &'static str, &'static str)]) -> usize {
    let chosen: Vec<_> = kinds.iter().map(|(room, part, end)| (marks(world, room), *part, *end)).collect();
    let arguments = rooms(world, kinds.iter().map(|kind| kind.0).chain([CALM]));
    let (hit, outcome) = run_with(world, fault, &arguments, move |request| {
        let path = path(request);
        chosen.iter().any(|(marks, part, end)| path.contains(part) && path.ends_with(end) && is_of(marks, path))
    })
    .await;
    let what = format!("{} at {kinds:?}\n{outcome}", fault.name);
    assert_eq!(hit.len(), kinds.len(), "{hit:?}: {what}");
    if is_harmless(fault) {
        assert_eq!(outcome.status, 0, "{what}");
    } else if matches!(fault.means, Means::Account | Means::Gone) {
        nothing_was_done(world, fault, &format!("{kinds:?}"), &outcome);
    } else {
        assert_eq!(outcome.status, 3, "{what}");
        let writes = world.scene.recorder.writes();
        for (room, part, _) in kinds {
            let told = problems(&outcome.stdout, &world.scene.alias(&world.name(room)));
            assert!(is_told(fault, part, &told), "{room}: {told}: {what}");
            let marks = marks(world, room);
            assert!(!writes.iter().any(|request| is_of(&marks, &request.path)), "{room}: {what}");
        }
        if fault.means != Means::Wait {
            assert_eq!(problems(&outcome.stdout, &world.scene.alias(CALM)), "", "{what}");
            assert_eq!(world.scene.roster(CALM).await, ["alice invite 0"], "{what}");
        }
    }
    world.disturb_calm().await;
    kinds.len()
}

/// A fault at what it can be done without.
async fn dispensable(world: &World, fault: &Fault) -> usize {
    let arguments = [rooms(world, ["fresh"]), vec!["--dry-run".to_owned()]].concat();
    let (hit, outcome) = run_with(world, fault, &arguments, |request| path(request).ends_with(DISPENSABLE)).await;
    assert_eq!(hit.len(), 1, "{}: {hit:?}\n{outcome}", fault.name);
    if !is_harmless(fault) && matches!(fault.means, Means::Account | Means::Gone) {
        nothing_was_done(world, fault, DISPENSABLE, &outcome);
    } else if fault.means == Means::Wait {
        // The limit is that of all reading, without which nobody knows whether the room has another alias.
        assert_eq!(outcome.status, 3, "{}\n{outcome}", fault.name);
        assert!(outcome.stdout.contains("so it is not created"), "{}\n{outcome}", fault.name);
    } else {
        assert_eq!(outcome.status, 0, "{}\n{outcome}", fault.name);
        assert!(outcome.stdout.contains("\"action\": \"create_room\""), "{}\n{outcome}", fault.name);
    }
    1
}

/// A fault at what is looked up before changes, and after those whose request was lost.
async fn looked_up(world: &World, fault: &Fault) -> usize {
    let chosen = LOOKED_UP.map(|(room, part)| (marks(world, room), part));
    let is_created = AtomicBool::new(false);
    let arguments = rooms(world, LOOKED_UP.map(|kind| kind.0));
    world.scene.recorder.clear();
    let lost = |request: &Recorded| {
        ["/createRoom", "/invite", "/kick"].iter().any(|end| request.method == "POST" && request.path.ends_with(end))
    };
    let (hit, outcome) = world
        .run_with_more(fault, &arguments, move |request| {
            if lost(request) {
                is_created.fetch_or(request.path.ends_with("/createRoom"), Ordering::SeqCst);
                return Some(Action::DropBefore);
            }
            let path = path(request);
            let is_looked_up = !request.is_write()
                && chosen.iter().any(|(marks, part)| path.contains(part) && is_of(marks, path))
                // Before that, the alias is read for the plan.
                && (!path.contains("/directory/room/") || is_created.load(Ordering::SeqCst));
            if is_looked_up { None } else { Some(Action::Forward) }
        })
        .await;
    let what = format!("{} when things are looked up: {hit:?}\n{outcome}", fault.name);
    assert!(!hit.is_empty(), "{what}");
    assert_eq!(outcome.status, 3, "{what}");
    for (room, part) in LOOKED_UP {
        let ends = matches!(fault.means, Means::Account | Means::Gone | Means::Wait);
        assert!(ends || hit.iter().any(|path| path.contains(part)), "{part}: {what}");
        for (action, status, told) in changes(&outcome, &world.scene.alias(&world.name(room))) {
            let is_update = part.starts_with("/state/") && !part.contains("member");
            // What is read again for a moment in vain is read then.
            let right = if is_update && is_harmless(fault) {
                status == "applied"
            } else if is_update && fault.told == "404 M_NOT_FOUND" {
                matches!(status.as_str(), "applied" | "already_done" | "skipped")
            } else {
                matches!(status.as_str(), "failed" | "skipped") && !told.is_empty()
            };
            assert!(right, "{action} in {room}: {status}, {told}: {what}");
        }
    }
    LOOKED_UP.len()
}

async fn lane(prefix: String, share: impl Fn(usize) -> bool) -> usize {
    let mut world = World::new(&prefix).await;
    let mut tried = 0;
    for fault in world.faults().iter().enumerate().filter_map(|(at, fault)| share(at).then_some(fault)) {
        tried += first(&world, fault).await + dispensable(&world, fault).await;
        // That nobody has the alias is no fault, but an answer.
        let is_answer = fault.told == "404 M_NOT_FOUND";
        let ends = matches!(fault.means, Means::Account | Means::Gone | Means::Wait);
        if ends {
            for kind in OF_ROOMS {
                tried += of_rooms(&world, fault, &[kind]).await;
            }
        } else if !is_answer {
            tried += of_rooms(&world, fault, &OF_ROOMS).await;
        }
        let before = world.plan().await;
        if !is_harmless(fault) && !is_answer {
            tried += looked_up(&world, fault).await;
            assert_eq!(world.plan().await, before, "{}: nothing was changed", fault.name);
        }
        if is_harmless(fault) {
            world.converge().await;
            assert_eq!(world.wrongs().await, Vec::<String>::new(), "{}", fault.name);
            world.disturb().await;
        }
    }
    world.converge().await;
    assert_eq!(world.wrongs().await, Vec::<String>::new());
    tried
}

/// What keeps a room from being managed.
fn problems(stdout: &str, alias: &str) -> String {
    let document: Value = serde_json::from_str(stdout).unwrap();
    let room = document["rooms"].as_array().unwrap().iter().find(|room| room["alias"] == alias);
    let problems = room.and_then(|room| room["problems"].as_array().cloned()).unwrap_or_default();
    problems.iter().filter_map(|problem| problem["message"].as_str()).collect::<Vec<_>>().join("; ")
}

fn is_told(fault: &Fault, part: &str, told: &str) -> bool {
    told.contains(fault.told) && !told.is_empty()
        // A list is what this is answered with, only not an empty one.
        || fault.name == "an array" && told.contains("m.room.create")
        // Who is not told of a room is not in it.
        || part == "/room_summary/" && told.contains("is neither in it nor invited")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_and_nothing_is_written_there() {
    let lanes = (0..LANES).map(|lane_of| lane(format!("fr{lane_of}"), move |at| at % LANES == lane_of));
    let tried: usize = join_all(lanes).await.iter().sum();
    let kinds = FIRST.len() + OF_ROOMS.len() + 1 + LOOKED_UP.len();
    println!("{tried} faults at {kinds} kinds of reads: {tried} converged, 0 lost");
}
