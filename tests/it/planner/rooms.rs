//! Rooms that the configuration describes, spaces, and rooms that moved.

use std::path::Path;

use inviter::actual::{ActualRoom, JoinedRoom, Membership};
use inviter::config::Config;
use inviter::desired::Desired;
use inviter::plan::{Change, PowerNeed, Problem, Removals, RenamedAlias, needs_others};
use inviter::power::PowerLevels;
use inviter::snapshot::{Account, Group, Members, Snapshot, Standing};
use matrix_sdk::ruma::{OwnedRoomId, RoomId};
use serde_json::json;

use super::world::{World, alias, user};

const NAMES_IT: &str = "in ops-group (corp)";

fn id(text: &str) -> OwnedRoomId {
    RoomId::parse(text).unwrap()
}

/// A space and a room that is in it.
fn with_space(restricted: bool) -> World {
    let mut world = World::with_room("ops", &["alice"]);
    world.want_room("hq").described.is_space = true;
    world.want("hq", "alice");
    world.want("hq", "bob");
    let described = &mut world.desired("ops").described;
    described.parent = Some(alias("hq"));
    described.restricted = restricted;
    world
}

#[test]
fn a_space_is_created_and_its_rooms_are_put_into_it() {
    let mut world = with_space(true);
    world.want_room("dev").described.parent = Some(alias("hq"));
    world.expect(
        "hq",
        &[
            "+ create the space \"hq\", version 12",
            "+ invite @alice:example.com  (in hq-group (corp))",
            "+ invite @bob:example.com  (in hq-group (corp))",
        ],
    );
    world.expect(
        "ops",
        &[
            "~ let members of #hq:example.com join  ([[rooms]] restricted)",
            "~ say in the room that it is in #hq:example.com  ([[rooms]] parent)",
            "~ put the room into #hq:example.com  ([[rooms]] parent)",
        ],
    );
    world.settle();
    world.expect("ops", &[]);
    assert!(world.room("hq").is_space);
    assert_eq!(world.room("hq").children, [id("!dev"), id("!ops")].into());
    assert_eq!(world.room("ops").join_rules.as_ref().unwrap()["join_rule"], "restricted");
}

#[test]
fn a_space_that_is_not_there_is_a_problem_of_its_rooms() {
    let mut world = World::with_room("ops", &["alice"]);
    world.desired("ops").described.parent = Some(alias("hq"));
    let problem = "! problem: the space #hq:example.com does not exist, or inviter is not in it: create it (type = \
                   \"space\"), or have inviter invited there";
    world.expect("ops", &[problem]);
    let mut room = world.room("ops").clone();
    room.is_space = false;
    world.actual.rooms.insert(alias("hq"), ActualRoom::Joined(Box::new(room)));
    world.expect("ops", &[problem]);
}

#[test]
fn conditions_of_people_stay_in_the_join_rule() {
    let mut world = with_space(true);
    let other = json!({ "type": "m.room_membership", "room_id": "!other" });
    world.room("ops").join_rules = json!({ "join_rule": "restricted", "allow": [other] }).as_object().cloned();
    world.settle();
    let allow = &world.room("ops").join_rules.as_ref().unwrap()["allow"];
    assert_eq!(*allow, json!([other, { "type": "m.room_membership", "room_id": "!hq" }]));
}

#[test]
fn who_is_in_the_space_may_stay_in_its_restricted_rooms_until_they_are_not_wanted_in_the_space() {
    let mut world = with_space(true);
    world.settle();
    world.member("ops", "bob", Membership::Join, 1);
    world.member("ops", "carol", Membership::Join, 1);
    world.expect("ops", &["- kick @carol:example.com  (in no group of this room)"]);
    world.unwant("hq", "bob");
    world.expect(
        "ops",
        &[
            "- kick @bob:example.com  (in no group of this room)",
            "- kick @carol:example.com  (in no group of this room)",
        ],
    );
    let mut open = with_space(false);
    open.settle();
    open.member("ops", "bob", Membership::Join, 1);
    open.expect("ops", &["- kick @bob:example.com  (in no group of this room)"]);
}

#[test]
fn who_is_locked_out_of_the_space_for_the_moment_may_stay_in_its_restricted_rooms() {
    let mut world = with_space(true);
    world.settle();
    world.member("ops", "bob", Membership::Join, 1);
    world.unwant("hq", "bob");
    world.desired("hq").held.insert(user("bob"));
    world.expect("ops", &[]);
}

#[test]
fn without_the_power_in_the_space_the_room_is_not_put_into_it() {
    let mut world = with_space(false);
    world.settle();
    let levels = json!({ "users": { "@inviter:example.com": 49 } });
    let space = world.room("hq");
    space.children.clear();
    space.power = PowerLevels::new(levels.as_object().cloned(), [].into(), None);
    let plan = world.plan();
    let ops = plan.rooms.iter().find(|room| room.alias == alias("ops")).unwrap();
    let [Problem::PowerTooLow { to: PowerNeed::SpaceChild(to), need: 50, .. }] =
        ops.problems.iter().collect::<Vec<_>>()[..]
    else {
        panic!("{ops:#?}")
    };
    assert!(*to == alias("hq") && ops.changes.is_empty(), "{ops:#?}");
}

#[test]
fn a_space_of_another_homeserver_that_is_not_there_is_not_waited_for() {
    let mut world = World::with_room("ops", &["alice"]);
    world.want_room("#hq:elsewhere.org").described.is_space = true;
    world.desired("ops").described.parent = Some(alias("#hq:elsewhere.org"));
    let plan = world.plan();
    let ops = plan.rooms.iter().find(|room| room.alias == alias("ops")).unwrap();
    assert_eq!(ops.problems, [Problem::NoSpace(alias("#hq:elsewhere.org"))].into());
    assert!(ops.changes.is_empty(), "{ops:#?}");
}

#[test]
fn who_is_in_a_space_made_by_people_may_stay_in_its_restricted_rooms() {
    let mut world = with_space(true);
    world.settle();
    world.desired.rooms.remove(&alias("hq"));
    world.member("ops", "dave", Membership::Join, 1);
    world.expect("ops", &["- kick @dave:example.com  (in no group of this room)"]);
    world.member("hq", "dave", Membership::Join, 1);
    world.expect("ops", &[]);
}

#[test]
fn a_room_too_old_for_restricted_join_rules_is_a_problem() {
    let mut world = with_space(true);
    world.settle();
    world.room("ops").version = matrix_sdk::ruma::RoomVersionId::V7;
    world.expect(
        "ops",
        &["! problem: rooms of version 7 cannot let members of a space join: upgrade the room, or leave restricted out"],
    );
}

#[test]
fn a_room_is_no_space_because_it_is_called_one() {
    let mut world = World::with_room("ops", &["alice"]);
    world.desired("ops").described.is_space = true;
    world.expect(
        "ops",
        &["! problem: this is no space, and nothing can make it one: leave type = \"space\" out, or use another alias"],
    );
}

#[test]
fn a_name_and_a_topic_of_the_configuration_are_enforced() {
    let mut world = World::with_room("ops", &["alice"]);
    let described = &mut world.desired("ops").described;
    described.name = Some("Operations".into());
    described.topic = Some("On call".into());
    described.in_directory = Some(true);
    world.room("ops").in_directory = Some(false);
    world.expect(
        "ops",
        &[
            "~ name: \"ops\" -> \"Operations\"  ([[rooms]] name)",
            "~ topic: not set -> \"On call\"  ([[rooms]] topic)",
            "~ list the room in the room directory  ([[rooms]] directory)",
        ],
    );
    world.settle();
}

#[test]
fn a_listed_room_is_adopted_without_more_ado() {
    let mut world = World::with_room("ops", &["alice"]);
    world.room("ops").stamp = None;
    world.desired("ops").described.is_listed = true;
    world.expect("ops", &["~ mark the room as managed for corp id-of-ops"]);
}

#[test]
fn a_room_may_be_more_or_less_cautious_than_the_others() {
    let kicks = |own: Option<bool>, all: Removals, kick: bool| {
        let mut world = World::with_room("ops", &["alice", "bob"]);
        world.unwant("ops", "bob");
        world.desired("ops").described.cautious = own;
        world.policy.removals = all;
        world.policy.kick = kick;
        world.plan().rooms[0].kicks().count()
    };
    assert_eq!(kicks(Some(true), Removals::Made, false), 0);
    assert_eq!(kicks(Some(true), Removals::Made, true), 1);
    assert_eq!(kicks(Some(false), Removals::Cautious, false), 1);
    assert_eq!(kicks(Some(false), Removals::Refused, false), 0);
    assert_eq!(kicks(None, Removals::Cautious, false), 0);
}

#[test]
fn a_user_may_be_protected_in_one_room() {
    let mut world = World::with_room("ops", &["alice", "bob"]);
    world.unwant("ops", "bob");
    world.desired("ops").described.protected_users = vec!["@b*:example.com".into()];
    world.expect("ops", &[]);
}

/// A room whose group was renamed: the alias is missing, the room is there under its old one.
fn renamed() -> World {
    let mut world = World::with_room("old", &["alice"]);
    let room = world.room("old").clone();
    let wanted = world.desired.rooms.remove(&alias("old")).unwrap();
    world.actual.rooms.clear();
    world.actual.rooms.insert(alias("new"), ActualRoom::Missing);
    world.desired.rooms.insert(alias("new"), wanted);
    assert!(needs_others(&world.desired, &world.actual));
    world.actual.others.insert(room.id.clone(), room);
    world
}

#[test]
fn a_group_that_was_renamed_keeps_its_room() {
    let mut world = renamed();
    world.expect("new", &["~ main alias: #old:example.com -> #new:example.com  (its group was renamed)"]);
    let plan = world.plan();
    let [Change::Alias(change)] = plan.rooms[0].changes.as_slice() else { panic!("{plan:#?}") };
    assert_eq!((change.others.clone(), change.drop, change.taken), ([alias("old")].into(), false, false));
    world.settle();
}

#[test]
fn the_old_alias_is_taken_away_if_the_policy_says_so() {
    let mut world = renamed();
    world.policy.renamed = RenamedAlias::Drop;
    world.expect(
        "new",
        &["~ main alias: #old:example.com -> #new:example.com  (its group was renamed; the old one is taken away)"],
    );
    let plan = world.plan();
    let [Change::Alias(change)] = plan.rooms[0].changes.as_slice() else { panic!("{plan:#?}") };
    assert_eq!((change.others.len(), change.drop), (0, true));
}

#[test]
fn an_alias_that_a_renamed_groups_room_still_has_is_a_problem() {
    let mut world = renamed();
    let room = world.actual.others.first_key_value().unwrap().1.clone();
    world.want_room("old").stamp = super::world::stamp("another");
    world.actual.rooms.insert(alias("old"), ActualRoom::Joined(Box::new(room)));
    world.actual.others.clear();
    let plan = world.plan();
    assert!(plan.rooms[1].problems.iter().any(|problem| problem.to_string().contains("stands for another group")));
    world.expect("new", &["~ main alias: #old:example.com -> #new:example.com  (its group was renamed)"]);
}

/// A room that was upgraded: the alias leads to the old one still.
fn upgraded(says_so: bool) -> (World, JoinedRoom) {
    let mut world = World::with_room("ops", &["alice"]);
    let mut next = world.room("ops").clone();
    next.id = id("!next");
    next.stamp = None;
    next.canonical_alias = None;
    next.replaces = says_so.then(|| id("!ops"));
    world.room("ops").replaced_by = Some("!next".into());
    world.actual.others.insert(next.id.clone(), next.clone());
    (world, next)
}

#[test]
fn the_replacement_of_a_room_is_followed_if_both_say_so() {
    let (world, _) = upgraded(true);
    world.expect(
        "ops",
        &[
            "~ main alias: not set -> #ops:example.com  (it replaces the room that had the alias)",
            "~ mark the room as managed for corp id-of-ops",
        ],
    );
    let (world, _) = upgraded(false);
    world.expect("ops", &["! problem: the room was replaced by !next: point the alias to the new room"]);
}

#[test]
fn a_replacement_keeps_the_aliases_that_it_has_whatever_the_policy_for_renamed_rooms() {
    let (mut world, mut next) = upgraded(true);
    world.policy.renamed = RenamedAlias::Drop;
    next.canonical_alias = Some(alias("next"));
    world.actual.others.insert(next.id.clone(), next);
    let plan = world.plan();
    let [Change::Alias(change), ..] = plan.rooms[0].changes.as_slice() else { panic!("{plan:#?}") };
    assert_eq!((change.others.clone(), change.drop), ([alias("next")].into(), false));
}

#[test]
fn a_replacement_that_has_the_alias_already_inherits_the_mark() {
    let (mut world, next) = upgraded(true);
    let old = world.room("ops").clone();
    world.actual.others = [(old.id.clone(), old)].into();
    world.actual.rooms.insert(alias("ops"), ActualRoom::Joined(Box::new(next.clone())));
    world.expect("ops", &["~ mark the room as managed for corp id-of-ops"]);
    world.actual.rooms.insert(alias("ops"), ActualRoom::Invited(next.id));
    world.expect("ops", &["+ join the room  (invited; the next run plans the rest)"]);
}

fn assert_left_alone(world: &World, problem: &Problem) {
    let plan = world.plan();
    assert!(plan.is_empty(), "{plan:#?}");
    assert!(plan.rooms[0].problems.contains(problem), "{:?}", plan.rooms[0].problems);
}

#[test]
fn what_only_claims_to_replace_a_managed_room_is_not_managed() {
    let as_it_leads = |(mut world, next): (World, JoinedRoom)| {
        let old = world.room("ops").clone();
        world.actual.others = [(old.id.clone(), old)].into();
        world.actual.rooms.insert(alias("ops"), ActualRoom::Joined(Box::new(next)));
        world
    };
    assert_left_alone(&as_it_leads(upgraded(false)), &Problem::NotAdopted);
    let (mut world, next) = upgraded(true);
    world.room("ops").stamp = Some(super::world::stamp("another"));
    assert_left_alone(&as_it_leads((world, next)), &Problem::NotAdopted);
    let (mut world, _) = upgraded(true);
    world.room("ops").stamp = None;
    assert_left_alone(&world, &Problem::NotAdopted);
    let (mut world, mut next) = upgraded(true);
    next.replaced_by = Some("!third".into());
    world.actual.others.insert(next.id.clone(), next);
    assert_left_alone(&world, &Problem::Replaced("!next".into()));
}

#[test]
fn an_alias_that_was_taken_from_the_marked_room_is_a_problem() {
    let mut world = World::with_room("ops", &["alice"]);
    world.policy.adopt = true;
    let marked = world.room("ops").clone();
    (world.room("ops").id, world.room("ops").stamp) = (id("!theirs"), None);
    world.actual.others.insert(marked.id.clone(), marked);
    assert_left_alone(&world, &Problem::AliasMoved(id("!ops")));
    world.actual.rooms.insert(alias("ops"), ActualRoom::Invited(id("!theirs")));
    assert_left_alone(&world, &Problem::AliasMoved(id("!ops")));
}

#[test]
fn a_space_is_not_encrypted() {
    let mut world = World::new();
    world.want_room("hq").settings.encryption = true;
    for is_space in [false, true] {
        world.desired("hq").described.is_space = is_space;
        let plan = world.plan();
        let [Change::Create(creation)] = plan.rooms[0].changes.as_slice() else { panic!("{plan:#?}") };
        assert_eq!(creation.encryption, !is_space);
    }
}

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

fn parse(more: &str, values: &[&str]) -> Result<Config, String> {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    let text = format!("{BASE}{more}");
    Config::parse_with(Path::new("inviter.toml"), &text, &values).map_err(|error| error.to_string())
}

fn snapshot(groups: &[(&str, &[&str])]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (name, members) in groups {
        for member in *members {
            let account = Account {
                username: (*member).to_owned(),
                label: format!("uid={member}"),
                standing: Standing::Active,
                mxid: None,
            };
            snapshot.accounts.insert((*member).to_owned(), account);
        }
        snapshot.groups.push(Group {
            name: (*name).to_owned(),
            id: Some(format!("id-of-{name}")),
            label: format!("cn={name},ou=groups,dc=example,dc=com"),
            members: Members::Known(members.iter().map(ToString::to_string).collect()),
            owners: None,
        });
    }
    snapshot
}

const EVENT: &str = r##"
[[rooms]]
alias = "#event-<1>:example.com"
for_each = ["a", "b"]
name = "Event <1>"
groups = [
    { group = "cn=Event-<1>, ou=Groups, dc=example, dc=com" },
    { group = "tutors", level = 50, idp = "corp" },
]
members = [{ user = "@boss:elsewhere.org", level = 100 }]
renamed_users = { carol = "caroline" }
permissions = { ban = 75 }
encryption = true
"##;

#[test]
fn one_entry_with_a_placeholder_stands_for_many_rooms() {
    let config =
        parse(&format!("{EVENT}[room]\nhistory_visibility = \"joined\"\npermissions = {{ ban = 60, kick = 60 }}"), &[]);
    let groups: [(&str, &[&str]); 4] =
        [("event-a", &["alice", "bob"]), ("event-b", &["carol"]), ("tutors", &["bob", "carol"]), ("other", &["dave"])];
    let desired = Desired::build(&config.unwrap(), &[snapshot(&groups)]).unwrap();
    let rooms: Vec<String> = desired.rooms.keys().map(ToString::to_string).collect();
    assert_eq!(rooms, ["#event-a:example.com", "#event-b:example.com"]);
    let a = &desired.rooms[&alias("event-a")];
    let levels: Vec<(String, Option<i64>)> =
        a.members.iter().map(|(user, member)| (user.localpart().to_owned(), member.level)).collect();
    assert_eq!(
        levels,
        [
            ("alice".to_owned(), None),
            ("bob".to_owned(), Some(50)),
            ("boss".to_owned(), Some(100)),
            ("caroline".to_owned(), Some(50))
        ]
    );
    assert_eq!(a.described.name.as_deref(), Some("Event a"));
    assert!(a.incomplete.is_empty() && a.ambiguous.is_empty(), "{a:?}");
    assert!(a.settings.encryption);
    let permissions: Vec<String> = a.settings.permissions.iter().map(|(key, level)| format!("{key} {level}")).collect();
    assert_eq!(permissions, ["ban 75", "kick 60"]);
    assert_eq!(a.stamp.groups.len(), 2);
}

#[test]
fn the_values_of_a_placeholder_may_come_from_the_command_line() {
    let entry = EVENT.replace("for_each = [\"a\", \"b\"]\n", "");
    let rooms = |values: &[&str]| parse(&entry, values).unwrap().rooms.len();
    assert_eq!((rooms(&[]), rooms(&["x"]), rooms(&["x", "y"])), (0, 1, 2));
}

#[test]
fn a_group_that_nobody_has_makes_a_room_from_which_nobody_is_removed() {
    let config = parse("[[rooms]]\nalias = \"#ops:example.com\"\ngroups = [{ group = \"gone\" }]", &[]).unwrap();
    let desired = Desired::build(&config, &[snapshot(&[])]).unwrap();
    assert_eq!(
        desired.rooms[&alias("ops")].incomplete.iter().collect::<Vec<_>>(),
        ["there is no group gone in any identity provider"]
    );
}

#[test]
fn a_mistake_in_a_described_room_is_told_with_its_place() {
    for (entry, said) in [
        ("alias = \"ops\"", "inviter.toml:14:1: rooms[0].alias: expected a room alias: \"ops\" is no room alias"),
        (
            "alias = \"#ops:example.com\"\nrestricted = true",
            "inviter.toml:15:1: rooms[0].restricted: members of which space may join? Name it with parent",
        ),
        (
            "alias = \"#ops:example.com\"\nfor_each = [\"a\"]",
            "inviter.toml:15:1: rooms[0].for_each: the alias has no <1>, which these values would stand for",
        ),
        (
            "alias = \"#ops:example.com\"\n[[rooms]]\nalias = \"#ops:example.com\"",
            "inviter.toml:16:1: rooms[1].alias: two entries are for #ops:example.com",
        ),
        (
            "alias = \"#ops:example.com\"\ngroups = [{ group = \"a\", idp = \"crop\" }]",
            "inviter.toml:15:1: rooms[0].groups: there is no identity provider \"crop\"; there are corp",
        ),
        (
            "alias = \"#ops:example.com\"\nmembers = [{ user = \"alice\" }]",
            "inviter.toml:15:21: rooms[0].members[0].user: ",
        ),
    ] {
        let complaint = parse(&format!("[[rooms]]\n{entry}"), &[]).unwrap_err();
        assert!(complaint.starts_with(said), "{complaint}");
    }
}

#[test]
fn nothing_of_a_room_is_changed_when_it_is_as_described() {
    let mut world = World::with_room("ops", &["alice"]);
    world.want_at("ops", "alice", Some(100));
    world.expect("ops", &[&format!("~ power level of @alice:example.com: 0 -> 100  ({NAMES_IT})")]);
    world.settle();
    world.want("ops", "alice");
    world.expect("ops", &[]);
    assert_eq!(world.room("ops").power.entry(&user("alice")), Some(100), "an admin is never demoted");
}

/// A room, and another one that is wanted for the same group.
fn twins() -> World {
    let mut world = World::with_room("ops", &["alice"]);
    world.want_room("second").stamp = super::world::stamp("ops");
    world.want("second", "alice");
    world.desired("second").twins.insert(alias("ops"));
    world.desired("ops").twins.insert(alias("second"));
    world
}

#[test]
fn a_second_room_for_a_group_is_made_and_not_that_of_the_first() {
    let mut world = twins();
    world.room("ops").canonical_alias = Some(alias("chosen-by-people"));
    world.expect("ops", &[]);
    let created = ["+ create the room \"second\", version 12", "+ invite @alice:example.com  (in second-group (corp))"];
    world.expect("second", &created);
    // A run for the second room alone knows the first by its main alias.
    let mut world = twins();
    let first = world.room("ops").clone();
    world.actual.rooms.remove(&alias("ops"));
    world.desired.rooms.remove(&alias("ops"));
    world.actual.others.insert(first.id.clone(), first.clone());
    world.expect("second", &created);
    // Without that it cannot tell whose room it is.
    world.actual.others.get_mut(&first.id).unwrap().canonical_alias = None;
    let plan = world.plan();
    assert!(plan.rooms[0].changes.is_empty(), "{plan:#?}");
    let problem = plan.rooms[0].problems.first().unwrap().to_string();
    assert!(problem.contains("#second:example.com leads nowhere") && problem.contains("#ops:example.com"), "{problem}");
    // Its own main alias tells.
    world.actual.others.get_mut(&first.id).unwrap().canonical_alias = Some(alias("second"));
    world.expect("second", &["~ main alias: not set -> #second:example.com  (its group was renamed)"]);
}

#[test]
fn a_room_without_the_mark_is_adopted_beside_that_of_the_same_group() {
    let mut world = twins();
    let mut second = world.room("ops").clone();
    (second.id, second.stamp, second.canonical_alias) = (id("!second"), None, Some(alias("second")));
    world.actual.rooms.insert(alias("second"), ActualRoom::Joined(Box::new(second)));
    world.desired("second").described.is_listed = true;
    world.expect("second", &["~ mark the room as managed for corp id-of-ops"]);
}

#[test]
fn rooms_of_the_same_groups_know_each_other_whatever_was_asked_for() {
    let config = parse(
        "[[rooms]]\nalias = \"#a:example.com\"\ngroups = [{ group = \"ops\" }]\n\
         [[rooms]]\nalias = \"#b:example.com\"\ngroups = [{ group = \"ops\" }]\n\
         [[rooms]]\nalias = \"#c:example.com\"\ngroups = [{ group = \"ops\" }, { group = \"dev\" }]\n",
        &[],
    )
    .unwrap();
    let mut desired = Desired::build(&config, &[snapshot(&[("ops", &["alice"]), ("dev", &["bob"])])]).unwrap();
    desired.restrict(&[alias("b"), alias("c")].into()).unwrap();
    assert_eq!(desired.rooms[&alias("b")].twins, [alias("a")].into());
    assert_eq!(desired.rooms[&alias("c")].twins, [].into());
}
