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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn config(policy: &str) -> Config {
        let text = format!(
            "[matrix]\nhomeserver = \"https://a\"\naccess_token = \"a\"\n[[idp]]\nname = \"corp\"\n\
             mxid_homeserver = \"example.com\"\ntype = \"file\"\npath = \"a.toml\"\n[policy]\n{policy}"
        );
        Config::parse(Path::new("inviter.toml"), &text).unwrap()
    }

    fn args(options: &[&str]) -> SyncArgs {
        match Cli::try_parse_from([&["inviter", "sync"], options].concat()).unwrap().command {
            Command::Sync(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_limits_are_those_of_the_configuration_and_of_the_command_line() {
        let config = config(
            "max_kicks = 10\nmax_kicks_percent = 11\nmax_kicks_percent_from = 12\nkeep_last_moderator = false\n\
             max_orphans_percent = 13\nmax_orphans_percent_from = 14\n",
        );
        let expected = Limits {
            max_kicks: 10,
            max_percent: 11,
            percent_from: 12,
            keep_last_moderator: false,
            allowed: None,
            orphans: OrphanLimits { max_percent: 13, percent_from: 14, allowed: None },
        };
        assert_eq!(limits(&config, &args(&[])), expected);
        let orphans = OrphanLimits { allowed: Some(2), ..expected.orphans };
        assert_eq!(
            limits(&config, &args(&["--allow-kicks", "1", "--allow-orphans", "2", "--shard", "0/4"])),
            Limits { max_kicks: 3, allowed: Some(1), orphans, ..expected }
        );
    }

    #[test]
    fn removals_are_made_if_the_command_line_or_the_configuration_says_so() {
        for (text, options, removals, kick) in [
            ("", &[][..], Removals::Cautious, false),
            ("", &["--kick"], Removals::Made, true),
            ("cautious = false", &[], Removals::Made, false),
            ("cautious = true", &[], Removals::Cautious, false),
        ] {
            let policy = policy(&config(text), &args(options));
            assert_eq!((policy.removals, policy.kick), (removals, kick), "{text} {options:?}");
        }
    }

    #[test]
    fn the_policy_is_that_of_the_configuration() {
        let cautious = policy(&config(""), &args(&[]));
        assert_eq!((cautious.orphans, cautious.renamed, cautious.adopt), (Orphans::Report, RenamedAlias::Keep, false));
        assert!(cautious.now > 1_700_000_000_000, "in milliseconds");
        let bold = policy(
            &config(
                "reinvite_after = \"1500ms\"\norphans = \"empty\"\norphan_grace = \"2s\"\nadopt = true\n\
                 renamed_rooms = \"drop_alias\"\nprotected_users = [\"@bot-*:*\"]\n",
            ),
            &args(&[]),
        );
        assert_eq!(bold.orphans, Orphans::Empty { grace: 2000, marks: true });
        assert_eq!((bold.reinvite_after, bold.renamed, bold.adopt), (1500, RenamedAlias::Drop, true));
        assert!(bold.protected.iter().any(|pattern| pattern.matches("@bot-1:x")));
    }
}
