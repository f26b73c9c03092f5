//! A directory that fails at each message of a run: nothing is written, and no group is ever smaller.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use ldap3::asn1::parse_tag;

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

/// The last message of what the server says of itself: before come the answer to the bind and its entry.
const ROOT: usize = 2;

/// What the proxy shall do, and what it saw.
#[derive(Default)]
struct Plan {
    fault: Mutex<Option<(usize, Fault)>>,
    messages: AtomicUsize,
    hit: AtomicUsize,
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
                    shared.pass_on(server, &client);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port, plan }
    }

    /// Passes everything on, but for a fault at the message of this number.
    fn set(&self, fault: Option<(usize, Fault)>) {
        *self.plan.fault.lock().unwrap() = fault;
        self.plan.messages.store(0, Ordering::SeqCst);
        self.plan.hit.store(0, Ordering::SeqCst);
    }

    fn messages(&self) -> usize {
        self.plan.messages.load(Ordering::SeqCst)
    }

    fn was_hit(&self) -> bool {
        self.plan.hit.load(Ordering::SeqCst) > 0
    }
}

impl Plan {
    fn pass_on(&self, mut server: TcpStream, mut client: &TcpStream) {
        let mut buffer = Vec::new();
        let mut chunk = vec![0; 65536];
        loop {
            while let Ok((rest, _)) = parse_tag(&buffer) {
                let length = buffer.len() - rest.len();
                let message: Vec<u8> = buffer.drain(..length).collect();
                let number = self.messages.fetch_add(1, Ordering::SeqCst);
                let fault = self.fault.lock().unwrap().filter(|(at, _)| *at == number).map(|(_, fault)| fault);
                let sent = match fault {
                    None => message,
                    Some(fault) => match self.spoil(fault, &message, client) {
                        Some(bytes) => bytes,
                        None => return,
                    },
                };
                if client.write_all(&sent).is_err() {
                    return;
                }
                if matches!(fault, Some(Fault::Cut)) {
                    return;
                }
            }
            match server.read(&mut chunk) {
                Ok(length) if length > 0 => buffer.extend(&chunk[..length]),
                _ => return,
            }
        }
    }

    /// What comes in place of a message; nothing if the connection ends.
    fn spoil(&self, fault: Fault, message: &[u8], client: &TcpStream) -> Option<Vec<u8>> {
        if !matches!(fault, Fault::Code(_)) {
            self.hit.store(1, Ordering::SeqCst);
        }
        match fault {
            Fault::Closed => None,
            Fault::Reset => {
                // What is left unread when a socket is closed makes it a reset.
                let _ = client.shutdown(Shutdown::Write);
                None
            }
            Fault::Cut => Some(message[..message.len() / 2].to_vec()),
            Fault::Stall => {
                let mut client = client;
                let _ = client.read(&mut [0; 1]);
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
        // Message: 0x30 length, 0x02 length id, then the operation.
        let id_at = if message[1] < 128 { 2 } else { 2 + usize::from(message[1] & 0x7f) };
        let operation = id_at + 2 + usize::from(message[id_at + 1]);
        if !matches!(message[operation], 0x61 | 0x65) {
            return message.to_vec();
        }
        self.hit.store(1, Ordering::SeqCst);
        let id = &message[id_at..operation];
        let result = [message[operation], 7, 10, 1, code, 4, 0, 4, 0];
        let length = u8::try_from(id.len() + result.len()).unwrap();
        [&[0x30, length], id, &result].concat()
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_a_message_of_the_directory_removes_nobody() {
    let scene = Scene::new("fdir").await;
    scene.people(&["alice", "bob", "carol", "dave"]).await;
    let slapd = scene.directory(&["alice", "bob", "carol", "dave"]);
    scene.add_group(&slapd, &scene.group("ops"), &["alice", "bob", "carol"]);
    scene.add_group(&slapd, &format!("{}_owners", scene.group("ops")), &["alice"]);
    let to = slapd.ldap_url().split_once("//").unwrap().1.replace("localhost", "127.0.0.1");
    let proxy = Proxy::start(to);
    let inviter = Inviter::new(&format!("{}{}", scene.matrix_section(), section(&scene, &slapd, "corp", proxy.port)));
    proxy.set(None);
    run(&inviter, &["sync"]).await.success();
    let messages = proxy.messages();
    let before = scene.roster("ops").await;
    assert_eq!(before, ["alice invite 50", "bob invite 0", "carol invite 0"]);

    scene.recorder.clear();
    let mut tried = 0;
    for number in 0..messages {
        for fault in FAULTS {
            if fault == Fault::Stall && number % 8 != 3 {
                continue; // each takes two seconds
            }
            proxy.set(Some((number, fault)));
            let outcome = run(&inviter, &["sync", "--kick"]).await;
            if !proxy.was_hit() {
                continue; // an entry has no result code
            }
            tried += 1;
            let what = format!("{fault:?} at message {number}\n{outcome}");
            assert_eq!(scene.recorder.writes(), [], "{what}");
            // What the server says of itself is not needed; a group that came out smaller would have people to remove.
            let is_of_itself = number <= ROOT && outcome.stdout == "1 room: nothing to do.\n";
            let is_told = outcome.stdout.is_empty() && outcome.stderr.contains("identity provider corp");
            assert_eq!(outcome.status, i32::from(!is_of_itself), "{what}");
            assert!(is_of_itself || is_told, "{what}");
            assert!(!outcome.stderr.contains("panicked") && !outcome.stderr.contains(slapd.password()), "{what}");
        }
    }
    proxy.set(None);
    run(&inviter, &["sync", "--kick"]).await.success();
    assert_eq!((scene.recorder.writes(), scene.roster("ops").await), (Vec::new(), before));
    println!("{tried} faults at {messages} messages of the directory: {tried} converged, 0 lost");
}
