//! `[report]`: who is told of what a run did.

use matrix_sdk::ruma::OwnedRoomAliasId;
use serde::Deserialize;

/// Who is told of what a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// The room that gets one message after a run that changed, refused or failed something.
    pub room: Option<OwnedRoomAliasId>,
}
