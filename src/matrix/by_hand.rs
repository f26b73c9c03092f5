//! From one [`Step`] of what is done by hand to one effect.

use matrix_sdk::ruma::{RoomAliasId, RoomId};
use serde_json::{Value, json};

use super::write::{Done, Place, WriteError, Writer};
use crate::actual::STAMP_TYPE;
use crate::manual::Step;

/// The reason that is given to who is removed, and to the room.
const KICK_REASON: &str = "removed by an administrator";

impl Writer {
    /// Takes one step in a room.
    ///
    /// # Errors
    /// As [`Writer::apply`].
    pub async fn step(&self, alias: &RoomAliasId, room: &RoomId, step: &Step) -> Result<Done, WriteError> {
        let place = Place { alias: alias.to_owned(), id: room.to_owned() };
        match step {
            Step::Invite(user) => self.invite(&place, user, None).await,
            Step::TakeMark => {
                self.put(&place, STAMP_TYPE, self.wire.me.as_str(), json!({}), "taking the mark from").await
            }
            Step::PowerLevels { content, .. } => {
                let content = Value::Object(content.clone());
                self.put(&place, "m.room.power_levels", "", content, "setting the power levels of").await
            }
            Step::Kick { user, .. } => self.kick(&place, user, KICK_REASON).await,
            Step::Leave => self.leave(&place).await,
        }
    }
}
