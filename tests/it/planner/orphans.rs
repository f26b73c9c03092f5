//! Rooms that bear the mark and that nobody names any more.

use std::collections::BTreeSet;
use std::path::Path;

use inviter::actual::{ActualRoom, Membership, StampedGroup};
use inviter::config::{Config, WhenRefused};
use inviter::desired::{Answered, Desired};
use inviter::plan::text::{self, Dress};
use inviter::plan::{
    Change, Doubt, Limits, OrphanLimits, Orphans, Plan, Refusal, Removals, doubtful_share, guard, guard_orphans, json,
};
use inviter::power::PowerLevels;
use inviter::snapshot::Snapshot;
use matrix_sdk::ruma::OwnedUserId;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use wildmatch::WildMatch;

use super::world::{HOUR, NOW, World, alias, limits, room_id, stamp, user};

const GRACE: u64 = 24 * HOUR;

/// A world with the rooms `ops` and `dev`, in which the group of `ops` is gone.
fn orphaned(mode: Orphans) -> World {
    let mut world = World::with_room("ops", &["alice*", "bob"]);
    world.want_room("dev");
    world.want("dev", "alice");
    world.settle();
    world.lose_group("ops");
    world.policy.orphans = mode;
    world
}

fn emptying() -> World {
    orphaned(Orphans::Empty { grace: GRACE, marks: true })
}

/// The same in which the room was marked some time ago.
fn marked(hours_ago: u64) -> World {
    let mut world = emptying();
    let plan = world.plan();
    world.apply(&plan);
    world.orphan("ops").orphaned_since = Some(NOW - hours_ago * HOUR);
    world
}

/// What a person reads of the orphaned rooms.
fn told(plan: &Plan) -> Vec<String> {
    let mut plan = plan.clone();
    plan.rooms.clear();
    plan.warnings.clear();
    let text = text::plan(&plan, &[], Dress::new(false));
    text.lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
}

fn kicked(plan: &Plan) -> BTreeSet<OwnedUserId> {
    plan.orphans.iter().flat_map(|orphan| orphan.plan.kicks()).map(|kick| kick.user.clone()).collect()
}

#[test]
fn an_orphan_is_told_of_and_left_as_it_is_unless_the_policy_says_more() {
    let world = orphaned(Orphans::Report);
    let plan = world.plan();
    assert!(plan.is_empty() && !plan.has_problems(), "{plan:#?}");
    assert_eq!(
        text::plan(&plan, &[], Dress::new(false)),
        "#ops:example.com  !ops\n  \
         ! warning: orphaned, for corp id-of-ops is gone; \"ops\"; 2 managed members\n\n\
         1 room: nothing to do, 1 orphaned room.\n"
    );
}

#[test]
fn an_orphan_is_marked_first_and_emptied_after_its_grace_period() {
    let world = emptying();
    assert_eq!(
        told(&world.plan()),
        ["! warning: orphaned, for corp id-of-ops is gone; \"ops\"; 2 managed members", "~ mark the room as orphaned",]
    );
    let waiting = marked(23).plan();
    assert!(waiting.is_empty(), "{waiting:#?}");
    assert_eq!(
        told(&waiting),
        ["! warning: orphaned, for corp id-of-ops is gone; \"ops\"; 2 managed members; \
          marked as orphaned since 2027-01-14T09:00:00Z; emptied from 2027-01-15T09:00:00Z on"]
    );
    let mut world = marked(24);
    let plan = world.plan();
    assert_eq!(
        told(&plan)[1..],
        [
            "~ power level of @alice:example.com: 50 -> 0  (in no group of this room)",
            "- kick @alice:example.com  (in no group of this room)",
            "- kick @bob:example.com  (in no group of this room)",
        ]
    );
    world.apply(&plan);
    assert!(world.plan().is_empty(), "the room stays, and so does its mark");
    assert!(world.orphan("ops").stamp.as_ref().is_some_and(|stamp| stamp.orphaned));
}

#[test]
fn a_mark_whose_time_is_not_known_or_in_the_future_is_not_old() {
    for since in [None, Some(NOW + 1), Some(u64::MAX)] {
        let mut world = marked(48);
        world.orphan("ops").orphaned_since = since;
        assert!(world.plan().is_empty(), "{since:?}");
    }
}

#[test]
fn emptying_waits_for_kick_like_every_removal() {
    for (removals, why) in [(Removals::Cautious, "removals need --kick"), (Removals::Refused, "the guard refused")] {
        let mut world = marked(48);
        world.policy.removals = removals;
        let plan = world.plan();
        assert!(plan.is_empty(), "{plan:#?}");
        let told = told(&plan);
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[1..].iter().all(|line| line.starts_with(". withheld: ") && line.contains(why)), "{told:?}");
    }
}

#[test]
fn who_is_never_removed_stays_in_an_orphan_too() {
    let mut world = marked(48);
    world.policy.protected = vec![WildMatch::new("@bot-*:*")];
    world.desired("dev").held.insert(user("held"));
    for name in ["bot-1", "@guest:elsewhere.org", "admin", "held"] {
        let mut member = world.orphan("ops").members[&user("bob")].clone();
        member.membership = Membership::Join;
        world.orphan("ops").members.insert(user(name), member);
    }
    let power = &world.orphan("ops").power;
    let levels = power.patched(&[].into(), &[(user("admin"), Some(100)), (user("bot-1"), Some(50))].into());
    let power = inviter::power::PowerLevels::new(Some(levels), [super::world::me()].into(), None);
    world.orphan("ops").power = power;
    assert_eq!(kicked(&world.plan()), [user("alice"), user("bob")].into());
}

#[test]
fn a_group_that_comes_back_brings_the_same_people_back() {
    let mut world = World::with_room("ops", &["alice*", "bob"]);
    world.policy.orphans = Orphans::Empty { grace: 0, marks: true };
    let wanted = world.lose_group("ops");
    for _ in 0..2 {
        let plan = world.plan();
        world.apply(&plan);
    }
    assert_eq!(world.orphan("ops").membership(&user("alice")), Membership::Leave);
    world.regain_group("ops", wanted);
    world.expect(
        "ops",
        &[
            "~ mark the room as managed for corp id-of-ops",
            "~ power level of @alice:example.com: 0 -> 50  (in ops-group (corp))",
            "+ invite @alice:example.com as moderator (50)  (in ops-group (corp))",
            "+ invite @bob:example.com  (in ops-group (corp))",
        ],
    );
    world.settle();
    assert!(world.plan().orphans.is_empty());
}

/// Something that happens to a world.
type Turn = fn(&mut World);

/// Each way in which a room that nobody names is not known to be orphaned.
fn doubts() -> Vec<(Doubt, Turn)> {
    let corp = || "corp".to_owned();
    vec![
        (Doubt::Unread { idp: corp() }, |world| world.desired.lose("corp", "it is down")),
        (Doubt::MoreGroups { idp: corp(), reason: "no group".into() }, |world| {
            world.corp().more_groups = Some("no group".into());
        }),
        (Doubt::NotConfigured { idp: corp() }, |world| drop(world.desired.idps.remove("corp"))),
        (Doubt::GroupIsThere(StampedGroup { idp: corp(), id: "id-of-ops".into() }), |world| {
            world.corp().groups.extend(["id-of-ops".into()]);
        }),
        (Doubt::IsDescribed, |world| world.desired.open_rooms.push("#o*s:example.com".into())),
    ]
}

#[test]
fn a_doubt_leaves_the_room_as_it_is() {
    for (doubt, bring_about) in doubts() {
        let mut fresh = emptying();
        bring_about(&mut fresh);
        assert!(fresh.plan().is_empty(), "{doubt:?}");
        let mut due = marked(48);
        bring_about(&mut due);
        let plan = due.plan();
        assert_eq!(kicked(&plan), [].into(), "{doubt:?}");
        // Who cannot tell leaves the mark; who knows that the room is none takes it away, so that a later grace period is whole.
        let ignorant = matches!(doubt, Doubt::Unread { .. } | Doubt::MoreGroups { .. });
        let takes_away = plan.orphans.iter().flat_map(|orphan| &orphan.plan.changes);
        let expected = Change::Stamp(stamp("ops"));
        assert_eq!(takes_away.collect::<Vec<_>>(), if ignorant { vec![] } else { vec![&expected] }, "{doubt:?}");
    }
    let told = |bring_about: Turn| {
        let mut world = emptying();
        bring_about(&mut world);
        told(&world.plan())
    };
    assert_eq!(
        told(|world| drop(world.desired.idps.remove("corp"))),
        [
            "! warning: no group or entry stands for this room, which is left as it is: the configuration has no identity \
          provider corp; \"ops\"; 0 managed members"
        ]
    );
    assert_eq!(
        told(|world| world.corp().groups.extend(["id-of-ops".into()])),
        [
            "! warning: no group or entry stands for this room, which is left as it is: its group corp id-of-ops is there \
          still; \"ops\"; 2 managed members"
        ]
    );
    assert_eq!(told(|world| world.desired.lose("corp", "it is down")), [""; 0]);
}

#[test]
fn a_mark_for_several_groups_or_for_none_needs_all_of_them_gone() {
    let mut world = marked(48);
    let there = StampedGroup { idp: "corp".into(), id: "id-of-dev".into() };
    let mark = world.orphan("ops").stamp.as_mut().unwrap();
    mark.groups.insert(there.clone());
    assert_eq!(world.plan().orphans[0].doubts, [Doubt::GroupIsThere(there)].into());
    let mark = world.orphan("ops").stamp.as_mut().unwrap();
    mark.groups.clear();
    assert_eq!(world.plan().orphans[0].doubts, [Doubt::NoGroup].into());
    let mark = world.orphan("ops").stamp.as_mut().unwrap();
    mark.groups.insert(StampedGroup { idp: "configuration".into(), id: "#ops:example.com".into() });
    assert_eq!(world.plan().orphans[0].doubts, [Doubt::WasDescribed].into());
}

#[test]
fn a_run_for_some_rooms_and_a_room_that_was_replaced_know_no_orphans() {
    let mut world = marked(48);
    world.desired.is_restricted = true;
    assert_eq!(world.plan().orphans, []);
    let mut world = marked(48);
    world.orphan("ops").replaced_by = Some("!new".into());
    assert_eq!(world.plan().orphans, []);
    let mut world = marked(48);
    world.orphan("ops").stamp = None;
    assert_eq!(world.plan().orphans, []);
}

#[test]
fn an_orphan_whose_alias_is_gone_or_stands_for_another_room_is_emptied_all_the_same() {
    let mut world = marked(48);
    world.orphan("ops").canonical_alias = None;
    let plan = world.plan();
    assert_eq!(kicked(&plan), [user("alice"), user("bob")].into());
    assert!(text::plan(&plan, &[], Dress::new(false)).contains("(no alias)  !ops\n"));
    let mut world = marked(48);
    world.orphan("ops").canonical_alias = Some(alias("dev"));
    let plan = world.plan();
    assert_eq!(kicked(&plan), [user("alice"), user("bob")].into());
    assert_ne!(plan.orphans[0].plan.alias, alias("dev"), "the report tells the two apart");
}

/// A world with so many rooms, of which the groups of some are gone.
fn many(rooms: usize, gone: usize, marked: usize) -> Plan {
    let mut world = World::new();
    for number in 0..rooms {
        world.want_room(&format!("room{number}"));
    }
    world.settle();
    world.policy.orphans = Orphans::Empty { grace: GRACE, marks: true };
    for number in 0..gone {
        let name = format!("room{number}");
        world.lose_group(&name);
        if let (Some(stamp), true) = (&mut world.orphan(&name).stamp, number < marked) {
            stamp.orphaned = true;
        }
    }
    world.plan()
}

#[test]
fn too_large_a_share_of_rooms_that_become_orphaned_at_once_is_refused() {
    let limits = OrphanLimits { max_percent: 20, percent_from: 10, allowed: None };
    for (rooms, gone, marked, refused) in [
        (10, 2, 0, None),
        (10, 3, 0, Some(3)),
        (10, 3, 1, None), // those that are marked are not new
        (9, 8, 0, None),  // few rooms have no shares
        (9, 9, 0, Some(9)),
        (1, 1, 0, Some(1)),
        (1, 1, 1, None),
    ] {
        let plan = many(rooms, gone, marked);
        let refusal = refused.map(|new| Refusal::Orphaned { rooms: new, of: rooms as u64, limit: 20 });
        assert_eq!(guard_orphans(&plan, &limits), refusal, "{gone} of {rooms}, {marked} marked");
        let allowing = OrphanLimits { allowed: refused, ..limits };
        assert_eq!(guard_orphans(&plan, &allowing), None);
    }
    let told = guard_orphans(&many(10, 3, 0), &limits).unwrap().to_string();
    assert_eq!(
        told,
        "3 of 10 rooms would become orphaned at once; max_orphans_percent allows 20 %. If their groups are really gone, \
         repeat with --allow-orphans 3"
    );
    assert_eq!(
        doubtful_share(&many(10, 3, 0), &limits).as_deref(),
        Some("3 of 10 rooms are orphaned: is it right that all their groups are gone?")
    );
    let mut world = emptying();
    world.policy.orphans = Orphans::Empty { grace: GRACE, marks: false };
    assert!(world.plan().is_empty(), "what was refused is not marked");
}

#[test]
fn all_rooms_are_those_that_are_there_and_are_certain() {
    let refused = |world: &World, allowed| {
        guard_orphans(&world.plan(), &OrphanLimits { max_percent: 20, percent_from: 10, allowed })
    };
    let mut world = World::with_room("ops", &["alice"]);
    world.lose_group("ops");
    world.policy.orphans = Orphans::Empty { grace: GRACE, marks: true };
    let all = Some(Refusal::Orphaned { rooms: 1, of: 1, limit: 20 });
    assert_eq!(refused(&world, None), all);
    assert_eq!(all.as_ref().unwrap().to_string().split(';').next(), Some("all 1 rooms would become orphaned at once"));
    assert_eq!(refused(&world, Some(0)), all, "fewer are allowed");
    world.want_room("new");
    assert_eq!(refused(&world, None), all, "a room that is to be made is none that is left");
    let mut plan = world.plan();
    plan.elsewhere = 1;
    let limits = OrphanLimits { max_percent: 20, percent_from: 10, allowed: None };
    assert_eq!(guard_orphans(&plan, &limits), None, "another shard has rooms");
    world.corp().groups.insert("id-of-ops".into());
    assert_eq!(refused(&world, None), None, "the group is there, so nothing is orphaned");
}

#[test]
fn refused_orphans_are_not_marked_and_those_that_are_marked_stay_so() {
    let mut world = World::with_room("ops", &["alice"]);
    world.lose_group("ops");
    let (plan, refusals) = world.decide(&limits(), WhenRefused::DoTheRest);
    assert_eq!((plan.warnings.len(), refusals.len()), (1, 0), "where none is marked it is only told: {plan:#?}");
    world.policy.orphans = Orphans::Empty { grace: GRACE, marks: true };
    let (plan, refusals) = world.decide(&limits(), WhenRefused::DoTheRest);
    assert_eq!(refusals, [Refusal::Orphaned { rooms: 1, of: 1, limit: 20 }]);
    assert!(plan.is_empty(), "{plan:#?}");

    let mut world = marked(48);
    world.policy.orphans = Orphans::Empty { grace: GRACE, marks: false };
    let plan = world.plan();
    assert_eq!(kicked(&plan), [user("alice"), user("bob")].into());
    assert!(plan.orphans[0].plan.changes.iter().all(|change| !matches!(change, Change::Stamp(_))), "{plan:#?}");
    world.policy.orphans = Orphans::Report;
    assert!(world.plan().is_empty(), "nor does another policy take the mark away");
}

#[test]
fn a_doubtful_share_is_told_even_if_removals_are_refused() {
    let mut world = orphaned(Orphans::Report);
    world.unwant("dev", "alice");
    let orphans = OrphanLimits { percent_from: 2, ..limits().orphans };
    let (plan, refusals) = world.decide(&Limits { orphans, ..limits() }, WhenRefused::DoTheRest);
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert!(plan.warnings.iter().any(|warning| warning.starts_with("1 of 2 rooms are orphaned")), "{plan:#?}");
}

#[test]
fn ignorance_about_one_group_keeps_the_mark_whatever_the_others_are() {
    let mut world = marked(48);
    let gone = StampedGroup { idp: "another".into(), id: "1".into() };
    world.orphan("ops").stamp.as_mut().unwrap().groups.insert(gone);
    world.corp().more_groups = Some("no group".into());
    let plan = world.plan();
    assert!(plan.is_empty(), "{plan:#?}");
}

#[test]
fn a_described_room_is_known_by_any_of_its_aliases_and_not_told_of() {
    let mut world = emptying();
    world.desired.open_rooms.push("#event-*:example.com".into());
    world.orphan("ops").alt_aliases = [alias("event-1")].into();
    assert_eq!(world.plan().orphans, []);
}

#[test]
fn a_mark_that_cannot_be_taken_away_is_a_problem() {
    let mut world = marked(48);
    world.desired.open_rooms.push("#ops:example.com".into());
    let levels = json!({ "users": { "@inviter:example.com": 50 }, "events": { "dev.inviter.managed": 60 } });
    world.orphan("ops").power = PowerLevels::new(levels.as_object().cloned(), [].into(), None);
    let plan = world.plan();
    assert!(plan.has_problems() && plan.is_empty(), "{plan:#?}");
}

#[test]
fn a_room_with_a_doubt_is_not_said_to_be_emptied() {
    let mut world = marked(23);
    drop(world.desired.idps.remove("corp"));
    let told = told(&world.plan());
    assert!(told[0].contains("; marked as orphaned since ") && !told[0].contains("emptied from"), "{told:?}");
}

#[test]
fn a_room_that_may_be_one_that_could_not_be_read_is_no_orphan() {
    let mut world = marked(48);
    world.orphan("ops").canonical_alias = Some(alias("dev"));
    world.actual.rooms.insert(alias("dev"), ActualRoom::Unreadable("it is down".into()));
    assert_eq!(world.plan().orphans, []);
}

#[test]
fn a_second_room_of_a_group_that_is_wanted_is_no_orphan() {
    let mut world = marked(48);
    world.orphan("ops").stamp = Some(stamp("dev"));
    assert_eq!(world.plan().orphans, []);
}

#[test]
fn a_room_that_replaces_one_that_is_wanted_is_no_orphan_whatever_its_mark_says() {
    let mut world = marked(48);
    let mut next = world.orphan("ops").clone();
    next.replaces = Some(world.room("dev").id.clone());
    world.room("dev").replaced_by = Some(next.id.to_string());
    world.actual.others = [(next.id.clone(), next)].into();
    let plan = world.plan();
    assert_eq!(plan.rooms[0].room_id.as_deref(), Some(room_id(&alias("ops")).as_ref()));
    assert_eq!(plan.orphans, []);
}

#[test]
fn an_orphan_belongs_to_one_shard() {
    let mut world = marked(48);
    let emptying = ["0/2", "1/2"].map(|shard| {
        world.desired.shard = Some(shard.parse().unwrap());
        kicked(&world.plan()).len()
    });
    assert!(emptying == [2, 0] || emptying == [0, 2], "{emptying:?}");
}

#[test]
fn orphans_are_told_by_alias_and_never_under_that_of_another_room() {
    let mut world = World::with_room("dev", &["alice"]);
    for name in ["a", "b", "c"] {
        world.want_room(name);
        world.settle();
        world.lose_group(name);
    }
    world.orphan("a").canonical_alias = Some(alias("z"));
    world.orphan("b").canonical_alias = Some(alias("#dev:elsewhere.org"));
    let names = |world: &World| {
        let plan = world.plan();
        plan.orphans.iter().map(|orphan| orphan.plan.alias.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&world), ["#b:example.com", "#c:example.com", "#z:example.com"]);
    // The name that would be made up for it is that of a room that is wanted.
    world.want_room("b");
    world.desired("b").stamp = stamp("another");
    assert_eq!(names(&world), ["#c:example.com", "#z:example.com"]);
}

#[test]
fn what_is_done_in_orphans_is_in_the_digest() {
    assert_ne!(marked(48).plan().digest(), marked(23).plan().digest());
}

#[test]
fn an_orphan_tells_hostile_names_without_their_control_characters() {
    let mut world = orphaned(Orphans::Report);
    let hostile = "a\u{1b}[2Jb";
    let idp = "corp".to_owned();
    world.orphan("ops").name = Some(hostile.into());
    world.orphan("ops").stamp.as_mut().unwrap().groups = [StampedGroup { idp: idp.clone(), id: hostile.into() }].into();
    let plan = world.plan();
    let orphan = &plan.orphans[0];
    assert!(!orphan.to_string().contains('\u{1b}'), "{orphan}");
    for doubt in [
        Doubt::GroupIsThere(StampedGroup { idp: idp.clone(), id: hostile.into() }),
        Doubt::MoreGroups { idp, reason: hostile.into() },
    ] {
        assert!(!doubt.to_string().contains('\u{1b}'), "{doubt:?}");
    }
}

#[test]
fn emptying_counts_in_the_limits_of_the_whole_run_alone() {
    let world = marked(48);
    let guard = |limits: &Limits| guard(&world.plan(), &world.desired, &world.actual, limits);
    assert_eq!(guard(&limits()), [], "that nobody is left is what is meant");
    let narrow = Limits { max_kicks: 1, ..limits() };
    assert_eq!(guard(&narrow), [Refusal::TooMany { kicks: 2, limit: 1 }]);
    let narrow = Limits { percent_from: 3, ..limits() };
    let share = Refusal::TooLargeShare { alias: None, kicks: 2, of: 3, limit: 30 };
    assert_eq!(guard(&narrow), [share]);
}

#[test]
fn json_tells_orphans_as_the_schema_says() {
    let schema: Value = serde_json::from_str(include_str!("../../../examples/plan.schema.json")).unwrap();
    let document = serde_json::to_value(json::Document::new(&marked(48).plan(), &[], None)).unwrap();
    assert!(jsonschema::is_valid(&schema, &document), "{document:#}");
    let mut orphan = document["orphans"][0].clone();
    assert_eq!(orphan["changes"].as_array_mut().unwrap().drain(..).count(), 3);
    assert_eq!(
        orphan,
        json!({
            "room_id": "!ops", "alias": "#ops:example.com", "name": "ops", "managed_members": 2, "doubts": [],
            "groups": [{ "idp": "corp", "id": "id-of-ops" }], "since": "2027-01-13T08:00:00Z",
            "emptied_from": "2027-01-14T08:00:00Z", "changes": [], "withheld": [], "problems": [],
        })
    );
    assert_eq!(document["summary"]["orphans"], 1);
    let marking = serde_json::to_value(json::Document::new(&emptying().plan(), &[], None)).unwrap();
    assert_eq!(marking["orphans"][0]["changes"][0]["is_orphaned"], true);
}

#[test]
fn what_an_identity_provider_has_in_all_is_known() {
    let text = "[matrix]\nhomeserver = \"https://a\"\naccess_token = \"a\"\n[[idp]]\nname = \"corp\"\n\
                mxid_homeserver = \"example.com\"\ntype = \"file\"\npath = \"a.toml\"\n\
                [[rooms]]\nalias = \"#event-<1>:example.com\"\ngroups = [{ group = \"event-<1>\" }]\n\
                [[rooms]]\nalias = \"#fixed-<1>:example.com\"\nfor_each = [\"a\"]\n";
    let config = Config::parse_with(Path::new("inviter.toml"), text, &["2026".into()]).unwrap();
    let snapshot = Snapshot { other_groups: ["id-of-another".into()].into(), ..Snapshot::default() };
    let mut desired = Desired::build(&config, &[snapshot]).unwrap();
    let corp = Answered {
        server: user("x").server_name().to_owned(),
        groups: ["id-of-another".into()].into(),
        more_groups: None,
    };
    assert_eq!(desired.idps, [("corp".to_owned(), corp)].into());
    assert_eq!(desired.open_rooms, ["#event-*:example.com"], "values of for_each are all that there are");
    assert!(!desired.is_restricted);
    desired.restrict(&[alias("event-2026")].into()).unwrap();
    assert!(desired.is_restricted);
    desired.lose("corp", "it is down");
    assert_eq!(desired.idps, [].into());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_orphan_is_emptied_after_its_grace_period_by_a_run_that_knows_all_and_by_no_other(
        age in prop::option::of(0..72_u64),
        grace in 0..72_u64,
        doubt in prop::option::weighted(0.3, 0..5_usize),
        empties in any::<bool>(),
        removals in select(vec![Removals::Made, Removals::Made, Removals::Cautious, Removals::Refused]),
    ) {
        let mut world = match age {
            Some(hours) => marked(hours),
            None => emptying(),
        };
        world.policy.removals = removals;
        world.policy.orphans =
            if empties { Orphans::Empty { grace: grace * HOUR, marks: true } } else { Orphans::Report };
        if let Some(doubt) = doubt {
            doubts()[doubt].1(&mut world);
        }
        let may = empties && doubt.is_none() && removals == Removals::Made && age.is_some_and(|age| age >= grace);
        prop_assert_eq!(kicked(&world.plan()).len(), if may { 2 } else { 0 });
    }
}
