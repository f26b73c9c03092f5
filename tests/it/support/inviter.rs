//! Runs the real program.

use std::{
    env, fmt, fs,
    io::Read,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// The program with a configuration, ready to be run any number of times.
#[derive(Debug)]
pub struct Inviter {
    folder: TempDir,
    binary: PathBuf,
    environment: Vec<(String, String)>,
    timeout: Duration,
}

impl Inviter {
    /// Writes the configuration into a folder of its own, which is also the working folder.
    pub fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        // What is readable by all would be warned of in each run.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("the folder is ours");
        fs::write(folder.path().join("inviter.toml"), config).expect("the folder is writable");
        Self { folder, binary: binary(), environment: Vec::new(), timeout: Duration::from_mins(2) }
    }

    /// Adds a variable to the environment, which else has PATH and HOME alone.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs another program, such as one of another profile.
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = path.into();
        self
    }

    /// Sets after how long a run counts as hanging (120 s by default).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Writes a file beside the configuration and returns its path.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).expect("the folder is writable");
        path
    }

    /// The same for a secret: nobody else can read the file.
    pub fn secret(&self, name: &str, content: &str) -> PathBuf {
        let path = self.file(name, content);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
        path
    }

    /// The folder of the configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the program to its end.
    pub async fn run(&self, arguments: &[&str]) -> Outcome {
        self.spawn(arguments, &Victim::default()).wait().await
    }

    /// Starts the program, so that a fault of the recorder can kill it.
    pub fn spawn(&self, arguments: &[&str], victim: &Victim) -> Running {
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .envs(["PATH", "HOME"].map(|name| (name, env::var_os(name).unwrap_or_default())))
            .envs(self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            .current_dir(self.folder.path())
            .arg("-c")
            .arg(self.folder.path().join("inviter.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Locked before the start, so that no request can want to kill what is not there yet.
        let mut slot = victim.0.lock().unwrap_or_else(PoisonError::into_inner);
        let started = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()));
        let stdout = read_all(child.stdout.take().expect("stdout is piped"));
        let stderr = read_all(child.stderr.take().expect("stderr is piped"));
        *slot = Some(child);
        Running { victim: victim.clone(), stdout, stderr, started, deadline: started + self.timeout }
    }
}

/// A handle on a program that shall be killed; hand it to the recorder and to [`Inviter::spawn`].
#[derive(Debug, Clone, Default)]
pub struct Victim(Arc<Mutex<Option<Child>>>);

impl Victim {
    /// Kills the program with SIGKILL, if it runs.
    pub fn kill(&self) {
        self.with_child(|child| {
            let _ = child.kill();
        });
    }

    /// Sends a signal to the program, like `TERM`, if it runs.
    pub fn signal(&self, name: &str) {
        self.with_child(|child| {
            let status = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
            assert!(status.expect("there is kill").success(), "the signal cannot be sent");
        });
    }

    fn with_child<T>(&self, act: impl FnOnce(&mut Child) -> T) -> Option<T> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_mut().map(act)
    }
}

/// A program that was started.
#[derive(Debug)]
pub struct Running {
    victim: Victim,
    stdout: thread::JoinHandle<String>,
    stderr: thread::JoinHandle<String>,
    started: Instant,
    deadline: Instant,
}

impl Running {
    /// Kills the program with SIGKILL.
    pub fn kill(&self) {
        self.victim.kill();
    }

    /// Sends a signal to the program, like `TERM`.
    pub fn signal(&self, name: &str) {
        self.victim.signal(name);
    }

    /// Waits for the end, and panics with the output if that does not come in time.
    pub async fn wait(self) -> Outcome {
        // Polled, because the lock must be free for whoever kills the program.
        let status = loop {
            let status = self.victim.with_child(Child::try_wait);
            let status = status.expect("the program was started");
            if let Some(status) = status.expect("the child can be waited for") {
                break Some(status);
            }
            if Instant::now() > self.deadline {
                self.victim.kill();
                break None;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        let duration = self.started.elapsed();
        let outcome = Outcome {
            status: status.map_or(-1, |status| status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))),
            stdout: self.stdout.join().expect("the reader does not panic"),
            stderr: self.stderr.join().expect("the reader does not panic"),
            duration,
        };
        assert!(status.is_some(), "inviter hangs\n{outcome}");
        outcome
    }
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The exit status, or 128 and the number of the signal.
    pub status: i32,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
    /// How long the run took.
    pub duration: Duration,
}

impl Outcome {
    /// Asserts the exit status 0.
    #[track_caller]
    pub fn success(self) -> Self {
        self.status(0)
    }

    /// Asserts an exit status.
    #[track_caller]
    pub fn status(self, expected: i32) -> Self {
        assert_eq!(self.status, expected, "\n{self}");
        self
    }

    /// Asserts that the program was killed with SIGKILL.
    #[track_caller]
    pub fn killed(self) -> Self {
        self.status(128 + 9)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "exit status {} after {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.status, self.duration, self.stdout, self.stderr
        )
    }
}

// Cargo names the program to tests, but not to examples, which stand in a folder beside it.
fn binary() -> PathBuf {
    if let Some(path) = option_env!("CARGO_BIN_EXE_inviter") {
        return path.into();
    }
    let current = env::current_exe().expect("the current program has a path");
    let beside = current.ancestors().skip(1).map(|folder| folder.join("inviter")).find(|path| path.is_file());
    beside.unwrap_or_else(|| {
        panic!("there is no inviter near {}: run cargo build with the same profile first", current.display())
    })
}

fn read_all(mut source: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut output = Vec::new();
        let _ = source.read_to_end(&mut output);
        String::from_utf8_lossy(&output).into_owned()
    })
}
