//! The rules, one by one: a world with nothing to do, one fact changed, and the plan that follows.

use inviter::actual::{ActualRoom, Membership, StampedGroup};
use inviter::config::HistoryVisibility;
use inviter::plan::{Change, PowerNeed, Problem, Removals};
use inviter::power::PermissionKey;
use matrix_sdk::ruma::RoomId;
use serde_json::json;
use wildmatch::WildMatch;

use super::world::{World, alias, stamp, user};

#[test]
fn a_room_that_is_as_it_should_be_is_left_alone() {
    World::with_room("ops", &["alice*", "bob"]).expect("ops", &[]);
    World::with_old_room("ops", &["alice", "bob"]).expect("ops", &[]);
}

#[test]
fn a_missing_room_is_created_with_its_members() {
    let mut world = World::new();
    world.want_room("my_room");
    world.want_at("my_room", "alice", Some(50));
    world.want("my_room", "bob");
    world.expect(
        "my_room",
        &[
            "+ create the room \"my room\", version 12",
            "+ invite @alice:example.com as moderator (50)  (in my_room-group (corp))",
            "+ invite @bob:example.com  (in my_room-group (corp))",
        ],
    );
}

#[test]
fn a_room_is_born_with_all_its_settings() {
    let mut world = World::new();
    let settings = &mut world.want_room("ops").settings;
    settings.encryption = true;
    settings.history_visibility = Some(HistoryVisibility::Joined);
    settings.permissions =
        [(PermissionKey::Top("invite".into()), 50), (PermissionKey::Event("m.room.name".into()), 75)].into();
    world.want_at("ops", "alice", Some(50));
    let plan = world.plan();
    let [Change::Create(creation), Change::Invite(_)] = plan.rooms[0].changes.as_slice() else { panic!("{plan:#?}") };
    assert_eq!(
        serde_json::Value::Object(creation.power_levels.clone()),
        json!({
            "users": { "@alice:example.com": 50 },
            "invite": 50,
            "events": {
                "m.room.avatar": 50, "m.room.canonical_alias": 50, "m.room.encryption": 100,
                "m.room.history_visibility": 100, "m.room.name": 75, "m.room.power_levels": 100,
                "m.room.server_acl": 100, "m.room.tombstone": 150,
            },
        })
    );
    assert_eq!(creation.stamp, stamp("ops"));
    world.settle();
}

#[test]
fn below_version_12_the_creator_is_named_among_the_levels() {
    let mut world = World::new();
    world.want_room("ops").settings.room_version = Some(matrix_sdk::ruma::RoomVersionId::V11);
    let plan = world.plan();
    let [Change::Create(creation)] = plan.rooms[0].changes.as_slice() else { panic!("{plan:#?}") };
    assert_eq!(creation.power_levels["users"], json!({ "@inviter:example.com": 100 }));
}

#[test]
fn a_missing_room_of_another_homeserver_is_not_created() {
    let mut world = World::new();
    world.want_room("#ops:elsewhere.org");
    world.want("#ops:elsewhere.org", "alice");
    world.expect(
        "#ops:elsewhere.org",
        &["! problem: there is no such room, and its alias belongs to another homeserver: it must be created there first"],
    );
}

#[test]
fn who_is_wanted_and_not_there_is_invited() {
    let mut world = World::with_room("ops", &["alice"]);
    world.want("ops", "bob");
    world.expect("ops", &["+ invite @bob:example.com  (in ops-group (corp))"]);
}

#[test]
fn who_is_invited_is_not_invited_again() {
    let mut world = World::with_room("ops", &["alice"]);
    world.member_by("ops", "alice", Membership::Invite, 400, "inviter");
    world.expect("ops", &[]);
}

#[test]
fn who_left_is_left_alone_for_a_while() {
    let mut world = World::with_room("ops", &["alice"]);
    world.member("ops", "alice", Membership::Leave, 23);
    world.expect(
        "ops",
        &[". withheld: invite @alice:example.com  (in ops-group (corp); left not long ago, invited again after \
           2027-01-15T09:00:00Z)"],
    );
    world.member("ops", "alice", Membership::Leave, 24);
    world.expect("ops", &["+ invite @alice:example.com  (in ops-group (corp))"]);
}

#[test]
fn who_was_kicked_by_a_moderator_is_left_alone_for_a_while() {
    let mut world = World::with_room("ops", &["alice", "bob*"]);
    world.member_by("ops", "alice", Membership::Leave, 1, "bob");
    assert!(world.plan().is_empty());
    assert_eq!(world.plan().rooms[0].withheld.len(), 1);
}

#[test]
fn whom_inviter_removed_is_invited_at_once_when_wanted_again() {
    let mut world = World::with_room("ops", &["alice"]);
    world.member_by("ops", "alice", Membership::Leave, 1, "inviter");
    world.expect("ops", &["+ invite @alice:example.com  (in ops-group (corp))"]);
}

#[test]
fn a_departure_in_the_future_keeps_nobody_out() {
    let mut world = World::with_room("ops", &["alice"]);
    world.member("ops", "alice", Membership::Leave, 0);
    world.room("ops").members.get_mut(&user("alice")).unwrap().since = u64::MAX;
    world.expect("ops", &["+ invite @alice:example.com  (in ops-group (corp))"]);
}

#[test]
fn who_knocks_and_is_wanted_is_let_in() {
    let mut world = World::with_room("ops", &["alice"]);
    world.member("ops", "alice", Membership::Knock, 1);
    world.member("ops", "mallory", Membership::Knock, 1);
    world.expect("ops", &["+ invite @alice:example.com  (in ops-group (corp))"]);
}

#[test]
fn who_is_banned_is_a_warning() {
    let mut world = World::with_room("ops", &["alice"]);
    world.member("ops", "alice", Membership::Ban, 400);
    world.expect("ops", &["! warning: @alice:example.com is banned from the room, so is not invited"]);
}

#[test]
fn who_is_no_longer_wanted_is_kicked_and_loses_their_level() {
    let mut world = World::with_room("ops", &["alice*", "bob"]);
    world.unwant("ops", "alice");
    world.expect(
        "ops",
        &[
            "~ power level of @alice:example.com: 50 -> 0  (in no group of this room)",
            "- kick @alice:example.com  (in no group of this room)",
        ],
    );
    let plan = world.plan();
    let Change::PowerLevels(levels) = &plan.rooms[0].changes[0] else { panic!("{plan:#?}") };
    assert_eq!(levels.content["users"], json!({}));
}

#[test]
fn a_cautious_run_removes_and_demotes_nobody() {
    let mut world = World::with_room("ops", &["alice*", "bob", "carol*"]);
    world.policy.removals = Removals::Cautious;
    world.unwant("ops", "bob");
    world.unwant("ops", "alice");
    world.want("ops", "carol");
    world.want("ops", "dave");
    world.expect(
        "ops",
        &[
            "+ invite @dave:example.com  (in ops-group (corp))",
            ". withheld: power level of @alice:example.com: 50 -> 0  (in no group of this room; removals need --kick)",
            ". withheld: power level of @carol:example.com: 50 -> 0  (in ops-group (corp); removals need --kick)",
            ". withheld: kick @alice:example.com  (in no group of this room; removals need --kick)",
            ". withheld: kick @bob:example.com  (in no group of this room; removals need --kick)",
        ],
    );
}

#[test]
fn an_invitation_that_is_no_longer_wanted_is_withdrawn() {
    let mut world = World::with_room("ops", &["alice", "bob"]);
    world.member_by("ops", "bob", Membership::Invite, 1, "inviter");
    world.unwant("ops", "bob");
    world.expect("ops", &["- withdraw the invitation of @bob:example.com  (in no group of this room)"]);
}

#[test]
fn nobody_is_removed_from_a_room_whose_members_are_not_all_known() {
    let mut world = World::with_room("ops", &["alice*", "bob"]);
    world.unwant("ops", "alice");
    world.want("ops", "carol");
    world.desired("ops").incomplete.insert("corp: a page is missing".into());
    let reason = "not all members are known: corp: a page is missing";
    world.expect(
        "ops",
        &[
            "+ invite @carol:example.com  (in ops-group (corp))",
            &format!(". withheld: power level of @alice:example.com: 50 -> 0  (in no group of this room; {reason})"),
            &format!(". withheld: kick @alice:example.com  (in no group of this room; {reason})"),
            "! warning: not all members are known, so nobody is removed: corp: a page is missing",
        ],
    );
}

#[test]
fn users_of_other_homeservers_are_never_removed() {
    let mut world = World::with_room("ops", &["alice"]);
    world.member("ops", "@guest:elsewhere.org", Membership::Join, 1);
    world.set_levels("ops", |levels| levels["users"]["@guest:elsewhere.org"] = json!(50));
    world.expect("ops", &[]);
}

#[test]
fn users_of_the_own_homeserver_stay_in_a_room_of_an_identity_provider_for_another_one() {
    let mut world = World::with_room("ops", &["alice", "bob"]);
    world.desired("ops").servers = [user("@x:elsewhere.org").server_name().to_owned()].into();
    world.unwant("ops", "bob");
    world.expect("ops", &[]);
}

#[test]
fn users_of_another_homeserver_stay_although_an_identity_provider_speaks_for_them() {
    let mut world = World::with_room("ops", &["alice"]);
    let (guest, member) = (user("@guest:elsewhere.org"), world.room("ops").members[&user("alice")].clone());
    world.desired("ops").servers.insert(guest.server_name().to_owned());
    world.room("ops").members.insert(guest.clone(), member);
    world.set_levels("ops", |levels| levels["users"] = json!({ "@guest:elsewhere.org": 50 }));
    world.expect("ops", &[]);
    // As one of the own homeserver would not.
    world.member("ops", "bob", Membership::Join, 1);
    world.expect("ops", &["- kick @bob:example.com  (in no group of this room)"]);
}

#[test]
fn what_the_mark_says_of_an_identity_provider_that_could_not_be_read_is_kept() {
    let mut world = World::with_room("ops", &["alice"]);
    let mut marked = stamp("ops");
    marked.groups.insert(StampedGroup { idp: "down".into(), id: "1".into() });
    world.room("ops").stamp = Some(marked.clone());
    world.desired("ops").unread.insert("down".into());
    world.expect("ops", &[]);
    marked.groups.insert(StampedGroup { idp: "gone".into(), id: "2".into() });
    world.room("ops").stamp = Some(marked);
    world.expect("ops", &["~ mark the room as managed for corp id-of-ops, down 1"]);
}

#[test]
fn admins_are_never_removed_or_demoted() {
    let mut world = World::with_room("ops", &["alice"]);
    world.member("ops", "root", Membership::Join, 1);
    world.set_levels("ops", |levels| levels["users"] = json!({ "@root:example.com": 100, "@alice:example.com": 100 }));
    world.expect("ops", &[]);
}

#[test]
fn protected_users_are_never_touched() {
    let mut world = World::with_room("ops", &["alice"]);
    world.policy.protected = vec![WildMatch::new("@*-bot:example.com"), WildMatch::new("@alice:*")];
    world.member("ops", "build-bot", Membership::Join, 1);
    world.set_levels("ops", |levels| levels["users"] = json!({ "@build-bot:example.com": 50 }));
    world.member("ops", "alice", Membership::Leave, 100);
    world.want("ops", "other-bot");
    world.expect("ops", &[]);
}

#[test]
fn inviter_itself_is_never_touched() {
    for mut world in [World::with_room("ops", &["alice"]), World::with_old_room("ops", &["alice"])] {
        world.expect("ops", &[]);
        world.want_at("ops", "inviter", Some(50));
        world.expect("ops", &[]);
    }
}

#[test]
fn who_is_locked_out_for_the_moment_is_neither_invited_nor_removed() {
    let mut world = World::with_room("ops", &["alice", "bob*"]);
    world.unwant("ops", "bob");
    world.desired("ops").held.extend([user("bob"), user("carol")]);
    world.expect("ops", &[]);
}

#[test]
fn who_becomes_an_owner_is_promoted_even_before_they_join() {
    let mut world = World::with_room("ops", &["alice"]);
    world.want_at("ops", "alice", Some(50));
    world.want_at("ops", "bob", Some(50));
    world.expect(
        "ops",
        &[
            "~ power level of @alice:example.com: 0 -> 50  (in ops-group (corp))",
            "~ power level of @bob:example.com: 0 -> 50  (in ops-group (corp))",
            "+ invite @bob:example.com as moderator (50)  (in ops-group (corp))",
        ],
    );
}

#[test]
fn who_is_no_longer_an_owner_is_demoted() {
    let mut world = World::with_room("ops", &["alice*"]);
    world.want("ops", "alice");
    world.expect("ops", &["~ power level of @alice:example.com: 50 -> 0  (in ops-group (corp))"]);
}

#[test]
fn who_was_muted_by_a_moderator_stays_muted() {
    let mut world = World::with_room("ops", &["alice", "bob"]);
    world.set_levels("ops", |levels| levels["users"] = json!({ "@alice:example.com": -1, "@bob:example.com": -1 }));
    world.want_at("ops", "bob", Some(50));
    world.expect("ops", &[]);
}

#[test]
fn all_power_levels_of_a_room_change_in_one_event_that_keeps_the_rest() {
    let mut world = World::with_room("ops", &["alice*", "bob"]);
    world.set_levels("ops", |levels| {
        levels["org.example"] = json!({ "keep": true });
        levels["users"]["@guest:elsewhere.org"] = json!(20);
    });
    world.want("ops", "alice");
    world.want_at("ops", "bob", Some(50));
    world.desired("ops").settings.permissions = [
        (PermissionKey::Top("redact".into()), 100),
        (PermissionKey::Event("m.room.topic".into()), 0),
        (PermissionKey::Notification("room".into()), 100),
    ]
    .into();
    world.expect(
        "ops",
        &[
            "~ power level of @alice:example.com: 50 -> 0  (in ops-group (corp))",
            "~ power level of @bob:example.com: 0 -> 50  (in ops-group (corp))",
            "~ permission redact: 50 -> 100  ([room] permissions)",
            "~ permission events.m.room.topic: not set -> 0  ([room] permissions)",
            "~ permission notifications.room: 50 -> 100  ([room] permissions)",
        ],
    );
    let plan = world.plan();
    let [Change::PowerLevels(levels)] = plan.rooms[0].changes.as_slice() else { panic!("{plan:#?}") };
    assert_eq!(levels.content["users"], json!({ "@bob:example.com": 50, "@guest:elsewhere.org": 20 }));
    assert_eq!(levels.content["org.example"], json!({ "keep": true }));
    assert_eq!(levels.content["events"], json!({ "m.room.power_levels": 100, "m.room.topic": 0 }));
    world.settle();
}

#[test]
fn settings_belong_to_the_aliass_own_homeserver() {
    let mut world = World::with_room("ops", &["alice"]);
    let mut there = world.room("ops").clone();
    there.name = None;
    let mut wanted = world.desired("ops").clone();
    wanted.settings.permissions = [(PermissionKey::Top("redact".into()), 100)].into();
    wanted.settings.history_visibility = Some(HistoryVisibility::Joined);
    wanted.members.insert(user("bob"), wanted.members[&user("alice")].clone());
    world.actual.rooms.insert(alias("#ops:elsewhere.org"), ActualRoom::Joined(Box::new(there)));
    world.desired.rooms.insert(alias("#ops:elsewhere.org"), wanted);
    world.expect("#ops:elsewhere.org", &["+ invite @bob:example.com  (in ops-group (corp))"]);
}

#[test]
fn history_visibility_follows_the_configuration() {
    let mut world = World::with_room("ops", &["alice"]);
    world.desired("ops").settings.history_visibility = Some(HistoryVisibility::Joined);
    world.expect("ops", &["~ history visibility: shared -> joined  ([room] history_visibility)"]);
}

#[test]
fn a_room_without_a_name_is_named_after_its_alias_and_a_named_one_is_left() {
    let mut world = World::with_room("night_shift", &["alice"]);
    world.room("night_shift").name = Some("The Owls".into());
    world.expect("night_shift", &[]);
    world.room("night_shift").name = None;
    world.expect("night_shift", &["~ name: not set -> \"night shift\"  (the room has none)"]);
}

#[test]
fn a_room_that_bears_no_mark_is_adopted_only_if_the_policy_says_so() {
    let mut world = World::with_room("ops", &["alice", "bob"]);
    world.room("ops").stamp = None;
    world.unwant("ops", "bob");
    world.expect(
        "ops",
        &["! problem: the room was not made by inviter and bears no mark of it: if it is meant to be managed, set \
           adopt = true under [policy]"],
    );
    world.policy.adopt = true;
    world.expect(
        "ops",
        &["~ mark the room as managed for corp id-of-ops", "- kick @bob:example.com  (in no group of this room)"],
    );
}

#[test]
fn an_invitation_to_a_managed_room_is_accepted_only_if_the_policy_adopts() {
    let mut world = World::new();
    world.want_room("ops");
    world.want("ops", "alice");
    world.actual.rooms.insert(alias("ops"), ActualRoom::Invited(RoomId::parse("!ops").unwrap()));
    assert!(world.plan().is_empty() && world.plan().has_problems());
    world.policy.adopt = true;
    world.expect("ops", &["+ join the room  (invited; the next run plans the rest)"]);
}

#[test]
fn a_room_that_inviter_is_not_in_is_a_problem() {
    let mut world = World::new();
    world.want_room("ops");
    world.actual.rooms.insert(alias("ops"), ActualRoom::Outside(RoomId::parse("!ops").unwrap()));
    world.expect(
        "ops",
        &["! problem: the room exists (!ops), but inviter is neither in it nor invited: have an admin of the room invite \
           it and give it the power level 100, or remove the alias so that inviter creates a room"],
    );
}

#[test]
fn too_little_power_is_a_problem_that_names_both_levels() {
    let mut world = World::with_old_room("ops", &["alice", "bob"]);
    world.set_levels("ops", |levels| {
        levels["users"]["@inviter:example.com"] = json!(40);
        levels["invite"] = json!(50);
        levels["kick"] = json!(30);
        levels["users"]["@bob:example.com"] = json!(40);
    });
    world.unwant("ops", "bob");
    world.want("ops", "carol");
    world.member("ops", "dave", Membership::Join, 1);
    let problem = |what: &str, need: i64| {
        format!(
            "! problem: the power level of inviter is too low {what}: it has 40 and needs {need}: have an admin of the \
             room raise it"
        )
    };
    world.expect(
        "ops",
        &[
            "- kick @dave:example.com  (in no group of this room)",
            &problem("to invite", 50),
            &problem("to kick or demote @bob:example.com", 41),
        ],
    );
}

#[test]
fn nobody_is_raised_above_the_account_itself() {
    let mut world = World::with_old_room("ops", &["alice", "bob"]);
    world.set_levels("ops", |levels| {
        levels["users"]["@inviter:example.com"] = json!(50);
        levels["events"] = json!({ "m.room.power_levels": 50 });
    });
    world.want_at("ops", "alice", Some(60));
    world.want_at("ops", "bob", Some(50));
    world.expect(
        "ops",
        &[
            "~ power level of @bob:example.com: 0 -> 50  (in ops-group (corp))",
            "! problem: the power level of inviter is too low to set the power level of @alice:example.com: it has 50 and \
             needs 60: have an admin of the room raise it",
        ],
    );
}

#[test]
fn without_the_power_for_it_nobody_is_kicked_and_no_level_is_set() {
    let mut world = World::with_old_room("ops", &["alice"]);
    world.set_levels("ops", |levels| {
        levels["users"]["@inviter:example.com"] = json!(50);
        levels["events"] = json!({ "m.room.power_levels": 100 });
        levels["kick"] = json!(75);
    });
    world.want_at("ops", "alice", Some(50));
    world.member("ops", "dave", Membership::Join, 1);
    let (plan, mut needs) = (world.plan(), Vec::new());
    assert!(plan.is_empty(), "{plan:#?}");
    for problem in &plan.rooms[0].problems {
        let Problem::PowerTooLow { to, need, .. } = problem else { panic!("{problem:?}") };
        needs.push((to.clone(), *need));
    }
    assert_eq!(needs, [(PowerNeed::Kick, 75), (PowerNeed::State("m.room.power_levels".into()), 100)]);
}

#[test]
fn a_cautious_run_raises_people() {
    let mut world = World::with_room("ops", &["alice"]);
    world.policy.removals = Removals::Cautious;
    world.want_at("ops", "alice", Some(50));
    world.expect("ops", &["~ power level of @alice:example.com: 0 -> 50  (in ops-group (corp))"]);
}

#[test]
fn in_a_replaced_room_nothing_is_done() {
    let mut world = World::with_room("ops", &["alice", "bob"]);
    world.unwant("ops", "bob");
    world.room("ops").replaced_by = Some("!new\u{1b}".into());
    world.expect("ops", &["! problem: the room was replaced by !new\\u{1b}: point the alias to the new room"]);
}

#[test]
fn in_a_room_that_two_groups_stand_for_nothing_is_done() {
    let mut world = World::with_room("ops", &["alice", "bob"]);
    world.unwant("ops", "bob");
    world.desired("ops").ambiguous.insert("corp: two groups".into());
    world.expect("ops", &["! problem: corp: two groups"]);
}

#[test]
fn a_group_that_was_made_anew_under_its_old_name_marks_the_room_again() {
    let mut world = World::with_room("ops", &["alice"]);
    world.desired("ops").stamp = stamp("new");
    world.expect("ops", &["~ mark the room as managed for corp id-of-new"]);
}

#[test]
fn rooms_that_no_identity_provider_names_are_untouched() {
    let mut world = World::with_room("ops", &["alice"]);
    world.desired.rooms.clear();
    assert_eq!(world.plan().rooms, []);
}
