//! A homeserver where something of every kind is to be done, as often as it is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};

use serde_json::{Value, json};

use super::kinds::{Fault, PATIENCE, TIMEOUT};
use crate::support::account::{Account, encode};
use crate::support::inviter::{Inviter, Outcome};
use crate::support::recorder::{Action, Recorded};
use crate::sync::scene::{Scene, run};

/// What is to be done in each room: the room's name is that of the change.
pub const ROOMS: [&str; 12] =
    ["calm", "fresh", "history", "invite", "join", "kick", "levels", "linked", "listed", "mark", "moved", "name"];
/// Rooms that are there for the others.
const SPACE: &str = "space";
const REPORTS: &str = "reports";

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
        for (room, settings) in [
            ("history", "history_visibility = \"joined\"".to_owned()),
            ("name", "name = \"Wanted\"\ntopic = \"Wanted\"".to_owned()),
            ("listed", "directory = \"public\"".to_owned()),
            ("linked", format!("parent = {:?}\nrestricted = true", alias(SPACE))),
        ] {
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
        for room in ROOMS.into_iter().filter(|room| !matches!(*room, "fresh" | "moved")).chain([SPACE]) {
            let id = self.scene.room(room).await;
            self.ids.insert(room, id);
        }
        self.ids.insert("moved", self.scene.room(&format!("moved{}", self.cycle)).await);
        self.disturb().await;
    }

    /// The name of a room at this time: two have another one in each cycle.
    pub fn name(&self, room: &str) -> String {
        if matches!(room, "fresh" | "moved") { format!("{room}{}", self.cycle) } else { room.to_owned() }
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
        for room in ROOMS {
            let members: &[&str] = if room == "join" { &["alice", "founder"] } else { &["alice"] };
            let members: Vec<String> = members.iter().map(|name| self.scene.uid(name)).collect();
            let moderators = if matches!(room, "levels" | "fresh") { &members[..1] } else { &[] };
            let id = if room == "moved" { "moved".to_owned() } else { self.name(room) };
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
        me.kick(&ids["calm"], &alice).await;
        me.kick(&ids["invite"], &alice).await;
        me.invite(&ids["kick"], &bob).await;
        let mut levels = me.power_levels(&ids["levels"]).await;
        levels["users"].as_object_mut().unwrap().remove(&alice);
        me.put_state(&ids["levels"], "m.room.power_levels", "", levels).await;
        me.put_state(&ids["history"], "m.room.history_visibility", "", json!({ "history_visibility": "shared" })).await;
        me.put_state(&ids["name"], "m.room.name", "", json!({ "name": "Other" })).await;
        me.put_state(&ids["name"], "m.room.topic", "", json!({ "topic": "Other" })).await;
        me.put_state(&ids["mark"], "dev.inviter.managed", &me.user_id, json!({})).await;
        let listed = format!("/_matrix/client/v3/directory/list/room/{}", encode(&ids["listed"]));
        me.ok("PUT", &listed, Some(&json!({ "visibility": "private" }))).await;
        me.put_state(&ids["linked"], "m.room.join_rules", "", json!({ "join_rule": "invite" })).await;
        me.put_state(&ids["linked"], "m.space.parent", &ids[SPACE], json!({})).await;
        me.put_state(&ids[SPACE], "m.space.child", &ids["linked"], json!({})).await;
        me.leave(&ids["join"]).await;
        self.people["founder"].invite(&ids["join"], &me.user_id).await;
        let fresh = self.scene.room(&self.name("fresh")).await;
        me.leave(&fresh).await;
        self.cycle += 1;
        self.write_rooms();
        self.scene.recorder.clear();
    }

    /// Runs with a fault at the requests that are chosen; the number of requests that it hit, and the outcome.
    pub async fn run_with(
        &self,
        fault: &Fault,
        more: &[&str],
        chosen: impl Fn(&Recorded) -> bool + Send + Sync + 'static,
    ) -> (BTreeSet<String>, Outcome) {
        let hit = std::sync::Arc::new(std::sync::Mutex::new(BTreeSet::new()));
        let (seen, once, action) = (std::sync::Arc::clone(&hit), fault.once, fault.action.clone());
        self.scene.recorder.on_request(move |_, request| {
            if !chosen(request) {
                return Action::Forward;
            }
            let is_new = seen.lock().unwrap().insert(format!("{} {}", request.method, request.path));
            if is_new || !once { action.clone() } else { Action::Forward }
        });
        // A short limit, only where it is what ends the run: the homeserver may have more to do than this.
        let config = std::fs::read_to_string(self.inviter.folder().join("inviter.toml")).unwrap();
        if fault.name == "dripping" {
            self.inviter.file("inviter.toml", &config.replace("\"100s\"", &format!("{TIMEOUT:?}")));
        }
        let arguments = [&["--format", "json", "-vv", "sync", "--kick"], more].concat();
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
        let moved = self.scene.alias(&self.name("moved"));
        expect("moved", json!(me.resolve_alias(&moved).await), json!(ids["moved"]));
        let before = self.scene.alias(&format!("moved{}", self.cycle.saturating_sub(1)));
        if before != moved {
            expect("alias before", json!(me.resolve_alias(&before).await), Value::Null);
        }
        for (room, roster) in [
            (fresh.as_str(), vec!["alice invite 50"]),
            ("levels", vec!["alice invite 50"]),
            ("invite", vec!["alice invite 0"]),
            ("kick", vec!["alice invite 0"]),
            ("calm", vec!["alice invite 0"]),
        ] {
            expect(room, json!(self.scene.roster(room).await), json!(roster));
        }
        let levels = me.power_levels(&ids["levels"]).await;
        expect("entries", levels["users"].clone(), json!({ self.scene.user("alice"): 50 }));
        for (room, kind, key, field, wanted) in [
            ("moved", "m.room.canonical_alias", "", "alias", json!(moved)),
            ("history", "m.room.history_visibility", "", "history_visibility", json!("joined")),
            ("name", "m.room.name", "", "name", json!("Wanted")),
            ("name", "m.room.topic", "", "topic", json!("Wanted")),
            ("mark", "dev.inviter.managed", &me.user_id, "groups", json!([{ "idp": "people", "id": "mark" }])),
            ("linked", "m.room.join_rules", "", "join_rule", json!("restricted")),
            ("linked", "m.space.parent", &ids[SPACE], "canonical", json!(true)),
            (SPACE, "m.space.child", &ids["linked"], "via", json!([self.scene.synapse.server_name()])),
        ] {
            let content = me.state_event(&ids[room], kind, key).await.unwrap_or_default();
            expect(kind, content[field].clone(), wanted);
        }
        wrongs
    }
}
