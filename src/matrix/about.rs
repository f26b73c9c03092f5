//! What a homeserver says of itself and of the account; for `inviter check`.

use matrix_sdk::ruma::OwnedUserId;
use matrix_sdk::ruma::api::MatrixVersion;
use serde::Deserialize;

use super::admin::{Admin, RateOverride};
use super::connection;
use super::error::Failure;
use super::wire::Asked;
use super::{Session, SessionError};
use crate::config;

/// A homeserver, as far as it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The versions of the specification that it speaks, as far as they are known here, from the oldest on.
    pub versions: Vec<String>,
    /// The version of Synapse, if it is one.
    pub synapse: Option<String>,
    /// The device that the access token belongs to.
    pub device: Option<String>,
}

/// The admin API of Synapse with the token of the configuration, whoever that belongs to.
#[derive(Debug)]
pub struct Administration {
    session: Session,
    admin: Admin,
}

impl Session {
    /// Asks the homeserver what it is: one request.
    ///
    /// # Errors
    /// When it cannot be asked any more.
    pub async fn about(&self) -> Result<About, Failure> {
        let versions = self.wire.client.versions().versions.iter().copied();
        let versions = versions.filter_map(MatrixVersion::as_str).map(Into::into).collect();
        let device = self.wire.client.device().map(ToString::to_string);
        Ok(About { versions, synapse: self.synapse().await, device })
    }

    /// The version of Synapse, which it tells everybody; other homeservers know no such question.
    async fn synapse(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Version {
            server_version: String,
        }
        let asked = Asked::read("asking for the version of Synapse");
        let url = format!("{}/_synapse/admin/v1/server_version", self.wire.server);
        let token = self.wire.client.token();
        let answer =
            self.wire.ask(&asked, |_| Box::pin(connection::json(&self.http, self.http.get(&url), token.as_deref())));
        serde_json::from_value(answer.await.ok()?).ok().map(|version: Version| version.server_version)
    }

    /// The admin API, if the configuration has a token for it.
    ///
    /// # Errors
    /// When the token cannot be had.
    pub fn administration(&self, config: &config::Matrix) -> Result<Option<Administration>, SessionError> {
        let token = config.admin_token.as_ref().map_err(|error| SessionError::Setup(error.to_string()))?;
        Ok(token.as_ref().map(|token| Administration {
            session: self.clone(),
            admin: Admin::new(self.http.clone(), config.homeserver.clone(), token.clone(), config.join_fallback),
        }))
    }
}

impl Administration {
    /// Whose the token is, once it is known to be that of an administrator: two requests.
    ///
    /// # Errors
    /// When it is none, or the API is not there.
    pub async fn owner(&self) -> Result<OwnedUserId, Failure> {
        let wire = &self.session.wire;
        let owner = self.admin.whoami(&wire.pace).await?;
        self.admin.try_out(&wire.pace, &wire.me).await?;
        Ok(owner)
    }

    /// The limits that an administrator has set for the account of `inviter`.
    ///
    /// # Errors
    /// When the homeserver does not tell.
    pub async fn limits(&self) -> Result<RateOverride, Failure> {
        self.admin.rate_override(&self.session.wire.pace, &self.session.wire.me).await
    }

    /// Takes all limits off the account of `inviter`: a write.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub async fn lift_limits(&self) -> Result<(), Failure> {
        self.admin.lift_limits(&self.session.wire.pace, &self.session.wire.me).await
    }
}
