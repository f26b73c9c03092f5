//! Rooms shared between organisations: two homeservers that federate, and the real program on both sides.
//!
//! The servers' names have ports, and so have all users and aliases here.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::account::Account;
use crate::support::inviter::Inviter;
use crate::support::synapse::Synapse;
use crate::sync::scene::{Scene, run, summary};

/// Room versions with and without creators that rank above all (MSC4289), and room IDs with and without a server.
const VERSIONS: [&str; 2] = ["12", "11"];

/// Two organisations; the aliases of all rooms are on the homeserver of the first.
struct Pair {
    a: Scene,
    b: Scene,
}

impl Pair {
    async fn new(prefix: &str) -> Self {
        let [first, second] = Synapse::federating_pair();
        Self { a: Scene::on(first, prefix).await, b: Scene::on(second, prefix).await.with_rooms_on(first) }
    }

    /// Has the first `inviter` make the second one an admin of a room.
    async fn share(&self, inviter: &Inviter, room: &str) {
        run(inviter, &["invite-admin", &self.a.alias(room), &self.b.me.user_id]).await.success();
    }

    /// Who is in a room by the lights of one side: `sam@a join 0`, without the first `inviter` and those who left.
    async fn roster(&self, viewer: &Scene, room: &str) -> Vec<String> {
        let room = viewer.room(room).await;
        let levels = viewer.me.power_levels(&room).await;
        let mut roster = Vec::new();
        for (user, membership) in viewer.me.members(&room).await {
            let named = levels["users"].get(&user).and_then(Value::as_i64);
            if user == self.a.me.user_id || (membership == "leave" && named.is_none()) {
                continue;
            }
            let (name, server) = user.split_once(':').expect("a user ID has a server");
            let name = name.trim_start_matches(&format!("@{}", self.a.uid("")));
            let side = if server == self.a.synapse.server_name() { "a" } else { "b" };
            roster.push(format!("{name}@{side} {membership} {}", named.unwrap_or(0)));
        }
        roster.sort();
        roster
    }

    /// Waits until both sides see these people in a room.
    async fn agree(&self, room: &str, expected: &[&str]) {
        for viewer in [&self.a, &self.b] {
            eventually(expected, async || self.roster(viewer, room).await).await;
        }
    }

    /// Asserts that neither side's run wants to change anything, even if it may remove people.
    async fn rest(&self, a: &Inviter, b: &Inviter) {
        for (scene, inviter) in [(&self.a, a), (&self.b, b)] {
            nothing_to_do(scene, inviter).await;
        }
    }
}

async fn nothing_to_do(scene: &Scene, inviter: &Inviter) {
    scene.recorder.clear();
    let outcome = run(inviter, &["sync", "--kick"]).await.success();
    assert_eq!(outcome.stdout.trim_end(), "1 room: nothing to do.", "{outcome}");
    assert_eq!(scene.recorder.writes(), []);
}

/// Waits until a list is as expected: what one server did reaches the other a moment later.
async fn eventually(expected: &[&str], probe: impl AsyncFn() -> Vec<String>) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let found = probe().await;
        if found == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?} has not become {expected:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn join(people: &BTreeMap<String, Account>, names: &[&str], room: &str) {
    for name in names {
        people[*name].join(room).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_organisations_share_a_room_and_each_manages_its_own_people() {
    for version in VERSIONS {
        let pair = Pair::new(&format!("share{version}")).await;
        let Pair { a, b } = &pair;
        // sam has an account on both sides, and only the servers tell them apart.
        let people_of_a = a.people(&["alice", "ann", "sam"]).await;
        let people_of_b = b.people(&["bea", "bob", "sam"]).await;
        let at_a = a.with_file(
            &[("shared", &["alice*", "ann", "sam"])],
            &format!(
                "[room]\nroom_version = {version:?}\nhistory_visibility = \"joined\"\npermissions = {{ kick = 60 }}\n"
            ),
        );
        let rooms_of_b: &[(&str, &[&str])] = &[("shared", &["bea*", "bob", "sam"])];
        let settings = "[room]\nhistory_visibility = \"shared\"\npermissions = { kick = 70, ban = 70 }\n";
        let at_b = b.with_file(rooms_of_b, &format!("[policy]\nadopt = true\n{settings}"));

        let too_early = run(&at_b, &["sync"]).await.status(3);
        assert!(too_early.stdout.contains("belongs to another homeserver: it must be created there"), "{too_early}");
        assert_eq!(b.recorder.writes(), []);
        assert_eq!(b.me.resolve_alias(&b.alias("shared")).await, None);

        let created = run(&at_a, &["sync"]).await.success();
        assert_eq!(summary(&created), "4 writes: 4 done.");
        let room = a.room("shared").await;
        let outside = run(&at_b, &["sync"]).await.status(3);
        assert!(outside.stdout.contains("inviter is neither in it nor invited"), "{outside}");
        assert_eq!(b.recorder.writes(), []);
        join(&people_of_a, &["alice", "ann", "sam"], &room).await;

        pair.share(&at_a, "shared").await;
        nothing_to_do(a, &at_a).await;
        let careful = run(&b.with_file(rooms_of_b, settings), &["sync"]).await.status(3);
        assert!(careful.stdout.contains("set adopt = true under [policy]"), "{careful}");
        assert_eq!(b.recorder.writes(), []);
        let joining = run(&at_b, &["sync"]).await.success();
        assert!(joining.stdout.contains("+ join the room"), "{joining}");
        assert_eq!(summary(&joining), "1 write: 1 done.");
        let inviting = run(&at_b, &["sync"]).await.success();
        // The mark, a moderator and three invitations; nothing of the settings.
        assert_eq!(summary(&inviting), "5 writes: 5 done.", "{inviting}");
        let of_a = ["alice@a join 50", "ann@a join 0"];
        let with = |rest: &[&'static str]| [&of_a, rest].concat();
        pair.agree(
            "shared",
            &with(&["bea@b invite 50", "bob@b invite 0", "inviter@b join 100", "sam@a join 0", "sam@b invite 0"]),
        )
        .await;
        pair.rest(&at_a, &at_b).await;
        join(&people_of_b, &["bea", "bob", "sam"], &room).await;
        pair.agree(
            "shared",
            &with(&["bea@b join 50", "bob@b join 0", "inviter@b join 100", "sam@a join 0", "sam@b join 0"]),
        )
        .await;
        pair.rest(&at_a, &at_b).await;

        b.write_rooms(&at_b, &[("shared", &["bob"])]);
        nothing_to_do(a, &at_a).await;
        let removing = run(&at_b, &["sync", "--kick"]).await.success();
        assert_eq!(summary(&removing), "3 writes: 3 done.", "{removing}");
        pair.agree("shared", &with(&["bob@b join 0", "inviter@b join 100", "sam@a join 0"])).await;
        pair.rest(&at_a, &at_b).await;

        a.write_rooms(&at_a, &[("shared", &["alice*", "ann"])]);
        nothing_to_do(b, &at_b).await;
        let removing = run(&at_a, &["sync", "--kick"]).await.success();
        assert_eq!(summary(&removing), "1 write: 1 done.", "{removing}");
        pair.agree("shared", &with(&["bob@b join 0", "inviter@b join 100"])).await;
        pair.rest(&at_a, &at_b).await;

        // The mark is there now, so nothing needs to be adopted any more.
        nothing_to_do(b, &b.with_file(&[("shared", &["bob"])], settings)).await;
        for scene in [a, b] {
            let history = scene.me.state_event(&room, "m.room.history_visibility", "").await;
            assert_eq!(history.unwrap()["history_visibility"], "joined");
            let levels = scene.me.power_levels(&room).await;
            assert_eq!((&levels["kick"], &levels["ban"]), (&json!(60), &json!(50)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_of_another_homeserver_who_was_invited_by_hand_is_left_alone() {
    for version in VERSIONS {
        let pair = Pair::new(&format!("guest{version}")).await;
        let Pair { a, b } = &pair;
        let people = a.people(&["alice", "ann"]).await;
        let guests = b.people(&["ext", "late"]).await;
        let inviter = a.with_file(&[("ops", &["alice*", "ann"])], &format!("[room]\nroom_version = {version:?}\n"));
        run(&inviter, &["sync"]).await.success();
        let room = a.room("ops").await;
        join(&people, &["alice", "ann"], &room).await;
        for guest in ["ext", "late"] {
            people["alice"].invite(&room, &b.user(guest)).await;
        }
        let see = async |expected: &[&str]| eventually(expected, async || pair.roster(a, "ops").await).await;

        see(&["alice@a join 50", "ann@a join 0", "ext@b invite 0", "late@b invite 0"]).await;
        nothing_to_do(a, &inviter).await;
        guests["ext"].join(&room).await;
        see(&["alice@a join 50", "ann@a join 0", "ext@b join 0", "late@b invite 0"]).await;
        nothing_to_do(a, &inviter).await;

        // Neither does the departure of somebody else, nor a level that was given by hand, make a difference.
        let mut levels = a.me.power_levels(&room).await;
        levels["users"][b.user("ext")] = json!(50);
        a.me.put_state(&room, "m.room.power_levels", "", levels).await;
        a.write_rooms(&inviter, &[("ops", &["alice*"])]);
        let removing = run(&inviter, &["sync", "--kick"]).await.success();
        assert_eq!(summary(&removing), "1 write: 1 done.", "{removing}");
        see(&["alice@a join 50", "ext@b join 50", "late@b invite 0"]).await;
        nothing_to_do(a, &inviter).await;

        // They go by themselves, or by somebody's hand, and are not called back.
        people["alice"].kick(&room, &b.user("late")).await;
        guests["ext"].leave(&room).await;
        see(&["alice@a join 50", "ext@b leave 50"]).await;
        nothing_to_do(a, &inviter).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_names_a_room_on_a_homeserver_with_a_port_by_a_third_token() {
    let pair = Pair::new("port").await;
    let Pair { a, b } = &pair;
    let people_of_a = a.people(&["alice", "ann"]).await;
    b.people(&["bea", "bob"]).await;
    let (directory_of_a, directory_of_b) = (a.directory(&["alice", "ann"]), b.directory(&["bea", "bob"]));
    let group = a.group("shared");
    let port = a.synapse.server_name().strip_prefix("localhost:").expect("a port");
    assert_eq!((&group, &b.group("shared")), (&format!("xxxport-sharedxxxlocalhostxxx{port}"), &group));
    for (scene, directory, people) in [(a, &directory_of_a, ["alice", "ann"]), (b, &directory_of_b, ["bea", "bob"])] {
        scene.add_group(directory, &group, &people);
        scene.add_group(directory, &format!("{group}_owners"), &people[..1]);
    }
    let at_a = a.with_directory(&directory_of_a, "");
    let at_b = b.with_directory(&directory_of_b, "[policy]\nadopt = true\n");

    let alias = format!("#port-shared:localhost:{port}");
    let created = run(&at_a, &["sync", "--room", &alias]).await.success();
    assert_eq!(summary(&created), "3 writes: 3 done.", "{created}");
    assert_eq!(a.alias("shared"), alias);
    let room = a.room("shared").await;
    join(&people_of_a, &["alice"], &room).await;
    pair.share(&at_a, "shared").await;
    for _ in 0..2 {
        run(&at_b, &["sync", "--room", &alias]).await.success();
    }
    pair.agree(
        "shared",
        &["alice@a join 50", "ann@a invite 0", "bea@b invite 50", "bob@b invite 0", "inviter@b join 100"],
    )
    .await;
    pair.rest(&at_a, &at_b).await;

    for (scene, directory, inviter, leaver) in [(a, &directory_of_a, &at_a, "ann"), (b, &directory_of_b, &at_b, "bob")]
    {
        directory.remove_from_group(&group, &[&scene.uid(leaver)]);
        let removing = run(inviter, &["sync", "--kick"]).await.success();
        assert_eq!(summary(&removing), "1 write: 1 done.", "{removing}");
    }
    pair.agree("shared", &["alice@a join 50", "bea@b invite 50", "inviter@b join 100"]).await;
    pair.rest(&at_a, &at_b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_does_not_answer_holds_up_its_own_rooms_alone() {
    let [_, synapse] = Synapse::federating_pair();
    let scene = Scene::on(synapse, "dead").await;
    scene.people(&["bea"]).await;
    let inviter = Inviter::new(&format!(
        "{}timeout = \"5s\"\n[[idp]]\nname = \"people\"\ntype = \"file\"\nmxid_homeserver = {:?}\n\
         path = \"rooms.toml\"\n[policy]\nadopt = true\n",
        scene.matrix_section(),
        synapse.server_name()
    ));
    let write_rooms = |rooms: &[(&str, &[String])]| {
        let rooms = rooms.iter().map(|(alias, people)| format!("[[rooms]]\nalias = {alias:?}\nmembers = {people:?}\n"));
        inviter.file("rooms.toml", &rooms.collect::<String>());
    };

    // One that is gone after the room came under management, and one that takes connections and says nothing.
    let gone = Synapse::federating();
    let host = gone.register("host").await;
    let invite = json!({ "room_alias_name": "x", "invite": [scene.me.user_id] });
    let room = host.create_room(invite).await;
    let mut levels = host.power_levels(&room).await;
    levels["users"][&scene.me.user_id] = json!(100);
    host.put_state(&room, "m.room.power_levels", "", levels).await;
    let gone_alias = format!("#x:{}", gone.server_name());
    write_rooms(&[(&gone_alias, &[scene.uid("bea")])]);
    for _ in 0..2 {
        run(&inviter, &["sync"]).await.success();
    }
    assert_eq!(scene.me.members(&room).await[&scene.user("bea")], "invite");
    drop(gone);
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is free");
    let silent_alias = format!("#x:{}", silent.local_addr().expect("it is bound")).replace("127.0.0.1", "localhost");

    write_rooms(&[(&gone_alias, &[]), (&silent_alias, &[]), (&scene.alias("own"), &[scene.uid("bea")])]);
    let outcome = run(&inviter, &["sync", "--kick"]).await.status(3);
    for alias in [gone_alias, silent_alias] {
        let server = alias.trim_start_matches("#x:");
        let hint = format!("; it had to ask {server}: is that one running, and do the two federate?");
        assert!(outcome.stdout.contains(&hint), "{outcome}");
    }
    assert_eq!(summary(&outcome), "2 writes: 2 done.");
    assert_eq!(scene.roster("own").await, ["bea invite 0"]);
    assert_eq!(scene.me.members(&room).await[&scene.user("bea")], "invite");
}
