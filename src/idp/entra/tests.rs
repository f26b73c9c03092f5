//! Whatever Graph answers.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::graph::{self, Collection};
use super::members::People;
use super::rooms::Rooms;
use crate::config::{Config, IdpKind};
use crate::fuzz::{any_json, nasty, try_all};
use crate::printable::is_harmful;

const CONFIG: &str = "[matrix]\nhomeserver = \"https://a\"\naccess_token = \"a\"\n[[idp]]\nname = \"azure\"\ntype = \"entra\"\n\
                      mxid_homeserver = \"a\"\ntenant_id = \"a.example\"\nclient_id = \"535fb089-9ff3-47b6-9bfb-4f1264799865\"\n\
                      client_secret = \"a\"\nroot_group_id = \"02bd9fd6-8f93-4758-87c3-1fb73740a315\"\n";

fn object() -> impl Strategy<Value = Map<String, Value>> {
    let sound = |value: Value| prop_oneof![8 => Just(value), 1 => any_json(), 1 => nasty().prop_map(Value::from)];
    let kind =
        proptest::sample::select(vec!["#microsoft.graph.group", "#microsoft.graph.user", "#microsoft.graph.device"]);
    let name = prop_oneof![
        Just("MTRX #ops:a".to_owned()),
        Just("MTRX #ops".into()),
        nasty().prop_map(|text| format!("MTRX #{text}:a"))
    ];
    let id = proptest::sample::select(vec!["1", "2", "3", "", "../1", "a\u{1b}"]);
    (kind, name, id, nasty())
        .prop_flat_map(move |(kind, name, id, user)| {
            (
                sound(json!(kind)),
                sound(json!(name)),
                sound(json!(id)),
                sound(json!(format!("{user}@corp.example"))),
                sound(json!(true)),
                sound(json!("Member")),
            )
        })
        .prop_map(|(kind, name, id, upn, enabled, user_type)| {
            let object = json!({ "@odata.type": kind, "displayName": name, "id": id, "userPrincipalName": upn,
                                 "accountEnabled": enabled, "userType": user_type });
            object.as_object().cloned().unwrap_or_default()
        })
}

#[test]
fn fuzz_any_collection_is_rooms_or_people_or_a_harmless_error() {
    let config = Config::parse(Path::new("inviter.toml"), CONFIG).unwrap();
    let all = &config.idps[0];
    let IdpKind::Entra(idp) = &all.kind else { panic!("{all:?}") };
    try_all(&proptest::collection::vec(object(), 0..6), |objects| {
        let harmless = |text: String| assert!(!text.chars().any(is_harmful), "{text:?}");
        match Rooms::read(all, idp, &|_| true, Collection { objects: objects.clone(), gap: None }) {
            Ok(rooms) => {
                for path in rooms.questions(idp) {
                    assert!(path.starts_with("/groups/") && !path.contains("..") && path.is_ascii(), "{path}");
                }
                rooms.notices.into_iter().for_each(harmless);
            }
            Err(problem) => harmless(problem.to_string()),
        }
        let mut people = People::new(all, idp);
        if let Err(problem) = people.members(&Collection { objects, gap: None }) {
            harmless(problem.to_string());
        }
    });
}

#[test]
fn fuzz_any_answer_is_a_page_or_a_harmless_error() {
    try_all(&(any_json(), any_json(), 400..600_u16), |(value, next, status)| {
        for body in [json!({ "value": value, "@odata.nextLink": next }), value.clone()] {
            if let Err(problem) = graph::read_page(body.clone()) {
                let text = problem.to_string();
                assert!(!text.chars().any(is_harmful), "{text:?}");
            }
        }
        let body = json!({ "error": { "code": value, "message": next, "innerError": value } });
        let text = super::error::EntraProblem::Refused(graph::refused(status, &body)).to_string();
        assert!(!text.chars().any(is_harmful), "{text:?}");
    });
}
