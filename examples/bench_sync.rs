//! How long `inviter` takes on a real Synapse, against a client that sends nothing but the requests that there must be.
//!
//!     cargo build --release && cargo run --release --example bench_sync [plan|large|first|drift|carry|sliding][=ROOMS]...
//!
//! Both do the same on the same homeserver, after one round that does not count, and in each further round the other one
//! goes first. The time of `inviter` includes the start of its process. Requests are counted in a run of their own, since
//! counting takes time. `carry` and `sliding` compare ways to make rooms and to read them, and run only if asked for.

#![allow(
    unreachable_pub,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unused_self,
    clippy::unwrap_used,
    reason = "a measurement that cannot go on panics, and prints its figures"
)]

use std::fmt::Write as _;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[path = "../tests/it/support/mod.rs"]
mod support;

use support::account::{Account, encode};
use support::inviter::Inviter;
use support::recorder::Recorder;
use support::synapse::{Synapse, python};

/// What `[matrix] concurrency` is by default.
const CONCURRENCY: usize = 16;
/// How many rooms `inviter` creates side by side.
const CREATIONS: usize = 4;
/// After so much time no further round of first runs begins.
const PATIENCE: Duration = Duration::from_mins(7);
/// How many people there are on the homeserver.
const PEOPLE: usize = 200;
const MEMBERS: usize = 20;
/// How many invitations go at once, and how often one goes after that: Synapse lets 10 events and then one in 5 s pass
/// (`rc_message`), and the creations count as well.
const BURST: usize = 7;
const PACE: Duration = Duration::from_millis(5100);

#[tokio::main]
async fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    // What is wanted, and how many rooms if that is given; for the large room how many people.
    let wants = |name: &str| {
        let given = wanted.iter().find_map(|given| given.strip_prefix(name));
        let rooms = given.and_then(|given| given.strip_prefix('=')).map(|rooms| rooms.parse().expect("a number"));
        (wanted.is_empty() || given.is_some()).then_some(rooms)
    };
    let synapse = Synapse::start(support::synapse::Options::default());
    let names: Vec<String> = (0..PEOPLE).map(|number| format!("person{number}")).collect();
    synapse.register_many(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;

    if wanted.iter().any(|given| given.starts_with("carry")) {
        return carry(&synapse).await;
    }
    if wanted.iter().any(|given| given.starts_with("sliding")) {
        let bench =
            Bench::populated(&synapse, "sliding", wants("sliding").flatten().unwrap_or(200), MEMBERS, PEOPLE).await;
        return bench.sliding().await;
    }
    println!("| what | floor | `inviter` | ratio | of the least | requests: floor | `inviter` | per room |");
    println!("|---|---|---|---|---|---|---|---|");
    if let Some(only) = wants("plan") {
        for (rooms, times) in only.map_or(vec![(50, 21), (200, 11), (1000, 9)], |only| vec![(only, 11)]) {
            let bench = Bench::populated(&synapse, &format!("of{rooms}"), rooms, MEMBERS, PEOPLE).await;
            bench.plan(&format!("nothing to do: {rooms} rooms of {MEMBERS}"), times).await;
        }
    }
    if let Some(only) = wants("large") {
        let people = only.unwrap_or(5000);
        let bench = Bench::populated(&synapse, "large", 1, people, people).await;
        bench.plan(&format!("nothing to do: one room of {people}"), 21).await;
    }
    if let Some(only) = wants("first") {
        first(&synapse, only.unwrap_or(100), 5).await;
    }
    if let Some(only) = wants("drift") {
        let mut bench = Bench::populated(&synapse, "drift", only.unwrap_or(1000), MEMBERS, PEOPLE).await;
        bench.drift(7).await;
    }
}

/// Rooms of one account on the homeserver.
struct Bench<'a> {
    synapse: &'a Synapse,
    me: Account,
    name: String,
    /// The people of each room, by number.
    rooms: Vec<Vec<usize>>,
}

impl<'a> Bench<'a> {
    /// Rooms that do not exist yet.
    async fn wanted(synapse: &'a Synapse, name: &str, rooms: usize, members: usize, people: usize) -> Self {
        let me = synapse.register(&format!("{name}-inviter")).await;
        let rooms = (0..rooms).map(|room| (0..members).map(|at| (room * members + at) % people).collect()).collect();
        Self { synapse, me, name: name.to_owned(), rooms }
    }

    /// Rooms in which everybody is joined. They are copies, in the database, of one that `inviter` makes.
    async fn populated(synapse: &'a Synapse, name: &str, rooms: usize, members: usize, people: usize) -> Self {
        let bench = Self::wanted(synapse, name, rooms, members, people).await;
        let alias = format!("#{name}room:{}", synapse.server_name());
        bench.inviter(&synapse.url(), &format!("[[rooms]]\nalias = {alias:?}\n")).run(&["sync"]).await.success();
        let room = bench.me.resolve_alias(&alias).await.expect("it was made");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/populate_synapse.py");
        let numbers = [rooms, members, people].map(|number| number.to_string());
        let status = Command::new(python())
            .arg(script)
            .arg(synapse.database())
            .args([&room, &format!("{name}room")])
            .args(numbers)
            .status()
            .expect("it starts");
        assert!(status.success(), "the database was not filled");
        // Synapse remembers which rooms the account is in, until that changes.
        bench.me.leave(&room).await;
        bench
    }

    fn alias(&self, room: usize) -> String {
        format!("#{}room{room}:{}", self.name, self.synapse.server_name())
    }

    fn user(&self, person: usize) -> String {
        format!("@person{person}:{}", self.synapse.server_name())
    }

    fn file(&self) -> String {
        let mut file = String::new();
        for (room, people) in self.rooms.iter().enumerate() {
            let people: Vec<String> = people.iter().map(|person| format!("person{person}")).collect();
            let _ = writeln!(file, "[[rooms]]\nalias = {:?}\nmembers = {people:?}", self.alias(room));
        }
        file
    }

    fn inviter(&self, url: &str, file: &str) -> Inviter {
        let inviter = Inviter::new(&format!(
            "[matrix]\nhomeserver = {url:?}\nallow_plaintext = true\naccess_token = {:?}\n\
             [[idp]]\nname = \"people\"\ntype = \"file\"\nmxid_homeserver = {:?}\npath = \"rooms.toml\"\n",
            self.me.access_token,
            self.synapse.server_name()
        ));
        inviter.file("rooms.toml", file);
        inviter.timeout(Duration::from_mins(10))
    }

    /// Runs with nothing to do.
    async fn plan(&self, what: &str, times: usize) {
        let inviter = self.inviter(&self.synapse.url(), &self.file());
        let (mut floor, mut ours) = (Vec::new(), Vec::new());
        for round in 0..=times {
            for is_floor in [round % 2 == 0, round % 2 == 1] {
                let took = if is_floor {
                    self.read(&self.synapse.url()).await.0
                } else {
                    let outcome = inviter.run(&["sync"]).await.success();
                    assert!(outcome.stdout.contains("nothing to do"), "{outcome}");
                    outcome.duration
                };
                if round > 0 {
                    if is_floor { &mut floor } else { &mut ours }.push(took);
                }
            }
        }
        let recorder = Recorder::start(&self.synapse.url()).await;
        self.read(&recorder.url()).await;
        let at_least = recorder.requests().len();
        recorder.clear();
        self.inviter(&recorder.url(), &self.file()).run(&["sync"]).await.success();
        line(what, &floor, &ours, (at_least, recorder.requests().len()), self.rooms.len());
    }

    /// Fetches what a plan needs, and takes from it what a plan takes.
    async fn read(&self, url: &str) -> (Duration, Vec<(usize, String)>) {
        let started = Instant::now();
        let floor = Floor::new(url, &self.me);
        floor.get("account/whoami").await;
        floor.get("joined_rooms").await;
        let floor = &floor;
        let rooms = stream::iter(0..self.rooms.len()).map(async |room| {
            let id = floor.room(&self.alias(room)).await;
            let members = understand(&floor.get(&format!("rooms/{id}/state")).await);
            assert!(members.len() > self.rooms[room].len());
            (room, id)
        });
        let mut rooms: Vec<_> = rooms.buffer_unordered(CONCURRENCY).collect().await;
        rooms.sort_unstable();
        (started.elapsed(), rooms)
    }

    /// In every tenth room one of twenty people goes and another comes: 1 % of all memberships change.
    fn exchange(&mut self, first: usize) -> Vec<(usize, usize, usize)> {
        let mut changes = Vec::new();
        for room in (first % 10..self.rooms.len()).step_by(10) {
            let people = &mut self.rooms[room];
            let new = (0..PEOPLE).find(|person| !people.contains(person) && *person % 7 == first % 7).expect("many");
            changes.push((room, std::mem::replace(&mut people[first % MEMBERS], new), new));
        }
        changes
    }

    async fn drift(&mut self, times: usize) {
        let (mut floor, mut ours) = (Vec::new(), Vec::new());
        let kicks = ["sync", "--kick", "--allow-kicks", "1000"];
        self.read(&self.synapse.url()).await;
        for at in 0..times {
            for is_floor in [at % 2 == 0, at % 2 == 1] {
                let changes = self.exchange(2 * at + usize::from(is_floor));
                if is_floor {
                    let (reading, ids) = self.read(&self.synapse.url()).await;
                    floor.push(reading + self.write(&self.synapse.url(), &ids, changes).await);
                } else {
                    let outcome = self.inviter(&self.synapse.url(), &self.file()).run(&kicks).await.success();
                    assert!(!outcome.stdout.contains("nothing to do"), "{outcome}");
                    ours.push(outcome.duration);
                }
            }
        }
        let recorder = Recorder::start(&self.synapse.url()).await;
        let changes = self.exchange(8);
        let (_, ids) = self.read(&recorder.url()).await;
        self.write(&recorder.url(), &ids, changes).await;
        let at_least = recorder.requests().len();
        recorder.clear();
        self.exchange(9);
        self.inviter(&recorder.url(), &self.file()).run(&kicks).await.success();
        let requests = (at_least, recorder.requests().len());
        line(
            &format!("1 % of memberships changed in {} rooms of {MEMBERS}", self.rooms.len()),
            &floor,
            &ours,
            requests,
            self.rooms.len(),
        );
    }

    async fn write(&self, url: &str, ids: &[(usize, String)], changes: Vec<(usize, usize, usize)>) -> Duration {
        let started = Instant::now();
        let floor = Floor::new(url, &self.me);
        stream::iter(changes)
            .for_each_concurrent(CONCURRENCY, async |(room, old, new)| {
                let id = &ids[room].1;
                floor.post(&format!("rooms/{id}/kick"), &json!({ "user_id": self.user(old) })).await;
                floor.post(&format!("rooms/{id}/invite"), &json!({ "user_id": self.user(new) })).await;
            })
            .await;
        started.elapsed()
    }

    /// Makes all rooms, each by one request, and invites the people by the same request or one by one; then not more often
    /// than this.
    async fn create(&self, carries: bool, pace: Duration) -> Duration {
        let started = Instant::now();
        let floor = Floor::new(&self.synapse.url(), &self.me);
        let alone = Mutex::new(Vec::new());
        stream::iter(0..self.rooms.len())
            .for_each_concurrent(CREATIONS, async |room| {
                let alias = self.alias(room);
                let people: Vec<String> = self.rooms[room].iter().map(|person| self.user(*person)).collect();
                let (invite, later) = if carries { (people, Vec::new()) } else { (Vec::new(), people) };
                let mark = json!({ "groups": [{ "idp": "people", "id": alias }] });
                let body = json!({
                    "room_alias_name": alias[1..].split(':').next(),
                    "name": alias,
                    "preset": "private_chat",
                    "invite": invite,
                    "initial_state": [
                        { "type": "dev.inviter.managed", "state_key": self.me.user_id, "content": mark },
                    ],
                });
                let answer = floor.post("createRoom", &body).await;
                let id = encode(answer["room_id"].as_str().expect("a room"));
                alone.lock().expect("no panic").extend(later.into_iter().map(|user| (id.clone(), user)));
            })
            .await;
        let alone = alone.into_inner().expect("no panic");
        stream::iter(alone.into_iter().enumerate())
            .for_each_concurrent(if pace.is_zero() { CONCURRENCY } else { 1 }, async |(at, (id, user))| {
                if at >= BURST {
                    tokio::time::sleep(pace).await;
                }
                floor.post(&format!("rooms/{id}/invite"), &json!({ "user_id": user })).await;
            })
            .await;
        started.elapsed()
    }

    /// Reads the same rooms by a request for each, and by one of simplified sliding sync for all (MSC4186); and looks their
    /// aliases up.
    async fn sliding(&self) {
        let floor = Floor::new(&self.synapse.url(), &self.me);
        let (_, ids) = self.read(&self.synapse.url()).await;
        let url = format!("{}/_matrix/client/unstable/org.matrix.simplified_msc3575/sync", self.synapse.url());
        let (mut aliases, mut single, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..9 {
            let started = Instant::now();
            stream::iter(0..ids.len())
                .for_each_concurrent(CONCURRENCY, async |room| {
                    floor.room(&self.alias(room)).await;
                })
                .await;
            aliases.push(started.elapsed());
            let started = Instant::now();
            stream::iter(&ids)
                .for_each_concurrent(CONCURRENCY, async |(_, id)| {
                    understand(&floor.get(&format!("rooms/{id}/state")).await);
                })
                .await;
            single.push(started.elapsed());
            let started = Instant::now();
            let list = json!({ "ranges": [[0, ids.len()]], "timeline_limit": 0, "required_state": [["*", "*"]] });
            let body = json!({ "conn_id": format!("{started:?}"), "lists": { "all": list } });
            let answer = floor.send(floor.client.post(&url).json(&body)).await;
            let answer: Value = serde_json::from_slice(&answer).expect("JSON");
            assert_eq!(answer["rooms"].as_object().map(Map::len), Some(ids.len()));
            whole.push(started.elapsed());
        }
        let rooms = ids.len();
        let [aliases, single, whole] = [aliases, single, whole].map(|times| median(&times));
        println!("{rooms} rooms: aliases {aliases:.2?}, state {single:.2?}; state by one request for all {whole:.2?}");
    }
}

async fn first(synapse: &Synapse, rooms: usize, times: usize) {
    let (mut floor, mut ours) = (Vec::new(), Vec::new());
    let began = Instant::now();
    Bench::wanted(synapse, "warm", 2, MEMBERS, PEOPLE).await.create(true, Duration::ZERO).await;
    for round in 0..times {
        for is_floor in [round % 2 == 0, round % 2 == 1] {
            let name = format!("{}{round}x", if is_floor { "floor" } else { "first" });
            let bench = Bench::wanted(synapse, &name, rooms, MEMBERS, PEOPLE).await;
            if is_floor {
                floor.push(bench.create(true, Duration::ZERO).await);
            } else {
                ours.push(bench.inviter(&synapse.url(), &bench.file()).run(&["sync"]).await.success().duration);
            }
        }
        if began.elapsed() > PATIENCE {
            break;
        }
    }
    let recorder = Recorder::start(&synapse.url()).await;
    // The creation carries all invitations, so that it does not matter how many they are.
    let bench = Bench::wanted(synapse, "counted", rooms, 2, PEOPLE).await;
    bench.inviter(&recorder.url(), &bench.file()).run(&["sync"]).await.success();
    line(&format!("first sync: {rooms} rooms of {MEMBERS}"), &floor, &ours, (rooms, recorder.requests().len()), rooms);
}

/// Inviting by the request that creates a room against inviting one by one, without limits and with Synapse's own.
async fn carry(synapse: &Synapse) {
    let rooms = |synapse, name, rooms, members| Bench::wanted(synapse, name, rooms, members, PEOPLE);
    rooms(synapse, "warm", 1, MEMBERS).await.create(true, Duration::ZERO).await;
    let carried = rooms(synapse, "carried", 4, MEMBERS).await.create(true, Duration::ZERO).await;
    let single = rooms(synapse, "single", 4, MEMBERS).await.create(false, Duration::ZERO).await;
    println!("4 rooms of {MEMBERS} without limits: carried {carried:.2?}, one by one {single:.2?}");

    let options =
        support::synapse::Options { rate_limits: support::synapse::RateLimits::Default, ..Default::default() };
    let limited = Synapse::start(options);
    let names: Vec<String> = (0..24).map(|number| format!("person{number}")).collect();
    limited.register_many(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let bench = rooms(&limited, "carried", 2, 12).await;
    let carried = bench.inviter(&limited.url(), &bench.file()).run(&["sync"]).await.success().duration;
    let single = rooms(&limited, "single", 2, 12).await.create(false, PACE).await;
    println!("2 rooms of 12 with Synapse's limits: `inviter` {carried:.2?}, one by one {single:.2?}");
}

/// What a plan needs of a room: who is in it, and what the other events say.
fn understand(state: &[u8]) -> BTreeMap<String, String> {
    #[derive(Deserialize)]
    struct Event {
        #[serde(rename = "type")]
        kind: String,
        state_key: String,
        #[expect(dead_code, reason = "a plan looks at it")]
        sender: String,
        content: Map<String, Value>,
    }
    let events: Vec<Event> = serde_json::from_slice(state).expect("a state");
    let members = events.into_iter().filter(|event| event.kind == "m.room.member");
    members
        .map(|event| {
            let membership = event.content.get("membership").and_then(Value::as_str);
            (event.state_key, membership.unwrap_or_default().to_owned())
        })
        .collect()
}

/// A client that does nothing but send requests.
struct Floor {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl Floor {
    fn new(url: &str, me: &Account) -> Self {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
        Self { client, url: format!("{url}/_matrix/client/v3"), token: me.access_token.clone() }
    }

    async fn get(&self, path: &str) -> Vec<u8> {
        self.send(self.client.get(format!("{}/{path}", self.url))).await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.send(self.client.post(format!("{}/{path}", self.url)).json(body)).await;
        serde_json::from_slice(&answer).expect("JSON")
    }

    async fn room(&self, alias: &str) -> String {
        let answer = self.get(&format!("directory/room/{}", encode(alias))).await;
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        encode(answer["room_id"].as_str().expect("a room"))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Vec<u8> {
        let answer = request.bearer_auth(&self.token).send().await.expect("an answer");
        let status = answer.status();
        let body = answer.bytes().await.expect("a body").to_vec();
        assert!(status.is_success(), "{status} {}", String::from_utf8_lossy(&body));
        body
    }
}

fn line(what: &str, floor: &[Duration], ours: &[Duration], requests: (usize, usize), rooms: usize) {
    // Of the two runs of one round, which see the machine and the database in the same state.
    let mut ratios: Vec<f64> = ours.iter().zip(floor).map(|(ours, floor)| ours.div_duration_f64(*floor)).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    println!(
        "| {what} | {:.2?} | {:.2?} | {:.2} | {:.2} | {} | {} | {:.2} |",
        median(floor),
        median(ours),
        ratios[ratios.len() / 2],
        least(ours).div_duration_f64(least(floor)),
        requests.0,
        requests.1,
        requests.1 as f64 / rooms as f64
    );
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}

fn least(times: &[Duration]) -> Duration {
    times.iter().min().copied().unwrap_or_default()
}
