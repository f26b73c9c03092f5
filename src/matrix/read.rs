//! From the homeserver to [`Actual`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::try_join;
use futures_util::{FutureExt as _, StreamExt as _, TryFutureExt as _, TryStreamExt as _, stream};
use matrix_sdk::ruma::api::client::alias::get_alias;
use matrix_sdk::ruma::api::client::directory::get_room_visibility;
use matrix_sdk::ruma::api::client::discovery::get_capabilities;
use matrix_sdk::ruma::api::client::membership::joined_rooms;
use matrix_sdk::ruma::api::client::room::{Visibility, get_room_event, get_summary};
use matrix_sdk::ruma::api::client::state::get_state_event_for_key::v3::StateEventFormat;
use matrix_sdk::ruma::api::client::state::{get_state_event_for_key, get_state_events};
use matrix_sdk::ruma::events::room::member::MembershipState;
use matrix_sdk::ruma::events::{AnyStateEvent, StateEventType};
use matrix_sdk::ruma::serde::Raw;
use matrix_sdk::ruma::{
    EventId, OwnedRoomAliasId, OwnedRoomId, OwnedServerName, RoomAliasId, RoomId, RoomVersionId, UserId,
};
use serde_json::{Map, Value};

use super::connection::LONGEST_STATE;
use super::error::{Failure, What};
use super::state;
use super::update::StateEvent;
use super::wire::{Asked, Wire};
use crate::actual::{Actual, ActualRoom, AskedFor, JoinedRoom, Membership, STAMP_TYPE, Stamp};
use crate::watch::Watch;

/// How many servers are named to the homeserver that could know about a room on another one.
const VIA: usize = 3;

/// Rooms that the account has joined.
#[derive(Debug, Default)]
pub struct Others {
    /// Those that could be read.
    pub rooms: BTreeMap<OwnedRoomId, JoinedRoom>,
    /// Why there may be more that bear the mark, if so.
    pub gap: Option<String>,
}

enum Other {
    Read(OwnedRoomId, Box<JoinedRoom>),
    /// One that is not like a room, and bears no mark.
    Odd(String),
    /// One that may bear the mark.
    Gap(String),
}

/// Reads rooms, and can change nothing.
#[derive(Debug, Clone)]
pub struct Reader {
    wire: Arc<Wire>,
}

impl Reader {
    pub(super) fn new(wire: Arc<Wire>) -> Self {
        Self { wire }
    }

    /// Reads what the aliases lead to: one request for all, and two for each room that the account has joined.
    ///
    /// A room that cannot be read is [`ActualRoom::Unreadable`] and does not keep the others from being read.
    ///
    /// # Errors
    /// When the homeserver cannot be reached any more, or does not accept the access token any more.
    pub async fn read(&self, asked_for: &AskedFor, watch: &dyn Watch) -> Result<Actual, Failure> {
        watch.begin("reading rooms", asked_for.aliases.len());
        let actual = self.read_all(asked_for, watch).await;
        watch.end();
        actual
    }

    async fn read_all(&self, asked_for: &AskedFor, watch: &dyn Watch) -> Result<Actual, Failure> {
        let joined = self.joined().map_ok(Arc::new).shared();
        let rooms = stream::iter(&asked_for.aliases)
            .map(async |alias| {
                let resolved = self.resolve(alias).await;
                let joined = joined.clone().await?;
                let in_directory = asked_for.in_directory.contains(alias);
                let room = match self.room(alias, resolved, &joined, in_directory).await {
                    Err(failure) if failure.ends_the_run() => return Err(failure),
                    Err(failure) => ActualRoom::Unreadable(failure.to_string()),
                    Ok(room) => room,
                };
                watch.step();
                Ok((alias.clone(), room))
            })
            .buffer_unordered(self.wire.concurrency)
            .try_collect::<BTreeMap<_, _>>();
        // Nobody waits for the one before the others are asked.
        let (joined, rooms) = try_join(joined.clone(), rooms).await?;
        let own = self.wire.me.server_name();
        let is_to_be_created = |(alias, room): (&OwnedRoomAliasId, &ActualRoom)| {
            *room == ActualRoom::Missing && alias.server_name() == own
        };
        let default_room_version =
            if rooms.iter().any(is_to_be_created) { self.default_room_version().await? } else { None };
        let (me, joined) = (self.wire.me.clone(), Arc::unwrap_or_clone(joined));
        Ok(Actual { me, default_room_version, rooms, joined, others: BTreeMap::new() })
    }

    /// The rooms that the account has joined.
    ///
    /// # Errors
    /// When the homeserver does not tell.
    pub async fn joined(&self) -> Result<BTreeSet<OwnedRoomId>, Failure> {
        let asked = Asked::read("asking which rooms the account has joined");
        let answer = self.wire.ask(&asked, |client| client.send(joined_rooms::v3::Request::new())).await?;
        Ok(answer.joined_rooms.into_iter().collect())
    }

    async fn room(
        &self,
        alias: &RoomAliasId,
        resolved: Result<Option<(OwnedRoomId, Vec<OwnedServerName>)>, Failure>,
        joined: &BTreeSet<OwnedRoomId>,
        in_directory: bool,
    ) -> Result<ActualRoom, Failure> {
        let Some((id, servers)) = resolved? else { return Ok(ActualRoom::Missing) };
        if !joined.contains(&id) {
            return self.not_joined(alias, id, servers).await;
        }
        let mut room = self.state(&id, &format!("reading {alias} ({id})")).await?;
        if in_directory {
            room.in_directory = Some(self.is_in_directory(alias, id).await?);
        }
        Ok(ActualRoom::Joined(Box::new(room)))
    }

    async fn is_in_directory(&self, alias: &RoomAliasId, id: OwnedRoomId) -> Result<bool, Failure> {
        let asked = Asked::read(format!("asking whether {alias} is in the room directory"));
        let request = get_room_visibility::v3::Request::new(id);
        let answer = self.wire.ask(&asked, |client| client.send(request.clone())).await?;
        Ok(answer.visibility == Visibility::Public)
    }

    /// The state of more rooms that the account has joined: a request for each. One that cannot be read is left out, with
    /// a warning in the log.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub async fn others(&self, ids: BTreeSet<OwnedRoomId>, watch: &dyn Watch) -> Result<Others, Failure> {
        watch.begin("reading rooms", ids.len());
        let rooms: Result<Vec<_>, Failure> = stream::iter(ids)
            .map(|id| async move {
                let asked = format!("reading {id}");
                let events = self.events(&id, &asked).await;
                watch.step();
                match events {
                    Ok(events) => Ok(match state::joined_room(id.clone(), &self.wire.me, texts(&events)) {
                        Ok(room) => Other::Read(id, Box::new(room)),
                        Err(why) if state::may_be_marked(&self.wire.me, texts(&events)) => {
                            Other::Gap(format!("{asked}: {why}"))
                        }
                        Err(why) => Other::Odd(format!("{asked}: {why}")),
                    }),
                    Err(failure) if failure.ends_the_run() => Err(failure),
                    Err(failure) => Ok(Other::Gap(failure.to_string())),
                }
            })
            .buffer_unordered(self.wire.concurrency)
            .try_collect()
            .await;
        watch.end();
        let mut others = Others::default();
        for room in rooms? {
            match room {
                Other::Read(id, room) => {
                    others.rooms.insert(id, *room);
                }
                Other::Odd(why) => tracing::warn!("{why}"),
                Other::Gap(why) => {
                    tracing::warn!("{why}");
                    others.gap = others.gap.take().into_iter().chain([why]).min();
                }
            }
        }
        Ok(others)
    }

    /// The whole state of a room that the account has joined.
    async fn state(&self, id: &RoomId, asked: &str) -> Result<JoinedRoom, Failure> {
        let events = self.events(id, asked).await?;
        state::joined_room(id.to_owned(), &self.wire.me, texts(&events))
            .map_err(|why| Failure::new(What::Unintelligible, &format!("{asked}: {why}")))
    }

    async fn events(&self, id: &RoomId, asked: &str) -> Result<Vec<Raw<AnyStateEvent>>, Failure> {
        let asked = Asked::read(asked);
        let request = get_state_events::v3::Request::new(id.to_owned());
        Ok(self.wire.ask(&asked, |client| client.send_for(LONGEST_STATE, request.clone())).await?.room_state)
    }

    /// The room that an alias leads to, and the servers that know the room.
    pub(super) async fn resolve(
        &self,
        alias: &RoomAliasId,
    ) -> Result<Option<(OwnedRoomId, Vec<OwnedServerName>)>, Failure> {
        let asked =
            Asked::read(format!("asking which room {alias} is")).with_help_of(alias.server_name(), &self.wire.me);
        let request = get_alias::v3::Request::new(alias.to_owned());
        match self.wire.ask(&asked, |client| client.send(request.clone())).await {
            Ok(answer) => Ok(Some((answer.room_id, answer.servers))),
            // A 404 without the code comes from something that is no homeserver: that room is not missing.
            Err(failure) if failure.is_refusal(404, "M_NOT_FOUND") => Ok(None),
            Err(failure) if alias.server_name() != self.wire.me.server_name() => {
                Err(failure.behind(alias.server_name()))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Asks whether the account is invited. Without `/sync` only the room's summary tells
    /// (MSC3266, <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv1room_summaryroomidoralias>).
    async fn not_joined(
        &self,
        alias: &RoomAliasId,
        id: OwnedRoomId,
        mut servers: Vec<OwnedServerName>,
    ) -> Result<ActualRoom, Failure> {
        servers.truncate(VIA);
        let asked = Asked::read(format!("asking whether the account is invited to {alias} ({id})"))
            .with_help_of(alias.server_name(), &self.wire.me);
        let request = get_summary::v1::Request::new(id.clone().into(), servers);
        match self.wire.ask(&asked, |client| client.send(request.clone())).await {
            Ok(answer) if answer.membership == Some(MembershipState::Invite) => Ok(ActualRoom::Invited(id)),
            Ok(_) => Ok(ActualRoom::Outside(id)),
            // The homeserver does not show the room, or has no summaries.
            Err(Failure { what: What::Refused { .. } | What::Unintelligible, text }) => {
                tracing::debug!(%alias, text, "no summary");
                Ok(ActualRoom::Outside(id))
            }
            Err(failure) => Err(failure),
        }
    }

    /// The version that rooms get when none is asked for, if the homeserver tells.
    async fn default_room_version(&self) -> Result<Option<RoomVersionId>, Failure> {
        let asked = Asked::read("asking for the default room version");
        let request = get_capabilities::v3::Request::new();
        match self.wire.ask(&asked, |client| client.send(request.clone())).await {
            Ok(answer) => {
                let versions = answer.capabilities.room_versions;
                // What stands here when the homeserver tells nothing: version 1, which no homeserver has as its default.
                Ok(if versions.is_default() { None } else { Some(versions.default) })
            }
            Err(failure) if failure.ends_the_run() => Err(failure),
            Err(failure) => {
                tracing::warn!(%failure, "the default room version is not known");
                Ok(None)
            }
        }
    }

    /// The membership of somebody, as it is now. Whoever has no membership event has left.
    pub(super) async fn membership(&self, room: &RoomId, user: &UserId) -> Result<Option<Membership>, Failure> {
        let content = self.state_event(room, StateEventType::RoomMember, user.as_str()).await?;
        Ok(content.map_or(Some(Membership::Leave), |content| state::membership(&content)))
    }

    /// The mark that a room bears now.
    pub(super) async fn stamp(&self, room: &RoomId) -> Result<Option<Stamp>, Failure> {
        let content = self.state_event(room, STAMP_TYPE.into(), self.wire.me.as_str()).await?;
        Ok(content.and_then(|content| state::stamp(&content)))
    }

    /// A state event without state key, as it is now.
    pub(super) async fn state_event_whole(&self, room: &RoomId, kind: &str) -> Result<StateEvent, Failure> {
        let kind = StateEventType::from(kind);
        let mut request = get_state_event_for_key::v3::Request::new(room.to_owned(), kind.clone(), String::new());
        request.format = StateEventFormat::Event;
        let event = self.asked_state(request).await?.map(|answer| StateEvent::of(&kind, answer)).unwrap_or_default();
        if event.is_of(&kind.to_string()) {
            Ok(event)
        } else {
            let asked = format!("reading {kind} of {room}");
            Err(Failure::unintelligible(&asked, &self.wire.server, &format!("it is no {kind}")))
        }
    }

    /// An event that may not be part of the state any more.
    pub(super) async fn event(&self, room: &RoomId, id: &str) -> Result<StateEvent, Failure> {
        let asked = Asked::read(format!("reading the event {id} of {room}"));
        let malformed = |why: String| Failure::new(What::Unintelligible, &format!("{}: {why}", asked.text));
        let id = EventId::parse(id).map_err(|error| malformed(error.to_string()))?;
        let request = get_room_event::v3::Request::new(room.to_owned(), id);
        let answer = self.wire.ask(&asked, |client| client.send(request.clone())).await?;
        let event: Map<String, Value> =
            serde_json::from_str(answer.event.json().get()).map_err(|error| malformed(error.to_string()))?;
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default().into();
        Ok(StateEvent::of(&kind, event))
    }

    async fn state_event(
        &self,
        room: &RoomId,
        kind: StateEventType,
        key: &str,
    ) -> Result<Option<Map<String, Value>>, Failure> {
        self.asked_state(get_state_event_for_key::v3::Request::new(room.to_owned(), kind, key.to_owned())).await
    }

    async fn asked_state(
        &self,
        request: get_state_event_for_key::v3::Request,
    ) -> Result<Option<Map<String, Value>>, Failure> {
        let asked = Asked::read(format!("reading {} of {}", request.event_type, request.room_id));
        match self.wire.ask(&asked, |client| client.send(request.clone())).await {
            // What is no object is not the same as no event.
            Ok(answer) => serde_json::from_str(answer.event_or_content.get())
                .map(Some)
                .map_err(|error| Failure::unintelligible(&asked.text, &self.wire.server, &error.to_string())),
            Err(failure) if failure.is_refusal(404, "M_NOT_FOUND") => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

fn texts(events: &[Raw<AnyStateEvent>]) -> impl Iterator<Item = &str> {
    events.iter().map(|event| event.json().get())
}
