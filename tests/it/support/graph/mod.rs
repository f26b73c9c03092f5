//! A double of Entra's token endpoint and of Microsoft Graph, over TLS with the tests' own authority.
//!
//! It answers what `inviter` and its predecessor ask, as the documentation and the published metadata have it.

mod http;
mod odata;
mod tokens;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::tls::Authority;
pub use http::{Answer, Request};
pub use odata::error;
pub use tokens::{CLIENT_ID, SECRET, TENANT};
pub use world::{Kind, World, guid};

/// Something that Graph was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// GET or POST.
    pub method: String,
    /// The path with its query, without the version.
    pub path: String,
    /// Whether it was a part of a batch.
    pub in_batch: bool,
}

/// What the double does instead of answering.
#[derive(Debug, Clone)]
pub enum Fault {
    /// An answer of the test's own.
    Answer(Answer),
    /// The answer, changed by text replacement.
    Replace(String, String),
    /// Closes the connection; in a batch, leaves the part out.
    Drop,
}

type Hook = Arc<dyn Fn(usize, &Asked) -> Option<Fault> + Send + Sync>;

/// A running double; it stops when it is dropped.
pub struct Graph {
    shared: Arc<Shared>,
    port: u16,
    folder: TempDir,
    runtime: Option<Runtime>,
}

struct Shared {
    world: Mutex<World>,
    state: Mutex<State>,
    hook: Mutex<Hook>,
}

#[derive(Default)]
struct State {
    port: u16,
    delay: Duration,
    asked: Vec<Asked>,
    requests: usize,
    sign_ins: usize,
    tokens: BTreeSet<String>,
    token_answers: Vec<Answer>,
    public_key: Option<(Vec<u8>, String)>,
    skip_tokens: BTreeMap<String, (String, usize)>,
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the double of Graph at {}", self.url())
    }
}

impl Graph {
    /// Starts a double that knows nobody.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        Authority::shared().write_into(folder.path());
        let shared = Arc::new(Shared {
            world: Mutex::default(),
            state: Mutex::default(),
            hook: Mutex::new(Arc::new(|_, _| None)),
        });
        // Of its own, so that it serves blocking tests as well.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let (listener, port) = http::bind();
        lock(&shared.state).port = port;
        let served = Arc::clone(&shared);
        let acceptor = http::acceptor(folder.path());
        runtime.spawn(http::accept(listener, acceptor, move |request| {
            let shared = Arc::clone(&served);
            async move {
                let delay = lock(&shared.state).delay;
                tokio::time::sleep(delay).await;
                shared.answer(&request)
            }
        }));
        Self { shared, port, folder, runtime: Some(runtime) }
    }

    /// The address, of tokens as of Graph, without a slash at the end.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The certificate of its authority.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The keys of a section of the configuration that lead here, with a client secret.
    pub fn section(&self, root: &str) -> String {
        format!("{}client_secret = {SECRET:?}\n", self.section_without_credential(root))
    }

    /// The same without the credential.
    pub fn section_without_credential(&self, root: &str) -> String {
        format!(
            "type = \"entra\"\ntenant_id = {TENANT:?}\nclient_id = {CLIENT_ID:?}\nroot_group_id = {root:?}\n\
             authority_url = {url:?}\ngraph_url = {url:?}\nca_file = \"{}\"\n",
            self.ca_file().display(),
            url = self.url(),
        )
    }

    /// The people and groups, to be changed at any time.
    pub fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.shared.world)
    }

    /// Decides about each thing that is asked from now on; the index counts them.
    pub fn on_asked(&self, hook: impl Fn(usize, &Asked) -> Option<Fault> + Send + Sync + 'static) {
        *lock(&self.shared.hook) = Arc::new(hook);
    }

    /// Answers the next sign-ins like this.
    pub fn refuse_sign_ins(&self, answers: Vec<Answer>) {
        lock(&self.shared.state).token_answers = answers;
    }

    /// The public key and the thumbprint (`x5t#S256`) of the certificate that the application may sign in with.
    pub fn trust_certificate(&self, public_key: Vec<u8>, thumbprint: String) {
        lock(&self.shared.state).public_key = Some((public_key, thumbprint));
    }

    /// A token that Graph accepts.
    pub fn issue_token(&self) -> String {
        let token = "eyJ0eXAi.issued-to-a-person.token".to_owned();
        lock(&self.shared.state).tokens.insert(token.clone());
        token
    }

    /// Adds to the time that each answer takes.
    pub fn set_delay(&self, delay: Duration) {
        lock(&self.shared.state).delay = delay;
    }

    /// What Graph was asked so far, parts of batches one by one.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.state).asked.clone()
    }

    /// How many requests Graph got so far; a batch is one.
    pub fn requests(&self) -> usize {
        lock(&self.shared.state).requests
    }

    /// How many tokens were asked for so far.
    pub fn sign_ins(&self) -> usize {
        lock(&self.shared.state).sign_ins
    }

    /// Forgets what was asked and counted.
    pub fn clear(&self) {
        let mut state = lock(&self.shared.state);
        (state.asked, state.requests, state.sign_ins) = (Vec::new(), 0, 0);
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // In an asynchronous test, waiting for its end would panic.
        self.runtime.take().expect("it is dropped once").shutdown_background();
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
