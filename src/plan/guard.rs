//! The guard: what no answer of a directory may bring about unasked.

use std::fmt;

use matrix_sdk::ruma::OwnedRoomAliasId;

use super::{Change, Plan, orphans};

/// How much a run may remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most kicks in one run.
    pub max_kicks: u64,
    /// The largest share of the managed members of a room, and of all rooms, in percent.
    pub max_percent: u64,
    /// The number of managed members below which the share does not count.
    pub percent_from: u64,
    /// How many kicks a person has allowed for this run, whatever the other limits say.
    pub allowed: Option<u64>,
}

/// A limit that a plan is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Too many kicks in all.
    TooMany {
        /// Planned.
        kicks: u64,
        /// Allowed.
        limit: u64,
    },
    /// Too large a share of a room's managed members, or of all rooms' if there is no alias.
    TooLargeShare {
        /// The room.
        alias: Option<OwnedRoomAliasId>,
        /// Planned.
        kicks: u64,
        /// The managed members there are.
        of: u64,
        /// Allowed, in percent.
        limit: u64,
    },
    /// Nobody whom the identity providers want would be left in the room.
    Emptied {
        /// The room.
        alias: OwnedRoomAliasId,
        /// Planned.
        kicks: u64,
    },
    /// Too many rooms become orphaned at once.
    Orphaned {
        /// Those that are not marked as orphaned yet.
        rooms: u64,
        /// All rooms there are.
        of: u64,
        /// Allowed, in percent.
        limit: u64,
    },
}

/// The limits that a plan is over; none of them if it may be applied.
#[must_use]
pub fn guard(plan: &Plan, limits: &Limits) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let (mut all_kicks, mut all_managed) = (0, 0);
    for room in &plan.rooms {
        let kicks = room.kicks().count() as u64;
        let present = (room.headcount.joined + room.headcount.invited) as u64;
        let coming = room.changes.iter().filter(|change| matches!(change, Change::Invite(_))).count() as u64;
        let managed = present + kicks;
        all_kicks += kicks;
        all_managed += managed;
        if kicks > 0 && present + coming == 0 {
            refusals.push(Refusal::Emptied { alias: room.alias.clone(), kicks });
        } else if limits.share_is_too_large(kicks, managed) {
            let limit = limits.max_percent;
            refusals.push(Refusal::TooLargeShare { alias: Some(room.alias.clone()), kicks, of: managed, limit });
        }
    }
    // To empty an orphaned room is what is meant, so that only the limits of the whole run count there.
    all_kicks += orphans::kicks(plan);
    all_managed += orphans::kicks(plan);
    if limits.share_is_too_large(all_kicks, all_managed) {
        let limit = limits.max_percent;
        refusals.push(Refusal::TooLargeShare { alias: None, kicks: all_kicks, of: all_managed, limit });
    }
    if all_kicks > limits.max_kicks {
        refusals.push(Refusal::TooMany { kicks: all_kicks, limit: limits.max_kicks });
    }
    if limits.allowed.is_some_and(|allowed| all_kicks <= allowed) {
        return Vec::new();
    }
    refusals
}

impl Limits {
    fn share_is_too_large(&self, kicks: u64, managed: u64) -> bool {
        managed >= self.percent_from && kicks.saturating_mul(100) > managed.saturating_mul(self.max_percent)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { kicks, limit } => write!(f, "{kicks} kicks in all; max_kicks allows {limit}"),
            Self::TooLargeShare { alias, kicks, of, limit } => {
                match alias {
                    Some(alias) => write!(f, "{alias}: ")?,
                    None => f.write_str("all rooms together: ")?,
                }
                write!(f, "{kicks} kicks among {of} managed members; max_kicks_percent allows {limit} %")
            }
            Self::Orphaned { rooms, of, limit } => {
                let which = if rooms == of { format!("all {of}") } else { format!("{rooms} of {of}") };
                write!(
                    f,
                    "{which} rooms would become orphaned at once; max_orphans_percent allows {limit} %. If their groups \
                     are really gone, repeat with --allow-orphans {rooms}"
                )
            }
            Self::Emptied { alias, kicks } => {
                write!(f, "{alias}: {kicks} kicks would leave nobody there whom the identity provider wants")
            }
        }
    }
}
