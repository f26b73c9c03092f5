//! How a plan reads, to a person and to a program.

use inviter::actual::Membership;
use inviter::config::WhenRefused;
use inviter::plan::text::{self, Dress};
use inviter::plan::{Limits, json};
use inviter::report::{Outcome, Report, Status};
use serde_json::Value;

use super::world::{World, alias, limits};

/// A world with a bit of everything.
pub fn busy() -> World {
    let mut world = World::with_room("ops", &["alice*", "bob", "carol", "dave"]);
    world.want("ops", "erin");
    world.unwant("ops", "alice");
    world.unwant("ops", "bob");
    world.member("ops", "carol", Membership::Ban, 400);
    world.member("ops", "dave", Membership::Leave, 2);
    world.desired("ops").settings.history_visibility = Some(inviter::config::HistoryVisibility::Joined);
    world.want_room("new_room").settings.encryption = true;
    world.want_at("new_room", "alice", Some(50));
    world.want_room("#far:elsewhere.org");
    world.desired.warnings.insert("corp: a name with an escape \u{1b}[2J and an override \u{202e}".into());
    world
}

pub fn report(world: &World) -> Report {
    let mut outcomes = vec![
        Outcome::Applied,
        Outcome::Failed("the server said \u{1b}[31mno".into()),
        Outcome::AlreadyDone,
        Outcome::Skipped("the access token expired".into()),
    ];
    let rooms = world.plan().rooms;
    let ops = rooms.iter().find(|room| room.alias == alias("ops")).unwrap();
    outcomes.resize(ops.changes.len(), Outcome::Applied);
    Report { rooms: [(alias("ops"), outcomes)].into() }
}

#[test]
fn a_plan_for_a_person() {
    let world = busy();
    insta::assert_snapshot!(text::plan(&world.plan(), &[], Dress::new(false)));
}

#[test]
fn a_plan_in_colours_says_the_same() {
    let world = busy();
    let colored = text::plan(&world.plan(), &[], Dress::new(true));
    assert_ne!(colored, text::plan(&world.plan(), &[], Dress::new(false)));
    assert_eq!(anstream::adapter::strip_str(&colored).to_string(), text::plan(&world.plan(), &[], Dress::new(false)));
}

#[test]
fn a_refused_plan_names_the_limits_and_the_way_to_go_on() {
    let mut world = World::with_room("ops", &["alice", "bob"]);
    world.unwant("ops", "alice");
    world.unwant("ops", "bob");
    world.want_room("dev");
    for when_refused in [WhenRefused::DoTheRest, WhenRefused::DoNothing] {
        let (plan, refusals) = world.decide(&limits(), when_refused);
        insta::assert_snapshot!(text::plan(&plan, &refusals, Dress::new(false)));
    }
}

#[test]
fn a_report_tells_what_was_not_done() {
    let world = busy();
    insta::assert_snapshot!(text::report(&world.plan(), &report(&world), Dress::new(false)));
}

#[test]
fn nothing_to_do_is_one_line() {
    let world = World::with_room("ops", &["alice"]);
    assert_eq!(text::plan(&world.plan(), &[], Dress::new(false)), "1 room: nothing to do.\n");
}

#[test]
fn json_fits_the_published_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../../examples/plan.schema.json")).unwrap();
    // Not assert_eq, which would print both.
    assert!(schema == json::Document::schema(), "run: cargo run --example plan_schema > examples/plan.schema.json");
    let validator = jsonschema::validator_for(&schema).unwrap();
    let world = busy();
    let (stopped, refusals) = world.decide(&Limits { max_kicks: 0, ..limits() }, WhenRefused::DoNothing);
    assert!(!refusals.is_empty() && stopped.is_empty());
    let (plan, report) = (world.plan(), report(&world));
    for (plan, report) in [(&stopped, None), (&plan, None), (&plan, Some(&report))] {
        let document = serde_json::to_value(json::Document::new(plan, &refusals, report)).unwrap();
        let complaints: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(complaints, Vec::<String>::new());
    }
    assert!(!validator.is_valid(&serde_json::json!({ "version": "one" })));
}

#[test]
fn a_plan_for_a_program() {
    let world = busy();
    let (plan, report) = (world.plan(), report(&world));
    let document = json::Document::new(&plan, &[], Some(&report));
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
}

#[test]
fn the_exit_status_tells_the_gravest() {
    let quiet = World::with_room("ops", &["alice"]).plan();
    assert_eq!(Status::of(&quiet, false, None, true), Status::Done);
    let mut pending = World::with_room("ops", &["alice"]);
    pending.want("ops", "bob");
    assert_eq!(Status::of(&pending.plan(), false, None, true), Status::Pending);
    assert_eq!(Status::of(&pending.plan(), false, None, false), Status::Done);
    let failed = Report { rooms: [(alias("ops"), vec![Outcome::Failed("no".into())])].into() };
    assert_eq!(Status::of(&pending.plan(), false, Some(&failed), true), Status::Incomplete);
    assert_eq!(Status::of(&busy().plan(), false, None, true), Status::Incomplete);
    assert_eq!(Status::of(&busy().plan(), true, Some(&failed), true), Status::Refused);
    let codes = [
        Status::Done,
        Status::Error,
        Status::Pending,
        Status::Incomplete,
        Status::Refused,
        Status::Waiting,
        Status::Usage,
    ];
    assert_eq!(codes.map(Status::code), [0, 1, 2, 3, 4, 5, 64]);
}
