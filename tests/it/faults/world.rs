//! A homeserver where something of every kind is to be done, as often as it is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::kinds::{Fault, Means, PATIENCE, TIMEOUT};
use crate::support::account::{Account, encode};
use crate::support::inviter::{Inviter, Outcome};
use crate::support::recorder::{Action, Recorded};
use crate::sync::scene::{Scene, run};

/// Each kind of request that changes something, after the room where it is made, and what it has in its path. But for
/// `fresh`, nothing else is to be done in that room.
pub const KINDS: [(&str, &str, &str); 16] = [
    ("child", "PUT", "/m.space.child"),
    ("fresh", "POST", "/createRoom"),
    // The new alias leads there already.
    ("half", "DELETE", "/directory/room"),
    ("history", "PUT", "/m.room.history_visibility"),
    ("invite", "POST", "/invite"),
    ("join", "POST", "/join"),
    ("kick", "POST", "/kick"),
    // The old alias has gone as well.
    ("late", "PUT", "/m.room.canonical_alias"),
    ("levels", "PUT", "/m.room.power_levels"),
    ("limited", "PUT", "/m.room.join_rules"),
    ("listed", "PUT", "/directory/list/room"),
    ("mark", "PUT", "/dev.inviter.managed"),
    ("moved", "PUT", "/directory/room"),
    ("name", "PUT", "/m.room.name"),
    ("parent", "PUT", "/m.space.parent"),
    ("topic", "PUT", "/m.room.topic"),
];
/// A room that no fault concerns.
pub const CALM: &str = "calm";
/// Rooms that have another alias in each cycle.
const CHANGING: [&str; 4] = ["fresh", "half", "late", "moved"];
/// Rooms in a space.
const LINKED: [&str; 3] = ["child", "limited", "parent"];
/// Rooms that are there for the others.
const SPACE: &str = "space";
const REPORTS: &str = "reports";

/// All rooms in which something is to be done.
pub fn rooms() -> impl Iterator<Item = &'static str> {
    [CALM].into_iter().chain(KINDS.iter().map(|kind| kind.0))
}

fn document(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"))
}

/// The changes of a room, and what became of each: what it is, `applied` or the like, and what is told.
pub fn changes(outcome: &Outcome, alias: &str) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let document = document(outcome);
    let room = document["rooms"].as_array().unwrap().iter().find(|room| room["alias"] == alias);
    let changes = room.map(|room| room["changes"].as_array().unwrap().clone()).unwrap_or_default();
    let outcome = |change: &Value| {
        let outcome = &change["outcome"];
        (text(&change["action"]), text(&outcome["status"]), text(&outcome["message"]))
    };
    changes.iter().map(outcome).collect()
}

/// What a run planned, by the alias of the room.
pub fn plans(outcome: &Outcome) -> BTreeMap<String, Value> {
    let document = document(outcome);
    let mut plans = BTreeMap::new();
    for room in document["rooms"].as_array().unwrap() {
        let mut changes = room["changes"].clone();
        for change in changes.as_array_mut().into_iter().flatten() {
            change.as_object_mut().unwrap().remove("outcome");
        }
        if changes != json!([]) {
            plans.insert(room["alias"].as_str().unwrap().to_owned(), changes);
        }
    }
    plans
}

/// The scene, and how often something was to be done in it.
pub struct World {
    pub scene: Scene,
    people: BTreeMap<String, Account>,
    ids: BTreeMap<&'static str, String>,
    inviter: Inviter,
    cycle: usize,
    elsewhere: TcpListener,
}

impl World {
    /// A world in which everything is to be done.
    pub async fn new(prefix: &str) -> Self {
        let scene = Scene::new(prefix).await;
        let people = scene.people(&["alice", "bob", "founder"]).await;
        let alias = |room: &str| scene.alias(room);
        let mut more = format!(
            "[policy]\nadopt = true\nreinvite_after = \"0s\"\nmax_kicks = 1000\nrenamed_rooms = \"drop_alias\"\n\
             [report]\nroom = {:?}\n[[rooms]]\nalias = {:?}\ntype = \"space\"\n",
            alias(REPORTS),
            alias(SPACE)
        );
        let linked = LINKED.map(|room| (room, format!("parent = {:?}\nrestricted = true", alias(SPACE))));
        let others = [
            ("history", "history_visibility = \"joined\""),
            ("name", "name = \"Wanted\""),
            ("topic", "topic = \"Wanted\""),
            ("listed", "directory = \"public\""),
        ];
        for (room, settings) in others.map(|(room, settings)| (room, settings.to_owned())).into_iter().chain(linked) {
            let _ = writeln!(more, "[[rooms]]\nalias = {:?}\n{settings}", alias(room));
        }
        let matrix = scene.matrix_section();
        let bounded = format!("{matrix}timeout = \"100s\"\nrate_limit_patience = {PATIENCE:?}\n");
        let inviter = scene.with_file(&[], &more);
        let config = std::fs::read_to_string(inviter.folder().join("inviter.toml")).unwrap();
        inviter.file("inviter.toml", &config.replace(&matrix, &bounded));
        let elsewhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let mut world = Self { scene, people, ids: BTreeMap::new(), inviter, cycle: 0, elsewhere };
        world.begin().await;
        world
    }

    async fn begin(&mut self) {
        let founder = &self.people["founder"];
        for room in ["join", REPORTS] {
            let me = &self.scene.me.user_id;
            let id = founder.create_room(json!({ "room_alias_name": self.local(room), "invite": [me] })).await;
            let mut levels = founder.power_levels(&id).await;
            levels["users"][me] = json!(100);
            founder.put_state(&id, "m.room.power_levels", "", levels).await;
            self.ids.insert(room, id);
        }
        self.scene.me.join(&self.ids[REPORTS]).await;
        self.write_rooms();
        // The first run creates, the second finds joined rooms.
        self.converge().await;
        for room in rooms().filter(|room| *room != "fresh").chain([SPACE]) {
            let id = self.scene.room(&self.name(room)).await;
            self.ids.insert(room, id);
        }
        self.disturb().await;
    }

    /// The name of a room in its alias at this time.
    pub fn name(&self, room: &str) -> String {
        self.name_in(room, self.cycle)
    }

    fn name_in(&self, room: &str, cycle: usize) -> String {
        if CHANGING.contains(&room) { format!("{room}{cycle}") } else { room.to_owned() }
    }

    /// What the ID of a room has between its first character and the server's name; nothing has that before it is created.
    pub fn id(&self, room: &str) -> String {
        let id = self.ids.get(room).map_or("not created", String::as_str);
        id.trim_start_matches('!').split(':').next().unwrap_or_default().to_owned()
    }

    fn local(&self, room: &str) -> String {
        self.scene.alias(room)[1..].split(':').next().unwrap().to_owned()
    }

    fn write_rooms(&self) {
        let mut text = String::new();
        for room in rooms() {
            let members: &[&str] = if room == "join" { &["alice", "founder"] } else { &["alice"] };
            let members: Vec<String> = members.iter().map(|name| self.scene.uid(name)).collect();
            let moderators = if matches!(room, "levels" | "fresh") { &members[..1] } else { &[] };
            let id = if room == "fresh" { self.name(room) } else { room.to_owned() };
            let alias = self.scene.alias(&self.name(room));
            let _ = writeln!(
                text,
                "[[rooms]]\nalias = {alias:?}\nid = {id:?}\nmembers = {members:?}\nmoderators = {moderators:?}"
            );
        }
        self.inviter.file("rooms.toml", &text);
    }

    /// Undoes what was done, so that it is to be done again.
    pub async fn disturb(&mut self) {
        let (me, ids) = (&self.scene.me, &self.ids);
        let (alice, bob) = (self.scene.user("alice"), self.scene.user("bob"));
        self.disturb_calm().await;
        me.kick(&ids["invite"], &alice).await;
        me.invite(&ids["kick"], &bob).await;
        let mut levels = me.power_levels(&ids["levels"]).await;
        levels["users"].as_object_mut().unwrap().remove(&alice);
        for (room, kind, key, content) in [
            ("levels", "m.room.power_levels", "", levels),
            ("history", "m.room.history_visibility", "", json!({ "history_visibility": "shared" })),
            ("name", "m.room.name", "", json!({ "name": "Other" })),
            ("topic", "m.room.topic", "", json!({ "topic": "Other" })),
            ("mark", "dev.inviter.managed", me.user_id.as_str(), json!({})),
            ("limited", "m.room.join_rules", "", json!({ "join_rule": "invite" })),
            ("parent", "m.space.parent", &ids[SPACE], json!({})),
            (SPACE, "m.space.child", &ids["child"], json!({})),
        ] {
            me.put_state(&ids[room], kind, key, content).await;
        }
        let listed = format!("/_matrix/client/v3/directory/list/room/{}", encode(&ids["listed"]));
        me.ok("PUT", &listed, Some(&json!({ "visibility": "private" }))).await;
        me.leave(&ids["join"]).await;
        self.people["founder"].invite(&ids["join"], &me.user_id).await;
        let fresh = self.scene.room(&self.name("fresh")).await;
        me.leave(&fresh).await;
        for room in ["half", "late"] {
            let alias = self.alias_path(room, self.cycle + 1);
            me.ok("PUT", &alias, Some(&json!({ "room_id": ids[room] }))).await;
        }
        me.ok("DELETE", &self.alias_path("late", self.cycle), None).await;
        self.cycle += 1;
        self.write_rooms();
        self.scene.recorder.clear();
    }

    /// The same in the room that no fault concerns.
    pub async fn disturb_calm(&self) {
        if self.scene.roster(CALM).await != Vec::<String>::new() {
            self.scene.me.kick(&self.ids[CALM], &self.scene.user("alice")).await;
        }
    }

    fn alias_path(&self, room: &str, cycle: usize) -> String {
        let alias = self.scene.alias(&self.name_in(room, cycle));
        format!("/_matrix/client/v3/directory/room/{}", encode(&alias))
    }

    /// What is to be done, by the alias of the room.
    pub async fn plan(&self) -> BTreeMap<String, Value> {
        plans(&run(&self.inviter, &["--format", "json", "sync", "--kick", "--dry-run"]).await.success())
    }

    /// Runs with a fault at the requests that are chosen; the requests that it hit, and the outcome.
    pub async fn run_with(
        &self,
        fault: &Fault,
        more: &[&str],
        chosen: impl Fn(&Recorded) -> bool + Send + Sync + 'static,
    ) -> (BTreeSet<String>, Outcome) {
        let more: Vec<String> = more.iter().map(ToString::to_string).collect();
        self.run_with_more(fault, &more, move |request| if chosen(request) { None } else { Some(Action::Forward) })
            .await
    }

    /// The same with other things done to the requests that are not chosen.
    pub async fn run_with_more(
        &self,
        fault: &Fault,
        more: &[String],
        otherwise: impl Fn(&Recorded) -> Option<Action> + Send + Sync + 'static,
    ) -> (BTreeSet<String>, Outcome) {
        let hit = Arc::new(Mutex::new(BTreeSet::new()));
        let (seen, once, action) = (Arc::clone(&hit), fault.once, fault.action.clone());
        self.scene.recorder.on_request(move |_, request| {
            if let Some(other) = otherwise(request) {
                return other;
            }
            let is_new = seen.lock().unwrap().insert(format!("{} {}", request.method, request.path));
            if is_new || !once { action.clone() } else { Action::Forward }
        });
        // A short limit, only where it is what ends the run: the homeserver may have more to do than this.
        let config = std::fs::read_to_string(self.inviter.folder().join("inviter.toml")).unwrap();
        if fault.name == "dripping" {
            self.inviter.file("inviter.toml", &config.replace("\"100s\"", &format!("{TIMEOUT:?}")));
        }
        if fault.means == Means::Moment {
            self.inviter.file("inviter.toml", &config.replace(&format!("{PATIENCE:?}"), "\"1m\""));
        }
        let mut arguments = vec!["--format", "json", "-vv", "sync", "--kick"];
        arguments.extend(more.iter().map(String::as_str));
        let outcome = run(&self.inviter, &arguments).await;
        self.inviter.file("inviter.toml", &config);
        self.scene.recorder.come_back().await;
        self.scene.recorder.forward_all();
        for output in [&outcome.stdout, &outcome.stderr] {
            assert!(!output.contains(&self.scene.me.access_token), "{}: a secret\n{outcome}", fault.name);
            assert!(!output.contains("panicked"), "{}\n{outcome}", fault.name);
        }
        assert!(self.elsewhere.accept().is_err(), "{}: the redirect was followed", fault.name);
        let hit = hit.lock().unwrap().clone();
        (hit, outcome)
    }

    /// Every kind of fault in this world.
    pub fn faults(&self) -> Vec<Fault> {
        let elsewhere = format!("http://{}/", self.elsewhere.local_addr().unwrap());
        super::kinds::all(&elsewhere, &self.scene.me.access_token)
    }

    /// Normal runs, of which the last finds nothing to do.
    pub async fn converge(&self) {
        let first = run(&self.inviter, &["sync", "--kick"]).await.success();
        let mut last = first;
        for _ in 0..2 {
            if last.stdout.ends_with(": nothing to do.\n") {
                return;
            }
            last = run(&self.inviter, &["sync", "--kick"]).await.success();
        }
        assert!(last.stdout.ends_with(": nothing to do.\n"), "{last}");
    }

    /// What is wrong with the rooms, by the homeserver's own word.
    pub async fn wrongs(&self) -> Vec<String> {
        let (me, ids) = (&self.scene.me, &self.ids);
        let mut wrongs = Vec::new();
        let mut expect = |what: &str, is: Value, wanted: Value| {
            if is != wanted {
                wrongs.push(format!("{what}: {is} in place of {wanted}"));
            }
        };
        let fresh = self.name("fresh");
        let mut rooms: BTreeSet<String> = ids.values().cloned().collect();
        rooms.insert(self.scene.room(&fresh).await);
        let joined: BTreeSet<String> = me.joined_rooms().await.into_iter().collect();
        expect("rooms", json!(joined), json!(rooms));
        for room in ["half", "late", "moved"] {
            let (now, before) = (self.name(room), self.name_in(room, self.cycle.saturating_sub(1)));
            let now = self.scene.alias(&now);
            expect(room, json!(me.resolve_alias(&now).await), json!(ids[room]));
            if self.cycle > 0 {
                expect(&before, json!(me.resolve_alias(&self.scene.alias(&before)).await), Value::Null);
            }
            let main = me.state_event(&ids[room], "m.room.canonical_alias", "").await.unwrap_or_default();
            expect(room, main["alias"].clone(), json!(now));
        }
        for (room, roster) in [
            (fresh.as_str(), vec!["alice invite 50"]),
            ("levels", vec!["alice invite 50"]),
            ("invite", vec!["alice invite 0"]),
            ("kick", vec!["alice invite 0"]),
            (CALM, vec!["alice invite 0"]),
        ] {
            expect(room, json!(self.scene.roster(room).await), json!(roster));
        }
        let levels = me.power_levels(&ids["levels"]).await;
        expect("entries", levels["users"].clone(), json!({ self.scene.user("alice"): 50 }));
        for (room, kind, key, field, wanted) in [
            ("history", "m.room.history_visibility", "", "history_visibility", json!("joined")),
            ("name", "m.room.name", "", "name", json!("Wanted")),
            ("topic", "m.room.topic", "", "topic", json!("Wanted")),
            ("mark", "dev.inviter.managed", &me.user_id, "groups", json!([{ "idp": "people", "id": "mark" }])),
            ("limited", "m.room.join_rules", "", "join_rule", json!("restricted")),
            ("parent", "m.space.parent", &ids[SPACE], "canonical", json!(true)),
            (SPACE, "m.space.child", &ids["child"], "via", json!([self.scene.synapse.server_name()])),
        ] {
            let content = me.state_event(&ids[room], kind, key).await.unwrap_or_default();
            expect(kind, content[field].clone(), wanted);
        }
        wrongs
    }
}
