//! The homeserver stage against a real Synapse.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use inviter::{
    actual::{Actual, ActualRoom, JoinedRoom, Membership, Stamp, StampedGroup},
    apply::apply,
    config::{AddMembers, HistoryVisibility, JoinFallback, Matrix, Secret},
    manual::Step,
    matrix::{Done, Failure, Session, SessionError, WriteError, Writer},
    plan::{Change, Creation, Headcount, Invite, Kick, Plan, Reason, RoomPlan, Way},
    power::Power,
    report::Outcome,
    watch::Unwatched,
};
use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomAliasId, RoomId, RoomVersionId, UserId};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::support::{
    account::Account,
    odd::Odd,
    recorder::{Action, Recorder},
    synapse::{Options, RateLimits, Synapse},
};

fn config(url: &str, token: &str) -> Matrix {
    Matrix {
        homeserver: url.parse().expect("a URL"),
        access_token: Ok(Secret::new(token.to_owned())),
        admin_token: Ok(None),
        add_members: AddMembers::Invite,
        join_fallback: JoinFallback::Invite,
        ca_file: None,
        concurrency: 16,
        timeout: Duration::from_secs(30),
        rate_limit_patience: Duration::from_mins(1),
    }
}

async fn session(url: &str, account: &Account) -> Session {
    Session::connect(&config(url, &account.access_token)).await.expect("a session")
}

fn alias(name: &str) -> OwnedRoomAliasId {
    RoomAliasId::parse(format!("#{name}:inviter.test")).expect("an alias")
}

fn user(account: &Account) -> OwnedUserId {
    UserId::parse(&account.user_id).expect("a user ID")
}

fn stamp(id: &str) -> Stamp {
    Stamp { groups: [StampedGroup { idp: "corp".into(), id: id.into() }].into(), orphaned: false }
}

fn named(name: &str) -> Change {
    Change::Name { from: None, to: name.to_owned() }
}

fn creation(name: &str) -> Creation {
    Creation {
        is_space: false,
        topic: None,
        listed: false,
        alias: alias(name),
        name: format!("The room {name}"),
        version: None,
        encryption: false,
        history_visibility: None,
        permissions: BTreeMap::new(),
        power_levels: serde_json::Map::new(),
        stamp: stamp(name),
    }
}

fn invite(account: &Account) -> Change {
    Change::Invite(Invite { user: user(account), level: 0, reason: Reason::Wanted(Arc::default()), way: Way::Invite })
}

fn kick(account: &Account) -> Change {
    Change::Kick(Kick { user: user(account), invited: false, reason: Reason::NotInGroup })
}

fn room_plan(name: &str, id: Option<&RoomId>, changes: Vec<Change>) -> RoomPlan {
    RoomPlan {
        alias: alias(name),
        room_id: id.map(ToOwned::to_owned),
        headcount: Headcount::default(),
        changes,
        withheld: Vec::new(),
        problems: BTreeSet::new(),
        warnings: BTreeSet::new(),
    }
}

async fn create(account: &Account, body: Value) -> OwnedRoomId {
    RoomId::parse(account.create_room(body).await).expect("a room ID")
}

async fn read(session: &Session, names: &[&str]) -> Actual {
    let aliases = names.iter().map(|name| alias(name)).collect();
    session.reader().read(&aliases, &Unwatched).await.expect("the rooms")
}

fn joined<'a>(actual: &'a Actual, name: &str) -> &'a JoinedRoom {
    match &actual.rooms[&alias(name)] {
        ActualRoom::Joined(room) => room,
        other => panic!("{name}: {other:?}"),
    }
}

fn failed(result: Result<Done, WriteError>) -> String {
    match result {
        Err(WriteError::Failed(text)) => text,
        other => panic!("{other:?}"),
    }
}

async fn refused(url: &str, token: &str) -> String {
    told(&config(url, token)).await
}

async fn told(config: &Matrix) -> String {
    let error = Session::connect(config).await.expect_err("no session");
    let text = error.to_string();
    assert!(!text.contains(config.access_token.as_ref().unwrap().expose()), "{text}");
    println!("{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_read_as_they_are() {
    let synapse = Synapse::shared();
    let users = synapse.register_many(&["read-me", "read-a", "read-b"]).await;
    let [me, a, b] = users.as_slice() else { panic!("three") };
    for (name, version) in [("read-12", "12"), ("read-11", "11")] {
        let body = json!({ "room_alias_name": name, "room_version": version, "name": name, "invite": [a.user_id] });
        let room = me.create_room(body).await;
        a.join(&room).await;
        me.invite(&room, &b.user_id).await;
    }
    let invited = create(a, json!({ "room_alias_name": "read-invited", "invite": [me.user_id] })).await;
    let outside = create(a, json!({ "room_alias_name": "read-outside" })).await;
    let left = create(a, json!({ "room_alias_name": "read-left", "invite": [me.user_id] })).await;
    me.leave(left.as_str()).await;

    let session = session(&synapse.url(), me).await;
    assert_eq!(session.me(), user(me));
    let names = ["read-12", "read-11", "read-invited", "read-outside", "read-left"];
    let actual = read(&session, &names).await;
    assert_eq!(actual.default_room_version, None, "no room is missing");
    assert_eq!(actual.rooms[&alias("read-invited")], ActualRoom::Invited(invited.clone()));
    assert_eq!(actual.rooms[&alias("read-outside")], ActualRoom::Outside(outside));
    assert_eq!(actual.rooms[&alias("read-left")], ActualRoom::Outside(left));
    for (name, version, power) in
        [("read-12", RoomVersionId::V12, Power::Creator), ("read-11", RoomVersionId::V11, Power::Level(100))]
    {
        let room = joined(&actual, name);
        assert_eq!(room.version, version);
        assert_eq!(room.power.of(session.me()), power);
        assert_eq!(room.name.as_deref(), Some(name));
        assert_eq!(room.membership(&user(a)), Membership::Join);
        assert_eq!(room.membership(&user(b)), Membership::Invite);
        assert_eq!(room.members[&user(b)].sender, Some(user(me)));
        assert!(room.members[&user(b)].since > 1_600_000_000_000);
        assert!(!room.encrypted && room.stamp.is_none() && room.replaced_by.is_none());
    }

    let actual = read(&session, &["read-missing"]).await;
    assert_eq!(actual.rooms[&alias("read-missing")], ActualRoom::Missing);
    assert_eq!(actual.default_room_version, Some(RoomVersionId::V12));

    let join = Change::Join { room_id: invited };
    let done = session.writer().apply(&alias("read-invited"), None, &join).await;
    assert_eq!(done, Ok(Done::Applied));
    assert_eq!(
        joined(&read(&session, &["read-invited"]).await, "read-invited").membership(&user(me)),
        Membership::Join
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_costs_two_requests_for_each_room_and_three_in_all() {
    let synapse = Synapse::shared();
    let me = synapse.register("count-me").await;
    let names: Vec<_> = (0..20).map(|number| format!("count-{number}")).collect();
    for name in &names {
        me.create_room(json!({ "room_alias_name": name })).await;
    }
    let recorder = Recorder::start(&synapse.url()).await;
    let session = session(&recorder.url(), &me).await;
    let actual = read(&session, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert!(actual.rooms.values().all(|room| matches!(room, ActualRoom::Joined(_))));
    assert_eq!(recorder.requests().len(), 2 * names.len() + 3);
    assert_eq!(recorder.writes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_created_with_everything_at_once() {
    let synapse = Synapse::shared();
    let users = synapse.register_many(&["create-me", "create-a"]).await;
    let [me, a] = users.as_slice() else { panic!("two") };
    let recorder = Recorder::start(&synapse.url()).await;
    let session = session(&recorder.url(), me).await;
    for (name, version, levels) in [
        ("create-default", None, json!({ "users": { &a.user_id: 50 }, "events": { "m.room.name": 60 } })),
        ("create-11", Some(RoomVersionId::V11), json!({ "users": { &me.user_id: 100, &a.user_id: 50 } })),
    ] {
        recorder.clear();
        let Value::Object(levels) = levels else { panic!("not an object") };
        let wanted = Creation {
            version: version.clone(),
            encryption: true,
            history_visibility: Some(HistoryVisibility::Joined),
            power_levels: levels,
            ..creation(name)
        };
        let done = session.writer().apply(&alias(name), None, &Change::Create(Box::new(wanted))).await;
        assert_eq!(recorder.requests().len(), 1, "one request makes the room");
        let actual = read(&session, &[name]).await;
        let room = joined(&actual, name);
        assert_eq!(done, Ok(Done::Created { room: room.id.clone(), invited: BTreeSet::new() }));
        assert_eq!(room.version, version.unwrap_or(RoomVersionId::V12));
        assert_eq!(room.power.of(&user(a)), Power::Level(50));
        assert_eq!(room.power.to_send_state("m.room.name"), if name == "create-11" { 50 } else { 60 });
        assert_eq!(room.stamp, Some(stamp(name)));
        assert_eq!(room.history_visibility.as_deref(), Some("joined"));
        assert!(room.encrypted);
        assert_eq!(room.name, Some(format!("The room {name}")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_makes_no_second_room() {
    let synapse = Synapse::shared();
    let users = synapse.register_many(&["lost-me", "lost-other"]).await;
    let [me, other] = users.as_slice() else { panic!("two") };
    let recorder = Recorder::start(&synapse.url()).await;
    let session = session(&recorder.url(), me).await;
    let writer = session.writer();

    recorder.at_write(0, Action::DropAfter);
    let change = Change::Create(Box::new(creation("lost")));
    let done = writer.apply(&alias("lost"), None, &change).await.expect("found");
    assert!(matches!(done, Done::AlreadyCreated(_)), "{done:?}");
    assert_eq!(recorder.writes().len(), 1, "createRoom is not repeated");
    assert_eq!(me.joined_rooms().await.len(), 1);
    assert_eq!(writer.apply(&alias("lost"), None, &change).await, Ok(done), "M_ROOM_IN_USE by our own room");

    recorder.clear();
    recorder.at_write(0, Action::DropBefore);
    let text = failed(writer.apply(&alias("lost-2"), None, &Change::Create(Box::new(creation("lost-2")))).await);
    println!("{text}");
    assert!(text.contains("does not exist so far"), "{text}");
    assert_eq!(recorder.writes().len(), 1);
    recorder.forward_all();

    other.create_room(json!({ "room_alias_name": "lost-3" })).await;
    let text = failed(writer.apply(&alias("lost-3"), None, &Change::Create(Box::new(creation("lost-3")))).await);
    println!("{text}");
    assert!(text.contains("M_ROOM_IN_USE") && text.contains("not in that room"), "{text}");

    let another = Creation { stamp: stamp("another"), ..creation("lost") };
    let text = failed(writer.apply(&alias("lost"), None, &Change::Create(Box::new(another))).await);
    println!("{text}");
    assert!(text.contains("the mark of other groups"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_and_removals_tell_what_became_of_them() {
    let synapse = Synapse::shared();
    let users = synapse.register_many(&["member-me", "member-a", "member-b", "member-c"]).await;
    let [me, a, b, c] = users.as_slice() else { panic!("four") };
    let recorder = Recorder::start(&synapse.url()).await;
    let session = session(&recorder.url(), me).await;
    let writer = &session.writer();
    let room = &create(me, json!({ "room_alias_name": "member" })).await;
    let (id, text) = (room.as_str(), &alias("member"));
    let run = |change: Change| async move { writer.apply(text, Some(room), &change).await };

    assert_eq!(run(invite(a)).await, Ok(Done::Applied));
    assert_eq!(run(invite(a)).await, Ok(Done::Applied), "inviting twice is harmless");
    a.join(id).await;
    assert_eq!(run(invite(a)).await, Ok(Done::Already));
    me.ban(id, &b.user_id).await;
    let text = failed(run(invite(b)).await);
    println!("{text}");
    assert!(text.contains("banned") && text.contains("#member:inviter.test") && text.contains(&b.user_id), "{text}");

    assert_eq!(run(kick(b)).await, Ok(Done::Already), "who is banned is gone, and stays banned");
    assert_eq!(me.members(id).await[&b.user_id], "ban");
    assert_eq!(run(kick(a)).await, Ok(Done::Applied));
    let event = me.state_event(id, "m.room.member", &a.user_id).await.expect("an event");
    assert_eq!(event["reason"], "not in any group of this room");
    assert_eq!(run(kick(a)).await, Ok(Done::Already));
    assert_eq!(run(kick(c)).await, Ok(Done::Already), "who never was there");

    me.invite(id, &c.user_id).await;
    recorder.clear();
    recorder.at_write(0, Action::DropAfter);
    assert_eq!(run(kick(c)).await, Ok(Done::Already), "the answer was lost");
    recorder.at_write(0, Action::DropBefore);
    me.invite(id, &c.user_id).await;
    assert_eq!(run(kick(c)).await, Ok(Done::Applied), "the request was lost");
    recorder.at_write(0, Action::DropAfter);
    assert!(run(invite(c)).await.is_ok());
    assert_eq!(me.members(id).await[&c.user_id], "invite");

    recorder.at_write(0, Action::DropAfter);
    assert_eq!(run(named("Named")).await, Ok(Done::Applied), "the same state twice is harmless");
    assert_eq!(run(Change::Stamp(stamp("member"))).await, Ok(Done::Applied));
    let visibility = Change::HistoryVisibility { from: None, to: HistoryVisibility::Invited };
    assert_eq!(run(visibility).await, Ok(Done::Applied));
    let actual = read(&session, &["member"]).await;
    let read = joined(&actual, "member");
    assert_eq!((read.name.as_deref(), read.stamp.clone()), (Some("Named"), Some(stamp("member"))));
    assert_eq!(read.history_visibility.as_deref(), Some("invited"));

    let foreign = create(a, json!({ "room_alias_name": "member-foreign", "invite": [me.user_id] })).await;
    me.join(foreign.as_str()).await;
    let text = failed(writer.apply(&alias("member-foreign"), Some(&foreign), &kick(a)).await);
    println!("{text}");
    assert!(text.contains("403 M_FORBIDDEN"), "{text}");
    let text = failed(writer.apply(&alias("member-foreign"), Some(&foreign), &named("x")).await);
    println!("{text}");
    assert!(text.contains("403 M_FORBIDDEN"), "{text}");
}

/// Such an answer, in place of the homeserver's own.
fn instead(status: u16, body: &str) -> Action {
    Action::Answer { status, headers: Vec::new(), body: body.to_owned() }
}

/// The same after the homeserver has done what it was asked.
fn afterwards(status: u16, body: &str) -> Action {
    let text = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    Action::Odd { processed: true, answer: Odd::Bytes(text.into_bytes()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_says_nothing_is_looked_up_and_not_sent_again() {
    let synapse = Synapse::shared();
    let users = synapse.register_many(&["look-me", "look-a", "look-b"]).await;
    let [me, a, b] = users.as_slice() else { panic!("three") };
    let recorder = Recorder::start(&synapse.url()).await;
    let session = session(&recorder.url(), me).await;
    let (writer, place) = (&session.writer(), &alias("look"));
    let room = &create(me, json!({ "room_alias_name": "look" })).await;
    let once = |action: Action| {
        recorder.clear();
        recorder.at_write(0, action);
    };

    once(afterwards(200, "<html>"));
    assert_eq!(writer.apply(place, Some(room), &invite(a)).await, Ok(Done::Already));
    assert_eq!(recorder.writes().len(), 1);
    once(instead(200, "<html>"));
    let text = failed(writer.apply(place, Some(room), &invite(b)).await);
    assert!(text.contains("not that of a Matrix homeserver"), "{text}");
    for action in [afterwards(200, "<html>"), Action::DropAfter] {
        me.invite(room.as_str(), &a.user_id).await;
        once(action);
        assert_eq!(writer.apply(place, Some(room), &kick(a)).await, Ok(Done::Already));
        assert_eq!(recorder.writes().len(), 1, "they may have come back meanwhile");
    }
    me.invite(room.as_str(), &a.user_id).await;
    once(instead(200, "<html>"));
    failed(writer.apply(place, Some(room), &kick(a)).await);
    assert_eq!(recorder.writes().len(), 1);

    recorder.clear();
    recorder.on_request(|_, request| if request.is_write() { Action::DropBefore } else { Action::Forward });
    failed(writer.apply(place, Some(room), &kick(a)).await);
    assert_eq!(recorder.writes().len(), 3, "a removal that was not made is tried three times");
    once(Action::DropAfter);
    assert_eq!(writer.step(place, room, &Step::Leave).await, Ok(Done::Already));
    assert_eq!(recorder.writes().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_was_created_is_found_whatever_was_answered() {
    let synapse = Synapse::shared();
    let users = synapse.register_many(&["found-me", "found-a"]).await;
    let [me, a] = users.as_slice() else { panic!("two") };
    let recorder = Recorder::start(&synapse.url()).await;
    let session = session(&recorder.url(), me).await;
    let writer = session.writer();
    let a = user(a);
    let forbidden = r#"{"errcode":"M_FORBIDDEN","error":"no"}"#;
    recorder.at_write(0, afterwards(403, forbidden));
    let done = writer.create(&creation("found"), &[&a]).await;
    assert!(matches!(done, Ok(Done::AlreadyCreated(_))), "an invitation was refused: {done:?}");
    recorder.on_request(|_, request| if request.is_write() { instead(409, forbidden) } else { Action::Forward });
    assert_eq!(writer.create(&creation("found"), &[]).await, done, "a conflict");
    recorder.on_request(|_, request| if request.is_write() { instead(403, forbidden) } else { Action::Forward });
    failed(writer.create(&creation("found-never"), &[&a]).await);

    let looks = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&looks);
    recorder.clear();
    recorder.on_request(move |_, request| {
        if request.is_write() {
            return Action::DropAfter;
        }
        *seen.lock().expect("no panic") += i32::from(request.path.contains("/directory/room/"));
        let is_early = *seen.lock().expect("no panic") < 3;
        if is_early { instead(404, r#"{"errcode":"M_NOT_FOUND","error":"no"}"#) } else { Action::Forward }
    });
    let done = writer.create(&creation("found-late"), &[]).await;
    assert!(matches!(done, Ok(Done::AlreadyCreated(_))), "{done:?}");
    assert_eq!((*looks.lock().expect("no panic"), recorder.writes().len()), (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_without_a_name_gets_one_only_while_it_has_none() {
    let synapse = Synapse::shared();
    let me = &synapse.register("name-me").await;
    let recorder = Recorder::start(&synapse.url()).await;
    let session = session(&recorder.url(), me).await;
    let room = &create(me, json!({ "room_alias_name": "name", "name": "Ours" })).await;
    let text = match session.writer().apply(&alias("name"), Some(room), &named("Theirs")).await {
        Err(WriteError::Skipped(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(text.ends_with("left as it is; the next run looks again"), "{text}");
    assert_eq!(session.writer().apply(&alias("name"), Some(room), &named("Ours")).await, Ok(Done::Already));
    assert_eq!(recorder.writes(), []);
    let nowhere = session.writer().apply(&alias("name"), None, &named("x")).await;
    assert!(matches!(nowhere, Err(WriteError::Skipped(_))), "{nowhere:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_sent_again_is_the_same_message() {
    let synapse = Synapse::shared();
    let me = &synapse.register("report-me").await;
    let recorder = Recorder::start(&synapse.url()).await;
    let session = session(&recorder.url(), me).await;
    let room = &create(me, json!({})).await;
    recorder.clear();
    recorder.at_write(0, Action::DropAfter);
    session.writer().notify(&alias("report"), room, "done").await.expect("it is sent");
    let [first, second] = recorder.writes().try_into().expect("two requests");
    assert_eq!(first.path, second.path, "by its transaction");
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limits_are_paced() {
    // With a burst of four no five people can be invited by the request that creates a room.
    let limits = "rc_message: { per_second: 4, burst_count: 5 }\n\
                  rc_room_creation: { per_second: 1, burst_count: 3 }\n\
                  rc_invites: { per_room: { per_second: 1000, burst_count: 4 }, \
                  per_user: { per_second: 0.003, burst_count: 5 }, per_issuer: { per_second: 1000, burst_count: 1000 } }\n\
                  rc_registration: { per_second: 1000, burst_count: 1000 }\n";
    let synapse = Synapse::start(Options {
        rate_limits: RateLimits::Default,
        extra_config: limits.to_owned(),
        ..Options::default()
    });
    let localparts: Vec<_> = (0..20).map(|number| format!("guest-{number}")).collect();
    let guests = synapse.register_many(&localparts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let me = synapse.register("paced-me").await;
    let recorder = Recorder::start(&synapse.url()).await;
    let session = session(&recorder.url(), &me).await;

    let rooms: Vec<_> = guests
        .chunks(5)
        .enumerate()
        .map(|(number, guests)| {
            let name = format!("paced-{number}");
            let changes =
                std::iter::once(Change::Create(Box::new(creation(&name)))).chain(guests.iter().map(invite)).collect();
            room_plan(&name, None, changes)
        })
        .collect();
    let started = Instant::now();
    let report = apply(&Plan { rooms, ..Plan::default() }, &session.writer(), 16, &Unwatched).await;
    let took = started.elapsed();
    let outcomes: Vec<_> = report.rooms.values().flatten().collect();
    assert_eq!(outcomes, vec![&Outcome::Applied; 24]);
    let of_status = |status| recorder.writes().iter().filter(|request| request.status == Some(status)).count();
    println!("24 changes took {took:?}, {} refusals", of_status(429));
    assert_eq!(of_status(200), 24);
    // 15 invites past the burst at four a second would take 3.75 s; a pace of whole seconds would take 15 s.
    assert!(took < Duration::from_secs(12), "{took:?}");
    // Those that were under way side by side at the first refusal, and one or two that find out the pace.
    assert!(of_status(429) <= 10, "{}", of_status(429));
    assert!(took > Duration::from_secs(2), "{took:?}");

    // The same person in a sixth room: others are not held up for 333 s.
    let mut rooms = Vec::new();
    for number in 4..9 {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        let name = format!("paced-{number}");
        let id = create(&me, json!({ "room_alias_name": name })).await;
        rooms.push(room_plan(&name, Some(&id), vec![invite(&guests[0]), invite(&guests[number])]));
    }
    recorder.clear();
    let report = apply(&Plan { rooms, ..Plan::default() }, &session.writer(), 1, &Unwatched).await;
    let mut text = String::new();
    for outcome in report.rooms.values().flatten() {
        let _ = writeln!(text, "{outcome:?}");
    }
    println!("{text}");
    assert!(report.rooms.values().all(|outcomes| outcomes[1] == Outcome::Applied), "{text}");
    assert!(text.contains("one person"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_has_an_end() {
    let synapse = Synapse::shared();
    let me = synapse.register("patience-me").await;
    let room = create(&me, json!({ "room_alias_name": "patience" })).await;
    let recorder = Recorder::start(&synapse.url()).await;
    let mut config = config(&recorder.url(), &me.access_token);
    config.rate_limit_patience = Duration::from_secs(2);
    let session = Session::connect(&config).await.expect("a session");
    recorder.on_request(|_, request| {
        if !request.is_write() {
            return Action::Forward;
        }
        let body = json!({ "errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": 700 });
        Action::Answer { status: 429, headers: vec![("Retry-After", "1".into())], body: body.to_string() }
    });
    let changes = (0..10).map(|number| named(&number.to_string())).collect();
    let plan = Plan { rooms: vec![room_plan("patience", Some(&room), changes)], ..Plan::default() };
    let started = Instant::now();
    let report = apply(&plan, &session.writer(), 4, &Unwatched).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let outcomes = &report.rooms[&alias("patience")];
    println!("{:?}\n{:?}", outcomes[0], outcomes[1]);
    assert!(matches!(&outcomes[0], Outcome::Failed(text) if text.contains("rate_limit_patience")), "{outcomes:?}");
    assert!(outcomes[1..].iter().all(|outcome| matches!(outcome, Outcome::Skipped(_))), "{outcomes:?}");
    assert!(recorder.writes().len() <= 3, "{}", recorder.writes().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_cannot_be_had_tells_why() {
    let synapse = Synapse::shared();
    let me = synapse.register("session-me").await;
    let text = refused(&synapse.url(), "syt_wrong_token").await;
    assert!(text.contains("M_UNKNOWN_TOKEN") && text.contains("make a new one"), "{text}");
    let text = refused("http://127.0.0.1:1", "syt_secret").await;
    assert!(text.contains("cannot be reached") && text.contains("refused"), "{text}");
    let text = refused("https://no-such-host.invalid", "syt_secret").await;
    assert!(text.contains("cannot be reached"), "{text}");

    let recorder = Recorder::start_tls(&synapse.url()).await;
    let text = refused(&recorder.url(), &me.access_token).await;
    assert!(text.contains("TLS") && text.contains("ca_file"), "{text}");
    let mut trusting = config(&recorder.url(), &me.access_token);
    trusting.ca_file = Some(recorder.ca_file());
    Session::connect(&trusting).await.expect("the authority is trusted");
    for file in ["no/such/file", "Cargo.toml"] {
        trusting.ca_file = Some(PathBuf::from(file));
        let text = told(&trusting).await;
        assert!(text.contains("ca_file") && text.contains(file), "{text}");
    }
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("https://{}", plain.local_addr().expect("it is bound"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let text = refused(&url, "syt_secret").await;
    assert!(text.contains("does it speak HTTPS"), "{text}");

    let recorder = Recorder::start(&synapse.url()).await;
    let answer = |status, headers, body: &str| Action::Answer { status, headers, body: body.to_owned() };
    let to = vec![("Location", "http://127.0.0.1:1/steal".to_owned())];
    for (action, expected) in [
        (answer(200, vec![], "<html>Welcome</html>"), "not that of a Matrix homeserver"),
        (answer(404, vec![], "<html>Not Found</html>"), "no Matrix homeserver at"),
        (answer(404, vec![], r#"{"errcode":"M_UNRECOGNIZED","error":"x"}"#), "no Matrix homeserver at"),
        (answer(302, to, ""), "redirects to http://127.0.0.1:1/steal"),
        (answer(502, vec![], "<html>Bad Gateway</html>"), "502 \"<html>Bad Gateway</html>\""),
        (answer(403, vec![], r#"{"errcode":"M_USER_DEACTIVATED","error":"x"}"#), "out of service"),
        (answer(401, vec![], r#"{"errcode":"M_UNKNOWN_TOKEN","error":"x","soft_logout":true}"#), "has expired"),
        (answer(401, vec![], r#"{"errcode":"M_MISSING_TOKEN","error":"x"}"#), "did not reach"),
        (Action::DropBefore, "broke before the answer"),
    ] {
        recorder.on_request(move |_, _| action.clone());
        let text = refused(&recorder.url(), &me.access_token).await;
        assert!(text.contains(expected), "{text}");
    }
    recorder.on_request(|_, _| Action::Delay(Duration::from_secs(5)));
    let mut hasty = config(&recorder.url(), &me.access_token);
    hasty.timeout = Duration::from_millis(300);
    let text = told(&hasty).await;
    assert!(text.contains("did not answer in time"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_room_that_cannot_be_read_is_one_room() {
    let synapse = Synapse::shared();
    let me = synapse.register("trouble-me").await;
    for name in ["trouble-a", "trouble-b"] {
        me.create_room(json!({ "room_alias_name": name })).await;
    }
    let recorder = Recorder::start(&synapse.url()).await;
    let session = session(&recorder.url(), &me).await;
    recorder.clear();
    let at = |path: &'static str, action: Action| {
        recorder.on_request(
            move |_, request| {
                if request.path.contains(path) { action.clone() } else { Action::Forward }
            },
        );
    };
    let html = || Action::Answer { status: 502, headers: vec![], body: "<html>".into() };
    at("trouble-a", html());
    let actual = read(&session, &["trouble-a", "trouble-b"]).await;
    let ActualRoom::Unreadable(text) = &actual.rooms[&alias("trouble-a")] else { panic!("{actual:?}") };
    println!("{text}");
    assert!(text.contains("#trouble-a:inviter.test") && text.contains("502"), "{text}");
    joined(&actual, "trouble-b");
    let asked = recorder.requests().iter().filter(|request| request.path.contains("trouble-a")).count();
    assert_eq!(asked, 3, "reading is repeated");

    let proxy = Action::Answer { status: 404, headers: vec![], body: "<html>".into() };
    at("trouble-a", proxy);
    let actual = read(&session, &["trouble-a"]).await;
    assert!(matches!(actual.rooms[&alias("trouble-a")], ActualRoom::Unreadable(_)), "a proxy's 404 is not missing");

    let body = r#"{"errcode":"M_UNKNOWN_TOKEN","error":"x"}"#.to_owned();
    at("/state", Action::Answer { status: 401, headers: vec![], body });
    let aliases = ["trouble-a", "trouble-b"].map(alias).into_iter().collect();
    let error: Failure = session.reader().read(&aliases, &Unwatched).await.expect_err("the token is gone");
    assert!(error.to_string().contains("M_UNKNOWN_TOKEN"), "{error}");
    let _: SessionError = error.into();

    let body = r#"{"errcode":"M_UNKNOWN_TOKEN","error":"x"}"#.to_owned();
    at("/m.room.name", Action::Answer { status: 401, headers: vec![], body });
    let writer: Writer = session.writer();
    let room = RoomId::parse(me.resolve_alias("#trouble-a:inviter.test").await.expect("a room")).expect("an ID");
    let changes = vec![named("x"), Change::Stamp(stamp("x"))];
    let plan = Plan { rooms: vec![room_plan("trouble-a", Some(&room), changes)], ..Plan::default() };
    let report = apply(&plan, &writer, 4, &Unwatched).await;
    let outcomes = &report.rooms[&alias("trouble-a")];
    println!("{outcomes:?}");
    assert!(matches!(outcomes[..], [Outcome::Failed(_), Outcome::Skipped(_)]), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_with_trouble_gets_fewer_requests_side_by_side_until_it_is_well() {
    let synapse = Synapse::shared();
    let me = synapse.register("width-me").await;
    let recorder: &'static Recorder = Box::leak(Box::new(Recorder::start(&synapse.url()).await));
    let config = Matrix { concurrency: 4, ..config(&recorder.url(), &me.access_token) };
    let session = Session::connect(&config).await.expect("a session");
    // How many requests for an alias were under way when one came, by its turn.
    let seen: Arc<Mutex<Vec<usize>>> = Arc::default();
    let noted = Arc::clone(&seen);
    recorder.on_request(move |_, request| {
        if !request.path.contains("/directory/room/") {
            return Action::Forward;
        }
        let mut seen = noted.lock().expect("no panic");
        let open = recorder.requests().iter().filter(|it| it.status.is_none()).count();
        seen.push(open);
        match seen.len() {
            1..=4 => Action::Answer { status: 503, headers: Vec::new(), body: "busy".into() },
            _ => Action::Delay(Duration::from_millis(30)),
        }
    });
    let names: Vec<String> = (0..40).map(|number| format!("width-{number}")).collect();
    let actual = read(&session, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert!(
        actual.rooms.values().all(|room| *room == ActualRoom::Missing),
        "those that met the trouble were asked again"
    );
    let seen = seen.lock().expect("no panic").clone();
    assert_eq!(seen.len(), 44, "four were asked twice");
    assert!(seen[4..8].iter().all(|open| *open <= 2), "half as many: {seen:?}");
    assert_eq!(seen[20..].iter().max(), Some(&4), "as many as before: {seen:?}");
}
