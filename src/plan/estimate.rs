//! How long a plan takes at a homeserver that limits the rate of requests: an estimate from counts alone, since the limits
//! of a homeserver cannot be asked for.

use std::time::Duration;

use super::{Change, Plan, RoomPlan};

/// Synapse's `rc_message`: so many events at once, then one in so many milliseconds
/// (<https://element-hq.github.io/synapse/latest/usage/configuration/config_documentation.html#rc_message>).
const EVENTS: Limit = Limit { burst: 10, interval: 5_000 };
/// Synapse's `rc_room_creation`, which is that of events if it is not set; measured as one in 62.5 s.
const CREATIONS: Limit = Limit { burst: 10, interval: 62_500 };

/// How many invitations Synapse lets the request carry that creates their room (`rc_invites.per_room`).
const CARRIED: usize = 10;

struct Limit {
    burst: u64,
    interval: u64,
}

impl Limit {
    fn time_for(&self, writes: usize) -> Duration {
        let late = u64::try_from(writes).unwrap_or(u64::MAX).saturating_sub(self.burst);
        Duration::from_millis(late.saturating_mul(self.interval))
    }
}

/// How long the writes of a plan take with the rate limits that Synapse has by default.
#[must_use]
pub fn rate_limited(plan: &Plan) -> Duration {
    let creates = |room: &&RoomPlan| matches!(room.changes.first(), Some(Change::Create(_)));
    let events = |room: &RoomPlan| {
        room.changes.iter().filter(|change| !matches!(change, Change::Create(_) | Change::Join { .. })).count()
    };
    let creations = plan.changing().filter(creates).count();
    let with_creations: usize = plan.changing().filter(creates).map(|room| events(room).saturating_sub(CARRIED)).sum();
    let alone: usize = plan.changing().filter(|room| !creates(room)).map(events).sum();
    let events = with_creations + alone;
    // The two are limited apart from each other, and done side by side.
    CREATIONS.time_for(creations).max(EVENTS.time_for(events))
}
