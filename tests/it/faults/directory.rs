//! A directory that fails at each message of a run: nothing is written, and no group is ever smaller.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use futures_util::future::join_all;
use ldap3::asn1::parse_tag;
use tokio::net::TcpSocket;

use crate::support::inviter::Inviter;
use crate::support::slapd::Slapd;
use crate::sync::scene::{Scene, run};

/// What befalls a message of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The connection ends before it.
    Closed,
    /// The connection is reset before it.
    Reset,
    /// The connection ends in its middle.
    Cut,
    /// Nothing comes any more.
    Stall,
    /// Bytes that are no message come in its place.
    Garbage,
    /// Its length is that of the universe.
    Endless,
    /// A result with this code comes in its place, if it is a result.
    Code(u8),
}

const FAULTS: [Fault; 14] = [
    Fault::Closed,
    Fault::Reset,
    Fault::Cut,
    Fault::Stall,
    Fault::Garbage,
    Fault::Endless,
    // operationsError, timeLimitExceeded, sizeLimitExceeded, adminLimitExceeded, busy, unavailable, and two that could
    // pass for success: referral and noSuchObject.
    Fault::Code(1),
    Fault::Code(3),
    Fault::Code(4),
    Fault::Code(11),
    Fault::Code(51),
    Fault::Code(52),
    Fault::Code(10),
    Fault::Code(32),
];

/// What is tried at each message whose like was before.
const AGAIN: [Fault; 3] = [Fault::Closed, Fault::Cut, Fault::Code(4)];
/// How many runs go side by side.
const LANES: usize = 4;
/// What the server says of itself is needed only to tell what it is and which controls it has, which many servers do not
/// show to everybody: whatever its result code is, it reads as saying nothing, and groups and people are read as from any
/// other server. The same goes for the entry at the base of people, by which it is seen whether people can be looked up by
/// the hundred.
const OF_ITSELF: [&str; 4] = ["itself", "end of itself", "the base", "end of the base"];

/// What the proxy shall do, and what it saw.
#[derive(Default)]
struct Plan {
    fault: Mutex<Option<(usize, Fault)>>,
    /// The kinds of the messages so far.
    messages: Mutex<Vec<&'static str>>,
    hit: AtomicBool,
}

/// The kind of a message that follows another: what it is, and whose.
fn kind_of(message: &[u8], before: Option<&'static str>) -> &'static str {
    let at = |part: &str| message.windows(part.len()).position(|it| it == part.as_bytes());
    match (operation(message).1, before) {
        (0x61, _) => "bind",
        (0x65, Some("group")) => "end of groups",
        (0x65, Some("person")) => "end of people",
        (0x65, Some("itself")) => "end of itself",
        (0x65, Some("the base")) => "end of the base",
        (0x65, _) => "end of nothing",
        // The name comes first; members come after it.
        _ => match (at("ou=groups"), at("ou=people")) {
            (None, None) => "itself",
            (Some(group), Some(person)) if group < person => "group",
            (Some(_), None) => "group",
            (None, Some(_)) if at("uid=").is_none() => "the base",
            _ => "person",
        },
    }
}

/// Where the operation of a message begins, and its tag: before come 0x30 length, and 0x02 length id.
fn operation(message: &[u8]) -> (usize, u8) {
    let id_at = if message[1] < 128 { 2 } else { 2 + usize::from(message[1] & 0x7f) };
    let operation = id_at + 2 + usize::from(message[id_at + 1]);
    (operation, message[operation])
}

/// A proxy in front of a directory that looks at each message of it.
struct Proxy {
    port: u16,
    plan: Arc<Plan>,
}

impl Proxy {
    fn start(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Arc::new(Plan::default());
        let shared = Arc::clone(&plan);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (shared, to) = (Arc::clone(&shared), to.clone());
                thread::spawn(move || {
                    let server = TcpStream::connect(to).unwrap();
                    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    thread::spawn(move || {
                        let _ = std::io::copy(&mut from_client, &mut to_server);
                        let _ = to_server.shutdown(Shutdown::Both);
                    });
                    if shared.pass_on(server, &client) == Some(Fault::Reset) {
                        reset(&client);
                    } else {
                        let _ = client.shutdown(Shutdown::Both);
                    }
                });
            }
        });
        Self { port, plan }
    }

    /// Passes everything on, but for a fault at the message of this number.
    fn set(&self, fault: Option<(usize, Fault)>) {
        *self.plan.fault.lock().unwrap() = fault;
        self.plan.messages.lock().unwrap().clear();
        self.plan.hit.store(false, Ordering::SeqCst);
    }

    fn messages(&self) -> Vec<&'static str> {
        self.plan.messages.lock().unwrap().clone()
    }

    fn was_hit(&self) -> bool {
        self.plan.hit.load(Ordering::SeqCst)
    }
}

impl Plan {
    /// Passes messages on until the connection ends, by a fault perhaps.
    fn pass_on(&self, mut server: TcpStream, mut client: &TcpStream) -> Option<Fault> {
        let mut buffer = Vec::new();
        let mut chunk = vec![0; 65536];
        loop {
            while let Ok((rest, _)) = parse_tag(&buffer) {
                let length = buffer.len() - rest.len();
                let message: Vec<u8> = buffer.drain(..length).collect();
                let number = {
                    let mut messages = self.messages.lock().unwrap();
                    let kind = kind_of(&message, messages.last().copied());
                    messages.push(kind);
                    messages.len() - 1
                };
                let fault = self.fault.lock().unwrap().filter(|(at, _)| *at == number).map(|(_, fault)| fault);
                let sent = match fault {
                    None => message,
                    Some(fault) => match self.spoil(fault, &message, client) {
                        Some(bytes) => bytes,
                        None => return Some(fault),
                    },
                };
                if client.write_all(&sent).is_err() || fault == Some(Fault::Cut) {
                    return fault;
                }
            }
            match server.read(&mut chunk) {
                Ok(length) if length > 0 => buffer.extend(&chunk[..length]),
                _ => return None,
            }
        }
    }

    /// What comes in place of a message; nothing if the connection ends.
    fn spoil(&self, fault: Fault, message: &[u8], client: &TcpStream) -> Option<Vec<u8>> {
        if !matches!(fault, Fault::Code(_)) {
            self.hit.store(true, Ordering::SeqCst);
        }
        match fault {
            Fault::Closed | Fault::Reset => None,
            Fault::Cut => Some(message[..message.len() / 2].to_vec()),
            Fault::Stall => {
                // Until the client gives up: it has nothing more to say before that.
                let _ = client.peek(&mut [0; 1]);
                thread::sleep(std::time::Duration::from_secs(20));
                None
            }
            Fault::Garbage => Some(b"\x30\x0c\x02\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()),
            Fault::Endless => Some(b"\x30\x88\x7f\xff\xff\xff\xff\xff\xff\xff\x02".to_vec()),
            Fault::Code(code) => Some(self.with_code(code, message)),
        }
    }

    /// A bind's or search's result with another code, and without an entry of the next page.
    fn with_code(&self, code: u8, message: &[u8]) -> Vec<u8> {
        let (operation, tag) = operation(message);
        if !matches!(tag, 0x61 | 0x65) {
            return message.to_vec();
        }
        self.hit.store(true, Ordering::SeqCst);
        let id_at = if message[1] < 128 { 2 } else { 2 + usize::from(message[1] & 0x7f) };
        let id = &message[id_at..operation];
        let result = [message[operation], 7, 10, 1, code, 4, 0, 4, 0];
        let length = u8::try_from(id.len() + result.len()).unwrap();
        [&[0x30, length], id, &result].concat()
    }
}

/// Ends a connection with a reset: closed while nothing may linger.
fn reset(client: &TcpStream) {
    if let Ok(same) = client.try_clone() {
        let _ = TcpSocket::from_std_stream(same).set_zero_linger();
    }
    // Ends who reads from it, who holds it open as well; the client is told nothing by that.
    let _ = client.shutdown(Shutdown::Read);
}

/// The section of the directory behind a proxy.
fn section(scene: &Scene, slapd: &Slapd, name: &str, port: u16) -> String {
    let section = scene.directory_section(slapd);
    let plain = format!(
        "\"ldap://127.0.0.1:{port}\"\nallow_plaintext = true\noperation_timeout = \"2s\"\nconnect_timeout = \"2s\"\n\
         page_size = 2"
    );
    let (url, corp) = (format!("{:?}", slapd.ldaps_url()), "name = \"corp\"");
    assert!(section.contains(&url) && section.contains(corp));
    section.replace(&url, &plain).replace(corp, &format!("name = {name:?}"))
}

/// A directory with people and two groups, behind proxies.
struct Directory {
    scene: Scene,
    slapd: Slapd,
}

impl Directory {
    async fn new(prefix: &str) -> Self {
        let scene = Scene::new(prefix).await;
        scene.people(&["alice", "bob", "carol", "dave", "eve", "mallory"]).await;
        let slapd = scene.directory(&["alice", "bob", "carol", "dave"]);
        scene.add_group(&slapd, &scene.group("ops"), &["alice", "bob", "carol"]);
        scene.add_group(&slapd, &format!("{}_owners", scene.group("ops")), &["alice"]);
        Self { scene, slapd }
    }

    /// The program behind a proxy of its own, with more sections.
    fn inviter(&self, more: &str) -> (Inviter, Proxy) {
        let to = self.slapd.ldap_url().split_once("//").unwrap().1.replace("localhost", "127.0.0.1");
        let proxy = Proxy::start(to);
        let section = section(&self.scene, &self.slapd, "corp", proxy.port);
        (Inviter::new(&format!("{}{section}{more}", self.scene.matrix_section())), proxy)
    }

    /// A run with a fault at a message, if that can have it.
    async fn try_one(&self, inviter: &Inviter, proxy: &Proxy, number: usize, kind: &str, fault: Fault) -> bool {
        proxy.set(Some((number, fault)));
        let outcome = run(inviter, &["sync", "--kick"]).await;
        if !proxy.was_hit() {
            return false; // an entry has no result code
        }
        let what = format!("{fault:?} at message {number}, {kind}\n{outcome}");
        assert_eq!(self.scene.recorder.writes(), [], "{what}");
        // A group that came out smaller would have people to remove.
        let is_of_itself = OF_ITSELF.contains(&kind) && outcome.stdout == "1 room: nothing to do.\n";
        let is_told = outcome.stdout.is_empty() && outcome.stderr.contains("identity provider corp");
        assert_eq!(outcome.status, i32::from(!is_of_itself), "{what}");
        assert!(is_of_itself || is_told, "{what}");
        assert!(!outcome.stderr.contains("panicked") && !outcome.stderr.contains(self.slapd.password()), "{what}");
        true
    }
}

/// The first message of each kind.
fn first_of_each<'a>(kinds: &[&'a str]) -> BTreeMap<&'a str, usize> {
    kinds.iter().enumerate().rev().map(|(number, kind)| (*kind, number)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_a_message_of_the_directory_removes_nobody() {
    let directory = Directory::new("fdir").await;
    let scene = &directory.scene;
    let (inviter, proxy) = directory.inviter("");
    run(&inviter, &["sync"]).await.success();
    let kinds = proxy.messages();
    let first = first_of_each(&kinds);
    let expected = [
        "bind",
        "end of groups",
        "end of itself",
        "end of people",
        "end of the base",
        "group",
        "itself",
        "person",
        "the base",
    ];
    assert_eq!(first.keys().copied().collect::<Vec<_>>(), expected, "{kinds:?}");
    let before = scene.roster("ops").await;
    assert_eq!(before, ["alice invite 50", "bob invite 0", "carol invite 0"]);

    scene.recorder.clear();
    let faults: Vec<(usize, &str, Fault)> = kinds
        .iter()
        .enumerate()
        .flat_map(|(number, kind)| {
            let faults = if first[kind] == number { FAULTS.as_slice() } else { &AGAIN };
            faults.iter().map(move |fault| (number, *kind, *fault))
        })
        .collect();
    let lanes = (0..LANES).map(|lane| {
        let (directory, faults) = (&directory, &faults);
        async move {
            let (inviter, proxy) = directory.inviter("");
            let mut tried = 0;
            for (number, kind, fault) in faults.iter().skip(lane).step_by(LANES) {
                tried += usize::from(directory.try_one(&inviter, &proxy, *number, kind, *fault).await);
            }
            tried
        }
    });
    let tried: usize = join_all(lanes).await.iter().sum();
    proxy.set(None);
    run(&inviter, &["sync", "--kick"]).await.success();
    assert_eq!((scene.recorder.writes(), scene.roster("ops").await), (Vec::new(), before));
    println!("{tried} faults at {} messages of the directory: {tried} converged, 0 lost", kinds.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_message_of_one_of_two_directories_fails_the_other_adds_and_nobody_is_removed() {
    let directory = Directory::new("ftwo").await;
    let scene = &directory.scene;
    let (inviter, proxy) = directory.inviter(&format!(
        "[[idp]]\nname = \"people\"\ntype = \"file\"\nmxid_homeserver = {:?}\npath = \"rooms.toml\"\n\
         [policy]\nreinvite_after = \"0s\"\nmax_kicks = 1000\n",
        scene.synapse.server_name()
    ));
    scene.write_rooms(&inviter, &[("ops", &["dave"])]);
    run(&inviter, &["sync"]).await.success();
    let (room, eve) = (scene.room("ops").await, scene.user("eve"));
    scene.me.invite(&room, &scene.user("mallory")).await;
    scene.write_rooms(&inviter, &[("ops", &["dave", "eve"])]);
    let with_both = ["alice invite 50", "bob invite 0", "carol invite 0", "dave invite 0", "eve invite 0"];
    let kinds = proxy.messages();
    let first: Vec<(&str, usize)> =
        first_of_each(&kinds).into_iter().filter(|(kind, _)| !OF_ITSELF.contains(kind)).collect();
    for (at, (kind, number)) in first.iter().enumerate() {
        let is_end = *kind == "bind" || kind.starts_with("end");
        let fault = if is_end { Fault::Code(52) } else { [Fault::Reset, Fault::Cut][at % 2] };
        proxy.set(Some((*number, fault)));
        let outcome = run(&inviter, &["sync", "--kick"]).await.status(3);
        assert!(proxy.was_hit() && outcome.stdout.contains("problem: identity provider corp: "), "{kind}: {outcome}");
        let roster = scene.roster("ops").await;
        assert_eq!(roster, [&with_both[..], &["mallory invite 0"]].concat(), "{fault:?} at {kind}: {outcome}");
        scene.me.kick(&room, &eve).await;
    }
    proxy.set(None);
    run(&inviter, &["sync", "--kick"]).await.success();
    assert_eq!(scene.roster("ops").await, with_both);
    println!("{} faults at one of two directories: {} converged, 0 lost", first.len(), first.len());
}
