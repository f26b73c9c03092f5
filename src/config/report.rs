//! `[report]`: who is told of what a run did.

use matrix_sdk::ruma::OwnedRoomAliasId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::schema::Alias;

/// Who is told of what a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// The room that gets one message after a run that changed, refused or failed something, with the plan and what became of
    /// it.
    #[schemars(with = "Option<Alias>")]
    pub room: Option<OwnedRoomAliasId>,
}
