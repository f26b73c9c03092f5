//! A fault at each kind of request that only reads.

use futures_util::future::join_all;
use serde_json::Value;

use super::kinds::{Fault, Means};
use super::world::World;

/// What cannot be read, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follows {
    /// Nothing can be done at all.
    Nothing,
    /// Nothing can be done in this room.
    NotHere,
    /// It can be done without.
    Nevertheless,
}

/// Each kind of request that only reads: the room for which it is made, what it has in its path and how that ends, and
/// what follows if it fails.
const KINDS: [(&str, &str, &str, Follows); 8] = [
    ("invite", "/account/whoami", "", Follows::Nothing),
    ("invite", "/client/versions", "", Follows::Nothing),
    ("invite", "/joined_rooms", "", Follows::Nothing),
    ("invite", "/directory/room/", "", Follows::NotHere),
    ("invite", "/rooms/", "/state", Follows::NotHere),
    ("listed", "/directory/list/room/", "", Follows::NotHere),
    ("join", "/room_summary/", "", Follows::NotHere),
    ("fresh", "/capabilities", "", Follows::Nevertheless),
];

async fn walk(prefix: String, kind: &'static (&str, &str, &str, Follows)) -> usize {
    let (room, part, end, follows) = *kind;
    let mut world = World::new(&prefix).await;
    let mut tried = 0;
    for fault in world.faults() {
        let (alias, calm) = (world.scene.alias(&world.name(room)), world.scene.alias("calm"));
        let (local, id) = (world.scene.uid(&world.name(room)), world.id(room));
        world.scene.recorder.clear();
        let (hit, outcome) = world
            .run_with(&fault, &["--room", &alias, "--room", &calm], move |request| {
                let path = request.path.split('?').next().unwrap_or_default();
                let is_here = follows != Follows::NotHere || path.contains(&id) || path.contains(&local);
                !request.is_write() && path.contains(part) && path.ends_with(end) && is_here
            })
            .await;
        assert_eq!(hit.len(), 1, "{} at {part}: {hit:?}\n{outcome}", fault.name);
        tried += 1;
        let ends = matches!(fault.means, Means::Account | Means::Gone);
        let what = format!("{} at {part}\n{outcome}", fault.name);
        let writes = world.scene.recorder.writes();
        if fault.processed || fault.means == Means::Moment {
            assert_eq!(outcome.status, 0, "{what}");
        } else if ends || follows == Follows::Nothing {
            assert_eq!((outcome.status, outcome.stdout.as_str()), (1, ""), "{what}");
            assert!(outcome.stderr.contains(fault.told), "{what}");
            assert_eq!(writes, [], "{what}");
        } else if follows == Follows::NotHere {
            assert_eq!(outcome.status, 3, "{what}");
            assert!(is_told(&fault, part, &outcome.stdout, &alias), "{what}");
            let (local, id) = (world.scene.uid(&world.name(room)), world.id(room));
            let here = |path: &str| path.contains(&id) || path.contains(&local);
            assert!(!writes.iter().any(|request| here(&request.path)), "{what}");
            if fault.means != Means::Wait {
                assert_eq!(problems(&outcome.stdout, &calm), Vec::<String>::new(), "{what}");
            }
        } else {
            assert_eq!(outcome.status, 0, "{what}");
        }
        if outcome.status == 0 {
            world.converge().await;
            assert_eq!(world.wrongs().await, Vec::<String>::new(), "{what}");
            world.disturb().await;
        }
    }
    world.converge().await;
    assert_eq!(world.wrongs().await, Vec::<String>::new(), "{part}");
    tried
}

/// What keeps a room from being managed.
fn problems(stdout: &str, alias: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(stdout).unwrap();
    let room = document["rooms"].as_array().unwrap().iter().find(|room| room["alias"] == alias);
    let problems = room.and_then(|room| room["problems"].as_array().cloned()).unwrap_or_default();
    problems.iter().map(|problem| problem["message"].as_str().unwrap_or_default().to_owned()).collect()
}

fn is_told(fault: &Fault, part: &str, stdout: &str, alias: &str) -> bool {
    let told = problems(stdout, alias).join("; ");
    told.contains(fault.told)
        // A list is what this is answered with, only not an empty one.
        || fault.name == "an array" && told.contains("m.room.create")
        // Who is not told of a room is not in it.
        || part == "/room_summary/" && told.contains("is not in")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_and_nothing_is_written_there() {
    let walks = KINDS.iter().enumerate().map(|(at, kind)| walk(format!("fr{at}"), kind));
    let tried: usize = join_all(walks).await.iter().sum();
    println!("{tried} faults at {} kinds of reads: {tried} converged, 0 lost", KINDS.len());
}
