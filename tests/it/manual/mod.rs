//! The commands besides `sync`, end to end.

mod lists;
mod people;
mod refusals;
mod unmanage;

use serde_json::Value;

use crate::support::inviter::{Inviter, Outcome};
use crate::sync::scene::Scene;

/// Room versions with and without creators that rank above all (MSC4289).
const VERSIONS: [&str; 2] = ["12", "11"];

const LISTS: &str = include_str!("../../../examples/list.schema.json");
const BY_HAND: &str = include_str!("../../../examples/manual.schema.json");

/// The document that a run printed, which fits its schema.
#[track_caller]
fn document(outcome: &Outcome, schema: &str) -> Value {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let document: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let complaints: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert_eq!(complaints, Vec::<String>::new(), "{outcome}");
    document
}

/// The program with a file whose people are on another homeserver, so that those of this one are external.
fn with_foreign_people(scene: &Scene, rooms: &[(&str, &[&str])], more: &str) -> Inviter {
    let inviter = Inviter::new(&format!(
        "{}[[idp]]\nname = \"people\"\ntype = \"file\"\nmxid_homeserver = \"corp.test\"\npath = \"rooms.toml\"\n{more}",
        scene.matrix_section(),
    ));
    scene.write_rooms(&inviter, rooms);
    inviter
}

#[test]
fn the_published_schemas_are_those_of_the_program() {
    for (published, actual, name) in [
        (LISTS, inviter::list::Document::schema(), "list"),
        (BY_HAND, inviter::manual::json::Document::schema(), "manual"),
    ] {
        let published: Value = serde_json::from_str(published).unwrap();
        assert_eq!(published, actual, "run: cargo run --example {name}_schema > examples/{name}.schema.json");
    }
}
