//! A recording reverse proxy that can also fail on purpose.
//!
//! It works on the bytes of HTTP/1.1, so that paths are passed on as they were sent and a connection can end at
//! any point.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::{
    inviter::Victim,
    odd::{Odd, Socket},
    tls::Authority,
};

/// A request that went through the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The HTTP method.
    pub method: String,
    /// The path with its query, as it was sent.
    pub path: String,
    /// The body, usually JSON.
    pub body: String,
    /// The status that the homeserver answered, or the made-up one; none if it was not asked or is still at it.
    pub status: Option<u16>,
    /// When the request had arrived, counted from the start of the proxy.
    pub at: Duration,
}

impl Recorded {
    /// Whether the request may change something: anything other than GET, HEAD and OPTIONS.
    pub fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }
}

/// What the proxy does with a request.
#[derive(Debug, Clone, Default)]
pub enum Action {
    /// Pass it on, and the answer back.
    #[default]
    Forward,
    /// Close the connection; the homeserver never sees the request.
    DropBefore,
    /// Pass it on, wait for the whole answer, and close the connection without it.
    DropAfter,
    /// Answer in the homeserver's place.
    Answer {
        /// The status code.
        status: u16,
        /// Headers besides `Content-Type` (JSON) and `Content-Length`.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// Kill the program, then close the connection; the homeserver never sees the request.
    KillBefore(Victim),
    /// Pass it on, wait for the whole answer, kill the program, and close the connection.
    KillAfter(Victim),
    /// Wait before passing it on.
    Delay(Duration),
    /// Send the program a signal, like `TERM`, then wait before passing it on.
    Signal(Victim, &'static str, Duration),
    /// Answer as no homeserver should.
    Odd {
        /// Whether it is passed on before, and answered by the homeserver in vain.
        processed: bool,
        /// What is answered.
        answer: Odd,
    },
    /// Close the connection, and refuse new ones until [`Recorder::come_back`]; the homeserver never sees the request.
    GoAway,
}

type Hook = Arc<dyn Fn(usize, &Recorded) -> Action + Send + Sync>;

/// A reverse proxy in front of a homeserver; it stops when it is dropped.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    port: u16,
    authority: Option<TempDir>,
    accepting: Mutex<JoinHandle<()>>,
}

struct Shared {
    // Says that nobody is to be let in any more.
    away: Notify,
    // Says so to the connections that are kept open.
    closing: Notify,
    is_away: AtomicBool,
    connections: AtomicUsize,
    upstream: String,
    started: Instant,
    log: Mutex<Log>,
    hook: Mutex<Hook>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "proxy of {}", self.upstream)
    }
}

#[derive(Default)]
struct Log {
    requests: Vec<Recorded>,
    // How often the log was cleared, so that a late answer does not land on another request.
    generation: usize,
}

impl Recorder {
    /// Starts a proxy in front of an `http://host:port`, on the current runtime.
    pub async fn start(upstream: &str) -> Self {
        Self::start_with(upstream, None).await
    }

    /// Starts the same behind `https`, with a certificate of the test authority.
    pub async fn start_tls(upstream: &str) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        Authority::shared().write_into(folder.path());
        Self::start_with(upstream, Some(folder)).await
    }

    async fn start_with(upstream: &str, authority: Option<TempDir>) -> Self {
        let upstream = upstream
            .strip_prefix("http://")
            .unwrap_or_else(|| panic!("not an http URL: {upstream}"))
            .trim_end_matches('/')
            .to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a loopback port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            upstream,
            started: Instant::now(),
            log: Mutex::default(),
            hook: Mutex::new(Arc::new(|_, _| Action::Forward)),
            away: Notify::new(),
            closing: Notify::new(),
            is_away: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        });
        let acceptor = authority.as_ref().map(acceptor);
        let accepting = Mutex::new(tokio::spawn(accept(listener, acceptor, Arc::clone(&shared))));
        Self { shared, port, authority, accepting }
    }

    /// The base URL of the proxy, without a slash at the end.
    pub fn url(&self) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.port)
    }

    /// The certificate of the authority behind [`Recorder::start_tls`].
    pub fn ca_file(&self) -> PathBuf {
        let folder = self.authority.as_ref().expect("this proxy has no TLS");
        folder.path().join("ca.pem")
    }

    /// What was requested so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.shared.log).requests.clone()
    }

    /// How many connections there were so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// What was requested so far and may have changed something.
    pub fn writes(&self) -> Vec<Recorded> {
        let mut requests = self.requests();
        requests.retain(Recorded::is_write);
        requests
    }

    /// Forgets what was requested; the next request has the index 0.
    pub fn clear(&self) {
        let mut log = lock(&self.shared.log);
        log.requests.clear();
        log.generation += 1;
    }

    /// Decides about each request from now on, by its index since the last [`Recorder::clear`].
    pub fn on_request(&self, hook: impl Fn(usize, &Recorded) -> Action + Send + Sync + 'static) {
        *lock(&self.shared.hook) = Arc::new(hook);
    }

    /// Does something with the request of an index, and forwards the others.
    pub fn at_request(&self, index: usize, action: Action) {
        self.on_request(move |at, _| if at == index { action.clone() } else { Action::Forward });
    }

    /// Does something with the write of an index (writes alone are counted, from now on), and forwards the others.
    pub fn at_write(&self, index: usize, action: Action) {
        let seen = Mutex::new(0);
        self.on_request(move |_, request| {
            if !request.is_write() {
                return Action::Forward;
            }
            let mut seen = lock(&seen);
            *seen += 1;
            if *seen == index + 1 { action.clone() } else { Action::Forward }
        });
    }

    /// Forwards everything again.
    pub fn forward_all(&self) {
        self.on_request(|_, _| Action::Forward);
    }

    /// Lets connections in again after [`Action::GoAway`], at the same port.
    pub async fn come_back(&self) {
        if self.shared.is_away.swap(false, Ordering::SeqCst) {
            let listener = TcpListener::bind(("127.0.0.1", self.port)).await.expect("the port is still ours");
            let acceptor = self.authority.as_ref().map(acceptor);
            *lock(&self.accepting) = tokio::spawn(accept(listener, acceptor, Arc::clone(&self.shared)));
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        lock(&self.accepting).abort();
    }
}

impl Shared {
    fn record(&self, request: &Request) -> (Place, Recorded) {
        let recorded = Recorded {
            method: request.method.clone(),
            path: request.path.clone(),
            body: String::from_utf8_lossy(&request.body).into_owned(),
            status: None,
            at: self.started.elapsed(),
        };
        let mut log = lock(&self.log);
        log.requests.push(recorded.clone());
        let place = Place { generation: log.generation, index: log.requests.len() - 1 };
        (place, recorded)
    }

    fn set_status(&self, place: Place, status: u16) {
        let mut log = lock(&self.log);
        if log.generation == place.generation {
            log.requests[place.index].status = Some(status);
        }
    }

    async fn forward(&self, place: Place, request: &Request) -> io::Result<Answer> {
        let mut upstream = TcpStream::connect(&self.upstream).await?;
        upstream.write_all(&request.head).await?;
        upstream.write_all(&request.body).await?;
        let mut raw = Vec::new();
        upstream.read_to_end(&mut raw).await?;
        let answer = Answer::parse(&request.method, &raw)?;
        self.set_status(place, answer.status);
        Ok(answer)
    }
}

// Where a request stands in the log.
#[derive(Clone, Copy)]
struct Place {
    generation: usize,
    index: usize,
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.away.notified() => return,
        };
        let Ok((stream, _)) = accepted else { return };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(&shared);
        let acceptor = acceptor.clone();
        // Without the delay that saves packets, each answer arrives at once.
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            // A connection's end is the client's matter: it notices by itself.
            let _ = match acceptor {
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => serve(stream, &shared).await,
                    Err(error) => Err(error),
                },
                None => serve(stream, &shared).await,
            };
        });
    }
}

async fn serve(stream: impl Socket, shared: &Shared) -> io::Result<()> {
    let mut stream = BufStream::new(stream);
    loop {
        let request = tokio::select! {
            request = Request::read(&mut stream) => request?,
            () = shared.closing.notified() => return Ok(()),
        };
        let Some(request) = request else { break };
        if shared.is_away.load(Ordering::SeqCst) {
            return Ok(());
        }
        let (place, recorded) = shared.record(&request);
        let hook = Arc::clone(&lock(&shared.hook));
        let answer = match hook(place.index, &recorded) {
            Action::Forward => shared.forward(place, &request).await?,
            Action::Delay(duration) => {
                tokio::time::sleep(duration).await;
                shared.forward(place, &request).await?
            }
            Action::Signal(victim, name, duration) => {
                victim.signal(name);
                tokio::time::sleep(duration).await;
                shared.forward(place, &request).await?
            }
            Action::Answer { status, headers, body } => {
                shared.set_status(place, status);
                Answer::new(status, &headers, &body)
            }
            Action::Odd { processed, answer } => {
                let real = if processed { Some(shared.forward(place, &request).await?.raw) } else { None };
                return answer.send(&mut stream, real).await;
            }
            Action::GoAway => {
                shared.is_away.store(true, Ordering::SeqCst);
                shared.away.notify_one();
                shared.closing.notify_waiters();
                // Until the port is closed, so that the client's next attempt is refused.
                while TcpStream::connect(stream.get_ref().local_address()?).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                return Ok(());
            }
            Action::DropBefore => return Ok(()),
            Action::KillBefore(victim) => {
                victim.kill();
                return Ok(());
            }
            Action::DropAfter => {
                shared.forward(place, &request).await?;
                return Ok(());
            }
            Action::KillAfter(victim) => {
                shared.forward(place, &request).await?;
                victim.kill();
                return Ok(());
            }
        };
        stream.write_all(&answer.raw).await?;
        stream.flush().await?;
        if !answer.keep_alive {
            break;
        }
    }
    stream.shutdown().await
}

struct Request {
    method: String,
    path: String,
    // What goes to the homeserver: the head as it came, but for the connection's end.
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Request {
    // None at the end of the connection.
    async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        let mut raw = Vec::new();
        while !raw.ends_with(b"\r\n\r\n") {
            if stream.read_until(b'\n', &mut raw).await? == 0 {
                return Ok(None);
            }
        }
        let (first, headers) = split_head(&raw)?;
        let mut words = first.split(' ');
        let (method, path) = (words.next(), words.next());
        let length = header(&headers, "content-length").and_then(|length| length.parse().ok());
        assert!(header(&headers, "transfer-encoding").is_none(), "the recorder cannot read chunked requests: {first}");
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).await?;
        Ok(Some(Self {
            method: method.unwrap_or_default().to_owned(),
            path: path.unwrap_or_default().to_owned(),
            head: join_head(&first, &headers, Some("close")),
            body,
        }))
    }
}

struct Answer {
    status: u16,
    raw: Vec<u8>,
    keep_alive: bool,
}

impl Answer {
    fn new(status: u16, headers: &[(&'static str, String)], body: &str) -> Self {
        let mut lines = vec!["Content-Type: application/json".to_owned(), format!("Content-Length: {}", body.len())];
        lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
        let mut raw = join_head(&format!("HTTP/1.1 {status} Made up"), &lines, None);
        raw.extend(body.as_bytes());
        Self { status, raw, keep_alive: true }
    }

    fn parse(method: &str, raw: &[u8]) -> io::Result<Self> {
        let end = raw.windows(4).position(|window| window == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let (head, body) = raw.split_at(end + 4);
        let (first, headers) = split_head(head)?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        // The homeserver closed its connection, but ours may stay where the length is known without that.
        let keep_alive = header(&headers, "content-length").is_some()
            || header(&headers, "transfer-encoding").is_some()
            || matches!(status, 204 | 304)
            || method == "HEAD";
        let connection = if keep_alive { None } else { Some("close") };
        let mut raw = join_head(&first, &headers, connection);
        raw.extend(body);
        Ok(Self { status, raw, keep_alive })
    }
}

fn split_head(raw: &[u8]) -> io::Result<(String, Vec<String>)> {
    let text = str::from_utf8(raw).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    Ok((first, lines.map(str::to_owned).collect()))
}

fn join_head(first: &str, headers: &[String], connection: Option<&str>) -> Vec<u8> {
    let kept = headers.iter().filter(|line| header(std::slice::from_ref(*line), "connection").is_none());
    let connection = connection.map(|value| format!("Connection: {value}"));
    let mut head = first.to_owned();
    for line in kept.chain(&connection) {
        head.push_str("\r\n");
        head.push_str(line);
    }
    head.push_str("\r\n\r\n");
    head.into_bytes()
}

fn header<'a>(headers: &'a [String], name: &str) -> Option<&'a str> {
    headers.iter().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn acceptor(folder: &TempDir) -> TlsAcceptor {
    let file = |name: &str| folder.path().join(name);
    let certificate = CertificateDer::from_pem_file(file("server.pem")).expect("a certificate was written");
    let key = PrivateKeyDer::from_pem_file(file("server.key")).expect("a key was written");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has the protocols")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key belongs to the certificate");
    TlsAcceptor::from(Arc::new(config))
}

// A hook that panicked has failed its test already; the others go on.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
