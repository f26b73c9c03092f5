//! The picture of a plan in a terminal, which the README shows.

use std::fs;
use std::path::Path;

use anstyle_svg::{Term, WIN10_CONSOLE};
use inviter::actual::Membership;
use inviter::plan::Removals;
use inviter::plan::text::{self, Dress};

use crate::planner::world::World;

#[test]
fn the_picture_in_the_readme_is_what_a_plan_looks_like() {
    let mut world = World::with_room("operations", &["alice", "bob", "carol"]);
    world.policy.removals = Removals::Cautious;
    world.want_at("operations", "alice", Some(50));
    world.want("operations", "dave");
    world.unwant("operations", "bob");
    world.member("operations", "carol", Membership::Ban, 400);
    world.want_room("lunch");
    world.want("lunch", "bob");
    world.want_room("#partners:example.org");
    let plan = world.plan();
    let (printed, digest) = (text::plan(&plan, &[], Dress::new(true)), text::digest(&plan.digest()));
    let svg = Term::new().palette(WIN10_CONSOLE).render_svg(&format!("$ inviter sync --dry-run\n{printed}{digest}"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/plan.svg");
    // As with the snapshots: look at the difference before it is taken.
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(&path, &svg).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == svg, "{} differs: run this test with INSTA_UPDATE=always", path.display());
    assert!(include_str!("../../../README.md").contains("(examples/plan.svg)"));
}
