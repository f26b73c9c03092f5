use std::path::Path;

use proptest::prelude::*;

use super::super::entry::Entry;
use super::super::layout::{Kind, Layout};
use super::super::search::Lookup;
use super::*;
use crate::config::{Config, IdpKind};

fn layout(kind: Kind) -> Layout {
    let text = r#"
        matrix.homeserver = "https://matrix.example.com"
        matrix.access_token = "x"
        [[idp]]
        name = "corp"
        type = "ldap"
        mxid_homeserver = "example.com"
        url = "ldaps://ldap.example.com"
        group_base = "ou=groups"
        user_base = "ou=people"
    "#;
    match Config::parse(Path::new("x"), text).unwrap().idps.remove(0).kind {
        IdpKind::Ldap(ldap) => Layout::of(&ldap, kind),
        IdpKind::Entra(_) | IdpKind::File(_) => panic!("not LDAP"),
    }
}

fn person(uid: &str) -> Entry {
    Entry::new(&format!("uid={uid}"), &[("uid", &[uid]), ("entryUUID", &[&format!("id-{uid}")])])
}

fn group(cn: &str, members: &[&str]) -> Entry {
    Entry::new(&format!("cn={cn}"), &[("cn", &[cn]), ("objectClass", &["groupOfNames"]), ("member", members)])
}

/// The snapshot for groups whose names begin with `x`; names that the searches did not find are looked up in `others`.
fn snapshot(people: Vec<Entry>, groups: Vec<Entry>, others: &[(&str, Lookup)]) -> Snapshot {
    let layout = layout(Kind::Generic);
    let wanted = |name: &str| name.starts_with('x');
    let mut directory = Directory::new(&layout, &wanted);
    directory.add_people(people).unwrap();
    directory.add_groups(&groups.into_boxed_slice(), &BTreeSet::new()).unwrap();
    loop {
        let unknown = directory.reached().unknown;
        if unknown.is_empty() {
            return directory.into_snapshot();
        }
        for (at, name) in unknown {
            let other = others.iter().find(|(dn, _)| *dn == name).map(|(_, lookup)| lookup.clone());
            directory.resolve(at, other.unwrap_or(Lookup::NoSuchObject)).unwrap();
        }
    }
}

fn found(entry: Entry) -> Lookup {
    Lookup::Found(Box::new(entry))
}

fn certain(snapshot: &Snapshot, name: &str) -> Vec<String> {
    let group = snapshot.groups.iter().find(|group| group.name == name).unwrap();
    group.members.certain().iter().cloned().collect()
}

fn reason<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a str> {
    snapshot.groups.iter().find(|group| group.name == name).unwrap().members.unknown_because()
}

#[test]
fn groups_in_groups_are_followed_to_any_depth() {
    let depth = 20_000;
    let mut groups: Vec<_> = (0..depth).map(|n| group(&n.to_string(), &[&format!("cn={}", n + 1)])).collect();
    groups.push(group(&depth.to_string(), &["uid=alice", "cn=0", "cn=x"]));
    groups.push(group("x", &["cn=0"]));
    assert_eq!(certain(&snapshot(vec![person("alice")], groups, &[]), "x"), ["id-alice"]);
}

#[test]
fn only_what_wanted_groups_reach_is_looked_up() {
    let layout = layout(Kind::Generic);
    let wanted = |name: &str| name == "x";
    let mut directory = Directory::new(&layout, &wanted);
    let groups = vec![group("x", &["cn=y", "cn=a"]), group("y", &["cn=A", "cn=b"]), group("z", &["cn=c"])];
    directory.add_people([person("alice")]).unwrap();
    directory.add_groups(&groups, &BTreeSet::new()).unwrap();
    let names: Vec<_> = directory.reached().unknown.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["cn=A", "cn=b"]);
}

#[test]
fn a_group_that_is_found_by_its_name_is_expanded_and_is_no_room() {
    let groups = vec![group("x", &["cn=outside"])];
    let others = [
        ("cn=outside", found(group("outside", &["uid=alice", "cn=xfurther"]))),
        ("cn=xfurther", found(group("xfurther", &["uid=bob"]))),
    ];
    let snapshot = snapshot(vec![person("alice"), person("bob")], groups, &others);
    assert_eq!(certain(&snapshot, "x"), ["id-alice", "id-bob"]);
    assert_eq!(snapshot.groups.len(), 1);
    assert_eq!(reason(&snapshot, "x"), None);
}

#[test]
fn a_name_that_the_server_spells_differently_is_the_entry_it_finds() {
    let groups = vec![group("x", &["uid=ａlice", "cn=ａ"])];
    let others = [("uid=ａlice", found(person("alice"))), ("cn=ａ", found(group("a", &["uid=bob"])))];
    assert_eq!(certain(&snapshot(vec![person("alice"), person("bob")], groups, &others), "x"), ["id-alice", "id-bob"]);
}

#[test]
fn lookups_that_find_each_other_end() {
    let groups = vec![group("x", &["cn=a", "cn=b"])];
    let others = [("cn=a", found(group("b", &["cn=a"]))), ("cn=b", found(group("a", &["cn=b", "uid=alice"])))];
    let snapshot = snapshot(vec![person("alice")], groups, &others);
    assert!(certain(&snapshot, "x").len() <= 1);
}

#[test]
fn members_without_an_entry_are_counted_for_the_group_that_names_them() {
    let groups = vec![group("x1", &["cn=y"]), group("x2", &["cn=y"]), group("y", &["uid=a", "uid=b", "uid=alice"])];
    let snapshot = snapshot(vec![person("alice")], groups, &[]);
    assert_eq!(
        snapshot.notices.iter().collect::<Vec<_>>(),
        ["the group \"cn=y\" names 2 members without an entry, left out: uid=a, uid=b"]
    );
    assert_eq!(reason(&snapshot, "x1"), None);
}

#[test]
fn what_cannot_be_looked_up_makes_every_group_that_reaches_it_unknown() {
    let groups = vec![group("x1", &["cn=y", "uid=alice"]), group("x2", &["uid=alice"]), group("y", &["cn=a"])];
    let snapshot = snapshot(vec![person("alice")], groups, &[("cn=a", Lookup::Unclear("busy".into()))]);
    assert_eq!(reason(&snapshot, "x1"), Some("\"cn=a\" cannot be looked up: busy"));
    assert_eq!(certain(&snapshot, "x1"), ["id-alice"]);
    assert_eq!(reason(&snapshot, "x2"), None);
}

#[test]
fn an_entry_whose_class_may_not_be_read_makes_the_group_unknown() {
    let snapshot =
        snapshot(vec![person("a")], vec![group("x", &["cn=b"])], &[("cn=b", found(Entry::new("cn=b", &[])))]);
    assert_eq!(reason(&snapshot, "x"), Some("\"cn=b\" has no objectClass that can be read"));
}

#[test]
fn a_value_that_is_no_name_makes_the_group_unknown() {
    let snapshot =
        snapshot(vec![person("a")], vec![group("x", &["cn=y", "", "uid=a"]), group("y", &["al\u{1b}ice"])], &[]);
    assert_eq!(
        reason(&snapshot, "x"),
        Some("in \"cn=y\", the value \"al\\u{1b}ice\" of member is no distinguished name")
    );
    assert_eq!(certain(&snapshot, "x"), ["id-a"]);
}

#[test]
fn a_range_of_members_makes_the_group_unknown() {
    let cut = Entry::new("cn=x", &[("cn", &["x"]), ("member;range=0-1499", &["uid=a"]), ("member", &[])]);
    let snapshot = snapshot(vec![person("a")], vec![cut], &[]);
    assert_eq!(reason(&snapshot, "x"), Some("the server sent only a part of member, as a range"));
}

#[test]
fn a_group_with_several_names_that_stand_for_rooms_is_unknown_under_each() {
    let several = Entry::new("cn=x1", &[("cn", &["x1", "x2", "y"]), ("member", &["uid=a"])]);
    let one = Entry::new("cn=x3", &[("cn", &["x3", "y"]), ("member", &["uid=a"])]);
    let snapshot = snapshot(vec![person("a")], vec![several, one], &[]);
    assert_eq!(snapshot.groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["x1", "x2", "x3"]);
    assert!(reason(&snapshot, "x1").unwrap().contains("several names"));
    assert!(reason(&snapshot, "x2").unwrap().contains("several names"));
    assert_eq!(reason(&snapshot, "x3"), None);
    assert_eq!(snapshot.notices.len(), 1);
}

#[test]
fn two_groups_of_one_name_are_both_there() {
    let other = Entry::new("cn=x,ou=b", &[("cn", &["x"]), ("member", &[])]);
    let snapshot = snapshot(vec![person("a")], vec![group("x", &["uid=a"]), other], &[]);
    assert_eq!(snapshot.groups.iter().map(|group| group.label.as_str()).collect::<Vec<_>>(), ["cn=x", "cn=x,ou=b"]);
}

#[test]
fn an_id_that_two_entries_share_is_not_used() {
    let twin = |cn: &str| Entry::new(&format!("CN={cn}"), &[("uid", &[cn]), ("entryUUID", &["same"])]);
    let snapshot = snapshot(vec![twin("a"), twin("b")], vec![group("x", &["cn=a"])], &[]);
    assert_eq!(certain(&snapshot, "x"), ["cn=a"]);
    assert_eq!(snapshot.accounts.len(), 2);
    assert_eq!(snapshot.notices.len(), 1);
}

#[test]
fn a_person_who_is_also_a_group_is_both() {
    let both = Entry::new("uid=a", &[("uid", &["a"]), ("cn", &["xa"]), ("memberUid", &["B"])]);
    let snapshot = snapshot(vec![both.clone(), person("b")], vec![both, group("x", &["uid=a"])], &[]);
    assert_eq!(certain(&snapshot, "x"), ["id-b", "uid=a"]);
}

#[test]
fn usernames_of_nobody_are_told_if_the_group_has_nobody_else() {
    let posix = |cn: &str, uids: &[&str]| Entry::new(&format!("cn={cn}"), &[("cn", &[cn]), ("memberUid", uids)]);
    let snapshot = snapshot(vec![person("a")], vec![posix("x1", &["a", "b"]), posix("x2", &["b"])], &[]);
    assert_eq!(certain(&snapshot, "x1"), ["id-a"]);
    assert_eq!(
        snapshot.notices.iter().collect::<Vec<_>>(),
        ["nobody is found for any memberUid of the group \"cn=x2\": b"]
    );
}

#[test]
fn a_username_of_nobody_may_be_somebody_whose_username_cannot_be_read() {
    let posix = Entry::new("cn=x", &[("cn", &["x"]), ("memberUid", &["b"])]);
    let snapshot = snapshot(vec![person("a"), Entry::new("cn=nameless", &[])], vec![posix], &[]);
    assert!(reason(&snapshot, "x").unwrap().contains("may be somebody"));
}

#[test]
fn a_large_directory_takes_no_time() {
    let people: Vec<_> = (0..50_000).map(|n| person(&n.to_string())).collect();
    let mut groups: Vec<_> = (0..2_000)
        .map(|n| {
            let mut members: Vec<_> = (0..25).map(|m| format!("uid={}", n * 25 + m)).collect();
            members.push(format!("cn={}", (n * 7 + 1) % 2_000));
            members.push(format!("cn={}", (n + 1) % 2_000));
            group(&n.to_string(), &members.iter().map(String::as_str).collect::<Vec<_>>())
        })
        .collect();
    groups.extend((0..20).map(|n| group(&format!("x{n}"), &[&format!("cn={n}")])));
    let started = busy();
    let snapshot = snapshot(people, groups, &[]);
    assert_eq!(certain(&snapshot, "x7").len(), 50_000);
    let took = busy() - started;
    assert!(took.as_secs() < 20, "{took:?}");
}

/// For how long this thread has had a processor, which does not grow while others have it
/// (`Documentation/scheduler/sched-stats.rst` of Linux).
fn busy() -> std::time::Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    std::time::Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
}

proptest! {
    /// Members are those that a plain reading of the graph finds, and no order of the entries changes anything.
    #[test]
    fn every_graph_is_read_as_a_plain_search_reads_it(
        edges in proptest::collection::vec((0_usize..6, 0_usize..6), 0..20),
        seats in proptest::collection::vec((0_usize..6, 0_usize..4), 0..12),
    ) {
        let people: Vec<_> = (0..4).map(|n| person(&n.to_string())).collect();
        let groups: Vec<_> = (0..6).map(|n| {
            let inner = edges.iter().filter(|(from, _)| *from == n).map(|(_, to)| format!("CN = x{to}"));
            let seats = seats.iter().filter(|(from, _)| *from == n).map(|(_, to)| format!("UID={to}"));
            group(&format!("x{n}"), &inner.chain(seats).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>())
        }).collect();
        let forward = snapshot(people.clone(), groups.clone(), &[]);
        let backward = snapshot(people.into_iter().rev().collect(), groups.into_iter().rev().collect(), &[]);
        prop_assert_eq!(&forward, &backward);
        for start in 0..6 {
            let mut reached = BTreeSet::from([start]);
            loop {
                let more: BTreeSet<_> = edges.iter().filter(|(from, _)| reached.contains(from)).map(|(_, to)| *to).collect();
                let before = reached.len();
                reached.extend(more);
                if reached.len() == before { break }
            }
            let expected: BTreeSet<_> = seats.iter().filter(|(from, _)| reached.contains(from)).map(|(_, to)| format!("id-{to}")).collect();
            prop_assert_eq!(certain(&forward, &format!("x{start}")), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
