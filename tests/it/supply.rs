//! What the program is made of: licences, sources, and what must not be in it; `.deny.toml` says the same to cargo-deny.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// The platform of this machine: the packages of others may not be here.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    output.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--all-features",
            "--filter-platform",
            &host(),
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let Value::Array(packages) = document["packages"].take() else { panic!("there are packages") };
    assert!(packages.len() > 200, "{}", packages.len());
    packages
}

/// The strings of a list in `.deny.toml`.
fn listed(table: &str, key: &str) -> BTreeSet<String> {
    let text = include_str!("../../.deny.toml");
    let document: toml::Table = text.parse().unwrap();
    let list = document[table][key].as_array().unwrap();
    list.iter().map(|item| item.as_str().or_else(|| item["crate"].as_str()).unwrap().to_owned()).collect()
}

/// Whether an SPDX expression can be met with these licences.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace(['(', ')'], " ");
    // Without parentheses this is stricter than the expression where AND and OR are mixed: each part of an AND must be met.
    expression
        .replace('/', " OR ")
        .split(" AND ")
        .all(|part| part.split(" OR ").any(|licence| allowed.contains(licence.trim().trim_end_matches('+'))))
}

#[test]
fn every_licence_is_compatible_with_the_gpl() {
    let allowed = listed("licenses", "allow");
    assert!(is_met("MIT OR Apache-2.0", &allowed) && is_met("(MIT OR Foo) AND ISC", &allowed));
    assert!(!is_met("CDDL-1.0", &allowed) && !is_met("MIT AND Proprietary", &allowed));
    for package in packages() {
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(is_met(licence, &allowed), "{} {}: {licence}", package["name"], package["version"]);
    }
}

#[test]
fn everything_comes_from_the_registry() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        match package["source"].as_str() {
            None => assert_eq!(name, "inviter"),
            Some(source) => assert_eq!(source, "registry+https://github.com/rust-lang/crates.io-index", "{name}"),
        }
    }
}

#[test]
fn there_is_one_provider_of_tls() {
    let banned = listed("bans", "deny");
    assert!(["ring", "openssl-sys", "native-tls"].iter().all(|name| banned.contains(*name)), "{banned:?}");
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix", "none", "--format", "{p}", "--edges", "normal,build"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8_lossy(&tree.stdout);
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("aws-lc-rs") && names.contains("rustls"), "{names:?}");
    let found: Vec<&str> = banned.iter().map(String::as_str).filter(|name| names.contains(name)).collect();
    assert_eq!(found, [""; 0]);
}
