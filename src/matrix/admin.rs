//! Synapse's admin API: adding people to rooms without an invitation to accept, and limits of rate
//! (<https://element-hq.github.io/synapse/latest/usage/administration/admin_api/>).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use matrix_sdk::ruma::{OwnedUserId, UserId};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::connection;
use super::error::{Failure, What};
use super::limiter::Lane;
use super::pace::Pace;
use super::wire::{self, Asked};
use super::write::Place;
use crate::config::{JoinFallback, Secret};

/// The admin API, with a token that it accepts.
#[derive(Debug)]
pub(crate) struct Admin {
    http: Client,
    server: Url,
    token: Secret,
    /// What is done about people who cannot be added.
    pub(super) fallback: JoinFallback,
    /// What was learnt about accounts in this run.
    standings: Mutex<BTreeMap<OwnedUserId, Standing>>,
}

/// Whether an account of the homeserver can be added to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Active,
    /// There is no such account, perhaps not yet: many are made at the first login.
    Missing,
    /// It can join nothing for the moment: it is locked or suspended.
    Suspended,
    /// It was closed for good. The API would add it all the same.
    Deactivated,
}

/// The limits of rate of an account, as an administrator has set them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct RateOverride {
    /// Messages a second; with both 0 there is no limit. Nothing is set where a field is missing.
    pub messages_per_second: Option<u64>,
    /// How many messages may come at once.
    pub burst_count: Option<u64>,
}

impl RateOverride {
    /// Whether the account is not limited.
    #[must_use]
    pub fn is_lifted(self) -> bool {
        self.messages_per_second == Some(0) && self.burst_count == Some(0)
    }
}

#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    deactivated: bool,
    #[serde(default)]
    locked: bool,
    #[serde(default)]
    suspended: bool,
}

impl Admin {
    pub(super) fn new(http: Client, server: Url, token: Secret, fallback: JoinFallback) -> Self {
        Self { http, server, token, fallback, standings: Mutex::default() }
    }

    /// Whose the token is.
    pub(super) async fn whoami(&self, pace: &Pace) -> Result<OwnedUserId, Failure> {
        let asked = Asked::read("asking whose the admin token is");
        let server = self.server.as_str().trim_end_matches('/');
        let answer =
            wire::ask(pace, &asked, server, || connection::whoami(&self.http, server, self.token.expose())).await;
        answer.map(|answer| answer.user_id).map_err(told)
    }

    /// Whether the token has the power of an administrator: asks for the account of `inviter` itself.
    pub(super) async fn try_out(&self, pace: &Pace, me: &UserId) -> Result<(), Failure> {
        self.account(pace, me, "trying out the admin token").await.map(drop)
    }

    pub(super) async fn standing(&self, pace: &Pace, user: &UserId) -> Result<Standing, Failure> {
        let known = self.standings.lock().unwrap_or_else(PoisonError::into_inner).get(user).copied();
        if let Some(standing) = known {
            return Ok(standing);
        }
        let standing = match self.account(pace, user, &format!("asking for the account of {user}")).await {
            Ok(account) if account.deactivated => Standing::Deactivated,
            Ok(account) if account.locked || account.suspended => Standing::Suspended,
            Ok(_) => Standing::Active,
            Err(failure) if failure.is_refusal(404, "M_NOT_FOUND") => Standing::Missing,
            Err(failure) => return Err(failure),
        };
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).insert(user.to_owned(), standing);
        Ok(standing)
    }

    /// Adds somebody of this homeserver to a room. The caller must be in it, with the power to invite: Synapse sends an
    /// invitation first, and accepts it for them.
    pub(super) async fn join(&self, pace: &Pace, room: &Place, user: &UserId) -> Result<(), Failure> {
        let asked = Asked::repeatable(Lane::Join, format!("adding {user} to {room}"));
        let path = ["v1", "join", room.id.as_str()];
        self.ask(pace, &asked, &Method::POST, &path, Some(&json!({ "user_id": user }))).await.map(drop)
    }

    /// The limits that an administrator has set for an account.
    pub(super) async fn rate_override(&self, pace: &Pace, user: &UserId) -> Result<RateOverride, Failure> {
        let asked = Asked::read(format!("asking for the limits of rate of {user}"));
        let answer = self.ask(pace, &asked, &Method::GET, &Self::override_path(user), None).await?;
        self.parse(&asked, answer)
    }

    /// Takes all limits of rate off an account.
    pub(super) async fn lift_limits(&self, pace: &Pace, user: &UserId) -> Result<(), Failure> {
        let asked = Asked::repeatable(Lane::Send, format!("lifting the limits of rate of {user}"));
        let body = json!({ "messages_per_second": 0, "burst_count": 0 });
        self.ask(pace, &asked, &Method::POST, &Self::override_path(user), Some(&body)).await.map(drop)
    }

    fn override_path(user: &UserId) -> [&str; 4] {
        ["v1", "users", user.as_str(), "override_ratelimit"]
    }

    async fn account(&self, pace: &Pace, user: &UserId, what: &str) -> Result<Account, Failure> {
        let asked = Asked::read(what);
        let answer = self.ask(pace, &asked, &Method::GET, &["v2", "users", user.as_str()], None).await?;
        self.parse(&asked, answer)
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, asked: &Asked, answer: Value) -> Result<T, Failure> {
        serde_json::from_value(answer)
            .map_err(|error| Failure::unintelligible(&asked.text, self.server.as_str(), &error.to_string()))
    }

    async fn ask(
        &self,
        pace: &Pace,
        asked: &Asked,
        method: &Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let mut url = self.server.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().extend(["_synapse", "admin"]).extend(path)),
            Err(()) => return Err(Failure::new(What::Ours, &format!("{}: the URL has no path", asked.text))),
        }
        let server = self.server.as_str().trim_end_matches('/');
        wire::ask(pace, asked, server, || {
            let request = self.http.request(method.clone(), url.clone()).bearer_auth(self.token.expose());
            let request = match body {
                Some(body) => request.json(body),
                None => request,
            };
            connection::json(&self.http, request, Some(self.token.expose()))
        })
        .await
        .map_err(told)
    }
}

/// A failure in words that tell the admin token from the access token.
fn told(failure: Failure) -> Failure {
    let advice = match &failure.what {
        What::Account => "; this is about the admin token, or the account that it belongs to",
        What::Refused { status: 404, errcode } if errcode == "M_UNRECOGNIZED" || errcode.is_empty() => {
            "; is the homeserver a Synapse, and does the proxy before it let /_synapse/admin pass?"
        }
        What::Refused { status: 403, .. } if failure.text.contains("not a server admin") => {
            "; make the account of inviter an administrator of the homeserver, or leave add_members and admin_token out"
        }
        _ => return failure,
    };
    Failure { text: format!("{}{advice}", failure.text), what: failure.what }
}
