//! Child servers that end with the test process, however that ends.

use std::{
    fs,
    io::Read as _,
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

// The shell waits for the server, and its reader for the end of our pipe, which the kernel closes even after
// a SIGKILL. The server must not hold the pipe, so it gets no descriptor 3. A server that ended by itself has given
// its process ID back, so the reader must not kill by it any more.
const SCRIPT: &str = r#"
folder=$1
shift
exec 3<&0
"$@" 3<&- </dev/null >>"$folder/log" 2>&1 &
server=$!
echo "$server" >"$folder/pid"
{ cat <&3; kill -9 "$server"; } >/dev/null 2>&1 &
reader=$!
wait "$server"
kill "$reader"
: >"$folder/ended"
cat <&3 >/dev/null
rm -rf "$folder"
"#;

/// A server in a folder of its own; both are gone when this is dropped or the process ends.
#[derive(Debug)]
pub struct Watchdog {
    shell: Child,
    folder: PathBuf,
    name: &'static str,
}

impl Watchdog {
    /// Starts a server, whose folder the watchdog takes over.
    pub fn start(name: &'static str, folder: PathBuf, command: &[&str]) -> Self {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "watchdog"])
            .arg(&folder)
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in the terminal reaches the tests; the pipe then reaches the server.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start a shell for {name}: {error}"));
        Self {
            shell,
            folder,
            name,
        }
    }

    /// The folder of the server, with its `log` and its `pid`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until the server answers, and panics with the end of its log if it does not.
    pub fn wait_until(&self, ready: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_mins(1);
        let reason = loop {
            // Asked first: another server may answer on the port that ours did not get.
            let answers = ready();
            if self.folder.join("ended").exists() {
                break "it ended";
            }
            if answers {
                return;
            }
            if Instant::now() > deadline {
                break "it did not answer within a minute";
            }
            thread::sleep(Duration::from_millis(20));
        };
        panic!("{} did not start: {reason}. {}", self.name, self.log());
    }

    /// The last lines that the server wrote.
    pub fn log(&self) -> String {
        let text = fs::read(self.folder.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(30)..];
        format!("The end of its log:\n{}", last.join("\n"))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // Wait, so that the port and the folder are free afterwards.
        let _ = self.shell.wait();
    }
}

/// A folder that is handed to a watchdog, which removes it.
pub fn server_folder(name: &str) -> PathBuf {
    tempfile::Builder::new()
        .prefix(&format!("inviter-{name}-"))
        .tempdir()
        .expect("the temporary folder is writable")
        .keep()
}

/// A free port of the loopback address, which no outgoing connection takes in the meantime.
pub fn free_port() -> u16 {
    // Below the range from which the kernel picks; each process begins at a place of its own.
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % u32::from(COUNT / 100)).unwrap_or(0) * 100;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}

/// The status of a plain HTTP GET, for probes that must not need a runtime.
pub fn http_status(port: u16, path: &str) -> Option<u16> {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head[9..]).ok()?.parse().ok()
}
