//! How long `inviter` takes on a real Synapse, against a client that sends nothing but the requests that there must be.
//!
//!     cargo build --release && cargo run --release --example bench_sync [plan|large|first|drift][=ROOMS]...
//!
//! Both do the same on the same homeserver, in turns, and the time of `inviter` includes the start of its process. Requests
//! are counted in a run of their own, since counting takes time.

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
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

#[path = "../tests/it/support/mod.rs"]
mod support;

use support::account::{Account, encode};
use support::inviter::Inviter;
use support::recorder::Recorder;
use support::synapse::{Synapse, python};

/// What `[matrix] concurrency` is by default.
const CONCURRENCY: usize = 16;
/// How many people there are on the homeserver.
const PEOPLE: usize = 200;
const MEMBERS: usize = 20;

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

    println!("| what | floor | `inviter` | ratio | requests: floor | `inviter` | per room |");
    println!("|---|---|---|---|---|---|---|");
    if let Some(only) = wants("plan") {
        for (rooms, times) in only.map_or(vec![(50, 9), (200, 7), (1000, 3)], |only| vec![(only, 5)]) {
            let bench = Bench::populated(&synapse, &format!("of{rooms}"), rooms, MEMBERS, PEOPLE).await;
            bench.plan(&format!("nothing to do: {rooms} rooms of {MEMBERS}"), times).await;
        }
    }
    if let Some(only) = wants("large") {
        let people = only.unwrap_or(5000);
        let bench = Bench::populated(&synapse, "large", 1, people, people).await;
        bench.plan(&format!("nothing to do: one room of {people}"), 9).await;
    }
    if let Some(only) = wants("first") {
        first(&synapse, only.unwrap_or(100), 3).await;
    }
    if let Some(only) = wants("drift") {
        let mut bench = Bench::populated(&synapse, "drift", only.unwrap_or(1000), MEMBERS, PEOPLE).await;
        bench.drift(3).await;
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
        for _ in 0..times {
            floor.push(self.read(&self.synapse.url()).await.0);
            let outcome = inviter.run(&["sync"]).await.success();
            assert!(outcome.stdout.contains("nothing to do"), "{outcome}");
            ours.push(outcome.duration);
        }
        let recorder = Recorder::start(&self.synapse.url()).await;
        self.read(&recorder.url()).await;
        let at_least = recorder.requests().len();
        recorder.clear();
        self.inviter(&recorder.url(), &self.file()).run(&["sync"]).await.success();
        line(what, floor, ours, (at_least, recorder.requests().len()), self.rooms.len());
    }

    /// Fetches what a plan needs.
    async fn read(&self, url: &str) -> (Duration, Vec<(usize, String)>) {
        let started = Instant::now();
        let floor = Floor::new(url, &self.me);
        floor.get("account/whoami").await;
        floor.get("joined_rooms").await;
        let floor = &floor;
        let rooms = stream::iter(0..self.rooms.len()).map(async |room| {
            let id = floor.room(&self.alias(room)).await;
            floor.get(&format!("rooms/{id}/state")).await;
            (room, id)
        });
        let mut rooms: Vec<_> = rooms.buffer_unordered(CONCURRENCY).collect().await;
        rooms.sort_unstable();
        (started.elapsed(), rooms)
    }

    /// In every tenth room one of twenty people goes and another comes: 1 % of all memberships change.
    fn exchange(&mut self, first: usize) -> Vec<(usize, usize, usize)> {
        let mut changes = Vec::new();
        for room in (first..self.rooms.len()).step_by(10) {
            let people = &mut self.rooms[room];
            let new = (0..PEOPLE).find(|person| !people.contains(person) && *person % 7 == first % 7).expect("many");
            changes.push((room, std::mem::replace(&mut people[first % MEMBERS], new), new));
        }
        changes
    }

    async fn drift(&mut self, times: usize) {
        let (mut floor, mut ours) = (Vec::new(), Vec::new());
        let kicks = ["sync", "--kick", "--allow-kicks", "1000"];
        for at in 0..times {
            let changes = self.exchange(3 * at);
            let (reading, ids) = self.read(&self.synapse.url()).await;
            floor.push(reading + self.write(&self.synapse.url(), &ids, changes).await);
            self.exchange(3 * at + 1);
            let outcome = self.inviter(&self.synapse.url(), &self.file()).run(&kicks).await.success();
            assert!(!outcome.stdout.contains("nothing to do"), "{outcome}");
            ours.push(outcome.duration);
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
            floor,
            ours,
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

    /// Makes all rooms, each by one request that carries everything.
    async fn create(&self, url: &str) -> Duration {
        let started = Instant::now();
        let floor = Floor::new(url, &self.me);
        stream::iter(0..self.rooms.len())
            .for_each_concurrent(CONCURRENCY, async |room| {
                let alias = self.alias(room);
                let invite: Vec<String> = self.rooms[room].iter().map(|person| self.user(*person)).collect();
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
                floor.post("createRoom", &body).await;
            })
            .await;
        started.elapsed()
    }
}

async fn first(synapse: &Synapse, rooms: usize, times: usize) {
    let (mut floor, mut ours) = (Vec::new(), Vec::new());
    for at in 0..times {
        let bench = Bench::wanted(synapse, &format!("floor{at}x"), rooms, MEMBERS, PEOPLE).await;
        floor.push(bench.create(&synapse.url()).await);
        let bench = Bench::wanted(synapse, &format!("first{at}x"), rooms, MEMBERS, PEOPLE).await;
        ours.push(bench.inviter(&synapse.url(), &bench.file()).run(&["sync"]).await.success().duration);
    }
    let recorder = Recorder::start(&synapse.url()).await;
    let bench = Bench::wanted(synapse, "counted", rooms, MEMBERS, PEOPLE).await;
    bench.inviter(&recorder.url(), &bench.file()).run(&["sync"]).await.success();
    line(&format!("first sync: {rooms} rooms of {MEMBERS}"), floor, ours, (rooms, recorder.requests().len()), rooms);
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

    async fn post(&self, path: &str, body: &Value) {
        self.send(self.client.post(format!("{}/{path}", self.url)).json(body)).await;
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

fn line(what: &str, floor: Vec<Duration>, ours: Vec<Duration>, requests: (usize, usize), rooms: usize) {
    let (floor, ours) = (median(floor), median(ours));
    println!(
        "| {what} | {floor:.2?} | {ours:.2?} | {:.2} | {} | {} | {:.2} |",
        ours.as_secs_f64() / floor.as_secs_f64(),
        requests.0,
        requests.1,
        requests.1 as f64 / rooms as f64
    );
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
