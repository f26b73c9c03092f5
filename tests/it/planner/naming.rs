//! From the answers of identity providers to the rooms that are desired.

use std::path::Path;

use inviter::config::Config;
use inviter::desired::{Desired, DesiredError};
use inviter::snapshot::{Account, Group, Members, Snapshot, Standing};
use matrix_sdk::ruma::UserId;
use proptest::prelude::*;

use super::world::{alias, user};

const BASE: &str = r#"
[matrix]
homeserver = "https://matrix.example.com"
access_token = "secret"

[[idp]]
name = "corp"
type = "ldap"
mxid_homeserver = "example.com"
url = "ldaps://ldap.example.com"
group_base = "ou=groups,dc=example,dc=com"
user_base = "ou=people,dc=example,dc=com"
"#;

fn config(more: &str) -> Config {
    Config::parse(Path::new("inviter.toml"), &format!("{BASE}{more}")).unwrap()
}

fn snapshot(usernames: &[&str], groups: &[(&str, &[&str])]) -> Snapshot {
    let id = |name: &&str| format!("id-of-{name}");
    Snapshot {
        accounts: usernames
            .iter()
            .map(|name| {
                let label = format!("uid={name}");
                (id(name), Account { username: (*name).to_owned(), mxid: None, label, standing: Standing::Active })
            })
            .collect(),
        groups: groups
            .iter()
            .map(|(name, members)| Group {
                name: (*name).to_owned(),
                id: Some(format!("id-of-{name}")),
                label: format!("cn={name}"),
                members: Members::Known(members.iter().map(id).collect()),
                owners: None,
            })
            .collect(),
        ..Snapshot::default()
    }
}

fn build(config: &Config, snapshot: &Snapshot) -> Desired {
    Desired::build(config, std::slice::from_ref(snapshot)).unwrap()
}

fn levels(desired: &Desired, room: &str) -> Vec<(String, Option<i64>)> {
    desired.rooms[&alias(room)].members.iter().map(|(user, member)| (user.to_string(), member.level)).collect()
}

const OPS: &str = "xxxopsxxxexample.com";
const OPS_OWNERS: &str = "xxxopsxxxexample.com_owners";

#[test]
fn an_owner_who_is_a_member_is_a_moderator_and_one_who_is_not_is_ignored() {
    let snapshot = snapshot(&["alice", "bob", "carol"], &[(OPS, &["alice", "bob"]), (OPS_OWNERS, &["alice", "carol"])]);
    let desired = build(&config(""), &snapshot);
    assert_eq!(levels(&desired, "ops"), [("@alice:example.com".into(), Some(50)), ("@bob:example.com".into(), None)]);
    assert_eq!(
        desired.rooms[&alias("ops")].warnings.iter().collect::<Vec<_>>(),
        ["named as moderator by xxxopsxxxexample.com_owners (corp), but no member of xxxopsxxxexample.com: \
          @carol:example.com"]
    );
}

#[test]
fn an_owner_who_is_no_member_is_a_moderator_if_the_policy_says_so() {
    let snapshot = snapshot(&["alice", "carol"], &[(OPS, &["alice"]), (OPS_OWNERS, &["carol"])]);
    let desired = build(&config("[policy]\nowners_outside_group = \"moderator\""), &snapshot);
    assert_eq!(levels(&desired, "ops"), [("@alice:example.com".into(), None), ("@carol:example.com".into(), Some(50))]);
}

#[test]
fn a_renamed_account_is_the_user_that_it_has_always_been() {
    let more = "[renamed_users]\n\"Alice.New\" = \"alice\"\nbob = \"@robert:elsewhere.org\"";
    let snapshot = snapshot(&["alice.new", "Bob"], &[(OPS, &["alice.new", "Bob"])]);
    let desired = build(&config(more), &snapshot);
    assert_eq!(levels(&desired, "ops"), [("@alice:example.com".into(), None), ("@robert:elsewhere.org".into(), None)]);
}

#[test]
fn two_accounts_that_are_one_matrix_user_are_an_error_that_names_both() {
    let twins = snapshot(&["Alice", "alice"], &[(OPS, &["alice"])]);
    let error = Desired::build(&config(""), &[twins]).unwrap_err();
    let expected = DesiredError::Collision {
        idp: "corp".into(),
        first: "uid=Alice".into(),
        second: "uid=alice".into(),
        user: user("alice"),
    };
    assert_eq!(error, expected);
    let renamed = snapshot(&["new", "old"], &[(OPS, &["new"])]);
    assert!(Desired::build(&config("[renamed_users]\nnew = \"old\""), &[renamed]).is_err());
}

#[test]
fn two_accounts_that_are_one_matrix_user_and_in_no_room_are_nobodys_business() {
    let twins = snapshot(&["Alice", "alice", "bob"], &[(OPS, &["bob"])]);
    assert_eq!(levels(&build(&config(""), &twins), "ops").len(), 1);
}

#[test]
fn the_same_person_in_two_identity_providers_is_one_member_with_the_higher_role() {
    let second = BASE.split_once("[[idp]]").unwrap().1.replace("\"corp\"", "\"other\"");
    let config = config(&format!("[[idp]]{second}"));
    let a = snapshot(&["alice"], &[(OPS, &["alice"])]);
    let b = snapshot(&["alice", "bob"], &[(OPS, &["alice", "bob"]), (OPS_OWNERS, &["alice"])]);
    let desired = Desired::build(&config, &[a, b]).unwrap();
    assert_eq!(levels(&desired, "ops"), [("@alice:example.com".into(), Some(50)), ("@bob:example.com".into(), None)]);
    let via: Vec<String> =
        desired.rooms[&alias("ops")].members[&user("alice")].via.iter().map(ToString::to_string).collect();
    assert_eq!(
        via,
        ["xxxopsxxxexample.com (corp)", "xxxopsxxxexample.com (other)", "xxxopsxxxexample.com_owners (other)"]
    );
}

#[test]
fn a_username_that_is_none_in_matrix_is_reported_and_left_out_or_mapped() {
    let snapshot = snapshot(&["jürgen", "bob", "o'neil"], &[(OPS, &["jürgen", "bob"])]);
    let desired = build(&config(""), &snapshot);
    assert_eq!(levels(&desired, "ops"), [("@bob:example.com".into(), None)]);
    assert_eq!(
        desired.warnings.iter().collect::<Vec<_>>(),
        ["corp: the account uid=jürgen (\"jürgen\") is left out: 'ü' is not allowed in a Matrix user ID"]
    );
    let mapping = BASE.replace("type = \"ldap\"", "type = \"ldap\"\ninvalid_names = \"map\"");
    let config = Config::parse(Path::new("inviter.toml"), &mapping).unwrap();
    assert_eq!(
        levels(&build(&config, &snapshot), "ops"),
        [("@bob:example.com".into(), None), ("@j=c3=bcrgen:example.com".into(), None)]
    );
}

#[test]
fn groups_that_stand_for_no_room_are_warnings_or_nothing() {
    let snapshot =
        snapshot(&["alice"], &[("employees", &["alice"]), ("xxxxxxexample.com", &["alice"]), (OPS_OWNERS, &["alice"])]);
    let desired = build(&config(""), &snapshot);
    assert!(desired.rooms.is_empty());
    assert_eq!(
        desired.warnings.iter().collect::<Vec<_>>(),
        [
            "corp: the group cn=xxxopsxxxexample.com_owners names moderators of #ops:example.com, but there is no group \
             of its members",
            "corp: the group cn=xxxxxxexample.com stands for no room: \"#:example.com\" is no room alias: the part \
             between # and : is empty",
        ]
    );
}

#[test]
fn two_groups_that_stand_for_one_room_are_ambiguous() {
    let mut twins = snapshot(&["alice"], &[(OPS, &["alice"]), (OPS, &[])]);
    twins.groups[1].label = "cn=xxxopsxxxexample.com,ou=elsewhere".into();
    let desired = build(&config(""), &twins);
    assert_eq!(
        desired.rooms[&alias("ops")].ambiguous.iter().collect::<Vec<_>>(),
        [
            "corp: the groups cn=xxxopsxxxexample.com and cn=xxxopsxxxexample.com,ou=elsewhere both stand for this room: \
          rename one"
        ]
    );
}

#[test]
fn what_may_be_missing_from_a_group_is_kept_with_its_room() {
    let mut partial = snapshot(&["alice"], &[(OPS, &["alice"]), (OPS_OWNERS, &["alice"])]);
    let at_least = partial.groups[1].members.certain().clone();
    partial.groups[1].members = Members::Unknown { at_least, reason: "a page is missing".into() };
    let desired = build(&config(""), &partial);
    assert_eq!(
        desired.rooms[&alias("ops")].incomplete.iter().collect::<Vec<_>>(),
        ["corp: cn=xxxopsxxxexample.com_owners: a page is missing"]
    );
}

#[test]
fn who_is_locked_out_is_on_hold() {
    let mut snapshot = snapshot(&["alice", "bob"], &[(OPS, &["alice", "bob"])]);
    snapshot.accounts.get_mut("id-of-bob").unwrap().standing = Standing::LockedOut;
    let desired = build(&config(""), &snapshot);
    assert_eq!(levels(&desired, "ops").len(), 1);
    assert_eq!(desired.rooms[&alias("ops")].held, [user("bob")].into());
}

#[test]
fn only_rooms_that_exist_can_be_asked_for() {
    let snapshot = snapshot(&["alice"], &[(OPS, &["alice"]), ("xxxdevxxxexample.com", &["alice"])]);
    let mut desired = build(&config(""), &snapshot);
    let error = desired.restrict(&[alias("Ops")].into()).unwrap_err().to_string();
    assert_eq!(
        error,
        "no identity provider has a group for the room #Ops:example.com; there is #ops:example.com: upper and lower \
         case matter in an alias"
    );
    desired.restrict(&[alias("dev")].into()).unwrap();
    assert_eq!(desired.rooms.keys().collect::<Vec<_>>(), [&alias("dev")]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_groups_does_not_matter(order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle()) {
        let groups: [(&str, &[&str]); 6] = [
            (OPS, &["alice", "bob"]), (OPS_OWNERS, &["alice", "carol"]), ("xxxdevxxxexample.com", &["bob"]),
            ("xxxdevxxxexample.com_owners", &["bob", "dave"]), ("xxxaxxxb cxxx", &[]), ("xxxdevxxxexample.com", &["carol"]),
        ];
        let sorted = snapshot(&["alice", "bob", "carol", "dave"], &groups);
        let mut shuffled = sorted.clone();
        shuffled.groups = order.iter().map(|index| sorted.groups[*index].clone()).collect();
        // Two groups of one name are told apart by their labels.
        for snapshot in [&mut shuffled] {
            for group in &mut snapshot.groups {
                group.label = format!("{} {:?}", group.label, group.members);
            }
        }
        let mut sorted = sorted;
        for group in &mut sorted.groups {
            group.label = format!("{} {:?}", group.label, group.members);
        }
        prop_assert_eq!(build(&config(""), &sorted), build(&config(""), &shuffled));
    }
}

#[test]
fn an_account_may_bring_a_whole_user_id() {
    let mut snapshot = snapshot(&["alice", "bob"], &[(OPS, &["alice", "bob"])]);
    let elsewhere = UserId::parse("@alice:partner.com").unwrap();
    snapshot.accounts.values_mut().next().unwrap().mxid = Some(elsewhere.clone());
    let desired = build(&config("[renamed_users]\nalice = \"old\"\n"), &snapshot);
    let members: Vec<_> = desired.rooms[&alias("ops")].members.keys().cloned().collect();
    assert_eq!(members, [elsewhere, user("bob")]);
}

#[test]
fn while_an_identity_provider_cannot_be_read_every_room_is_incomplete() {
    let snapshot = snapshot(&["alice"], &[(OPS, &["alice"])]);
    let mut desired = build(&config(""), &snapshot);
    desired.lose("other", "identity provider other: it is down");
    let room = &desired.rooms[&alias("ops")];
    assert_eq!(room.incomplete.iter().collect::<Vec<_>>(), ["other could not be read"]);
    assert_eq!(desired.unread["other"], "identity provider other: it is down");
    let error = desired.restrict(&[alias("elsewhere")].into()).unwrap_err().to_string();
    assert!(error.ends_with("; not all of them could be read: identity provider other: it is down"), "{error}");
}
