//! The homeserver: a session, somebody who reads and somebody who writes.
//!
//! There is no `/sync` and no store: each request answers for itself.

mod about;
mod admin;
mod answer;
mod arrange;
mod bring;
mod by_hand;
mod connection;
mod create;
mod error;
mod http;
mod limiter;
mod pace;
mod precise;
mod read;
mod state;
mod update;
mod width;
mod wire;
mod write;

use std::sync::Arc;

use futures_util::future::join;
use matrix_sdk::authentication::matrix::MatrixSession;
use matrix_sdk::config::RequestConfig;
use matrix_sdk::ruma::api::client::account::whoami;
use matrix_sdk::ruma::{OwnedDeviceId, UserId};
use matrix_sdk::{Client, SessionMeta, SessionTokens};

use crate::config::{self, AddMembers, JoinFallback};
use crate::stop::Stop;

pub use about::{About, Administration};
pub use admin::RateOverride;
pub use connection::requests_sent;
pub use error::Failure;
pub use read::{Others, Reader};
pub use write::{Done, WriteError, Writer};

use admin::Admin;
use connection::Connection;
use pace::Pace;
use width::Width;
use wire::{Asked, Wire};

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// What the configuration says cannot be followed.
    #[error("{0}")]
    Setup(String),
    /// The homeserver did not answer as it should.
    #[error(transparent)]
    Asked(#[from] Failure),
}

/// An account on a homeserver that has answered to its access token.
#[derive(Debug, Clone)]
pub struct Session {
    wire: Arc<Wire>,
    http: reqwest::Client,
    adding: Adding,
}

/// Whether people are added to rooms, without an invitation to accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adding {
    /// The configuration wants invitations.
    Unwanted,
    /// They are.
    Possible,
    /// The configuration wants it, the homeserver does not let it, and people are invited instead; the reason.
    Impossible(String),
}

impl Session {
    /// Asks the homeserver whose the access token is and what it speaks: two requests.
    ///
    /// # Errors
    /// When the homeserver cannot be reached, is none, or does not accept the token.
    pub async fn connect(config: &config::Matrix) -> Result<Self, SessionError> {
        Self::connect_until(config, Stop::default()).await
    }

    /// The same for a run that may be ended: then nothing more is written.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub async fn connect_until(config: &config::Matrix, stop: Stop) -> Result<Self, SessionError> {
        Box::pin(Self::open(config, AddMembers::Invite, stop)).await
    }

    /// The same for a run in which people may be added to rooms: if the configuration wants that, two more requests try
    /// the admin token out.
    ///
    /// # Errors
    /// As [`Session::connect`]; and when people cannot be added, and nothing else will do.
    pub async fn connect_to_add(config: &config::Matrix, stop: Stop) -> Result<Self, SessionError> {
        Box::pin(Self::open(config, config.add_members, stop)).await
    }

    async fn open(config: &config::Matrix, add: AddMembers, stop: Stop) -> Result<Self, SessionError> {
        let server = config.homeserver.as_str().trim_end_matches('/').to_owned();
        let http = http::client(config).await.map_err(SessionError::Setup)?;
        let pace = Pace::new(config.rate_limit_patience, Width::new(config.concurrency, config.timeout), stop);
        let token = config.access_token.as_ref().map_err(|error| SessionError::Setup(error.to_string()))?.expose();

        let whose = Asked::read("asking whose the access token is");
        let spoken = Asked::read("asking which versions of Matrix the homeserver speaks");
        let (account, versions) = join(
            wire::ask(&pace, &whose, &server, || connection::whoami(&http, &server, token)),
            wire::ask(&pace, &spoken, &server, || connection::versions(&http, &server, token)),
        )
        .await;
        let account = account.map_err(|failure| http::at_first_contact(failure, &server))?;
        if account.is_guest {
            return Err(SessionError::Setup("the access token is that of a guest, who cannot create rooms".into()));
        }
        tracing::debug!(user = %account.user_id, "the access token is accepted");

        let setup = |error: &dyn std::fmt::Display| SessionError::Setup(format!("{server} cannot be used: {error}"));
        let versions = versions?;

        let client = Client::builder()
            .homeserver_url(&server)
            .http_client(http.clone())
            .request_config(RequestConfig::new().disable_retry().timeout(config.timeout))
            .build()
            .await
            .map_err(|error| setup(&error))?;
        client.restore_session(session(&account, token)).await.map_err(|error| setup(&error))?;

        let me = account.user_id;
        let adding = adding(config, add, http.clone(), &pace, &me).await?;
        let (adding, admin) = match adding {
            Ok(Some(admin)) => (Adding::Possible, Some(admin)),
            Ok(None) => (Adding::Unwanted, None),
            Err(why) => (Adding::Impossible(why), None),
        };
        let client = Connection::new(client, http.clone(), versions);
        let wire = Wire { client, me, concurrency: config.concurrency, server, pace, admin };
        Ok(Self { wire: Arc::new(wire), http, adding })
    }

    /// The account that the access token belongs to.
    #[must_use]
    pub fn me(&self) -> &UserId {
        &self.wire.me
    }

    /// Whether people are added to rooms.
    #[must_use]
    pub fn adding(&self) -> &Adding {
        &self.adding
    }

    /// Somebody who reads rooms.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.wire))
    }

    /// Somebody who changes rooms.
    #[must_use]
    pub fn writer(&self) -> Writer {
        Writer::new(Arc::clone(&self.wire))
    }
}

/// The admin API, if people are to be added by it, once it is known to work; or why they are invited instead.
async fn adding(
    config: &config::Matrix,
    add: AddMembers,
    http: reqwest::Client,
    pace: &Pace,
    me: &UserId,
) -> Result<Result<Option<Admin>, String>, SessionError> {
    let token = config.admin_token.as_ref().map_err(|error| SessionError::Setup(error.to_string()))?;
    let (AddMembers::Join, Some(token)) = (add, token) else { return Ok(Ok(None)) };
    let admin = Admin::new(http, config.homeserver.clone(), token.clone(), config.join_fallback);
    let why = match admin.whoami(pace).await {
        // Synapse sends an invitation in the name of whose token it is, who must be in the room.
        Ok(owner) if owner != *me => format!(
            "the admin token is that of {owner}, and only the account that manages the rooms can add people: give one of {me}"
        ),
        Ok(_) => match admin.try_out(pace, me).await {
            Ok(()) => return Ok(Ok(Some(admin))),
            Err(failure) => failure.to_string(),
        },
        Err(failure) => failure.to_string(),
    };
    match config.join_fallback {
        JoinFallback::Invite => Ok(Err(why)),
        JoinFallback::Fail => Err(SessionError::Setup(format!("people cannot be added to rooms: {why}"))),
    }
}

fn session(account: &whoami::v3::Response, token: &str) -> MatrixSession {
    // A token of an application service has no device; none is ever used here.
    let device_id = account.device_id.clone().unwrap_or_else(|| OwnedDeviceId::from("INVITER"));
    MatrixSession {
        meta: SessionMeta { user_id: account.user_id.clone(), device_id },
        tokens: SessionTokens { access_token: token.to_owned(), refresh_token: None },
    }
}
