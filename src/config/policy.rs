//! `[policy]`: what may be done.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::schema::Span;

/// What may be done.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Whether kicks and demotions are shown but withheld until `--kick` is given.
    pub cautious: bool,
    /// How long somebody who left or declined is left alone before they are invited again.
    #[serde(deserialize_with = "duration", serialize_with = "as_written")]
    #[schemars(with = "Span")]
    pub reinvite_after: Duration,
    /// Users who are never invited, kicked, promoted or demoted: patterns with `*` and `?` over the whole user ID.
    pub protected_users: Vec<String>,
    /// What an owner of a group is who is no member of it.
    pub owners_outside_group: OwnersOutside,
    /// Whether a room that exists and bears no mark of `inviter` is taken into its care when a group names it.
    pub adopt: bool,
    /// What becomes of the old alias of a room whose group was renamed.
    pub renamed_rooms: RenamedRooms,
    /// What becomes of rooms that bear the mark and whose groups are gone.
    pub orphans: Orphans,
    /// How long a room is marked as orphaned before its people are removed, with `"empty"`.
    #[serde(deserialize_with = "duration", serialize_with = "as_written")]
    #[schemars(with = "Span")]
    pub orphan_grace: Duration,
    /// The largest share of the rooms that may become orphaned at once, in percent.
    pub max_orphans_percent: u8,
    /// The number of rooms below which `max_orphans_percent` does not count.
    pub max_orphans_percent_from: u64,
    /// The most kicks that one run may make.
    pub max_kicks: u64,
    /// The largest share of a room's, and of all rooms', managed members that one run may kick, in percent.
    pub max_kicks_percent: u8,
    /// The number of managed members below which `max_kicks_percent` does not count.
    pub max_kicks_percent_from: u64,
    /// Whether a plan is refused that leaves a room without a moderator.
    pub keep_last_moderator: bool,
    /// What a run does whose removals were refused.
    pub when_refused: WhenRefused,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            cautious: true,
            reinvite_after: Duration::from_hours(24),
            protected_users: Vec::new(),
            owners_outside_group: OwnersOutside::Ignore,
            adopt: false,
            renamed_rooms: RenamedRooms::KeepAlias,
            orphans: Orphans::Report,
            orphan_grace: Duration::from_hours(7 * 24),
            max_orphans_percent: 20,
            max_orphans_percent_from: 10,
            max_kicks: 50,
            max_kicks_percent: 30,
            max_kicks_percent_from: 10,
            keep_last_moderator: true,
            when_refused: WhenRefused::DoTheRest,
        }
    }
}

/// What an owner of a group is who is no member of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OwnersOutside {
    /// Nothing: membership comes from the group alone.
    Ignore,
    /// A member of the room and its moderator.
    Moderator,
}

/// What becomes of the old alias of a room whose group was renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RenamedRooms {
    /// It leads to the room still, beside the new one.
    KeepAlias,
    /// It is taken away.
    DropAlias,
}

/// What becomes of rooms that bear the mark and whose groups are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Orphans {
    /// They are told of, and left as they are.
    Report,
    /// They are marked, and their people are removed after [`Policy::orphan_grace`].
    Empty,
}

/// What a run does when the guard refused its removals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenRefused {
    /// Everything but the removals and demotions.
    DoTheRest,
    /// Nothing at all.
    DoNothing,
}

/// A duration as a person writes it: `90s`, `24h`, `1day 6h`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|error| de::Error::custom(format!("expected a duration like \"30s\" or \"24h\": {error}")))
}

/// The other way round, as the README writes durations: `60s`, `15m`, `24h`, `7d`.
pub(super) fn as_written<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let seconds = duration.as_secs();
    let (count, unit) = [(24 * 3600, "d"), (3600, "h"), (60, "m")]
        .into_iter()
        .find(|(length, _)| seconds > *length && seconds.is_multiple_of(*length))
        .map_or((seconds, "s"), |(length, unit)| (seconds / length, unit));
    serializer.serialize_str(&format!("{count}{unit}"))
}
