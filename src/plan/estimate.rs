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

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::{OwnedUserId, RoomAliasId, room_id};

    use super::*;
    use crate::actual::Stamp;
    use crate::plan::{Creation, Headcount, Invite, Reason, Way};

    /// A room that is created or is there, and into which so many are invited.
    fn room(is_new: bool, invites: usize) -> RoomPlan {
        let alias = RoomAliasId::parse("#a:x").unwrap();
        let first = if is_new {
            Change::Create(Box::new(Creation {
                alias: alias.clone(),
                is_space: false,
                name: "a".into(),
                topic: None,
                listed: false,
                version: None,
                encryption: false,
                history_visibility: None,
                permissions: std::collections::BTreeMap::new(),
                power_levels: serde_json::Map::new(),
                stamp: Stamp::default(),
            }))
        } else {
            Change::Join { room_id: room_id!("!a:x").to_owned() }
        };
        let user = OwnedUserId::try_from("@a:x").unwrap();
        let invite = Change::Invite(Invite { user, level: 0, reason: Reason::NotInGroup, way: Way::Invite });
        RoomPlan {
            alias,
            room_id: None,
            headcount: Headcount::default(),
            changes: std::iter::once(first).chain(vec![invite; invites]).collect(),
            withheld: Vec::new(),
            problems: std::collections::BTreeSet::default(),
            warnings: std::collections::BTreeSet::default(),
        }
    }

    #[test]
    fn what_is_above_the_first_few_takes_time() {
        let time = |rooms| rate_limited(&Plan { rooms, ..Plan::default() });
        for (rooms, expected) in [
            (vec![room(false, 10)], 0),
            (vec![room(false, 11)], 5_000),
            // Ten are invited by the request that creates the room.
            (vec![room(true, 20)], 0),
            (vec![room(true, 21)], 5_000),
            (vec![room(true, 3), room(false, 11)], 5_000),
            (vec![room(true, 0); 10], 0),
            (vec![room(true, 0); 12], 125_000),
            ([vec![room(false, 11)], vec![room(true, 0); 11]].concat(), 62_500),
            ([vec![room(false, 30)], vec![room(true, 0); 11]].concat(), 100_000),
        ] {
            assert_eq!(time(rooms), Duration::from_millis(expected));
        }
    }
}
