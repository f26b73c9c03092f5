//! A real Synapse.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use aws_lc_rs::hmac;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    account::{self, Account},
    installed,
    tls::Authority,
    watchdog::{Watchdog, free_port, http_status, server_folder},
};

const SHARED_SECRET: &str = "registration-secret";

/// Whether Synapse limits the rate of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RateLimits {
    /// As good as no limits, so that tests are quick.
    #[default]
    Lifted,
    /// What a fresh Synapse does.
    Default,
}

/// What a test may want of its Synapse.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether requests are limited.
    pub rate_limits: RateLimits,
    /// The part after the colon in users, rooms and aliases.
    pub server_name: String,
    /// The port on which other servers reach it, as `localhost` and by TLS; without federation if absent.
    pub federation: Option<u16>,
    /// YAML that is appended to `homeserver.yaml`.
    pub extra_config: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rate_limits: RateLimits::Lifted,
            server_name: "inviter.test".to_owned(),
            federation: None,
            extra_config: String::new(),
        }
    }
}

/// A running Synapse, on `SQLite`.
#[derive(Debug)]
pub struct Synapse {
    watchdog: Watchdog,
    port: u16,
    server_name: String,
}

impl Synapse {
    /// The Synapse that the tests of this process share, with the rate limits lifted.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Synapse> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Options::default()))
    }

    /// Starts a Synapse of one's own, in about four seconds.
    pub fn start(options: Options) -> Self {
        let python = python();
        let folder = server_folder("synapse");
        let port = free_port();
        fs::write(folder.join("log.yaml"), LOG_CONFIG).expect("the folder is writable");
        if options.federation.is_some() {
            Authority::shared().write_into(&folder);
        }
        let config = folder.join("homeserver.yaml");
        fs::write(&config, configuration(&folder, port, &options)).expect("the folder is writable");

        let command = [
            python.to_str().expect("a UTF-8 path"),
            "-m",
            "synapse.app.homeserver",
            "-c",
            config.to_str().expect("a UTF-8 path"),
        ];
        let watchdog = Watchdog::start("Synapse", folder, &command);
        watchdog.wait_until(|| http_status(port, "/health") == Some(200));
        Self { watchdog, port, server_name: options.server_name }
    }

    /// The base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The server's name, which users and aliases end in.
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// The file of its database.
    pub fn database(&self) -> PathBuf {
        self.watchdog.folder().join("homeserver.db")
    }

    /// The last lines of the server's log.
    pub fn log(&self) -> String {
        self.watchdog.log()
    }

    /// Registers a user.
    pub async fn register(&self, localpart: &str) -> Account {
        self.register_as(account::client(), localpart, false).await
    }

    /// Registers an administrator of the server.
    pub async fn register_admin(&self, localpart: &str) -> Account {
        self.register_as(account::client(), localpart, true).await
    }

    /// Registers many users side by side, and returns them in the same order.
    pub async fn register_many(&self, localparts: &[&str]) -> Vec<Account> {
        let client = account::client();
        join_all(localparts.iter().map(|localpart| self.register_as(client.clone(), localpart, false))).await
    }

    async fn register_as(&self, client: reqwest::Client, localpart: &str, admin: bool) -> Account {
        let path = "/_synapse/admin/v1/register";
        let anonymous = Account::anonymous(client, self.url());
        let nonce =
            anonymous.ok("GET", path, None).await["nonce"].as_str().expect("Synapse answers with a nonce").to_owned();
        let password = "password";
        let role = if admin { "admin" } else { "notadmin" };
        let message = [nonce.as_str(), localpart, password, role].join("\0");
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SHARED_SECRET.as_bytes());
        let mac = hmac::sign(&key, message.as_bytes());
        let mac = mac.as_ref().iter().map(|byte| format!("{byte:02x}"));
        let body = json!({
            "nonce": nonce,
            "username": localpart,
            "password": password,
            "admin": admin,
            "mac": mac.collect::<String>(),
        });
        let answer = anonymous.ok("POST", path, Some(&body)).await;
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        anonymous.with_token(text("user_id"), text("access_token"))
    }
}

/// The Python that has Synapse.
pub fn python() -> PathBuf {
    let python = installed::folder().join("synapse/bin/python");
    assert!(python.exists(), "Synapse is not installed ({} is missing): run tests/setup", python.display());
    python
}

const LOG_CONFIG: &str = "\
version: 1
formatters: { plain: { format: '%(asctime)s %(levelname)s %(name)s %(message)s' } }
handlers: { console: { class: logging.StreamHandler, formatter: plain } }
root: { level: WARNING, handlers: [console] }
disable_existing_loggers: false
";

const LIFTED: &str = "\
room_list_publication_rules: [{ action: allow }]
rc_message: &lifted { per_second: 100000, burst_count: 100000 }
rc_registration: *lifted
rc_login: { address: *lifted, account: *lifted, failed_attempts: *lifted }
rc_admin_redaction: *lifted
rc_joins: { local: *lifted, remote: *lifted }
rc_joins_per_room: *lifted
rc_invites: { per_room: *lifted, per_user: *lifted, per_issuer: *lifted }
rc_room_creation: *lifted
rc_key_requests: *lifted
rc_federation: { window_size: 1000, sleep_limit: 100000, sleep_delay: 0, reject_limit: 100000, concurrent: 100000 }
";

fn configuration(folder: &Path, port: u16, options: &Options) -> String {
    let folder = folder.display();
    let limits = match options.rate_limits {
        RateLimits::Lifted => LIFTED,
        RateLimits::Default => "",
    };
    // The keys are fixed, because making them takes Synapse another start.
    let fixed = json!({
        "server_name": options.server_name,
        "report_stats": false,
        "signing_key": "ed25519 a_test AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "macaroon_secret_key": "macaroon-secret",
        "form_secret": "form-secret",
        "registration_shared_secret": SHARED_SECRET,
        "bcrypt_rounds": 4,
        "trusted_key_servers": [],
        "suppress_key_server_warning": true,
        "presence": { "enabled": false },
        "url_preview_enabled": false,
        "database": { "name": "sqlite3", "args": { "database": format!("{folder}/homeserver.db") } },
        "media_store_path": format!("{folder}/media"),
        "log_config": format!("{folder}/log.yaml"),
        "pid_file": format!("{folder}/synapse.pid"),
    });
    let (Value::Object(mut fixed), Value::Object(reach)) =
        (fixed, reach(&folder.to_string(), port, options.federation))
    else {
        panic!("both are literal objects")
    };
    fixed.extend(reach);
    // JSON values are YAML.
    let mut lines: Vec<_> = fixed.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    lines.extend([limits.to_owned(), options.extra_config.clone()]);
    lines.join("\n")
}

// Where clients and other servers find this one, and which servers it asks itself.
fn reach(folder: &str, port: u16, federation: Option<u16>) -> Value {
    let listener = |port: u16, names: &str| {
        json!({
            "port": port,
            "bind_addresses": ["127.0.0.1"],
            "type": "http",
            "tls": names == "federation",
            "x_forwarded": false,
            "resources": [{ "names": [names] }],
        })
    };
    let client = listener(port, "client");
    let Some(federation) = federation else {
        return json!({ "listeners": [client], "federation_domain_whitelist": [] });
    };
    json!({
        // In this order: when the clients' answers, the other does so too.
        "listeners": [listener(federation, "federation"), client],
        "tls_certificate_path": format!("{folder}/server.pem"),
        "tls_private_key_path": format!("{folder}/server.key"),
        "federation_custom_ca_list": [format!("{folder}/ca.pem")],
        // Loopback is forbidden by default.
        "ip_range_whitelist": ["127.0.0.0/8", "::1"],
        // One request that a busy machine lost would else silence a server for ten minutes.
        "federation": { "destination_min_retry_interval": 100, "destination_max_retry_interval": "1s" },
    })
}
