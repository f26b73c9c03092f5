//! The homeserver: a session, somebody who reads and somebody who writes.
//!
//! There is no `/sync` and no store: each request answers for itself.

mod answer;
mod arrange;
mod by_hand;
mod create;
mod error;
mod http;
mod limiter;
mod pace;
mod precise;
mod read;
mod state;
mod width;
mod wire;
mod write;

use std::sync::Arc;

use matrix_sdk::authentication::matrix::MatrixSession;
use matrix_sdk::config::RequestConfig;
use matrix_sdk::ruma::api::client::account::whoami;
use matrix_sdk::ruma::{OwnedDeviceId, UserId};
use matrix_sdk::{Client, SessionMeta, SessionTokens};

use crate::config;

pub use error::Failure;
pub use read::Reader;
pub use write::{Done, WriteError, Writer};

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
}

impl Session {
    /// Asks the homeserver whose the access token is and what it speaks: two requests.
    ///
    /// # Errors
    /// When the homeserver cannot be reached, is none, or does not accept the token.
    pub async fn connect(config: &config::Matrix) -> Result<Self, SessionError> {
        let server = config.homeserver.as_str().trim_end_matches('/').to_owned();
        let http = http::client(config).map_err(SessionError::Setup)?;
        let pace = Pace::new(config.rate_limit_patience, Width::new(config.concurrency, config.timeout));
        let token = config.access_token.as_ref().map_err(|error| SessionError::Setup(error.to_string()))?.expose();

        let asked = Asked::read("asking whose the access token is");
        let account = wire::ask(&pace, &asked, &server, || http::whoami(&http, &server, token)).await;
        let account = account.map_err(|failure| http::at_first_contact(failure, &server))?;
        if account.is_guest {
            return Err(SessionError::Setup("the access token is that of a guest, who cannot create rooms".into()));
        }
        tracing::debug!(user = %account.user_id, "the access token is accepted");

        let setup = |error: &dyn std::fmt::Display| SessionError::Setup(format!("{server} cannot be used: {error}"));
        let client = Client::builder()
            .homeserver_url(&server)
            .http_client(http)
            .request_config(RequestConfig::new().disable_retry().timeout(config.timeout))
            .build()
            .await
            .map_err(|error| setup(&error))?;
        client.restore_session(session(&account, token)).await.map_err(|error| setup(&error))?;

        let me = account.user_id;
        let wire = Wire { client, me, concurrency: config.concurrency, server, pace };
        // The client asks for these before its first request and keeps them; here an error is told by its right name.
        let asked = Asked::read("asking which versions of Matrix the homeserver speaks");
        wire.ask(&asked, |client| {
            let client = client.clone();
            Box::pin(async move { client.supported_versions().await })
        })
        .await?;
        Ok(Self { wire: Arc::new(wire) })
    }

    /// The account that the access token belongs to.
    #[must_use]
    pub fn me(&self) -> &UserId {
        &self.wire.me
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

fn session(account: &whoami::v3::Response, token: &str) -> MatrixSession {
    // A token of an application service has no device; none is ever used here.
    let device_id = account.device_id.clone().unwrap_or_else(|| OwnedDeviceId::from("INVITER"));
    MatrixSession {
        meta: SessionMeta { user_id: account.user_id.clone(), device_id },
        tokens: SessionTokens { access_token: token.to_owned(), refresh_token: None },
    }
}
