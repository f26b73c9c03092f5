//! Property tests of what reads text from outside: a few hundred cases, or as many as `INVITER_FUZZ_SECONDS` has time for.
#![allow(dead_code, reason = "each host of this module uses only a part of it")]

use std::env;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// How long one case may take, in a debug build on a machine that does other things as well.
const LONGEST: Duration = Duration::from_secs(10);

/// Tries a property with made-up values. What it panics with names the smallest value that was found.
pub(crate) fn try_all<S: Strategy>(strategy: &S, property: impl Fn(S::Value))
where
    S::Value: Debug,
{
    let seconds = env::var("INVITER_FUZZ_SECONDS").map_or(0, |seconds| seconds.parse().expect("a number of seconds"));
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut cases = 0_u64;
    loop {
        let config = Config { cases: 256, failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(strategy, |value| {
            let started = Instant::now();
            property(value);
            prop_assert!(started.elapsed() < LONGEST, "it took {:?}", started.elapsed());
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{error}"));
        cases += 256;
        if Instant::now() >= until {
            break;
        }
    }
    println!("{cases} cases");
}

/// Text with everything that quoting, escaping and terminals get wrong.
pub(crate) fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "\"",
            "\"\"\"",
            "'''",
            "\\",
            "\\u0000",
            "\\ud800",
            "\n",
            "\r\n",
            "\t",
            "\0",
            "# ",
            "[",
            "]",
            "{",
            "}",
            "=",
            ",",
            ":",
            "\u{1b}[2J",
            "\u{1b}]52;c;aGk=\u{7}",
            "\u{9b}31m",
            "\u{202e}",
            "\u{2066}",
            "\u{200b}",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "\u{7f}",
            "\u{e0041}",
            "1e400",
            "9223372036854775808",
            "-9007199254740993",
            "null",
            "é",
            "e\u{301}",
            "İ",
            "ß",
            "東",
            "🙂",
            "#a:b",
            "@a:b",
            "!a:b",
            "(",
            ")",
            "*",
            "&",
            "xxx",
            "_owners",
            "<1>",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z0-9=, ._-]{1,12}",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// One of the samples, with parts cut out, doubled and put in.
pub(crate) fn mutated(samples: Vec<String>) -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), 0..30_usize, nasty(), any::<bool>());
    (proptest::sample::select(samples), proptest::collection::vec(change, 0..6)).prop_map(|(mut text, changes)| {
        for (at, length, insert, keep) in changes {
            let boundaries: Vec<usize> = text.char_indices().map(|(index, _)| index).collect();
            if boundaries.is_empty() {
                break;
            }
            let start = at.index(boundaries.len());
            let end = boundaries.get(start + length).copied().unwrap_or(text.len());
            let cut = text[boundaries[start]..end].to_owned();
            text.replace_range(boundaries[start]..end, &if keep { format!("{cut}{insert}{cut}") } else { insert });
        }
        text
    })
}

/// JSON of any shape, with the numbers and the identifiers that matter.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        proptest::sample::select(vec![
            json!(null),
            json!(true),
            json!(0),
            json!(50),
            json!(100),
            json!(-1),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(9_007_199_254_740_993_i64),
            json!(1e300),
            json!(-0.5),
            json!("50"),
            json!("5_0"),
            json!(" 100 "),
            json!("1e3"),
            json!("join"),
            json!("invite"),
            json!("ban"),
            json!("@a:x"),
            json!("@me:x"),
            json!("!r:x"),
            json!("#a:x"),
            json!(""),
        ]),
        nasty().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(key(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A key that is read, or another one.
pub(crate) fn key() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(vec![
        "users",
        "events",
        "users_default",
        "state_default",
        "events_default",
        "invite",
        "kick",
        "ban",
        "notifications",
        "room",
        "membership",
        "name",
        "topic",
        "alias",
        "alt_aliases",
        "groups",
        "idp",
        "id",
        "room_version",
        "creator",
        "type",
        "additional_creators",
        "predecessor",
        "room_id",
        "replacement_room",
        "via",
        "join_rule",
        "allow",
        "algorithm",
        "history_visibility",
        "content",
        "state_key",
        "sender",
        "origin_server_ts",
        "errcode",
        "error",
        "retry_after_ms",
        "@a:x",
        "@me:x",
        "m.room.power_levels",
        "value",
        "@odata.nextLink",
        "userPrincipalName",
        "accountEnabled",
        "displayName",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => nasty()]
}
