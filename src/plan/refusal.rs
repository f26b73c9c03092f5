//! What the guard refuses, and how it says so.

use std::collections::BTreeSet;
use std::fmt;

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedUserId};

use super::PowerNeed;
use crate::desired::Via;
use crate::power::Power;
use crate::printable::harmless;

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
    /// People would be removed from a room of which a group has become empty.
    EmptyGroups {
        /// The room.
        alias: OwnedRoomAliasId,
        /// The groups.
        groups: BTreeSet<Via>,
        /// Planned.
        kicks: u64,
    },
    /// The last moderators of a room would be removed or demoted.
    LastModerator {
        /// The room.
        alias: OwnedRoomAliasId,
        /// The moderators.
        users: BTreeSet<OwnedUserId>,
    },
    /// The account would take away its own power.
    OwnPower {
        /// The room.
        alias: OwnedRoomAliasId,
        /// How.
        loss: OwnLoss,
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

/// How the account would take away its own power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnLoss {
    /// It would kick itself.
    Kick,
    /// It would have a lower level.
    Level {
        /// Now.
        from: Power,
        /// Then.
        to: Power,
    },
    /// Something that it can do would take a higher level than its own.
    Bar {
        /// What it could not do any more.
        to: PowerNeed,
        /// The level that it would take.
        need: i64,
        /// Its own level.
        have: Power,
    },
}

impl Refusal {
    /// Whether nothing can let the plan pass.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::OwnPower { .. })
    }

    /// Whether `--allow-kicks` lets the plan pass, as far as this goes.
    pub(super) fn yields_to_kicks(&self) -> bool {
        !matches!(self, Self::OwnPower { .. } | Self::Orphaned { .. })
    }

    pub(super) fn is_about_moderators(&self) -> bool {
        matches!(self, Self::LastModerator { .. })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { kicks, limit } => write!(f, "{} in all; max_kicks allows {limit}", counted(*kicks)),
            Self::TooLargeShare { alias, kicks, of, limit } => {
                match alias {
                    Some(alias) => write!(f, "{alias}: ")?,
                    None => f.write_str("all rooms together: ")?,
                }
                write!(f, "{} among {of} managed members; max_kicks_percent allows {limit} %", counted(*kicks))
            }
            Self::Emptied { alias, kicks } => {
                write!(f, "{alias}: {} would leave nobody there whom the identity providers want", counted(*kicks))
            }
            Self::EmptyGroups { alias, groups, kicks } => write!(
                f,
                "{alias}: {}, and a group has nobody any more who could be there: {}; may_be_empty under [[rooms]] groups lets \
                 it be empty",
                counted(*kicks),
                listed(groups),
            ),
            Self::LastModerator { alias, users } => write!(
                f,
                "{alias}: no moderator would be left but for {}; keep_last_moderator = false lets that happen",
                listed(users)
            ),
            Self::OwnPower { alias, loss } => write!(f, "{alias}: {loss}"),
            Self::Orphaned { rooms, of, limit } => {
                let which = if rooms == of { format!("all {of}") } else { format!("{rooms} of {of}") };
                write!(
                    f,
                    "{which} rooms would become orphaned at once; max_orphans_percent allows {limit} %. If their groups \
                     are really gone, repeat with --allow-orphans {rooms}"
                )
            }
        }
    }
}

impl fmt::Display for OwnLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kick => f.write_str("inviter would remove itself"),
            Self::Level { from, to } => write!(f, "inviter would lower its own power level from {from} to {to}"),
            Self::Bar { to, need, have } => {
                write!(f, "inviter would need {need} {to} and have {have}; see permissions under [room] and [[rooms]]")
            }
        }
    }
}

fn counted(kicks: u64) -> String {
    if kicks == 1 { "1 kick".into() } else { format!("{kicks} kicks") }
}

fn listed<T: fmt::Display>(names: &BTreeSet<T>) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    harmless(&names.join(", ")).into_owned()
}
