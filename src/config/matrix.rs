//! `[matrix]`: the homeserver and the account on it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::document::{ConfigError, Document};
use super::exposure::unencrypted;
use super::policy::{as_written, duration};
use super::schema::{HttpUrl, Span};
use super::secret::{Given, Secret};

/// The homeserver and the account on it.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// Base URL of the client-server API.
    pub homeserver: Url,
    /// Access token of the account that manages the rooms, or why there is none: not every command needs it.
    pub access_token: Result<Secret, ConfigError>,
    /// A token for the admin API of Synapse, of the same account, if one is given; or why it cannot be had.
    pub admin_token: Result<Option<Secret>, ConfigError>,
    /// How people of the own homeserver come into rooms.
    pub add_members: AddMembers,
    /// What is done when `add_members` says to join and somebody cannot be.
    pub join_fallback: JoinFallback,
    /// PEM file with the certificates of a private authority, trusted in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// How many requests may be under way at once.
    pub concurrency: usize,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long the run waits in all for a homeserver that limits its rate, before it leaves the rest to the next run.
    pub rate_limit_patience: Duration,
}

/// How people of the own homeserver come into rooms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AddMembers {
    /// They are invited, and accept.
    #[default]
    Invite,
    /// They are added at once, by the admin API of Synapse.
    Join,
}

/// What is done about people who cannot be added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JoinFallback {
    /// They are invited.
    #[default]
    Invite,
    /// That is an error.
    Fail,
}

/// The homeserver, and the account on it that manages the rooms.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    /// Base URL of the homeserver.
    #[schemars(with = "HttpUrl")]
    homeserver: Url,
    /// Access token of the account. Better in a file: `access_token_file`.
    #[schemars(with = "Option<String>")]
    access_token: Option<Secret>,
    /// File with the access token of the account.
    access_token_file: Option<PathBuf>,
    /// Environment variable with the access token of the account; `INVITER_MATRIX__ACCESS_TOKEN` if none is given.
    access_token_env: Option<String>,
    /// Token for the admin API of Synapse, which `add_members = "join"` needs. Better in a file: `admin_token_file`.
    #[schemars(with = "Option<String>")]
    admin_token: Option<Secret>,
    /// File with the token for the admin API.
    admin_token_file: Option<PathBuf>,
    /// Environment variable with the token for the admin API; `INVITER_MATRIX__ADMIN_TOKEN` if none is given.
    admin_token_env: Option<String>,
    /// How people of the own homeserver come into rooms.
    #[serde(default)]
    add_members: AddMembers,
    /// What is done about people who cannot be added, with `"join"`.
    #[serde(default)]
    join_fallback: JoinFallback,
    /// PEM file with the certificate of a private authority, trusted in addition to the system's.
    ca_file: Option<PathBuf>,
    /// Lets `http://` pass, on loopback or inside a cluster.
    #[serde(default)]
    allow_plaintext: bool,
    /// How many requests may be under way at once.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 256))]
    concurrency: usize,
    /// How long one request may take.
    #[serde(default = "default_timeout", deserialize_with = "duration", serialize_with = "as_written")]
    #[schemars(with = "Span")]
    timeout: Duration,
    /// How long a run waits in all for a homeserver that limits its rate.
    #[serde(default = "default_patience", deserialize_with = "duration", serialize_with = "as_written")]
    #[schemars(with = "Span")]
    rate_limit_patience: Duration,
}

fn default_concurrency() -> usize {
    16
}

fn default_timeout() -> Duration {
    Duration::from_mins(1)
}

fn default_patience() -> Duration {
    Duration::from_mins(15)
}

pub(super) fn read(document: &mut Document<'_>, folder: &Path) -> Result<Matrix, ConfigError> {
    let raw: Raw = document
        .section("matrix")?
        .ok_or_else(|| document.error_at(&["matrix"], "the section [matrix] is missing".into()))?;
    match raw.homeserver.scheme() {
        "https" => {}
        "http" if raw.allow_plaintext => document.warn(unencrypted(&raw.homeserver, "the access token goes")),
        "http" => {
            return Err(document.error_at(
                &["matrix", "homeserver"],
                "over http:// the access token travels unencrypted: use https://, or say allow_plaintext = true".into(),
            ));
        }
        other => {
            return Err(document
                .error_at(&["matrix", "homeserver"], format!("expected a URL with https://, not with {other}://")));
        }
    }
    if !raw.homeserver.username().is_empty() || raw.homeserver.password().is_some() {
        let message = "a name or password does not belong here: use access_token_file";
        return Err(document.error_at(&["matrix", "homeserver"], message.into()));
    }
    if !(1..=256).contains(&raw.concurrency) {
        return Err(document.error_at(&["matrix", "concurrency"], "expected a number from 1 to 256".into()));
    }
    let access_token = Given {
        section: vec!["matrix".into()],
        key: "access_token",
        inline: raw.access_token,
        file: raw.access_token_file,
        env: raw.access_token_env,
        default_env: Some("INVITER_MATRIX__ACCESS_TOKEN"),
    }
    .resolve(document, folder)
    .and_then(|token| {
        token.ok_or_else(|| {
            document.error_at(
                &["matrix", "access_token"],
                "the access token is missing: give access_token, access_token_file or access_token_env, or set \
                 INVITER_MATRIX__ACCESS_TOKEN in the environment"
                    .into(),
            )
        })
    });
    let admin_token = Given {
        section: vec!["matrix".into()],
        key: "admin_token",
        inline: raw.admin_token,
        file: raw.admin_token_file,
        env: raw.admin_token_env,
        default_env: Some("INVITER_MATRIX__ADMIN_TOKEN"),
    }
    .resolve(document, folder)
    .and_then(|token| match (token, raw.add_members) {
        (None, AddMembers::Join) => Err(document.error_at(
            &["matrix", "add_members"],
            "adding members takes a token for the admin API: give admin_token, admin_token_file or admin_token_env, or set \
             INVITER_MATRIX__ADMIN_TOKEN in the environment"
                .into(),
        )),
        (token, _) => Ok(token),
    });
    Ok(Matrix {
        homeserver: raw.homeserver,
        access_token,
        admin_token,
        add_members: raw.add_members,
        join_fallback: raw.join_fallback,
        ca_file: raw.ca_file.map(|file| folder.join(file)),
        concurrency: raw.concurrency,
        timeout: raw.timeout,
        rate_limit_patience: raw.rate_limit_patience,
    })
}
