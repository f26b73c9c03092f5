//! What holds in every world.

use std::collections::BTreeSet;

use inviter::actual::{ActualRoom, Member, Membership};
use inviter::config::{HistoryVisibility, WhenRefused};
use inviter::plan::{Change, Limits, Plan, Removals, Way, allowance, guard};
use inviter::power::{ADMIN, PermissionKey, Power, PowerLevels};
use matrix_sdk::ruma::{OwnedUserId, RoomId, RoomVersionId, UserId};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use wildmatch::WildMatch;

use super::world::{HOUR, NOW, World, alias, limits, me, user};

const PEOPLE: [&str; 9] =
    ["alice", "bob", "carol", "dave", "erin", "bot-1", "inviter", "@guest:elsewhere.org", "@other:elsewhere.org"];
const ROOMS: [&str; 3] = ["ops", "dev", "#far:elsewhere.org"];

fn person() -> impl Strategy<Value = OwnedUserId> {
    select(&PEOPLE[..]).prop_map(user)
}

fn membership() -> impl Strategy<Value = Membership> {
    use Membership::{Ban, Invite, Join, Knock, Leave};
    select(vec![Join, Join, Join, Invite, Leave, Ban, Knock])
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
#[derive(Debug, Clone)]
struct RoomFacts {
    wanted: Vec<(OwnedUserId, Option<i64>)>,
    held: Vec<OwnedUserId>,
    incomplete: bool,
    members: Vec<(OwnedUserId, Membership, OwnedUserId, u64)>,
    levels: Vec<(OwnedUserId, i64)>,
    bars: (i64, i64, i64),
    new_version: bool,
    my_level: i64,
    stamped: bool,
    named: bool,
    there: bool,
    permissions: bool,
    history: bool,
}

fn room_facts() -> impl Strategy<Value = RoomFacts> {
    let people = (
        prop::collection::vec((person(), select(vec![None, None, Some(50), Some(25), Some(100)])), 0..7),
        prop::collection::vec(person(), 0..2),
        prop::collection::vec((person(), membership(), person(), 0..72 * HOUR), 0..8),
        prop::collection::vec((person(), select(vec![-1, 0, 10, 50, 75, 100, 150])), 0..5),
    );
    let room = (
        (select(vec![0, 50, 100]), select(vec![0, 50, 100]), select(vec![0, 50, 100])),
        any::<bool>(),
        select(vec![0, 50, 100]),
        (any::<bool>(), any::<bool>(), prop::bool::weighted(0.85), any::<bool>(), any::<bool>()),
        prop::bool::weighted(0.2),
    );
    (people, room).prop_map(|((wanted, held, members, levels), (bars, new_version, my_level, flags, incomplete))| {
        let (stamped, named, there, permissions, history) = flags;
        RoomFacts {
            wanted,
            held,
            incomplete,
            members,
            levels,
            bars,
            new_version,
            my_level,
            stamped,
            named,
            there,
            permissions,
            history,
        }
    })
}

fn world() -> impl Strategy<Value = World> {
    let rooms = prop::collection::vec(room_facts(), ROOMS.len());
    let removals = select(vec![Removals::Made, Removals::Made, Removals::Cautious, Removals::Refused]);
    (rooms, removals, any::<bool>(), any::<bool>()).prop_map(|(rooms, removals, adopt, adds)| {
        let mut world = World::new();
        world.policy.removals = removals;
        world.policy.adopt = adopt;
        world.policy.adds = adds;
        world.policy.protected = vec![WildMatch::new("@bot-*:*")];
        for (name, facts) in ROOMS.into_iter().zip(rooms) {
            add(&mut world, name, &facts);
        }
        world
    })
}

fn add(world: &mut World, name: &str, facts: &RoomFacts) {
    let desired = world.want_room(name);
    if facts.permissions {
        desired.settings.permissions =
            [(PermissionKey::Top("invite".into()), 50), (PermissionKey::Event("m.room.topic".into()), 0)].into();
    }
    if facts.history {
        desired.settings.history_visibility = Some(HistoryVisibility::Joined);
    }
    desired.held.extend(facts.held.iter().cloned());
    if facts.incomplete {
        desired.incomplete.insert("corp: a page is missing".into());
    }
    for (person, level) in &facts.wanted {
        world.want_at(name, person.as_str(), *level);
    }
    if !facts.there {
        return;
    }
    let version = if facts.new_version { RoomVersionId::V12 } else { RoomVersionId::V11 };
    let creators: BTreeSet<_> =
        if facts.new_version && facts.my_level == 100 { [me()].into() } else { BTreeSet::new() };
    let mut levels = json!({
        "users": {}, "org.example": "kept", "invite": facts.bars.0, "kick": facts.bars.1, "state_default": facts.bars.2,
    });
    for (person, level) in &facts.levels {
        levels["users"][person.as_str()] = json!(level);
    }
    levels["users"][me().as_str()] = json!(facts.my_level);
    let members = facts.members.iter().map(|(person, membership, sender, age)| {
        (person.clone(), Member { membership: *membership, sender: sender.clone(), since: NOW - age })
    });
    let mut room = inviter::actual::JoinedRoom {
        id: RoomId::parse(format!("!{}", alias(name).alias())).unwrap(),
        version,
        members: members.collect(),
        power: PowerLevels::new(levels.as_object().cloned(), creators, None),
        history_visibility: Some("shared".into()),
        name: facts.named.then(|| "A room".into()),
        topic: None,
        canonical_alias: Some(alias(name)),
        alias_is_own: false,
        alt_aliases: BTreeSet::new(),
        is_space: false,
        join_rules: None,
        in_directory: None,
        children: BTreeSet::new(),
        parents: BTreeSet::new(),
        replaces: None,
        encrypted: false,
        replaced_by: None,
        stamp: facts.stamped.then(|| super::world::stamp(name)),
        orphaned_since: None,
        released: false,
        standing_invitations: BTreeSet::new(),
    };
    room.members.insert(me(), Member { membership: Membership::Join, sender: me(), since: NOW });
    world.actual.rooms.insert(alias(name), ActualRoom::Joined(Box::new(room)));
}

/// The people whom a plan invites, kicks or gives another level, with the room.
fn touched(plan: &Plan) -> Vec<(&str, &UserId, &Change)> {
    let mut touched = Vec::new();
    for room in &plan.rooms {
        for change in &room.changes {
            let users: Vec<&UserId> = match change {
                Change::Invite(invite) => vec![&invite.user],
                Change::Kick(kick) => vec![&kick.user],
                Change::PowerLevels(levels) => levels.users.iter().map(|user| user.user.as_ref()).collect(),
                _ => Vec::new(),
            };
            touched.extend(users.into_iter().map(|user| (room.alias.as_str(), user, change)));
        }
    }
    touched
}

fn loses(change: &Change, user: &UserId) -> bool {
    match change {
        Change::Kick(kick) => kick.user == user,
        Change::PowerLevels(levels) => levels.users.iter().any(|level| level.user == user && level.is_demotion()),
        _ => false,
    }
}

fn there<'a>(world: &'a World, room: &str) -> Option<&'a inviter::actual::JoinedRoom> {
    match world.actual.rooms.get(&alias(room)) {
        Some(ActualRoom::Joined(room)) => Some(room),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn planning_again_after_applying_gives_an_empty_plan(mut world in world()) {
        let plan = world.plan();
        world.apply(&plan);
        let again = world.plan();
        prop_assert!(again.is_empty(), "first {plan:#?}\nthen {again:#?}");
    }

    #[test]
    fn inviter_itself_protected_users_and_those_on_hold_are_untouched(world in world()) {
        for (room, user, change) in touched(&world.plan()) {
            prop_assert_ne!(user, &*me(), "{:?}", change);
            prop_assert!(!user.localpart().starts_with("bot-"), "{change:?}");
            prop_assert!(!world.desired.rooms[&alias(room)].held.contains(user), "{change:?}");
        }
    }

    #[test]
    fn inviter_keeps_its_power(mut world in world()) {
        let before: Vec<_> = ROOMS.iter().map(|room| there(&world, room).map(|room| room.power.of(&me()))).collect();
        let plan = world.plan();
        world.apply(&plan);
        for (room, before) in ROOMS.iter().zip(before) {
            if let (Some(before), Some(room)) = (before, there(&world, room)) {
                prop_assert!(room.power.of(&me()) >= before);
            }
        }
    }

    #[test]
    fn admins_and_users_of_other_homeservers_lose_nothing(world in world()) {
        for (room, user, change) in touched(&world.plan()) {
            if loses(change, user) {
                prop_assert_eq!(user.server_name().as_str(), "example.com");
                let room = there(&world, room).expect("a room that somebody is in");
                prop_assert!(room.power.of(user) < Power::Level(ADMIN), "{change:?}");
            }
        }
    }

    #[test]
    fn who_is_wanted_is_not_kicked_and_who_is_not_wanted_is_not_invited(world in world()) {
        for (room, user, change) in touched(&world.plan()) {
            let wanted = world.desired.rooms[&alias(room)].members.contains_key(user);
            match change {
                Change::Kick(_) => prop_assert!(!wanted),
                Change::Invite(_) => prop_assert!(wanted),
                _ => {}
            }
        }
    }

    #[test]
    fn a_banned_user_is_never_invited(world in world()) {
        for (room, user, change) in touched(&world.plan()) {
            if let (Change::Invite(_), Some(room)) = (change, there(&world, room)) {
                prop_assert_ne!(room.membership(user), Membership::Ban);
            }
        }
    }

    #[test]
    fn nobody_is_added_who_is_of_another_homeserver_or_left_by_other_hands_than_our_own(world in world()) {
        for (room, user, change) in touched(&world.plan()) {
            let Change::Invite(invite) = change else { continue };
            if invite.way != Way::Add {
                continue;
            }
            prop_assert!(world.policy.adds && user.server_name() == me().server_name());
            let member = there(&world, room).and_then(|room| room.members.get(user).cloned());
            prop_assert!(member.is_none_or(|member| member.membership == Membership::Knock || member.sender == me()));
        }
    }

    #[test]
    fn an_incomplete_answer_a_cautious_run_or_a_refusal_removes_nobody(world in world()) {
        for (room, user, change) in touched(&world.plan()) {
            let may = world.policy.removals == Removals::Made && world.desired.rooms[&alias(room)].incomplete.is_empty();
            prop_assert!(may || !loses(change, user), "{change:?}");
        }
    }

    #[test]
    fn a_room_that_bears_no_mark_is_untouched_unless_it_may_be_adopted(world in world()) {
        for room in &world.plan().rooms {
            let marked = there(&world, room.alias.as_str()).is_none_or(|room| room.stamp.is_some());
            prop_assert!(marked || world.policy.adopt || room.changes.is_empty());
        }
    }

    #[test]
    fn wanting_one_person_more_adds_no_kick(mut world in world(), person in person(), room in select(&ROOMS[..])) {
        let kicked = |world: &World| -> BTreeSet<(String, OwnedUserId)> {
            let plan = world.plan();
            plan.rooms.iter().flat_map(|room| room.kicks().map(|kick| (room.alias.to_string(), kick.user.clone()))).collect()
        };
        let before = kicked(&world);
        world.want(room, person.as_str());
        prop_assert!(kicked(&world).is_subset(&before));
    }

    #[test]
    fn what_is_not_ours_in_the_power_levels_is_kept(mut world in world()) {
        let plan = world.plan();
        world.apply(&plan);
        for room in ROOMS {
            let created = plan.rooms.iter().any(|plan| {
                plan.alias == alias(room) && matches!(plan.changes.first(), Some(Change::Create(_)))
            });
            let Some(there) = there(&world, room).filter(|_| !created) else { continue };
            let content = there.power.patched(&[].into(), &[].into());
            prop_assert_eq!(&content["org.example"], &json!("kept"));
        }
    }

    #[test]
    fn every_plan_over_the_limits_is_refused(world in world(), max_kicks in 0_u64..4, max_percent in 0_u64..100) {
        let plan = world.plan();
        let limits = Limits { max_kicks, max_percent, percent_from: 3, ..limits() };
        let refusals = |limits| guard(&plan, &world.desired, &world.actual, &limits);
        let kicks: usize = plan.rooms.iter().map(|room| room.kicks().count()).sum();
        let over = kicks as u64 > max_kicks || plan.rooms.iter().any(|room| {
            let kicks = room.kicks().count();
            let managed = kicks + room.headcount.joined + room.headcount.invited;
            managed >= 3 && kicks as u64 * 100 > managed as u64 * max_percent
        });
        prop_assert!(!over || !refusals(limits).is_empty());
        let loses = touched(&plan).into_iter().any(|(_, user, change)| loses(change, user));
        prop_assert!(loses || refusals(limits).is_empty());
        prop_assert_eq!(refusals(Limits { allowed: Some(kicks as u64), ..limits }), vec![]);
    }

    #[test]
    fn a_room_that_loses_its_last_member_or_moderator_is_refused(mut world in world()) {
        let in_the_room = |world: &World, what: &dyn Fn(&str, &inviter::actual::JoinedRoom, &UserId) -> bool| {
            let there = |name: &&str| there(world, name).is_some_and(|room| {
                let mut joined = room.members.iter().filter(|(user, member)| {
                    member.membership == Membership::Join && **user != me()
                });
                joined.any(|(user, _)| what(name, room, user))
            });
            ROOMS.iter().filter(|name| there(name)).copied().collect::<BTreeSet<&str>>()
        };
        let desired = world.desired.clone();
        let wanted = |name: &str, _: &inviter::actual::JoinedRoom, user: &UserId| {
            let room = &desired.rooms[&alias(name)];
            room.members.contains_key(user) || room.held.contains(user)
        };
        let moderates = |_: &str, room: &inviter::actual::JoinedRoom, user: &UserId| {
            matches!(room.power.of(user), Power::Level(50..=99))
        };
        let limits = Limits { max_kicks: 99, max_percent: 100, ..limits() };
        let plan = world.plan();
        let refusals = guard(&plan, &world.desired, &world.actual, &limits);
        let moderated = in_the_room(&world, &moderates);
        world.apply(&plan);
        let (kept, still_moderated) = (in_the_room(&world, &wanted), in_the_room(&world, &moderates));
        for room in &plan.rooms {
            let name = ROOMS.into_iter().find(|name| alias(name) == room.alias).unwrap();
            let told = refusals.iter().any(|refusal| refusal.to_string().starts_with(room.alias.as_str()));
            let emptied = room.kicks().any(|kick| !kick.invited) && !kept.contains(name);
            prop_assert!(!emptied || told, "{name}: {plan:#?}");
            let lost = moderated.contains(name) && !still_moderated.contains(name);
            let successor = room.changes.iter().any(|change| {
                matches!(change, Change::PowerLevels(levels) if levels.users.iter().any(|user| !user.is_demotion()))
            }) || there(&world, name).is_some_and(|room| room.members.iter().any(|(user, member)| {
                member.membership == Membership::Invite && moderates(name, room, user)
            }));
            prop_assert!(!lost || successor || told, "{name}: {plan:#?}");
        }
    }

    #[test]
    fn a_refused_plan_removes_and_demotes_nobody_and_is_else_the_same(world in world(), max_kicks in 0_u64..3) {
        let limits = Limits { max_kicks, ..limits() };
        let whole = world.plan();
        let (rest, refusals) = world.decide(&limits, WhenRefused::DoTheRest);
        if refusals.is_empty() {
            prop_assert_eq!(rest, whole);
            return Ok(());
        }
        prop_assert!(!touched(&rest).into_iter().any(|(_, user, change)| loses(change, user)));
        prop_assert_eq!(guard(&rest, &world.desired, &world.actual, &limits), vec![]);
        let others = |plan: &Plan| -> Vec<Change> {
            let all = plan.rooms.iter().flat_map(|room| room.changes.clone());
            all.filter(|change| !matches!(change, Change::Kick(_) | Change::PowerLevels(_))).collect()
        };
        prop_assert_eq!(others(&rest), others(&whole));
        let kicks: usize = whole.rooms.iter().map(|room| room.kicks().count()).sum();
        prop_assert_eq!(allowance(&rest, &refusals), Some(kicks));
        let allowed = Limits { allowed: Some(kicks as u64), ..limits };
        prop_assert_eq!(world.decide(&allowed, WhenRefused::DoTheRest), (whole, vec![]));
        let (nothing, _) = world.decide(&limits, WhenRefused::DoNothing);
        prop_assert!(nothing.is_empty());
    }

    #[test]
    fn plans_have_one_digest_if_and_only_if_they_do_the_same(
        world in world(), other in world(), person in person(), room in select(&ROOMS[..]), cut in any::<prop::sample::Index>(),
    ) {
        let applied = |plan: &Plan| -> Vec<_> {
            plan.changing().map(|room| (room.alias.clone(), room.room_id.clone(), room.changes.clone())).collect()
        };
        let plan = world.plan();
        let (mut cautious, mut one_more, mut talkative) = (world.clone(), world.clone(), plan.clone());
        cautious.policy.removals = Removals::Cautious;
        one_more.want(room, person.as_str());
        talkative.warnings.insert("something else".into());
        for room in &mut talkative.rooms {
            room.withheld.clear();
            room.problems.clear();
            room.warnings.clear();
        }
        prop_assert_eq!(talkative.digest(), plan.digest());
        let mut shorter = plan.clone();
        let full: Vec<usize> = (0..plan.rooms.len()).filter(|at| !plan.rooms[*at].changes.is_empty()).collect();
        if !full.is_empty() {
            let changes = &mut shorter.rooms[full[cut.index(full.len())]].changes;
            changes.remove(cut.index(changes.len()));
        }
        for other in [other.plan(), cautious.plan(), one_more.plan(), shorter] {
            prop_assert_eq!(other.digest() == plan.digest(), applied(&other) == applied(&plan));
        }
    }

    #[test]
    fn changes_come_in_their_documented_order(world in world()) {
        let rank = |change: &Change| match change {
            Change::Create(_) => 0,
            Change::Join { .. } => 1,
            Change::Stamp(_) => 2,
            Change::PowerLevels(_) => 3,
            Change::HistoryVisibility { .. } => 4,
            Change::Name { .. } => 5,
            Change::Topic { .. } => 6,
            Change::Directory { .. } => 7,
            Change::Kick(_) => 12,
            Change::Invite(_) => 13,
            other => panic!("no world has this: {other:?}"),
        };
        for room in &world.plan().rooms {
            let ranks: Vec<i32> = room.changes.iter().map(rank).collect();
            prop_assert!(ranks.is_sorted());
        }
    }
}
