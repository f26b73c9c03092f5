//! Creating a room: one request that makes the whole of it, and invites as many people as the homeserver lets.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use matrix_sdk::ruma::api::client::room::Visibility;
use matrix_sdk::ruma::api::client::room::create_room::v3 as create_room;
use matrix_sdk::ruma::serde::Raw;
use matrix_sdk::ruma::{OwnedUserId, UserId};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, Semaphore};

use super::error::Failure;
use super::limiter::Lane;
use super::precise::Precise;
use super::wire::{Asked, backoff};
use super::write::{Done, WriteError, Writer};
use crate::actual::STAMP_TYPE;
use crate::plan::Creation;

/// How often a lost answer is looked for.
const LOOKS: u32 = 4;
/// How many people are invited by the request that creates a room: what is tried first, and what next where that is
/// refused. Synapse takes some 20 ms for each, so that such a request is answered well before a timeout; its default limit
/// (`rc_invites.per_room`) lets 10 pass.
const LOADS: [usize; 3] = [50, 10, 0];
/// How many such requests are under way at once. A Synapse makes the events of all of them on one thread, so that more of
/// them are no quicker together, and each takes longer: sixteen with twenty people each took more than a minute on a busy
/// machine, which is a timeout.
const SIDE_BY_SIDE: usize = 4;
/// How Synapse refuses a room with too many invitations.
const TOO_MANY: &str = "M_UNKNOWN";

/// How many people the homeserver lets be invited by the request that creates a room, as far as that is known.
#[derive(Debug)]
pub(super) struct Carriage {
    slots: Semaphore,
    /// An index of [`LOADS`].
    step: AtomicUsize,
    known: AtomicBool,
    trial: Mutex<()>,
}

/// The invitations of one request.
struct Load<'a> {
    people: usize,
    of: &'a Carriage,
    /// Held by a request whose answer tells how many the homeserver lets pass: a refused one costs a creation, so that
    /// only one at a time is sent.
    trial: Option<MutexGuard<'a, ()>>,
}

impl Default for Carriage {
    fn default() -> Self {
        Self {
            slots: Semaphore::new(SIDE_BY_SIDE),
            step: AtomicUsize::new(0),
            known: false.into(),
            trial: Mutex::default(),
        }
    }
}

impl Carriage {
    /// How many of so many people the next request takes along.
    async fn load(&self, people: usize) -> Load<'_> {
        let with = |trial: Option<_>| {
            let most = LOADS[self.step.load(Ordering::SeqCst)];
            Load { people: people.min(most), of: self, trial }
        };
        let tells = || {
            let next = LOADS.get(self.step.load(Ordering::SeqCst) + 1);
            !self.known.load(Ordering::SeqCst) && next.is_some_and(|next| people > *next)
        };
        if !tells() {
            return with(None);
        }
        let turn = self.trial.lock().await;
        with(tells().then_some(turn))
    }
}

impl Load<'_> {
    fn passed(&self) {
        if self.trial.is_some() {
            self.of.known.store(true, Ordering::SeqCst);
        }
    }

    fn refused(&self) {
        let fewer = LOADS.iter().position(|load| *load < self.people).unwrap_or(LOADS.len() - 1);
        self.of.step.fetch_max(fewer, Ordering::SeqCst);
    }
}

impl Writer {
    /// Creates a room, and invites as many of these people by the same request as the homeserver lets; only people of its
    /// own, since another homeserver that is down would make the whole request fail, and those behind them be missing.
    ///
    /// # Errors
    /// As [`Writer::apply`].
    pub async fn create(&self, creation: &Creation, people: &[&UserId]) -> Result<Done, WriteError> {
        let alias = &creation.alias;
        let own = people.iter().filter(|user| user.server_name() == self.wire.me.server_name());
        let people: Vec<OwnedUserId> = own.map(|user| (*user).to_owned()).collect();
        // Nothing tells the homeserver that two requests are one: a repetition could make a second room.
        let asked = Asked::once(Lane::Create, format!("creating {alias}"));
        // Never closed.
        let _slot = self.carriage.slots.acquire().await.ok();
        loop {
            let load = self.carriage.load(people.len()).await;
            let invitees = &people[..load.people];
            let request = create_request(creation, invitees, &self.wire.me)
                .map(Precise)
                .map_err(|error| WriteError::Failed(format!("{}: {error}", asked.text)))?;
            return match self.wire.ask(&asked, |client| client.send(request.clone())).await {
                Ok(answer) => {
                    load.passed();
                    Ok(Done::Created { room: answer.0.room_id, invited: invitees.iter().cloned().collect() })
                }
                // Another run may be at it: the alias comes first, the mark later.
                Err(failure) if failure.is_refusal(400, "M_ROOM_IN_USE") || failure.is_refusal(409, "") => {
                    self.look_for(creation, failure, LOOKS).await
                }
                Err(failure) if failure.may_be_done() => self.look_for(creation, failure, LOOKS).await,
                // An invitation that is refused ends the request, but the room is there before the first is looked at.
                Err(failure) if failure.is_refusal_of_any_kind() && !invitees.is_empty() => {
                    match self.look_for(creation, failure.clone(), 1).await {
                        Ok(done) => Ok(done),
                        Err(_) if failure.is_refusal(400, TOO_MANY) => {
                            tracing::debug!(%alias, people = load.people, %failure, "creating the room with fewer invitations");
                            load.refused();
                            continue;
                        }
                        Err(_) => Err(failure.into()),
                    }
                }
                Err(failure) => Err(failure.into()),
            };
        }
    }

    /// Looks whether the room has come to be in spite of a failure, and is ours.
    async fn look_for(&self, creation: &Creation, failure: Failure, looks: u32) -> Result<Done, WriteError> {
        let alias = &creation.alias;
        let mut known = String::new();
        for look in 1..=looks {
            if look > 1 {
                tokio::time::sleep(backoff(look)).await;
            }
            known = match self.reader.resolve(alias).await {
                Ok(None) => "the alias does not exist so far; the next run tries again if it does not appear".into(),
                Err(error) => format!("whether the room was created is not known: {error}; the next run finds out"),
                Ok(Some((id, _))) => match self.reader.stamp(&id).await {
                    Ok(Some(stamp)) if stamp == creation.stamp => return Ok(Done::AlreadyCreated(id)),
                    Ok(Some(_)) => format!("{id} has the alias, and bears the mark of other groups"),
                    Ok(None) => format!("{id} has the alias, and bears no mark of inviter"),
                    Err(error) if error.is_refusal(403, "") => {
                        format!("{id} has the alias, and the account of inviter is not in that room")
                    }
                    Err(error) => format!("{id} has the alias, and whether it is ours is not known: {error}"),
                },
            };
        }
        Err(WriteError::Failed(format!("{failure}; {known}")))
    }
}

/// One request that makes the whole room
/// (<https://spec.matrix.org/v1.16/client-server-api/#post_matrixclientv3createroom>).
fn create_request(
    creation: &Creation,
    invitees: &[OwnedUserId],
    me: &UserId,
) -> Result<create_room::Request, serde_json::Error> {
    let event = |kind: &str, key: &str, content: Value| {
        Raw::new(&json!({ "type": kind, "state_key": key, "content": content })).map(Raw::cast_unchecked)
    };
    let mut request = create_room::Request::new();
    request.room_alias_name = Some(creation.alias.alias().to_owned());
    request.name = Some(creation.name.clone());
    request.topic.clone_from(&creation.topic);
    if creation.listed {
        request.visibility = Visibility::Public;
    }
    if creation.is_space {
        request.creation_content = Some(Raw::new(&json!({ "type": "m.space" }))?.cast_unchecked());
    }
    request.room_version.clone_from(&creation.version);
    request.invite = invitees.to_vec();
    request.preset = Some(create_room::RoomPreset::PrivateChat);
    request.initial_state.push(event(STAMP_TYPE, me.as_str(), json!(creation.stamp))?);
    if creation.encryption {
        let content = json!({ "algorithm": "m.megolm.v1.aes-sha2" });
        request.initial_state.push(event("m.room.encryption", "", content)?);
    }
    if let Some(visibility) = creation.history_visibility {
        let content = json!({ "history_visibility": visibility.as_str() });
        request.initial_state.push(event("m.room.history_visibility", "", content)?);
    }
    if !creation.power_levels.is_empty() {
        request.power_level_content_override = Some(Raw::new(&creation.power_levels)?.cast_unchecked());
    }
    Ok(request)
}
