//! Several runs that share the rooms among themselves.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use inviter::actual::ActualRoom;
use inviter::plan::{asked_for, needs_others};
use inviter::shard::Shard;
use proptest::prelude::*;

use crate::planner::world::{World, alias, stamp};
use crate::support::inviter::Inviter;
use crate::sync::scene::{Scene, run, summary};

fn shard(index: u32, count: u32) -> Shard {
    format!("{index}/{count}").parse().unwrap()
}

/// The one shard of so many that holds a room.
fn owner(key: &str, count: u32) -> u32 {
    let owners: Vec<u32> = (0..count).filter(|index| shard(*index, count).holds(key)).collect();
    assert_eq!(owners.len(), 1, "{key} is in {owners:?} of {count}");
    owners[0]
}

proptest! {
    #[test]
    fn each_room_is_in_one_shard(key in ".*", count in 1_u32..40) {
        owner(&key, count);
    }

    #[test]
    fn a_further_shard_takes_rooms_over_and_no_other_room_moves(key in ".*", count in 1_u32..40) {
        let (before, after) = (owner(&key, count), owner(&key, count + 1));
        prop_assert!(after == before || after == count, "{before} of {count}, {after} of one more");
    }

    #[test]
    fn what_all_shards_together_may_do_is_divided_and_rounded_up(whole in 0_u64..1000, count in 1_u32..40) {
        let share = shard(0, count).share(whole);
        prop_assert!(share * u64::from(count) >= whole && share * u64::from(count) < whole + u64::from(count));
    }
}

#[test]
fn shards_are_of_one_size_and_a_further_one_moves_no_more_than_its_share() {
    let keys: Vec<String> = (0..2000).map(|number| format!("#room-{number}:example.com")).collect();
    for count in [2_u32, 4, 7] {
        let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
        let mut moved = 0;
        for key in &keys {
            *sizes.entry(owner(key, count)).or_default() += 1;
            moved += usize::from(owner(key, count) != owner(key, count + 1));
        }
        let (fair, taken) = (2000 / count as usize, 2000 / (count as usize + 1));
        assert!(sizes.values().all(|size| size.abs_diff(fair) < fair / 4), "{count}: {sizes:?}");
        assert!(moved.abs_diff(taken) < taken / 4, "{count}: {moved}");
    }
}

#[test]
fn where_a_room_belongs_is_fixed_for_all_time() {
    let owners: Vec<u32> =
        ["#ops", "#dev", "#hq", "#lunch", "!id"].map(|name| owner(&format!("{name}:example.com"), 5)).into();
    assert_eq!(owners, [3, 2, 3, 4, 3]);
}

#[test]
fn what_is_no_shard_is_refused() {
    for bad in [
        "",
        "4",
        "0/0",
        "4/4",
        "5/4",
        "-1/4",
        "+1/4",
        "1/4/2",
        "a/b",
        "0x1/4",
        " 1/4",
        "1/ 4",
        "0/1001",
        "0/99999999999",
    ] {
        let error = bad.parse::<Shard>().unwrap_err().to_string();
        assert!(error.contains("0/4 to 3/4"), "{bad}: {error}");
    }
    assert_eq!(shard(3, 4).to_string(), "3/4");
}

#[tokio::test]
async fn what_is_no_shard_on_the_command_line_is_a_usage_error() {
    let inviter = Inviter::new("");
    for bad in ["0/0", "4/4", "5/4", "one", "$(JOB_COMPLETION_INDEX)/4"] {
        let usage = run(&inviter, &["sync", "--shard", bad]).await.status(64);
        assert!(usage.stderr.contains("counted from 0"), "{usage}");
    }
    run(&inviter, &["sync", "--shard", "0/4", "--room", "#ops:example.com"]).await.status(64);
}

/// A world with a space and a room of it, where this run takes care of one of them.
fn with_space_elsewhere(there: bool) -> World {
    let mut world = World::with_room("ops", &["alice"]);
    world.want_room("hq").described.is_space = true;
    world.want("hq", "alice");
    if there {
        world.settle();
    }
    let described = &mut world.desired("ops").described;
    described.parent = Some(alias("hq"));
    described.restricted = true;
    world.desired.leave_to_others(|room| *room == alias("hq"));
    world
}

#[test]
fn a_room_is_put_into_a_space_that_another_shard_takes_care_of() {
    let mut world = with_space_elsewhere(true);
    world.want("hq", "bob");
    world.expect(
        "ops",
        &[
            "~ let members of #hq:example.com join  ([[rooms]] restricted)",
            "~ say in the room that it is in #hq:example.com  ([[rooms]] parent)",
            "~ put the room into #hq:example.com  ([[rooms]] parent)",
        ],
    );
    let plan = world.plan();
    assert_eq!(plan.rooms.len(), 1, "the space itself is the other shard's business");
    world.settle();
    world.expect("ops", &[]);
}

#[test]
fn a_space_that_another_shard_is_still_to_create_is_waited_for() {
    let world = with_space_elsewhere(false);
    let plan = world.plan();
    let [ops] = plan.rooms.as_slice() else { panic!("{plan:#?}") };
    assert!(ops.changes.is_empty() && ops.problems.is_empty(), "{ops:#?}");
    let warnings: Vec<&str> = ops.warnings.iter().map(String::as_str).collect();
    assert_eq!(
        warnings,
        [
            "the space #hq:example.com does not exist yet: another shard creates it, and the next run puts the room into it"
        ]
    );
}

#[test]
fn only_the_shards_own_rooms_and_their_spaces_are_read() {
    let mut world = with_space_elsewhere(true);
    world.want_room("dev");
    world.desired.leave_to_others(|room| *room != alias("ops"));
    assert_eq!(asked_for(&world.desired).aliases, [alias("hq"), alias("ops")].into());
    assert!(!needs_others(&world.desired, &world.actual), "a missing room of another shard is its business");
}

#[test]
fn a_group_that_was_renamed_is_known_to_the_shard_of_the_old_name_and_of_the_new() {
    let mut world = World::with_room("old", &["alice"]);
    world.want_room("new").stamp = stamp("old");
    world.want("new", "alice");
    world.desired("old").stamp = stamp("another");
    let Some(ActualRoom::Joined(room)) = world.actual.rooms.get(&alias("old")).cloned() else { panic!("a room") };
    world.desired.leave_to_others(|room| *room == alias("new"));
    let plan = world.plan();
    assert!(plan.rooms[0].problems.iter().any(|problem| problem.to_string().contains("stands for another group")));
    world.desired.leave_to_others(|room| *room == alias("old"));
    world.actual.rooms.remove(&alias("old"));
    world.actual.others.insert(room.id.clone(), *room);
    world.expect("new", &["~ main alias: #old:example.com -> #new:example.com  (its group was renamed)"]);
}

const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// A scene with rooms in a space, which one run or several are to bring in line.
async fn organisation(prefix: &str, more: &str) -> (Scene, Inviter, Vec<String>) {
    let scene = Scene::new(prefix).await;
    scene.people(&PEOPLE).await;
    let names: Vec<String> = (0..10).map(|number| format!("room{number}")).collect();
    let mut described = format!("{more}[[rooms]]\nalias = {:?}\ntype = \"space\"\n", scene.alias("hq"));
    for name in &names[..4] {
        let (alias, space) = (scene.alias(name), scene.alias("hq"));
        let _ = write!(described, "[[rooms]]\nalias = {alias:?}\nparent = {space:?}\nrestricted = true\n");
    }
    let inviter = scene.with_file(&[], &described);
    write_groups(&scene, &inviter, &names, &["alice*", "bob", "carol"]);
    (scene, inviter, names)
}

fn write_groups(scene: &Scene, inviter: &Inviter, names: &[String], people: &[&str]) {
    let rooms: Vec<(&str, &[&str])> =
        names.iter().map(String::as_str).chain(["hq"]).map(|name| (name, people)).collect();
    scene.write_rooms(inviter, &rooms);
}

/// What can be seen of all rooms, without what differs from scene to scene.
async fn state(scene: &Scene, names: &[String]) -> Vec<String> {
    let mut seen = scene.roster("hq").await;
    let hq = scene.room("hq").await;
    for name in names {
        let room = scene.room(name).await;
        seen.extend(scene.roster(name).await.into_iter().map(|line| format!("{name}: {line}")));
        let in_space = scene.me.state_event(&hq, "m.space.child", &room).await.is_some();
        let says_so = scene.me.state_event(&room, "m.space.parent", &hq).await.is_some();
        let rule = scene.me.state_event(&room, "m.room.join_rules", "").await.unwrap();
        seen.push(format!("{name}: in the space {in_space} {says_so}, {}", rule["join_rule"]));
    }
    assert_eq!(scene.me.joined_rooms().await.len(), names.len() + 1, "no room was made twice");
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn all_shards_together_do_what_one_run_does() {
    const SHARDS: [&str; 3] = ["0/3", "1/3", "2/3"];
    let more = "[policy]\nmax_kicks = 100\nmax_kicks_percent = 100\n";
    let (whole, alone, names) = organisation("unshared", more).await;
    let (parts, shared, _) = organisation("shared", more).await;
    for (round, people) in [["alice*", "bob", "carol"], ["alice", "carol*", "dave"]].iter().enumerate() {
        write_groups(&whole, &alone, &names, people);
        write_groups(&parts, &shared, &names, people);
        run(&alone, &["sync", "--kick"]).await.success();
        // Side by side, and a second time for rooms whose space was not there yet.
        for _ in 0..2 {
            let runs = SHARDS.map(|shard| {
                shared.spawn(&["sync", "--kick", "--shard", shard], &crate::support::inviter::Victim::default())
            });
            for run in runs {
                run.wait().await.success();
            }
        }
        assert_eq!(state(&parts, &names).await, state(&whole, &names).await, "round {round}");
    }
    let mut rooms = 0;
    for shard in SHARDS {
        parts.recorder.clear();
        let outcome = run(&shared, &["sync", "--kick", "--shard", shard]).await.success();
        let (count, rest) = summary(&outcome).split_once(' ').unwrap();
        assert!(rest.ends_with(": nothing to do."), "{outcome}");
        let count: usize = count.parse().unwrap();
        assert!(count > 0, "{outcome}");
        // whoami, versions and the joined rooms; and the space, for its rooms.
        assert!(parts.recorder.requests().len() <= 3 + 2 * count + 2, "{:#?}", parts.recorder.requests());
        rooms += count;
    }
    assert_eq!(rooms, names.len() + 1, "each room in one shard");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_may_kick_its_share_of_what_a_run_may_kick() {
    let more = "[policy]\nmax_kicks = 8\nmax_kicks_percent = 100\n";
    let (scene, inviter, names) = organisation("sharedguard", more).await;
    run(&inviter, &["sync"]).await.success();
    write_groups(&scene, &inviter, &names, &["alice*", "bob"]);
    let whole = run(&inviter, &["sync", "--kick", "--dry-run"]).await.status(4);
    assert!(whole.stdout.contains("11 kicks in all; max_kicks allows 8"), "{whole}");
    for index in 0..2_u32 {
        let mine =
            names.iter().map(String::as_str).chain(["hq"]).filter(|name| shard(index, 2).holds(&scene.alias(name)));
        let kicks = mine.count();
        let arguments = ["sync", "--kick", "--dry-run", "--shard", &format!("{index}/2")];
        let outcome = run(&inviter, &arguments).await;
        if kicks > 4 {
            let told = format!("{kicks} kicks in all; max_kicks allows 4");
            assert!(outcome.status == 4 && outcome.stdout.contains(&told), "{outcome}");
        } else {
            assert!(outcome.status == 0 && outcome.stdout.contains("- withdraw"), "{outcome}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_shard_reports_its_own_rooms() {
    let scene = Scene::new("sharedreport").await;
    let log = scene.me.create_room(serde_json::json!({ "room_alias_name": scene.uid("log") })).await;
    let inviter = scene.with_file(
        &[("one", &["alice"]), ("two", &["alice"]), ("six", &["alice"])],
        &format!("[report]\nroom = {:?}\n", scene.alias("log")),
    );
    for index in ["0/2", "1/2"] {
        run(&inviter, &["sync", "--shard", index]).await.success();
    }
    let path = format!("/_matrix/client/v3/rooms/{}/messages?dir=f&limit=50", crate::support::account::encode(&log));
    let messages = scene.me.ok("GET", &path, None).await;
    let said: Vec<String> = messages["chunk"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|event| event["content"]["body"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(said.len(), 2, "{said:?}");
    for (index, body) in said.iter().enumerate() {
        assert!(body.starts_with(&format!("shard {index}/2\n")), "{body}");
        for name in ["one", "two", "six"] {
            let mine = owner(&scene.alias(name), 2) as usize == index;
            assert_eq!(body.contains(&scene.alias(name)), mine, "{body}");
        }
    }
}
