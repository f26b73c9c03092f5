//! What the guard refuses, rule by rule, and what is done then.

use std::path::Path;

use inviter::actual::{Membership, StampedGroup};
use inviter::config::{Config, WhenRefused};
use inviter::desired::{Desired, Via};
use inviter::plan::{Change, HeldChange, Kick, Limits, OwnLoss, Plan, Reason, Refusal, Removals, allowance, guard};
use inviter::power::PermissionKey;
use inviter::snapshot::{Account, Group, Members, Snapshot, Standing};
use serde_json::json;

use super::world::{World, alias, limits, me, stamp, user};

const TEN: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

/// A world with a room of these members, some of whom are in no group any more.
fn without(members: &[&str], gone: &[&str]) -> World {
    let mut world = World::with_room("ops", members);
    for name in gone {
        world.unwant("ops", name);
    }
    world
}

/// The group of a room is empty.
fn empty(world: &mut World, room: &str) {
    let group = stamp(room).groups.first().unwrap().clone();
    let via = Via { idp: "corp".into(), group: format!("{room}-group") };
    world.desired(room).empty.insert(group, via);
}

#[test]
fn more_kicks_than_allowed_are_refused() {
    let everybody: Vec<String> = (0..40).map(|n| format!("user{n:02}")).collect();
    let everybody: Vec<&str> = everybody.iter().map(String::as_str).collect();
    assert_eq!(without(&everybody, &everybody[..5]).refused(), Vec::<String>::new());
    assert_eq!(without(&everybody, &everybody[..6]).refused(), ["6 kicks in all; max_kicks allows 5"]);
}

#[test]
fn too_large_a_share_is_refused_from_a_number_of_members_up() {
    assert_eq!(
        without(&TEN, &TEN[..4]).refused(),
        [
            "#ops:example.com: 4 kicks among 10 managed members; max_kicks_percent allows 30 %",
            "all rooms together: 4 kicks among 10 managed members; max_kicks_percent allows 30 %",
        ]
    );
    assert_eq!(without(&TEN[..9], &TEN[..4]).refused(), Vec::<String>::new());
    assert_eq!(without(&TEN, &TEN[..3]).refused(), Vec::<String>::new(), "the limit itself is allowed");
}

#[test]
fn who_is_only_invited_counts_among_the_managed_members() {
    let mut world = without(&TEN, &TEN[..4]);
    for name in &TEN[8..] {
        world.member_by("ops", name, Membership::Invite, 1, "inviter");
    }
    let share = "4 kicks among 10 managed members; max_kicks_percent allows 30 %";
    assert_eq!(world.refused(), [format!("#ops:example.com: {share}"), format!("all rooms together: {share}")]);
}

#[test]
fn the_share_of_all_rooms_is_that_of_the_rooms_that_were_asked_for() {
    let mut world = without(&TEN, &TEN[..4]);
    world.want_room("dev");
    for name in TEN.iter().chain(&["k", "l", "m", "n"]) {
        world.want("dev", name);
    }
    world.policy.removals = Removals::Cautious;
    world.settle();
    world.policy.removals = Removals::Made;
    assert_eq!(world.refused().len(), 1, "{:?}", world.refused());
    world.desired.restrict(&[alias("ops")].into()).unwrap();
    assert_eq!(world.refused().len(), 2);
}

#[test]
fn a_room_does_not_lose_its_last_member() {
    let mut world = without(&["alice"], &["alice"]);
    let refused = "#ops:example.com: 1 kick would leave nobody there whom the identity providers want";
    assert_eq!(world.refused(), [refused]);
    world.want("ops", "bob");
    assert_eq!(world.refused(), [refused], "who is to be invited is not there");
    world.member_by("ops", "bob", Membership::Invite, 400, "inviter");
    assert_eq!(world.refused(), [refused], "nor is who is invited");
    world.member("ops", "bob", Membership::Join, 1);
    assert_eq!(world.refused(), Vec::<String>::new());
}

#[test]
fn a_room_that_would_be_empty_is_told_of_once() {
    assert_eq!(
        without(&TEN, &TEN).refused(),
        [
            "#ops:example.com: 10 kicks would leave nobody there whom the identity providers want",
            "all rooms together: 10 kicks among 10 managed members; max_kicks_percent allows 30 %",
            "10 kicks in all; max_kicks allows 5",
        ]
    );
    let mut world = without(&["alice"], &["alice"]);
    empty(&mut world, "ops");
    let refused = world.refused();
    assert!(refused.len() == 1 && refused[0].contains("may_be_empty"), "{refused:?}");
}

#[test]
fn inviter_and_people_of_other_homeservers_do_not_keep_a_room_from_being_empty() {
    let mut world = without(&["alice"], &["alice"]);
    world.want("ops", "inviter");
    assert_eq!(world.refused().len(), 1);
    world.want_room("hq").described.is_space = true;
    world.desired("ops").described.parent = Some(alias("hq"));
    world.desired("ops").described.restricted = true;
    world.want("hq", "@guest:elsewhere.org");
    world.member("ops", "@guest:elsewhere.org", Membership::Join, 1);
    assert_eq!(world.refused().len(), 1);
}

#[test]
fn a_renamed_room_does_not_lose_its_last_member_either() {
    let mut world = World::with_room("ops", &["alice"]);
    world.lose_group("ops");
    world.want_room("new").stamp = stamp("ops");
    world.want("new", "bob");
    let told = "#new:example.com: 1 kick would leave nobody there whom the identity providers want";
    assert_eq!(world.refused(), [told]);
}

#[test]
fn a_member_who_is_locked_out_keeps_a_room_from_being_empty() {
    let mut world = without(&["alice", "bob"], &["alice", "bob"]);
    world.desired("ops").held.insert(user("alice"));
    assert_eq!(world.refused(), Vec::<String>::new());
}

#[test]
fn a_member_by_a_space_keeps_a_room_from_being_empty() {
    let mut world = without(&["alice", "bob"], &["alice", "bob"]);
    world.want_room("hq").described.is_space = true;
    world.want("hq", "alice");
    world.desired("ops").described.parent = Some(alias("hq"));
    world.desired("ops").described.restricted = true;
    assert_eq!(world.refused(), Vec::<String>::new());
    world.unwant("hq", "alice");
    assert_eq!(world.refused().len(), 1);
}

#[test]
fn the_last_invitations_to_a_room_are_not_withdrawn() {
    let mut world = without(&["alice"], &["alice"]);
    world.member_by("ops", "alice", Membership::Invite, 1, "inviter");
    assert_eq!(world.refused().len(), 1);
    world.want("ops", "bob");
    assert_eq!(world.refused(), Vec::<String>::new());
    world.member_by("ops", "bob", Membership::Invite, 1, "inviter");
    assert_eq!(world.refused(), Vec::<String>::new(), "somebody else is invited");
}

#[test]
fn a_group_that_has_become_empty_removes_nobody() {
    let mut world = without(&["alice", "bob", "carol"], &["alice"]);
    assert_eq!(world.refused(), Vec::<String>::new());
    empty(&mut world, "ops");
    assert_eq!(
        world.refused(),
        [
            "#ops:example.com: 1 kick, and a group has nobody any more who could be there: ops-group (corp); may_be_empty \
          under [[rooms]] groups lets it be empty"
        ]
    );
    world.want("ops", "alice");
    assert_eq!(world.refused(), Vec::<String>::new(), "nobody would be removed");
    world.unwant("ops", "alice");
    world.room("ops").stamp = Some(stamp("another"));
    assert_eq!(world.refused(), Vec::<String>::new(), "a new group of the room cannot have lost anybody");
}

#[test]
fn a_group_without_anybody_who_could_be_in_the_room_is_empty_unless_it_may_be() {
    let config = |more: &str| {
        let text = format!(
            "[matrix]\nhomeserver = \"https://a\"\naccess_token = \"a\"\n[[idp]]\nname = \"corp\"\n\
             mxid_homeserver = \"example.com\"\ntype = \"file\"\npath = \"a.toml\"\n[[rooms]]\nalias = \"#ops:example.com\"\n\
             groups = [{{ group = \"staff\" }}, {{ group = \"tutors\"{more} }}]\n"
        );
        Config::parse(Path::new("inviter.toml"), &text).unwrap()
    };
    let account = |username: &str| {
        let (label, standing) = (username.to_owned(), Standing::Active);
        (username.to_owned(), Account { username: username.into(), mxid: None, label, standing })
    };
    let group = |name: &str, members: &[&str]| Group {
        name: name.into(),
        id: Some(format!("id-of-{name}")),
        label: name.into(),
        members: Members::Known(members.iter().map(|member| (*member).to_owned()).collect()),
        owners: None,
    };
    // What cannot be a localpart is nobody.
    let snapshot = Snapshot {
        accounts: [account("alice"), account("not a localpart")].into(),
        groups: vec![group("staff", &["alice"]), group("tutors", &["not a localpart"])],
        ..Snapshot::default()
    };
    let empty = |config: &Config| {
        Desired::build(config, std::slice::from_ref(&snapshot)).unwrap().rooms[&alias("ops")].empty.clone()
    };
    let tutors = StampedGroup { idp: "corp".into(), id: "id-of-tutors".into() };
    let name = Via { idp: "corp".into(), group: "tutors".into() };
    assert_eq!(empty(&config("")), [(tutors, name)].into());
    assert_eq!(empty(&config(", may_be_empty = true")), [].into());
}

#[test]
fn the_last_moderator_of_a_room_is_not_demoted_or_removed() {
    let mut world = World::with_room("ops", &["alice*", "bob*", "carol", "dave"]);
    world.want("ops", "alice");
    assert_eq!(world.refused(), Vec::<String>::new(), "bob is still there");
    world.unwant("ops", "bob");
    assert_eq!(
        world.refused(),
        ["#ops:example.com: no moderator would be left but for @alice:example.com, @bob:example.com; \
          keep_last_moderator = false lets that happen"]
    );
    let lax = Limits { keep_last_moderator: false, ..limits() };
    assert_eq!(world.decide(&lax, WhenRefused::DoTheRest), (world.plan(), vec![]));
    let allowed = |n| Limits { allowed: Some(n), ..limits() };
    assert_eq!(world.decide(&allowed(0), WhenRefused::DoTheRest).1.len(), 1);
    assert_eq!(world.decide(&allowed(1), WhenRefused::DoTheRest), (world.plan(), vec![]));
    world.want_at("ops", "carol", Some(50));
    assert_eq!(world.refused(), Vec::<String>::new(), "carol becomes a moderator");
    world.want("ops", "carol");
    world.want_at("ops", "erin", Some(50));
    assert_eq!(world.refused(), Vec::<String>::new(), "erin is invited as one");
}

#[test]
fn an_admin_is_no_moderator_whom_a_room_could_keep() {
    let mut world = World::with_room("ops", &["alice*", "bob"]);
    world.member("ops", "root", Membership::Join, 1);
    world.set_levels("ops", |levels| levels["users"]["@root:example.com"] = json!(100));
    world.want("ops", "alice");
    assert_eq!(world.refused().len(), 1);
    world.member("ops", "alice", Membership::Leave, 400);
    assert_eq!(world.refused(), Vec::<String>::new(), "who is not there is no moderator");
}

#[test]
fn a_moderator_is_who_is_there_or_invited_and_is_not_inviter() {
    let demoting = || {
        let mut world = World::with_room("ops", &["alice*", "bob*"]);
        world.want("ops", "alice");
        world
    };
    let mut world = demoting();
    world.member_by("ops", "bob", Membership::Invite, 1, "inviter");
    assert_eq!(world.refused(), Vec::<String>::new(), "bob is invited");
    world.member("ops", "bob", Membership::Leave, 1);
    assert_eq!(world.refused().len(), 1, "bob has left, and is not invited again yet");

    let mut world = World::with_old_room("ops", &["alice"]);
    world.set_levels("ops", |levels| {
        levels["events"] = json!({});
        levels["users"] = json!({ "@inviter:example.com": 60, "@alice:example.com": 50 });
    });
    assert_eq!(world.refused().len(), 1, "inviter alone would be left");
}

#[test]
fn a_moderator_who_becomes_an_admin_is_not_lost() {
    let mut world = World::with_room("ops", &["alice*", "bob"]);
    world.want_at("ops", "alice", Some(100));
    assert!(!world.plan().is_empty());
    assert_eq!(world.refused(), Vec::<String>::new());
}

#[test]
fn who_moderates_like_everybody_is_a_last_moderator_too() {
    let mut world = without(&["alice", "root"], &["alice"]);
    world.set_levels("ops", |levels| {
        levels["users_default"] = json!(50);
        levels["users"] = json!({ "@root:example.com": 100 });
    });
    let refused = world.refused();
    assert!(refused.len() == 1 && refused[0].contains("but for @alice:example.com; "), "{refused:?}");
}

/// The plan of a world with one change more.
fn forged(world: &World, change: Change) -> Plan {
    let mut plan = world.plan();
    plan.rooms[0].changes.push(change);
    plan
}

#[test]
fn inviter_does_not_take_its_own_power_even_if_a_plan_says_so() {
    let mut world = World::with_old_room("ops", &["alice", "bob"]);
    world.desired("ops").settings.permissions = [(PermissionKey::Top("ban".into()), 60)].into();
    let told = |plan: &Plan| -> Vec<String> {
        // Nothing lets it pass.
        let limits = Limits { allowed: Some(99), keep_last_moderator: false, ..limits() };
        guard(plan, &world.desired, &world.actual, &limits).iter().map(ToString::to_string).collect()
    };
    assert_eq!(told(&world.plan()), Vec::<String>::new());
    let kick = Kick { user: me(), invited: false, reason: Reason::NotInGroup };
    assert_eq!(told(&forged(&world, Change::Kick(kick))), ["#ops:example.com: inviter would remove itself"]);

    let with = |path: &str, value: i64| {
        let mut plan = world.plan();
        let Change::PowerLevels(levels) = &mut plan.rooms[0].changes[0] else { panic!("{plan:#?}") };
        let mut content = serde_json::Value::Object(levels.content.clone());
        *content.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = json!(value);
        levels.content = content.as_object().unwrap().clone();
        told(&plan)
    };
    assert_eq!(
        with("/users/@inviter:example.com", 99),
        ["#ops:example.com: inviter would lower its own power level from 100 to 99"]
    );
    for (path, what) in [
        ("/invite", "to invite"),
        ("/kick", "to kick"),
        ("/events/m.room.power_levels", "to send m.room.power_levels"),
        ("/state_default", "to send dev.inviter.managed"),
    ] {
        let expected = format!(
            "#ops:example.com: inviter would need 101 {what} and have 100; see permissions under [room] and [[rooms]]"
        );
        assert_eq!(with(path, 101), [expected]);
    }
    assert_eq!(with("/ban", 101), Vec::<String>::new());
    for event in [
        "m.room.power_levels",
        "dev.inviter.managed",
        "m.room.canonical_alias",
        "m.room.history_visibility",
        "m.room.join_rules",
        "m.room.name",
        "m.room.topic",
        "m.space.child",
        "m.space.parent",
    ] {
        let mut plan = world.plan();
        let Change::PowerLevels(levels) = &mut plan.rooms[0].changes[0] else { panic!("{plan:#?}") };
        levels.content["events"][event] = json!(101);
        let refused = told(&plan);
        assert!(refused.len() == 1 && refused[0].contains(&format!("101 to send {event} ")), "{event}: {refused:?}");
    }
}

#[test]
fn allowing_kicks_is_told_of_where_it_helps() {
    let plan = without(&["alice"], &["alice"]).decide(&limits(), WhenRefused::DoTheRest).0;
    let emptied = Refusal::Emptied { alias: alias("ops"), kicks: 1 };
    let own = Refusal::OwnPower { alias: alias("ops"), loss: OwnLoss::Kick };
    let orphaned = Refusal::Orphaned { rooms: 1, of: 1, limit: 20 };
    assert_eq!(allowance(&plan, std::slice::from_ref(&emptied)), Some(1));
    assert_eq!(allowance(&plan, &[emptied.clone(), orphaned.clone()]), Some(1));
    assert_eq!(allowance(&plan, &[orphaned]), None);
    assert_eq!(allowance(&plan, std::slice::from_ref(&own)), None);
    assert_eq!(allowance(&plan, &[emptied, own]), None);
}

#[test]
fn a_refusal_tells_hostile_names_without_their_control_characters() {
    let mut world = without(&["alice", "bob"], &["alice"]);
    let group = stamp("ops").groups.first().unwrap().clone();
    world.desired("ops").empty.insert(group, Via { idp: "corp".into(), group: "a\u{1b}[2Jb".into() });
    let refused = world.refused();
    assert!(refused.len() == 1 && !refused[0].contains('\u{1b}'), "{refused:?}");
}

#[test]
fn a_permission_that_would_take_the_power_of_inviter_is_a_problem() {
    let mut world = World::with_old_room("ops", &["alice"]);
    world.set_levels("ops", |levels| {
        levels["users_default"] = json!(100);
        levels["users"] = json!({});
    });
    world.desired("ops").settings.permissions =
        [(PermissionKey::Top("users_default".into()), 0), (PermissionKey::Top("ban".into()), 60)].into();
    world.expect(
        "ops",
        &[
            "~ permission ban: 50 -> 60  ([room] permissions)",
            "! problem: the permission users_default would take the power that inviter has here: have an admin of the room \
             give inviter a power level of its own, or leave that permission out for this room",
            "! warning: everybody in the room has power level 100 (users_default) and may change power levels, kick, ban, let \
             anybody in, move the alias, close the room: set permissions under [room] to mend that",
        ],
    );
    assert_eq!(world.refused(), Vec::<String>::new());
}

#[test]
fn what_is_no_removal_is_done_or_not_as_the_policy_says() {
    let mut world = without(&["alice*", "bob*", "carol"], &["bob", "carol"]);
    world.want("ops", "alice");
    world.want("ops", "dave");
    world.desired("ops").settings.permissions = [(PermissionKey::Top("ban".into()), 60)].into();
    let lines = |when_refused| {
        let (plan, refusals) = world.decide(&limits(), when_refused);
        assert_eq!(refusals.len(), 1);
        assert_eq!(allowance(&plan, &refusals), Some(2));
        let text = inviter::plan::text::plan(&plan, &[], inviter::plan::text::Dress::new(false));
        text.lines().filter_map(|line| line.strip_prefix("  ")).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let refused = "the guard refused the removals of this run";
    let held = [
        format!(". withheld: power level of @alice:example.com: 50 -> 0  (in ops-group (corp); {refused})"),
        format!(". withheld: power level of @bob:example.com: 50 -> 0  (in no group of this room; {refused})"),
        format!(". withheld: kick @bob:example.com  (in no group of this room; {refused})"),
        format!(". withheld: kick @carol:example.com  (in no group of this room; {refused})"),
    ];
    let rest = lines(WhenRefused::DoTheRest);
    let done =
        ["~ permission ban: 50 -> 60  ([room] permissions)", "+ invite @dave:example.com  (in ops-group (corp))"];
    assert_eq!(rest[..2], done);
    assert_eq!(rest[2..], held);
    let nothing = lines(WhenRefused::DoNothing);
    let stopped = [
        ". withheld: permission ban: 50 -> 60  ([room] permissions; the guard stopped this run)",
        ". withheld: invite @dave:example.com  (in ops-group (corp); the guard stopped this run)",
    ];
    assert_eq!(nothing[..2], stopped);
    assert_eq!(nothing[2..], held);
}

#[test]
fn only_what_the_guard_refused_needs_to_be_allowed() {
    let mut world = without(&["alice"], &["alice"]);
    world.want_room("dev");
    for name in ["bob", "carol"] {
        world.want("dev", name);
    }
    world.policy.removals = Removals::Cautious;
    world.settle();
    world.unwant("dev", "bob");
    world.desired("ops").described.cautious = Some(false);
    let (plan, refusals) = world.decide(&limits(), WhenRefused::DoTheRest);
    assert_eq!(allowance(&plan, &refusals), Some(1), "the other room is cautious anyway");
    let why: Vec<String> = plan.rooms.iter().flat_map(|room| &room.withheld).map(|held| held.why.to_string()).collect();
    assert_eq!(why, ["removals need --kick", "the guard refused the removals of this run"]);
}

#[test]
fn a_kick_that_is_not_possible_needs_no_allowance() {
    let mut world = World::with_old_room("ops", &["alice"]);
    world.unwant("ops", "alice");
    world.member("ops", "bob", Membership::Join, 400);
    world.set_levels("ops", |levels| {
        levels["users"] = json!({ "@inviter:example.com": 60, "@bob:example.com": 60 });
    });
    let (plan, refusals) = world.decide(&limits(), WhenRefused::DoTheRest);
    assert_eq!(allowance(&plan, &refusals), Some(1));
    assert!(plan.has_problems(), "{plan:#?}");
    let held: Vec<_> = plan.rooms[0].withheld.iter().map(|held| &held.change).collect();
    assert!(matches!(held[..], [HeldChange::Kick(kick)] if kick.user == user("alice")), "{held:?}");
}
