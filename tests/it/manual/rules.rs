//! What holds for every decision, whatever the room is like.

use std::collections::{BTreeMap, BTreeSet};

use inviter::actual::{ActualRoom, JoinedRoom, Member, Membership, Stamp};
use inviter::manual::json::Document;
use inviter::manual::{Bounds, Decision, End, Refusal, Request, Step, Task, decide, similar_alias, text};
use inviter::plan::{PowerNeed, Problem};
use inviter::power::{ADMIN, Power, PowerLevels};
use inviter::report::Outcome;
use matrix_sdk::ruma::{OwnedUserId, RoomVersionId, UserId, room_alias_id, room_id, user_id};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use wildmatch::WildMatch;

const ME: &str = "@me:x";
const SOMEBODY: &str = "@somebody:far";

#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
#[derive(Debug, Clone)]
struct Facts {
    creators_rank_above_all: bool,
    i_am_creator: bool,
    they_are_creator: bool,
    my_level: Option<i64>,
    their_level: Option<i64>,
    their_membership: Option<Membership>,
    users_default: i64,
    to_set_levels: i64,
    stamped: bool,
    released: bool,
}

fn facts() -> impl Strategy<Value = Facts> {
    let level = || prop::option::of(prop::sample::select(vec![-1, 0, 50, 99, 100, 150]));
    let membership = prop::sample::select(vec![
        None,
        Some(Membership::Join),
        Some(Membership::Invite),
        Some(Membership::Knock),
        Some(Membership::Leave),
        Some(Membership::Ban),
    ]);
    let some = prop::sample::select(vec![0, 50, 100]);
    (any::<[bool; 5]>(), level(), level(), membership, some.clone(), some).prop_map(
        |(flags, my_level, their_level, their_membership, users_default, to_set_levels)| {
            let [twelve, me, they, stamped, released] = flags;
            Facts {
                creators_rank_above_all: twelve,
                i_am_creator: twelve && me,
                they_are_creator: twelve && they,
                my_level: my_level.filter(|_| !(twelve && me)),
                their_level: their_level.filter(|_| !(twelve && they)),
                their_membership,
                users_default,
                to_set_levels,
                stamped,
                released,
            }
        },
    )
}

fn tasks() -> impl Strategy<Value = Task> {
    prop::sample::select(vec![
        Task::Unmanage { leave_as_creator: false },
        Task::Unmanage { leave_as_creator: true },
        Task::InviteMember,
        Task::KickMember,
        Task::InviteAdmin,
    ])
}

fn creators(facts: &Facts) -> BTreeSet<OwnedUserId> {
    let all = [(facts.i_am_creator, ME), (facts.they_are_creator, SOMEBODY)];
    all.iter().filter(|(is, _)| *is).map(|(_, user)| UserId::parse(*user).unwrap()).collect()
}

fn room(facts: &Facts) -> JoinedRoom {
    let levels = [(ME, facts.my_level), (SOMEBODY, facts.their_level)];
    let users: Map<String, Value> =
        levels.iter().filter_map(|(user, level)| Some(((*user).to_owned(), json!((*level)?)))).collect();
    let content = json!({
        "users": users, "users_default": facts.users_default, "events": { "m.room.power_levels": facts.to_set_levels },
        "org.example": "kept",
    });
    let member = |membership| Member { membership, sender: Some(user_id!("@me:x").to_owned()), since: 0 };
    let mut members = BTreeMap::from([(user_id!("@me:x").to_owned(), member(Membership::Join))]);
    if let Some(membership) = facts.their_membership {
        members.insert(user_id!("@somebody:far").to_owned(), member(membership));
    }
    let version = if facts.creators_rank_above_all { RoomVersionId::V12 } else { RoomVersionId::V11 };
    JoinedRoom {
        id: room_id!("!r:x").to_owned(),
        version,
        members,
        power: PowerLevels::new(content.as_object().cloned(), creators(facts), None),
        history_visibility: None,
        name: None,
        topic: None,
        canonical_alias: None,
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
        stamp: facts.stamped.then(Stamp::default),
        orphaned_since: None,
        standing_invitations: BTreeSet::new(),
        released: facts.released && !facts.stamped,
    }
}

/// The room after a step; the person is the only one who can be touched.
fn after(facts: &Facts, mut room: JoinedRoom, step: &Step) -> JoinedRoom {
    let somebody = user_id!("@somebody:far");
    let mut become_member = |membership| {
        let member = Member { membership, sender: Some(user_id!("@me:x").to_owned()), since: 0 };
        room.members.insert(somebody.to_owned(), member);
    };
    match step {
        Step::Invite(user) => {
            assert_eq!(user, somebody);
            become_member(Membership::Invite);
        }
        Step::Kick { user, .. } => {
            assert_eq!(user, somebody);
            assert!(room.power.of(somebody) < Power::Level(ADMIN), "admins are never removed");
            become_member(Membership::Leave);
        }
        Step::PowerLevels { content, .. } => {
            assert!(room.power.of(user_id!("@me:x")) >= Power::Level(facts.to_set_levels), "it would be refused");
            assert_eq!(content["org.example"], "kept");
            for creator in creators(facts) {
                assert!(content["users"].get(creator.as_str()).is_none(), "creators have no entry: {content:?}");
            }
            room.power = PowerLevels::new(Some(content.clone()), creators(facts), None);
        }
        Step::TakeMark => (room.stamp, room.released) = (None, true),
        Step::Leave => {
            assert_eq!(room.membership(somebody), Membership::Join);
            assert!(room.power.of(somebody) >= Power::Level(ADMIN), "a room is never left without an admin");
            assert_eq!(room.power.entry(user_id!("@me:x")), None, "no power is left behind");
            assert_eq!(room.stamp, None, "no mark is left behind");
        }
    }
    room
}

fn request(task: Task) -> Request {
    Request { alias: room_alias_id!("#r:x").to_owned(), user: user_id!("@somebody:far").to_owned(), task }
}

fn bounds() -> Bounds {
    Bounds {
        me: user_id!("@me:x").to_owned(),
        managed_servers: [user_id!("@me:x").server_name().to_owned()].into(),
        protected: Vec::new(),
    }
}

proptest! {
    #[test]
    fn no_decision_breaks_a_rule_and_none_is_left_after_its_steps(facts in facts(), task in tasks()) {
        let mut room = room(&facts);
        let decide = |room: &JoinedRoom| decide(&request(task), &ActualRoom::Joined(Box::new(room.clone())), &bounds());
        let Ok(Decision { steps, end, .. }) = decide(&room) else { return Ok(()) };
        let unmanages = matches!(task, Task::Unmanage { .. });
        prop_assert!(facts.stamped || (facts.released && unmanages));
        let leaves = steps.last() == Some(&Step::Leave);
        prop_assert_eq!(leaves, unmanages && end == End::Done);
        prop_assert!(!facts.i_am_creator || task != (Task::Unmanage { leave_as_creator: false }), "it needs a word");
        for (index, step) in steps.iter().enumerate() {
            room = after(&facts, room, step);
            if *step != Step::Leave {
                // Whatever ends a run between two steps, the rest is still decided alike.
                prop_assert_eq!(decide(&room).unwrap().steps.len(), steps.len() - index - 1);
            }
        }
    }
}

const HAND_OVER: Task = Task::Unmanage { leave_as_creator: false };
const ALL: [Task; 4] = [HAND_OVER, Task::InviteMember, Task::KickMember, Task::InviteAdmin];

fn somebody() -> OwnedUserId {
    user_id!("@somebody:far").to_owned()
}

/// A managed room of version 11 with these power levels, and with somebody.
fn ordinary(levels: &Value, membership: Option<Membership>) -> JoinedRoom {
    let mut room = room(&Facts {
        creators_rank_above_all: false,
        i_am_creator: false,
        they_are_creator: false,
        my_level: None,
        their_level: None,
        their_membership: membership,
        users_default: 0,
        to_set_levels: 100,
        stamped: true,
        released: false,
    });
    room.power = PowerLevels::new(levels.as_object().cloned(), BTreeSet::new(), None);
    room
}

fn mine(level: i64) -> Value {
    json!({ "users": { ME: level } })
}

fn decided(task: Task, room: &JoinedRoom) -> Result<Decision, Refusal> {
    decide(&request(task), &ActualRoom::Joined(Box::new(room.clone())), &bounds())
}

#[track_caller]
fn steps(task: Task, room: &JoinedRoom) -> Vec<String> {
    let steps = decided(task, room).unwrap().steps;
    let text: String =
        steps.iter().map(|step| text::step(step, None, inviter::plan::text::Dress::new(false))).collect();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[track_caller]
fn lacks(task: Task, room: &JoinedRoom) -> PowerNeed {
    match decided(task, room) {
        Err(Refusal::Problem(Problem::PowerTooLow { to, .. })) => to,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_room_that_inviter_is_not_in_is_refused_unless_it_has_been_handed_over() {
    let id = room_id!("!r:x");
    for task in ALL {
        let decide = |room| decide(&request(task), &room, &bounds());
        let not_managed = Err(Refusal::NotManaged(room_alias_id!("#r:x").to_owned()));
        assert!(matches!(decide(ActualRoom::Missing), Err(Refusal::NoSuchRoom { .. })));
        assert!(matches!(decide(ActualRoom::Unreadable("down".into())), Err(Refusal::Problem(_))));
        assert_eq!(decide(ActualRoom::Invited(id.to_owned())), not_managed);
        let outside = decide(ActualRoom::Outside(id.to_owned()));
        if task == HAND_OVER {
            assert!(matches!(outside.unwrap().end, End::Already(_)));
        } else {
            assert_eq!(outside, not_managed);
        }
    }
}

#[test]
fn inviter_itself_is_refused() {
    let room = ActualRoom::Joined(Box::new(ordinary(&mine(100), None)));
    for task in ALL {
        let oneself = Request { user: bounds().me, ..request(task) };
        assert_eq!(decide(&oneself, &room, &bounds()), Err(Refusal::Oneself));
    }
}

#[test]
fn nobody_is_invited_who_is_banned_or_cannot_exist_or_into_a_replaced_room() {
    for task in [HAND_OVER, Task::InviteMember, Task::InviteAdmin] {
        let banned = ordinary(&mine(100), Some(Membership::Ban));
        assert_eq!(decided(task, &banned), Err(Refusal::Banned(somebody())));
        let mut replaced = ordinary(&mine(100), None);
        replaced.replaced_by = Some("!new:x".into());
        assert_eq!(decided(task, &replaced), Err(Problem::Replaced("!new:x".into()).into()));
        let upper = Request { user: UserId::parse("@Somebody:far").unwrap(), ..request(task) };
        let room = ActualRoom::Joined(Box::new(ordinary(&mine(100), None)));
        assert!(matches!(decide(&upper, &room, &bounds()), Err(Refusal::UpperCase { lower, .. }) if lower == SOMEBODY));
    }
}

#[test]
fn whom_the_identity_providers_speak_for_is_refused_however_the_homeserver_is_written() {
    let room = ActualRoom::Joined(Box::new(ordinary(&mine(100), None)));
    for (user, task) in
        ["@a:x", "@a:X"].into_iter().flat_map(|user| [(user, Task::InviteMember), (user, Task::KickMember)])
    {
        let user = UserId::parse(user).unwrap();
        let theirs = Request { user: user.clone(), ..request(task) };
        assert_eq!(decide(&theirs, &room, &bounds()), Err(Refusal::FromTheIdp(user)));
    }
}

#[test]
fn who_is_invited_or_there_is_not_invited_again() {
    for (membership, said) in [(Membership::Invite, "is already invited"), (Membership::Join, "is already in the room")]
    {
        let room = ordinary(&mine(100), Some(membership));
        let end = decided(Task::InviteMember, &room).unwrap().end;
        assert_eq!(end, End::Already(format!("{SOMEBODY} {said}")));
    }
    for membership in [None, Some(Membership::Leave), Some(Membership::Knock)] {
        assert_eq!(steps(Task::InviteMember, &ordinary(&mine(0), membership)), [format!("+ invite {SOMEBODY}")]);
    }
}

#[test]
fn an_admin_is_invited_and_raised_with_a_warning_where_that_is_for_good() {
    let both = [format!("+ invite {SOMEBODY}"), format!("~ power level of {SOMEBODY}: 0 -> 100")];
    let room = ordinary(&mine(100), None);
    assert_eq!(steps(Task::InviteAdmin, &room), both);
    let warnings = decided(Task::InviteAdmin, &room).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("cannot take this away again")), "{warnings:?}");
    let mut own = ordinary(&json!({}), None);
    own.power = PowerLevels::new(json!({}).as_object().cloned(), [bounds().me].into(), None);
    assert_eq!(steps(Task::InviteAdmin, &own), both);
    assert_eq!(decided(Task::InviteAdmin, &own).unwrap().warnings, [].into(), "a creator outranks admins");
    let warnings = decided(Task::Unmanage { leave_as_creator: true }, &own).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("stays a creator")), "{warnings:?}");
    let admin = ordinary(&json!({ "users": { ME: 100, SOMEBODY: 100 } }), None);
    assert_eq!(steps(Task::InviteAdmin, &admin), both[..1]);
    assert_eq!(decided(Task::InviteAdmin, &admin).unwrap().warnings, [].into(), "they are an admin before");
}

#[test]
fn a_member_is_lowered_before_they_are_kicked_unless_they_were_muted() {
    let kick = format!("- kick {SOMEBODY}");
    for (membership, level, expected) in [
        (Membership::Join, None, vec![kick.clone()]),
        (Membership::Knock, None, vec![kick.clone()]),
        (Membership::Invite, None, vec![format!("- withdraw the invitation of {SOMEBODY}")]),
        (Membership::Join, Some(99), vec![format!("~ power level of {SOMEBODY}: 99 -> 0"), kick.clone()]),
        (Membership::Join, Some(0), vec![format!("~ power level of {SOMEBODY}: 0 -> 0"), kick.clone()]),
        (Membership::Join, Some(-1), vec![kick]),
    ] {
        let mut levels = mine(100);
        if let Some(level) = level {
            levels["users"][SOMEBODY] = json!(level);
        }
        assert_eq!(steps(Task::KickMember, &ordinary(&levels, Some(membership))), expected, "{membership:?} {level:?}");
    }
}

#[test]
fn admins_and_protected_people_are_not_kicked() {
    let admin = ordinary(&json!({ "users": { ME: 150, SOMEBODY: 100 } }), Some(Membership::Join));
    assert_eq!(decided(Task::KickMember, &admin), Err(Refusal::Admin { user: somebody(), rank: Power::Level(100) }));
    let protecting = Bounds { protected: vec![WildMatch::new("@some*:far")], ..bounds() };
    for membership in [Membership::Join, Membership::Invite] {
        let room = ActualRoom::Joined(Box::new(ordinary(&mine(100), Some(membership))));
        let refused = decide(&request(Task::KickMember), &room, &protecting);
        assert_eq!(refused, Err(Refusal::Protected(somebody())));
    }
}

#[test]
fn who_is_not_there_may_be_meant_by_another_case() {
    let mut room = ordinary(&mine(100), None);
    assert!(matches!(decided(Task::KickMember, &room).unwrap().end, End::Already(_)));
    let other = UserId::parse("@Somebody:far").unwrap();
    for (membership, is_there) in [
        (Membership::Join, true),
        (Membership::Invite, true),
        (Membership::Knock, true),
        (Membership::Leave, false),
        (Membership::Ban, false),
    ] {
        room.members.insert(other.clone(), Member { membership, sender: None, since: 0 });
        let refused =
            decided(Task::KickMember, &room) == Err(Refusal::NotThere { user: somebody(), other: other.clone() });
        assert_eq!(refused, is_there, "{membership:?}");
    }
}

#[test]
fn nothing_is_tried_for_which_the_power_does_not_suffice() {
    let there = Some(Membership::Join);
    let closed = ordinary(&json!({ "users": { ME: 49 }, "invite": 50 }), None);
    assert_eq!(lacks(Task::InviteMember, &closed), PowerNeed::Invite);
    assert_eq!(lacks(Task::InviteAdmin, &ordinary(&mine(99), None)), PowerNeed::Grant(somebody()));
    assert_eq!(lacks(Task::KickMember, &ordinary(&mine(49), there)), PowerNeed::Kick);
    let alike = ordinary(&json!({ "users": { ME: 60 }, "users_default": 60 }), there);
    assert_eq!(lacks(Task::KickMember, &alike), PowerNeed::Outrank(somebody()));
    let levels = json!({ "users": { ME: 60, SOMEBODY: 50 }, "events": { "m.room.power_levels": 61 } });
    assert_eq!(lacks(Task::KickMember, &ordinary(&levels, there)), PowerNeed::State("m.room.power_levels".into()));
    let levels = json!({ "users": { ME: 100 }, "events": { "dev.inviter.managed": 101 } });
    assert_eq!(lacks(HAND_OVER, &ordinary(&levels, there)), PowerNeed::State("dev.inviter.managed".into()));
}

#[test]
fn a_room_is_handed_over_in_this_order() {
    let room = ordinary(&mine(100), Some(Membership::Join));
    let expected = [
        "~ take the mark of inviter away",
        "~ power level of @me:x: 100 -> 0",
        "~ power level of @somebody:far: 0 -> 100",
        "- leave the room",
    ];
    assert_eq!(steps(HAND_OVER, &room), expected);
}

#[test]
fn an_alias_in_another_case_is_found_among_all_aliases() {
    let mut room = ordinary(&mine(100), None);
    room.canonical_alias = Some(room_alias_id!("#main:x").to_owned());
    room.alt_aliases = [room_alias_id!("#more:x").to_owned()].into();
    let rooms = BTreeMap::from([(room.id.clone(), room)]);
    assert_eq!(similar_alias(room_alias_id!("#MAIN:x"), &rooms).unwrap(), "#main:x");
    assert_eq!(similar_alias(room_alias_id!("#More:x"), &rooms).unwrap(), "#more:x");
    assert_eq!(similar_alias(room_alias_id!("#another:x"), &rooms), None);
}

#[test]
fn what_is_not_done_is_not_told_as_done() {
    let request = request(Task::InviteMember);
    for (outcome, result) in [
        (None, "done"),
        (Some(Outcome::Applied), "done"),
        (Some(Outcome::AlreadyDone), "done"),
        (Some(Outcome::Blocked("no".into())), "failed"),
        (Some(Outcome::Skipped("no".into())), "failed"),
        (Some(Outcome::Failed("no".into())), "failed"),
    ] {
        let is_dry = outcome.is_none();
        let steps = [(Step::PowerLevels { content: Map::new(), users: vec![] }, outcome.clone())];
        let document = Document::new(&request, None, is_dry, &steps, &End::Done, &BTreeSet::new());
        let document = serde_json::to_value(document).unwrap();
        assert_eq!((&document["result"], &document["dry_run"]), (&json!(result), &json!(is_dry)), "{outcome:?}");
    }
    for end in [End::Done, End::Waiting] {
        assert!(text::end(&request, &end, true).contains("nothing was written"));
        assert!(!text::end(&request, &end, false).contains("nothing was written"));
    }
}

#[test]
fn each_step_is_told_with_what_became_of_it() {
    let kick = Step::Kick { user: somebody(), invited: true };
    for (outcome, expected) in [
        (Outcome::Applied, ""),
        (Outcome::AlreadyDone, "  (done already)"),
        (Outcome::Blocked("no".into()), "  (blocked: no)"),
        (Outcome::Skipped("no".into()), "  (skipped: no)"),
        (Outcome::Failed("no".into()), "  (failed: no)"),
    ] {
        let told = text::step(&kick, Some(&outcome), inviter::plan::text::Dress::new(false));
        assert_eq!(told, format!("  - withdraw the invitation of {SOMEBODY}{expected}\n"));
    }
    let levels = json!({ "users": { ME: 100, SOMEBODY: 50 }, "users_default": 10 });
    let room = ordinary(&levels, Some(Membership::Invite));
    let Decision { steps, end, warnings } = decided(Task::KickMember, &room).unwrap();
    let steps: Vec<_> = steps.into_iter().map(|step| (step, None)).collect();
    let document = Document::new(&request(Task::KickMember), None, true, &steps, &end, &warnings);
    assert_eq!(
        serde_json::to_value(document).unwrap()["steps"],
        json!([
            { "action": "power_levels", "users": [{ "user": SOMEBODY, "from": 50, "to": 10 }], "outcome": null },
            { "action": "kick", "user": SOMEBODY, "was_invited": true, "outcome": null },
        ])
    );
}
