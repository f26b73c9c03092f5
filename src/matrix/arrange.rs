//! Changes of where a room stands: its aliases, the room directory, its space.

use matrix_sdk::ruma::api::client::alias::{create_alias, delete_alias};
use matrix_sdk::ruma::api::client::directory::set_room_visibility;
use matrix_sdk::ruma::api::client::message::send_message_event;
use matrix_sdk::ruma::api::client::room::Visibility;
use matrix_sdk::ruma::events::MessageLikeEventType;
use matrix_sdk::ruma::serde::Raw;
use matrix_sdk::ruma::{OwnedRoomId, RoomAliasId, RoomId, TransactionId};
use serde_json::json;

use super::error::Failure;
use super::limiter::Lane;
use super::precise::Precise;
use super::wire::Asked;
use super::write::{Done, Place, WriteError, Writer};
use crate::plan::{AliasChange, Edit, SpaceLink};

impl Writer {
    /// Gives a room an alias, and makes that its main one
    /// (<https://spec.matrix.org/v1.16/client-server-api/#room-aliases>).
    pub(super) async fn alias(&self, place: &Place, change: &AliasChange) -> Result<Done, WriteError> {
        if !change.taken || !self.leads_to(place, &change.to).await? {
            self.point(place, change).await?;
        }
        // Before the main alias, by which a later run sees whether this was finished.
        if let Some(old) = change.from.as_ref().filter(|_| change.drop) {
            self.drop_alias(old).await?;
        }
        self.update(place, &Edit::Alias(change)).await
    }

    /// Makes an alias lead to a room.
    async fn point(&self, place: &Place, change: &AliasChange) -> Result<(), WriteError> {
        if change.taken {
            self.drop_alias(&change.to).await?;
        }
        let asked = Asked::repeatable(Lane::Send, format!("giving {place} the alias {}", change.to));
        let request = Precise(create_alias::v3::Request::new(change.to.clone(), place.id.clone()));
        if let Err(failure) = self.wire.ask(&asked, |client| client.send(request.clone())).await {
            // A repetition whose first answer was lost finds the alias taken, by this room.
            if !self.leads_to(place, &change.to).await.unwrap_or(false) {
                return Err(failure.into());
            }
        }
        Ok(())
    }

    async fn leads_to(&self, place: &Place, alias: &RoomAliasId) -> Result<bool, Failure> {
        Ok(self.reader.resolve(alias).await?.is_some_and(|(id, _)| id == place.id))
    }

    async fn drop_alias(&self, alias: &RoomAliasId) -> Result<(), WriteError> {
        let asked = Asked::repeatable(Lane::Send, format!("taking away the alias {alias}"));
        let request = Precise(delete_alias::v3::Request::new(alias.to_owned()));
        match self.wire.ask(&asked, |client| client.send(request.clone())).await {
            Err(failure) if !failure.is_refusal(404, "") => Err(failure.into()),
            _ => Ok(()),
        }
    }

    pub(super) async fn directory(&self, place: &Place, listed: bool) -> Result<Done, WriteError> {
        let what = if listed { "listing" } else { "no longer listing" };
        let asked = Asked::repeatable(Lane::Send, format!("{what} {place} in the room directory"));
        let visibility = if listed { Visibility::Public } else { Visibility::Private };
        let request = Precise(set_room_visibility::v3::Request::new(place.id.clone(), visibility));
        self.wire.ask(&asked, |client| client.send(request.clone())).await?;
        Ok(Done::Applied)
    }

    pub(super) async fn restrict(&self, place: &Place, link: &SpaceLink) -> Result<Done, WriteError> {
        let condition = json!({ "type": "m.room_membership", "room_id": self.space(link).await? });
        self.update(place, &Edit::Restrict(condition)).await
    }

    pub(super) async fn space_parent(&self, place: &Place, link: &SpaceLink) -> Result<Done, WriteError> {
        let space = self.space(link).await?;
        let content = json!({ "via": [self.wire.me.server_name()], "canonical": true });
        self.put(place, "m.space.parent", space.as_str(), content, "saying which space it is in, in").await
    }

    pub(super) async fn space_child(&self, place: &Place, link: &SpaceLink) -> Result<Done, WriteError> {
        let space = Place { alias: link.space.clone(), id: self.space(link).await? };
        let content = json!({ "via": [self.wire.me.server_name()] });
        let what = format!("putting {} into", place.alias);
        self.put(&space, "m.space.child", place.id.as_str(), content, &what).await
    }

    /// The ID of a space; one that this run created is asked for.
    async fn space(&self, link: &SpaceLink) -> Result<OwnedRoomId, WriteError> {
        if let Some(id) = &link.space_id {
            return Ok(id.clone());
        }
        match self.reader.resolve(&link.space).await? {
            Some((id, _)) => Ok(id),
            None => Err(WriteError::Skipped(format!("the space {} was not created", link.space))),
        }
    }

    /// Sends a notice to a room.
    ///
    /// # Errors
    /// When the homeserver does not take it.
    pub async fn notify(&self, alias: &RoomAliasId, room: &RoomId, text: &str) -> Result<(), WriteError> {
        let asked = Asked::repeatable(Lane::Send, format!("sending the report to {alias}")).last();
        let failed = |error: serde_json::Error| WriteError::Failed(format!("{}: {error}", asked.text));
        let content = Raw::new(&json!({ "msgtype": "m.notice", "body": text })).map_err(failed)?.cast_unchecked();
        // The transaction ID makes a repetition the same message.
        let kind = MessageLikeEventType::RoomMessage;
        let request =
            Precise(send_message_event::v3::Request::new_raw(room.to_owned(), TransactionId::new(), kind, content));
        self.wire.ask(&asked, |client| client.send(request.clone())).await?;
        Ok(())
    }
}
