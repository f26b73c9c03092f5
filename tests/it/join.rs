//! `add_members = "join"`: people are added to rooms, without an invitation to accept.

use serde_json::json;

use crate::planner::world::{World, user};
use crate::support::account::{Account, encode};
use crate::support::inviter::Inviter;
use crate::support::recorder::{Action, Recorded};
use crate::support::synapse::{Options, RateLimits, Synapse};
use crate::sync::scene::{Scene, run, summary};

use inviter::actual::Membership;

/// The program with rooms of a file, adding people with this token.
fn adding(scene: &Scene, token: &str, rooms: &[(&str, &[&str])], more: &str) -> Inviter {
    let inviter = scene.with_file(rooms, more);
    set(&inviter, &format!("add_members = \"join\"\nadmin_token = {token:?}\n"));
    inviter
}

/// Adds lines to the section `[matrix]`.
fn set(inviter: &Inviter, lines: &str) {
    let path = inviter.folder().join("inviter.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replacen("[matrix]\n", &format!("[matrix]\n{lines}"), 1)).unwrap();
}

async fn scene(prefix: &str) -> Scene {
    Scene::of_admin(Synapse::shared(), prefix).await
}

fn calls(scene: &Scene, part: &str) -> usize {
    scene.recorder.requests().iter().filter(|request| request.path.contains(part)).count()
}

async fn admin(me: &Account, method: &str, path: &str, body: serde_json::Value) {
    me.ok(method, &format!("/_synapse/admin/{path}"), Some(&body)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_in_the_room_after_one_run() {
    for version in ["12", "11"] {
        let scene = scene(&format!("add{version}")).await;
        scene.people(&["alice", "bob", "carol"]).await;
        let more = format!("[room]\nroom_version = {version:?}\n");
        let token = scene.me.access_token.clone();
        let inviter = adding(&scene, &token, &[("ops", &["alice*", "bob"])], &more);
        let first = run(&inviter, &["sync"]).await.success();
        let line = format!("  + add {} as moderator (50)  (in ", scene.user("alice"));
        assert!(first.stdout.contains(&line) && first.stdout.contains(": 1 room to create, 2 additions."), "{first}");
        assert_eq!(scene.roster("ops").await, ["alice join 50", "bob join 0"]);
        // whoami and versions, the admin token's owner and power, the joined rooms, the alias, the default version; the
        // room; and for each person their account and the addition.
        assert_eq!(scene.recorder.requests().len(), 7 + 1 + 2 * 2, "{:#?}", scene.recorder.requests());

        scene.write_rooms(&inviter, &[("ops", &["alice", "bob", "carol*"])]);
        run(&inviter, &["sync", "--kick"]).await.success();
        assert_eq!(scene.roster("ops").await, ["alice join 0", "bob join 0", "carol join 50"]);
        scene.recorder.clear();
        let again = run(&inviter, &["sync", "--kick"]).await.success();
        assert_eq!(summary(&again), "1 room: nothing to do.");
        assert_eq!((scene.recorder.requests().len(), scene.recorder.writes()), (7, vec![]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_a_fresh_synapse_do_not_bind_additions() {
    static LIMITED: std::sync::OnceLock<Synapse> = std::sync::OnceLock::new();
    let synapse =
        LIMITED.get_or_init(|| Synapse::start(Options { rate_limits: RateLimits::Default, ..Options::default() }));
    let scene = Scene::of_admin(synapse, "addlimit").await;
    let names: Vec<String> = (0..25).map(|number| format!("p{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    scene.people(&names).await;
    let token = scene.me.access_token.clone();
    let inviter = adding(&scene, &token, &[("ops", &names), ("dev", &names)], "");
    run(&inviter, &["sync"]).await.success();
    let joined = |roster: &[String]| roster.iter().filter(|line| line.contains(" join ")).count();
    assert_eq!((joined(&scene.roster("ops").await), joined(&scene.roster("dev").await)), (25, 25));
    let statuses: Vec<Option<u16>> = scene.recorder.requests().iter().map(|request| request.status).collect();
    assert!(!statuses.contains(&Some(429)), "{statuses:?}");
    // Each account is asked for once, though it is added to two rooms.
    assert_eq!(calls(&scene, "/_synapse/admin/v1/join/"), 50);
    assert!(calls(&scene, "/_synapse/admin/v2/users/") <= 51);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_account_yet_is_invited_and_left_alone_then() {
    let scene = scene("addnone").await;
    scene.people(&["alice"]).await;
    let token = scene.me.access_token.clone();
    let inviter = adding(&scene, &token, &[("ops", &["alice", "newcomer"])], "");
    let told = run(&inviter, &["sync"]).await.success();
    let line = format!("there is no account {} on the homeserver", scene.user("newcomer"));
    assert!(told.stderr.contains(&line), "{told}");
    assert_eq!(scene.roster("ops").await, ["alice join 0", "newcomer invite 0"]);
    let again = run(&inviter, &["sync"]).await.success();
    assert_eq!(summary(&again), "1 room: nothing to do.");

    let strict = adding(&scene, &token, &[("ops", &["alice", "newcomer", "late"])], "");
    set(&strict, "join_fallback = \"fail\"\n");
    let failed = run(&strict, &["sync"]).await.status(3);
    assert!(
        failed.stdout.contains(&format!("failed: {}: add {}: ", scene.alias("ops"), scene.user("late"))),
        "{failed}"
    );
    assert_eq!(scene.roster("ops").await, ["alice join 0", "newcomer invite 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_closed_is_not_added_and_one_that_is_suspended_is_invited() {
    let scene = scene("addclosed").await;
    scene.people(&["alice", "closed", "locked", "suspended"]).await;
    let me = &scene.me;
    admin(me, "POST", &format!("v1/deactivate/{}", encode(&scene.user("closed"))), json!({})).await;
    admin(me, "PUT", &format!("v2/users/{}", encode(&scene.user("locked"))), json!({ "locked": true })).await;
    admin(me, "PUT", &format!("v1/suspend/{}", encode(&scene.user("suspended"))), json!({ "suspend": true })).await;
    let everybody: &[&str] = &["alice", "closed", "locked", "suspended"];
    let inviter = adding(&scene, &me.access_token, &[("ops", everybody)], "");
    let told = run(&inviter, &["sync"]).await.status(3);
    let line = format!("skipped: {}: add {}: the account {1} is deactivated", scene.alias("ops"), scene.user("closed"));
    assert!(told.stdout.contains(&line), "{told}");
    assert!(told.stderr.contains(&format!("the account {} is locked or suspended", scene.user("locked"))), "{told}");
    assert_eq!(scene.roster("ops").await, ["alice join 0", "locked invite 0", "suspended invite 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_is_asked_again_and_not_brought_back() {
    let scene = scene("addleft").await;
    let people = scene.people(&["alice", "bob"]).await;
    let more = "[policy]\nreinvite_after = \"0s\"\n";
    let inviter = adding(&scene, &scene.me.access_token, &[("ops", &["alice", "bob"])], more);
    run(&inviter, &["sync"]).await.success();
    people["alice"].leave(&scene.room("ops").await).await;
    let again = run(&inviter, &["sync"]).await.success();
    assert!(again.stdout.contains(&format!("+ invite {}", scene.user("alice"))), "{again}");
    assert_eq!(scene.roster("ops").await, ["alice invite 0", "bob join 0"]);
    let third = run(&inviter, &["sync"]).await.success();
    assert_eq!(summary(&third), "1 room: nothing to do.", "the invitation is not turned into an addition");

    // Who was removed by inviter, and is in the group again, did not choose to go.
    scene.write_rooms(&inviter, &[("ops", &["alice"])]);
    run(&inviter, &["sync", "--kick", "--allow-kicks", "1"]).await.success();
    scene.write_rooms(&inviter, &[("ops", &["alice", "bob"])]);
    run(&inviter, &["sync"]).await.success();
    assert_eq!(scene.roster("ops").await, ["alice invite 0", "bob join 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_invitations_of_inviter_are_turned_into_additions_and_those_of_people_are_not() {
    let scene = scene("addturn").await;
    let people = scene.people(&["alice", "bob", "carol"]).await;
    let rooms: &[(&str, &[&str])] = &[("ops", &["alice*", "bob", "carol"])];
    run(&scene.with_file(&[("ops", &["alice*", "bob"])], ""), &["sync"]).await.success();
    scene.accept("ops", &people, &["alice"]).await;
    people["alice"].invite(&scene.room("ops").await, &scene.user("carol")).await;
    let inviter = adding(&scene, &scene.me.access_token, rooms, "");
    let turned = run(&inviter, &["sync"]).await.success();
    assert!(turned.stdout.contains("1 room: 1 addition."), "{turned}");
    assert_eq!(scene.roster("ops").await, ["alice join 50", "bob join 0", "carol invite 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_add_falls_back_to_invitations_or_ends_the_run() {
    let scene = scene("addtoken").await;
    let people = scene.people(&["alice"]).await;
    let other = scene.synapse.register_admin("addtoken-other").await;
    let plain = Scene::new("addplain").await;
    plain.people(&["alice"]).await;
    let tokens = [
        (&scene, other.access_token.clone(), "the admin token is that of @addtoken-other:inviter.test, and only"),
        (&scene, people["alice"].access_token.clone(), "the admin token is that of @addtoken-alice"),
        (&scene, "syt_none".to_owned(), "this is about the admin token"),
        (&plain, plain.me.access_token.clone(), "make the account of inviter an administrator"),
    ];
    for (at, (scene, token, why)) in tokens.into_iter().enumerate() {
        let room = format!("room{at}");
        let rooms: &[(&str, &[&str])] = &[(&room, &["alice"])];
        let strict = adding(scene, &token, rooms, "");
        set(&strict, "join_fallback = \"fail\"\n");
        scene.recorder.clear();
        let ended = run(&strict, &["sync"]).await.status(1);
        assert!(ended.stderr.contains("people cannot be added to rooms: ") && ended.stderr.contains(why), "{ended}");
        assert_eq!(scene.recorder.writes(), []);
        let told = run(&adding(scene, &token, rooms, ""), &["sync"]).await.success();
        assert!(told.stdout.contains("people are invited rather than added: ") && told.stdout.contains(why), "{told}");
        assert!(!format!("{told}{ended}").contains(&token), "{told}");
        assert_eq!(scene.roster(&room).await, ["alice invite 0"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_without_the_admin_api_gets_invitations() {
    let scene = scene("addapi").await;
    scene.people(&["alice"]).await;
    scene.recorder.on_request(|_, request: &Recorded| {
        let body = json!({ "errcode": "M_UNRECOGNIZED", "error": "Unrecognized request" }).to_string();
        let absent = Action::Answer { status: 404, headers: Vec::new(), body };
        if request.path.starts_with("/_synapse/") { absent } else { Action::Forward }
    });
    let inviter = adding(&scene, &scene.me.access_token, &[("ops", &["alice"])], "");
    let told = run(&inviter, &["sync"]).await.success();
    assert!(told.stdout.contains("is the homeserver a Synapse, and does the proxy"), "{told}");
    assert_eq!(scene.roster("ops").await, ["alice invite 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_addition_whose_answer_was_lost_is_found_to_be_done() {
    let scene = scene("addlost").await;
    scene.people(&["alice"]).await;
    let inviter = adding(&scene, &scene.me.access_token, &[("ops", &["alice"])], "");
    scene.recorder.at_write(1, Action::DropAfter);
    let lost = run(&inviter, &["sync"]).await.success();
    assert!(lost.stdout.contains("1 done already"), "{lost}");
    assert_eq!(scene.roster("ops").await, ["alice join 0"]);
    assert_eq!(calls(&scene, "/invite"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_addition_that_fails_for_the_moment_is_not_replaced_by_an_invitation() {
    let scene = scene("addfail").await;
    scene.people(&["alice"]).await;
    let inviter = adding(&scene, &scene.me.access_token, &[("ops", &["alice"])], "");
    for looked_up in [200, 502] {
        scene.recorder.on_request(move |_, request| {
            let answer = |status| Action::Answer { status, headers: Vec::new(), body: "<html>".into() };
            match request.path.as_str() {
                path if path.contains("/_synapse/admin/v1/join/") => answer(502),
                path if path.contains("/state/m.room.member/") && looked_up == 502 => answer(502),
                _ => Action::Forward,
            }
        });
        let failed = run(&inviter, &["sync"]).await.status(3);
        let line = format!("failed: {}: add {}: ", scene.alias("ops"), scene.user("alice"));
        assert!(failed.stdout.contains(&line), "{failed}");
        assert_eq!(failed.stdout.contains("is not known"), looked_up == 502, "{failed}");
        assert_eq!(scene.roster("ops").await, Vec::<String>::new());
    }
    // What stands before the homeserver does not know who has an account.
    scene.recorder.on_request(|_, request| {
        let page = Action::Answer { status: 404, headers: Vec::new(), body: "<html>".into() };
        if request.path.contains("/_synapse/admin/v2/users/") && request.path.contains("alice") {
            page
        } else {
            Action::Forward
        }
    });
    run(&inviter, &["sync"]).await.status(3);
    assert_eq!(scene.roster("ops").await, Vec::<String>::new());
    scene.recorder.forward_all();
    run(&inviter, &["sync"]).await.success();
    assert_eq!(scene.roster("ops").await, ["alice join 0"]);
}

#[tokio::test]
async fn adding_takes_a_token_of_its_own() {
    let inviter = Inviter::new(
        "[matrix]\nhomeserver = \"https://a\"\naccess_token = \"a\"\nadd_members = \"join\"\n[[idp]]\nname = \"a\"\n\
         type = \"file\"\nmxid_homeserver = \"a\"\npath = \"a.toml\"\n",
    );
    let told = run(&inviter, &["sync"]).await.status(1);
    assert!(
        told.stderr.contains("inviter.toml:4:1: matrix.add_members: ") && told.stderr.contains("admin_token"),
        "{told}"
    );
}

#[test]
fn guests_of_other_homeservers_are_invited_always() {
    let mut world = World::with_room("ops", &["alice"]);
    world.policy.adds = true;
    world.want("ops", "bob");
    world.want("ops", "@guest:elsewhere.org");
    world.expect(
        "ops",
        &["+ add @bob:example.com  (in ops-group (corp))", "+ invite @guest:elsewhere.org  (in ops-group (corp))"],
    );
}

#[test]
fn who_left_not_long_ago_is_left_alone_and_who_knocks_is_let_in() {
    let mut world = World::with_room("ops", &["alice", "bob", "carol"]);
    world.policy.adds = true;
    world.member("ops", "alice", Membership::Leave, 2);
    world.member("ops", "bob", Membership::Leave, 48);
    world.member("ops", "carol", Membership::Knock, 2);
    world.expect(
        "ops",
        &[
            "+ invite @bob:example.com  (in ops-group (corp))",
            "+ add @carol:example.com  (in ops-group (corp))",
            ". withheld: invite @alice:example.com  (in ops-group (corp); left not long ago, invited again after \
             2027-01-16T06:00:00Z)",
        ],
    );
    world.room("ops").standing_invitations.insert(user("carol"));
    world.member_by("ops", "carol", Membership::Invite, 1, "inviter");
    world.member_by("ops", "bob", Membership::Invite, 1, "inviter");
    world.expect(
        "ops",
        &[
            "+ add @bob:example.com  (in ops-group (corp))",
            ". withheld: invite @alice:example.com  (in ops-group (corp); left not long ago, invited again after \
             2027-01-16T06:00:00Z)",
        ],
    );
}
