//! From one [`Change`] to one effect.

use std::collections::BTreeSet;
use std::sync::Arc;

use matrix_sdk::ruma::api::client::membership::{invite_user, join_room_by_id, kick_user, leave_room};
use matrix_sdk::ruma::api::client::state::send_state_event;
use matrix_sdk::ruma::events::StateEventType;
use matrix_sdk::ruma::serde::Raw;
use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomAliasId, RoomId, UserId};
use serde_json::{Value, json};

use super::create::Carriage;
use super::error::{Failure, What};
use super::limiter::Lane;
use super::precise::Precise;
use super::read::Reader;
use super::wire::{Asked, Wire, backoff};
use crate::actual::{Membership, STAMP_TYPE};
use crate::plan::{Change, Edit};

/// The reason that is given to who is removed by a plan, and to the room.
const KICK_REASON: &str = "not in any group of this room";

/// Changes rooms.
#[derive(Debug, Clone)]
pub struct Writer {
    pub(super) wire: Arc<Wire>,
    pub(super) reader: Reader,
    pub(super) carriage: Arc<Carriage>,
}

/// A change that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It was made.
    Applied,
    /// It had been made already.
    Already,
    /// The room was created.
    Created {
        /// The room.
        room: OwnedRoomId,
        /// Who was invited by the same request.
        invited: BTreeSet<OwnedUserId>,
    },
    /// The room had been created already; who was invited then is not known.
    AlreadyCreated(OwnedRoomId),
}

/// A change that was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// It failed; others may succeed.
    #[error("{0}")]
    Failed(String),
    /// The person cannot be invited, by nobody's mistake here; others may succeed.
    #[error("{0}")]
    Blocked(String),
    /// It was not tried; others may be.
    #[error("{0}")]
    Skipped(String),
    /// It was not tried, since the run is to end; nor will others be.
    #[error("{0}")]
    Ended(String),
    /// It failed, and so would all others.
    #[error("{0}")]
    Stop(String),
}

impl From<Failure> for WriteError {
    fn from(failure: Failure) -> Self {
        match failure.what {
            What::RateLimited { tried: false, .. } => Self::Skipped(failure.text),
            What::Stopped => Self::Ended(failure.text),
            _ if failure.ends_the_run() => Self::Stop(failure.text),
            _ => Self::Failed(failure.text),
        }
    }
}

impl Writer {
    pub(super) fn new(wire: Arc<Wire>) -> Self {
        Self { reader: Reader::new(Arc::clone(&wire)), wire, carriage: Arc::default() }
    }

    /// Makes one change in a room. `room` is the room's ID; there is none before [`Change::Create`].
    ///
    /// A change whose answer was lost is looked up before it is made again or given up.
    ///
    /// # Errors
    /// When the change was not made, or nobody knows.
    pub async fn apply(&self, alias: &RoomAliasId, room: Option<&RoomId>, change: &Change) -> Result<Done, WriteError> {
        let place = |room: Option<&RoomId>| {
            let room = room.ok_or_else(|| WriteError::Skipped(format!("{alias}: the room does not exist")))?;
            Ok::<_, WriteError>(Place { alias: alias.to_owned(), id: room.to_owned() })
        };
        match change {
            Change::Create(creation) => self.create(creation, &[]).await,
            Change::Join { room_id } => self.join(&place(Some(room_id))?).await,
            Change::Stamp(stamp) => {
                let what = if stamp.orphaned { "marking as orphaned" } else { "marking as managed" };
                self.put(&place(room)?, STAMP_TYPE, self.wire.me.as_str(), json!(stamp), what).await
            }
            Change::PowerLevels(change) => self.update(&place(room)?, &Edit::PowerLevels(change)).await,
            Change::HistoryVisibility { to, .. } => {
                let content = json!({ "history_visibility": to.as_str() });
                let what = "setting the history visibility of";
                self.put(&place(room)?, "m.room.history_visibility", "", content, what).await
            }
            Change::Name { from: None, to } => self.update(&place(room)?, &Edit::Name(to)).await,
            Change::Name { to, .. } => {
                self.put(&place(room)?, "m.room.name", "", json!({ "name": to }), "setting the name of").await
            }
            Change::Topic { to, .. } => {
                self.put(&place(room)?, "m.room.topic", "", json!({ "topic": to }), "setting the topic of").await
            }
            Change::Alias(change) => self.alias(&place(room)?, change).await,
            Change::Directory { listed } => self.directory(&place(room)?, *listed).await,
            Change::Restrict { space, .. } => self.restrict(&place(room)?, space).await,
            Change::SpaceParent(link) => self.space_parent(&place(room)?, link).await,
            Change::SpaceChild(link) => self.space_child(&place(room)?, link).await,
            Change::Kick(kick) => self.kick(&place(room)?, &kick.user, KICK_REASON).await,
            Change::Invite(invite) => self.bring(&place(room)?, invite).await,
        }
    }

    async fn join(&self, place: &Place) -> Result<Done, WriteError> {
        let asked = Asked::repeatable(Lane::Join, format!("joining {place}"))
            .with_help_of(place.alias.server_name(), &self.wire.me);
        let request = Precise(join_room_by_id::v3::Request::new(place.id.clone()));
        self.wire.ask(&asked, |client| client.send(request.clone())).await?;
        Ok(Done::Applied)
    }

    pub(super) async fn put(
        &self,
        place: &Place,
        kind: &str,
        key: &str,
        content: Value,
        what: &str,
    ) -> Result<Done, WriteError> {
        self.send(place, kind, key, content, what).await.map(|_| Done::Applied)
    }

    /// Sends a state event, and returns its ID.
    pub(super) async fn send(
        &self,
        place: &Place,
        kind: &str,
        key: &str,
        content: Value,
        what: &str,
    ) -> Result<String, WriteError> {
        let asked = Asked::repeatable(Lane::Send, format!("{what} {place}"));
        let content = Raw::new(&content)
            .map_err(|error| WriteError::Failed(format!("{}: {error}", asked.text)))?
            .cast_unchecked();
        let kind = StateEventType::from(kind);
        let request = send_state_event::v3::Request::new_raw(place.id.clone(), kind, key.to_owned(), content);
        let request = Precise(request);
        let answer = self.wire.ask(&asked, |client| client.send(request.clone())).await?;
        Ok(answer.0.event_id.to_string())
    }

    pub(super) async fn invite(&self, place: &Place, user: &UserId, reason: Option<&str>) -> Result<Done, WriteError> {
        let asked = Asked::repeatable(Lane::Send, format!("inviting {user} to {place}"))
            .about(user.to_owned())
            .with_help_of(user.server_name(), &self.wire.me);
        let mut recipient = invite_user::v3::InviteUserId::new(user.to_owned());
        recipient.reason = reason.map(ToOwned::to_owned);
        let request = Precise(invite_user::v3::Request::new(place.id.clone(), recipient.into()));
        let Err(failure) = self.wire.ask(&asked, |client| client.send(request.clone())).await else {
            return Ok(Done::Applied);
        };
        let blocked = failure.blocks_invitations();
        if !failure.is_refusal(403, "") && !failure.may_be_done() && blocked.is_none() {
            return Err(failure.into());
        }
        match self.reader.membership(&place.id, user).await {
            Ok(Some(Membership::Join | Membership::Invite)) => Ok(Done::Already),
            Ok(Some(Membership::Ban)) => Err(banned(&asked.text)),
            // That this was answered shows that the account itself is in order.
            Ok(_) => Err(match blocked {
                Some(why) => WriteError::Blocked(format!("{failure}; {why}")),
                None => failure.into(),
            }),
            Err(error) => Err(unknown(&failure, &error)),
        }
    }

    pub(super) async fn kick(&self, place: &Place, user: &UserId, reason: &str) -> Result<Done, WriteError> {
        let mut request = kick_user::v3::Request::new(place.id.clone(), user.to_owned());
        request.reason = Some(reason.to_owned());
        let request = Precise(request);
        let asked = Asked::once(Lane::Send, format!("removing {user} from {place}"));
        self.until_gone(place, user, || async {
            self.wire.ask(&asked, |client| client.send(request.clone())).await.map(|_| ())
        })
        .await
    }

    pub(super) async fn leave(&self, place: &Place) -> Result<Done, WriteError> {
        let request = Precise(leave_room::v3::Request::new(place.id.clone()));
        let asked = Asked::once(Lane::Send, format!("leaving {place}"));
        self.until_gone(place, &self.wire.me, || async {
            self.wire.ask(&asked, |client| client.send(request.clone())).await.map(|_| ())
        })
        .await
    }

    /// Makes a request until the person is out of the room.
    async fn until_gone<F>(&self, place: &Place, user: &UserId, request: impl Fn() -> F) -> Result<Done, WriteError>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        let mut attempt = 1;
        loop {
            let Err(failure) = request().await else {
                return Ok(Done::Applied);
            };
            if failure.is_refusal(403, "") || failure.may_be_done() {
                match self.reader.membership(&place.id, user).await {
                    Ok(Some(Membership::Leave | Membership::Ban)) => return Ok(Done::Already),
                    Ok(_) => {}
                    Err(error) => return Err(unknown(&failure, &error)),
                }
            }
            if !failure.may_pass() || attempt == 3 {
                return Err(failure.into());
            }
            tokio::time::sleep(backoff(attempt)).await;
            attempt += 1;
        }
    }
}

/// Why somebody cannot come.
pub(super) fn banned(asked: &str) -> WriteError {
    WriteError::Failed(format!("{asked}: not possible, since they are banned there"))
}

/// A change of which nobody knows whether it was made.
pub(super) fn unknown(failure: &Failure, error: &Failure) -> WriteError {
    if error.ends_the_run() {
        return WriteError::Stop(error.to_string());
    }
    let known = if failure.may_be_done() { "; whether it was done all the same is not known" } else { "" };
    WriteError::Failed(format!("{failure}{known}"))
}

/// A room, for a person and for the homeserver.
pub(super) struct Place {
    pub(super) alias: OwnedRoomAliasId,
    pub(super) id: OwnedRoomId,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.alias, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tried_is_not_told_as_failed_and_what_ends_the_run_stops_the_rest() {
        let error = |what: What| WriteError::from(Failure { what, text: "x".into() });
        let text = || "x".to_owned();
        for (what, expected) in [
            (What::RateLimited { told: None, tried: false }, WriteError::Skipped(text())),
            (What::RateLimited { told: None, tried: true }, WriteError::Failed(text())),
            (What::Stopped, WriteError::Ended(text())),
            (What::Account, WriteError::Stop(text())),
            (What::Unreachable { slow: true }, WriteError::Stop(text())),
            (What::Server, WriteError::Failed(text())),
        ] {
            assert_eq!(error(what), expected);
        }
    }

    #[test]
    fn what_could_not_be_looked_up_is_told_as_not_known_and_stops_the_rest_if_that_is_of_no_use() {
        let failure = |what: What| Failure { what, text: "x".into() };
        let refused = failure(What::Refused { status: 403, errcode: String::new() });
        assert_eq!(unknown(&refused, &failure(What::Server)), WriteError::Failed("x".into()));
        let known = "x; whether it was done all the same is not known".to_owned();
        assert_eq!(unknown(&failure(What::Timeout), &failure(What::Server)), WriteError::Failed(known));
        assert_eq!(unknown(&failure(What::Timeout), &failure(What::Account)), WriteError::Stop("x".into()));
    }
}
