//! The schema of the configuration says what reading it says, as far as a schema can, and the README says the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use inviter::config::Config;
use inviter::config::schema::schema;
use jsonschema::Validator;
use serde_json::{Map, Value};

use crate::support::inviter::Inviter;

const MATRIX: &str = "[matrix]\nhomeserver = \"https://a\"\naccess_token = \"a\"\n";
const FILE: &str = "[[idp]]\nname = \"a\"\nmxid_homeserver = \"a\"\ntype = \"file\"\npath = \"a.toml\"\n";
const LDAP: &str = "[[idp]]\nname = \"a\"\nmxid_homeserver = \"a\"\ntype = \"ldap\"\nurl = \"ldaps://a\"\ngroup_base = \"a=a\"\n\
                    user_base = \"a=a\"\n";
const ENTRA: &str = "[[idp]]\nname = \"a\"\nmxid_homeserver = \"a\"\ntype = \"entra\"\ntenant_id = \"a.example\"\n\
                     client_id = \"535fb089-9ff3-47b6-9bfb-4f1264799865\"\nclient_secret = \"a\"\n\
                     root_group_id = \"02bd9fd6-8f93-4758-87c3-1fb73740a315\"\n";
const ROOM: &str = "[[rooms]]\nalias = \"#a:b\"\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn validator() -> Validator {
    jsonschema::validator_for(&schema()).unwrap()
}

/// A document as the schema sees it.
fn json(text: &str) -> Value {
    serde_json::to_value(text.parse::<toml::Table>().unwrap_or_else(|error| panic!("{error}\n{text}"))).unwrap()
}

/// What a schema says, with its references followed.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref")).and_then(Value::as_str);
    reference.map_or(schema, |path| root.pointer(path.trim_start_matches('#')).unwrap())
}

/// The keys of a section, or of the kind of an entry of `[[idp]]`.
fn properties(section: &str, kind: Option<&str>) -> Map<String, Value> {
    let schema = schema();
    let mut place = resolved(&schema, &schema["properties"][section]);
    if let Some(items) = place.get("items") {
        place = resolved(&schema, items);
    }
    if let Some(kind) = kind {
        let variants = place["oneOf"].as_array().unwrap();
        place = variants.iter().find(|variant| variant["properties"]["type"]["const"] == kind).unwrap();
    }
    place["properties"].as_object().unwrap().clone()
}

/// Each section with a document that ends in it, and what must follow.
fn sections() -> Vec<(&'static str, Option<&'static str>, String, &'static str)> {
    vec![
        ("matrix", None, MATRIX.to_owned(), FILE),
        ("idp", Some("ldap"), format!("{MATRIX}{LDAP}"), ""),
        ("idp", Some("entra"), format!("{MATRIX}{ENTRA}"), ""),
        ("idp", Some("file"), format!("{MATRIX}{FILE}"), ""),
        ("policy", None, format!("{MATRIX}{FILE}[policy]\n"), ""),
        ("room", None, format!("{MATRIX}{FILE}[room]\n"), ""),
        ("report", None, format!("{MATRIX}{FILE}[report]\n"), ""),
        ("rooms", None, format!("{MATRIX}{FILE}{ROOM}"), ""),
    ]
}

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("inviter.toml"), text).map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_command_prints_the_schema_that_lies_with_the_examples() {
    let printed = Inviter::new("").run(&["schema"]).await.success().stdout;
    let committed = fs::read_to_string(root().join("examples/inviter.schema.json")).unwrap();
    assert!(printed == committed, "cargo run -q --example config_schema > examples/inviter.schema.json");
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), schema());
}

#[test]
fn the_keys_of_the_schema_are_those_that_are_read_and_each_is_told() {
    for (section, kind, before, after) in sections() {
        let complaint = parse(&format!("{before}no_such_key = 1\n{after}")).unwrap_err();
        let (_, list) = complaint.split_once("expected ").unwrap();
        let list = list.trim_start_matches("one of ");
        let mut read: BTreeSet<String> = list.split(", ").map(|key| key.trim_matches('`').to_owned()).collect();
        if kind.is_some() {
            read.insert("type".into());
        }
        let properties = properties(section, kind);
        assert_eq!(properties.keys().cloned().collect::<BTreeSet<_>>(), read, "{section} {kind:?}");
        for (key, property) in properties.iter().filter(|(key, _)| *key != "type") {
            let told = property["description"].as_str().unwrap_or_default();
            assert!(told.len() > 10 && told.ends_with('.'), "{section} {key}: {told:?}");
        }
    }
}

#[test]
fn the_defaults_of_the_schema_are_those_of_the_program() {
    let mut seen = 0;
    for (section, kind, before, after) in sections() {
        let without = format!("{:?}", parse(&format!("{before}{after}")).unwrap());
        for (key, property) in properties(section, kind) {
            // This one is the default of every `schema`, which reading does not choose.
            let Some(default) = property.get("default").filter(|_| key != "group_name_attribute") else { continue };
            let default = toml::Value::try_from(default).unwrap();
            let text = format!("{before}{key} = {default}\n{after}");
            let with = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(format!("{with:?}"), without, "{section} {key} = {default}");
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}

/// The rows of the first table of keys below a heading of the README: keys, and what stands for their defaults.
fn table(heading: &str) -> BTreeMap<String, Option<String>> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, below) = readme.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{heading}"));
    let below = below.split("\n#").next().unwrap();
    let lines = below.lines().skip_while(|line| !line.starts_with("| key |"));
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    let code = |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let mut table = BTreeMap::new();
    for row in rows {
        let row = row.replace("\\|", "/");
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let (keys, defaults) = (code(cells[0]), code(cells.last().unwrap()));
        let is_given = cells.last().unwrap().trim().starts_with('`') && defaults.len() == keys.len();
        for (index, key) in keys.into_iter().enumerate() {
            table.insert(key, is_given.then(|| defaults[index].clone()));
        }
    }
    assert!(!table.is_empty(), "{heading}");
    table
}

#[test]
fn the_tables_of_the_readme_have_the_keys_and_the_defaults_of_the_schema() {
    let common = ["name", "type", "mxid_homeserver", "invalid_names"];
    let all = table("### `[[idp]]`");
    assert_eq!(all.keys().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(common));
    for (heading, section, kind) in [
        ("### `[matrix]`", "matrix", None),
        ("### `[[idp]]`", "idp", Some("file")),
        ("#### An LDAP directory", "idp", Some("ldap")),
        ("#### Microsoft Entra ID", "idp", Some("entra")),
        ("### `[policy]`", "policy", None),
        ("### `[room]`", "room", None),
        ("### `[[rooms]]`", "rooms", None),
        ("### `[report]`", "report", None),
    ] {
        let mut properties = properties(section, kind);
        let table = table(heading);
        match kind {
            // The key that only a file has stands in the text.
            Some("file") => drop(properties.remove("path")),
            Some(_) => properties.retain(|key, _| !common.contains(&key.as_str())),
            None => {}
        }
        assert_eq!(table.keys().collect::<BTreeSet<_>>(), properties.keys().collect(), "{heading}");
        for (key, told) in table {
            let default =
                properties[&key].get("default").map(|value| toml::Value::try_from(value).unwrap().to_string());
            // An empty list may be called none, and what is chosen when nothing is given is told in words.
            let default = default
                .filter(|default| told.is_some() || !matches!(default.as_str(), "[]" | "{}" | "\"room\"" | "false"));
            assert_eq!(told, default, "{heading} {key}");
        }
    }
}

#[test]
fn every_configuration_that_we_show_is_one_of_the_schema() {
    let validator = validator();
    let mut texts = Vec::new();
    for folder in ["examples", "k8s/overlays/ldap", "k8s/overlays/entra"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("inviter") && path.extension().is_some_and(|ending| ending == "toml") {
                texts.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for block in readme.split("```toml\n").skip(1) {
        let block = block.split("```").next().unwrap().replace("\n   ", "\n");
        let block = match (block.contains("[matrix]"), block.contains("[[idp]]")) {
            (true, _) => block,
            (false, true) => format!("{MATRIX}{block}"),
            (false, false) if block.contains("moderators") => continue, // the file of a `type = "file"`
            (false, false) => format!("{MATRIX}{FILE}{block}"),
        };
        texts.push(("README.md".into(), block));
    }
    assert!(texts.len() > 12, "{}", texts.len());
    for (name, text) in texts {
        let errors: Vec<String> = validator.iter_errors(&json(&text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn schema_and_program_agree_on_what_is_a_configuration() {
    let validator = validator();
    let good = [
        format!("{MATRIX}{FILE}"),
        format!("{MATRIX}{LDAP}{ENTRA}").replacen("name = \"a\"", "name = \"b\"", 1),
        format!("{MATRIX}concurrency = 256\ntimeout = \"1m 30s\"\n{FILE}"),
        format!("{MATRIX}{LDAP}").replace("\"ldaps://a\"", "[\"ldaps://a\", \"ldaps://b\"]"),
        format!(
            "{MATRIX}{LDAP}group_filter = \"cn=a\"\nuser_filter = \"(uid=*)\"\nmember_attributes = [\"member\"]\nlockout = \"leave_out\"\n"
        ),
        format!("{MATRIX}{FILE}[policy]\nmax_kicks_percent = 0\norphans = \"empty\"\norphan_grace = \"7d\"\n"),
        format!("{MATRIX}{FILE}[room.permissions]\nban = -100\nevents = {{ \"m.room.topic\" = 0 }}\n"),
        format!("{MATRIX}{FILE}{ROOM}type = \"space\"\ngroups = [{{ group = \"a\", level = 100 }}]\n"),
        format!("{MATRIX}{FILE}[report]\nroom = \"#a:b\"\n[renamed_users]\nnew = \"old\"\n"),
    ];
    let bad = [
        String::new(),
        MATRIX.to_owned(),
        FILE.to_owned(),
        format!("{MATRIX}{FILE}[roomz]\n"),
        format!("{MATRIX}no_such_key = 1\n{FILE}"),
        format!("{MATRIX}concurrency = 0\n{FILE}"),
        format!("{MATRIX}concurrency = \"16\"\n{FILE}"),
        format!("{MATRIX}timeout = \"soon\"\n{FILE}"),
        format!("{MATRIX}timeout = 60\n{FILE}"),
        format!("{MATRIX}{FILE}").replace("https://a", "matrix.example.com"),
        format!("{MATRIX}{FILE}").replace("\"file\"", "\"ldp\""),
        format!("{MATRIX}{FILE}").replace("path = \"a.toml\"\n", ""),
        format!("{MATRIX}{FILE}bind_dn = \"a=a\"\n"),
        format!("{MATRIX}{LDAP}").replace("user_base = \"a=a\"\n", ""),
        format!("{MATRIX}{LDAP}").replace("ldaps://a", "https://a"),
        format!("{MATRIX}{LDAP}schema = \"novell\"\n"),
        format!("{MATRIX}{LDAP}page_size = 0\n"),
        format!("{MATRIX}{LDAP}user_filter = \"(uid=*\"\n"),
        format!("{MATRIX}{LDAP}member_attributes = []\n"),
        format!("{MATRIX}{LDAP}username_attribute = \"a b\"\n"),
        format!("{MATRIX}{ENTRA}").replace("02bd9fd6-", ""),
        format!("{MATRIX}{ENTRA}cloud = \"germany\"\n"),
        format!("{MATRIX}{ENTRA}username_property = \"extensionAttribute16\"\n"),
        format!("{MATRIX}{FILE}[policy]\ncautious = 1\n"),
        format!("{MATRIX}{FILE}[policy]\nmax_kicks = -1\n"),
        format!("{MATRIX}{FILE}[policy]\nmax_kicks_percent = 256\n"),
        format!("{MATRIX}{FILE}[room]\nhistory_visibility = \"all\"\n"),
        format!("{MATRIX}{FILE}[room]\npermissions = {{ bann = 3 }}\n"),
        format!("{MATRIX}{FILE}[room]\npermissions = {{ ban = 101 }}\n"),
        format!("{MATRIX}{FILE}[[rooms]]\nname = \"no alias\"\n"),
        format!("{MATRIX}{FILE}{ROOM}groups = [{{ group = \"a\", level = 101 }}]\n"),
        format!("{MATRIX}{FILE}{ROOM}members = [\"@a:b\"]\n"),
        format!("{MATRIX}{FILE}[report]\nroom = \"a\"\n"),
        format!("{MATRIX}{FILE}[renamed_users]\nnew = 1\n"),
    ];
    for (texts, is_good) in [(&good[..], true), (&bad[..], false)] {
        for text in texts {
            let read = parse(text);
            assert_eq!(read.is_ok(), is_good, "{:?}\n{text}", read.err());
            let errors: Vec<String> = validator.iter_errors(&json(text)).map(|error| error.to_string()).collect();
            assert_eq!(errors.is_empty(), is_good, "{errors:?}\n{text}");
        }
    }
}
