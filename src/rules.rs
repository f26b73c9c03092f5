//! What a run may do, by its configuration and its command line.

use std::time::{SystemTime, UNIX_EPOCH};

use wildmatch::WildMatch;

use crate::cli::SyncArgs;
use crate::config::{self, Config, RenamedRooms};
use crate::plan::{Limits, OrphanLimits, Orphans, Policy, Removals, RenamedAlias};

/// What the guard lets pass.
pub(crate) fn limits(config: &Config, args: &SyncArgs) -> Limits {
    Limits {
        // The other shards' removals are not known here, so what all may remove is divided.
        max_kicks: args.shard.map_or(config.policy.max_kicks, |shard| shard.share(config.policy.max_kicks)),
        max_percent: config.policy.max_kicks_percent.into(),
        percent_from: config.policy.max_kicks_percent_from,
        keep_last_moderator: config.policy.keep_last_moderator,
        allowed: args.allow_kicks,
        orphans: OrphanLimits {
            max_percent: config.policy.max_orphans_percent.into(),
            percent_from: config.policy.max_orphans_percent_from,
            allowed: args.allow_orphans,
        },
    }
}

/// What the plan may hold.
pub(crate) fn policy(config: &Config, args: &SyncArgs) -> Policy {
    Policy {
        removals: if args.kick || !config.policy.cautious { Removals::Made } else { Removals::Cautious },
        kick: args.kick,
        renamed: match config.policy.renamed_rooms {
            RenamedRooms::KeepAlias => RenamedAlias::Keep,
            RenamedRooms::DropAlias => RenamedAlias::Drop,
        },
        adopt: config.policy.adopt,
        adds: false,
        now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, milliseconds),
        reinvite_after: milliseconds(config.policy.reinvite_after),
        orphans: match config.policy.orphans {
            config::Orphans::Report => Orphans::Report,
            config::Orphans::Empty => Orphans::Empty { grace: milliseconds(config.policy.orphan_grace), marks: true },
        },
        protected: config.policy.protected_users.iter().map(|pattern| WildMatch::new(pattern)).collect(),
    }
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
