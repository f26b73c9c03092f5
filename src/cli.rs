//! The command line.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use matrix_sdk::ruma::{OwnedRoomAliasId, RoomAliasId};

const EXIT_STATUS: &str = "\
Exit status:
   0  done, or nothing to do
   1  nothing was changed because of an error
   2  changes are pending (only with --dry-run --detailed-exitcode)
   3  some changes failed, or some rooms cannot be managed
   4  the guard refused to remove people
  64  the command line cannot be understood";

const EXAMPLES: &str = "\
Examples:
  inviter sync --dry-run                        show what would be done, write nothing
  inviter sync                                  do it, but remove nobody
  inviter sync --kick                           do it, and remove who is no longer wanted
  inviter sync --room '#ops:example.com'        this room alone
  inviter --format json sync --dry-run          the plan for programs";

const IMPORT: &str = "\
It knows the maubot plugin for Azure AD and LDAP, and the maubot plugin for LDAP room mappings. It reads that file
alone, and copies no secret.

Example:
  inviter import bot.yaml > inviter.toml";

/// Keeps Matrix rooms in step with the groups of an identity provider.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_STATUS, propagate_version = true)]
pub struct Cli {
    /// The configuration file
    #[arg(short, long, global = true, value_name = "FILE", default_value = "inviter.toml")]
    pub config: PathBuf,
    /// How the plan and the report are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Tell more on standard error; twice for each request
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Tell nothing but errors on standard error
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring the rooms in line with the groups
    #[command(after_help = EXAMPLES)]
    Sync(SyncArgs),
    /// Make a configuration of that of a chat bot, and print it
    #[command(after_help = IMPORT)]
    Import(ImportArgs),
}

/// The options of `inviter import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The bot's configuration: YAML, as the web interface of maubot shows it
    pub file: PathBuf,
    /// A value of the placeholder <1>, as given to !ldap-sync; may be given several times
    #[arg(long = "value", value_name = "V")]
    pub values: Vec<String>,
}

/// The options of `inviter sync`.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// Show the plan and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Remove and demote people, which is withheld otherwise (see `cautious` in the configuration)
    #[arg(long)]
    pub kick: bool,
    /// Only this room, and no other is even read; may be given several times
    #[arg(long = "room", value_name = "ALIAS", value_parser = parse_alias)]
    pub rooms: Vec<OwnedRoomAliasId>,
    /// A value for the placeholder <1> of [[rooms]] that have no `for_each`; may be given several times
    #[arg(long = "value", value_name = "VALUE")]
    pub values: Vec<String>,
    /// End with status 2 when changes are pending
    #[arg(long, requires = "dry_run")]
    pub detailed_exitcode: bool,
    /// Let up to N kicks pass the guard in this run
    #[arg(long, value_name = "N")]
    pub allow_kicks: Option<u64>,
}

impl SyncArgs {
    /// The rooms that were asked for, each once.
    #[must_use]
    pub fn rooms(&self) -> BTreeSet<OwnedRoomAliasId> {
        self.rooms.iter().cloned().collect()
    }
}

fn parse_alias(text: &str) -> Result<OwnedRoomAliasId, String> {
    RoomAliasId::parse(text).map_err(|error| format!("expected a room alias like #room:example.com: {error}"))
}

/// How the plan and the report are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person.
    Text,
    /// For programs; one JSON document.
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_alias_must_be_one() {
        assert!(parse_alias("#a:example.com").is_ok());
        assert!(parse_alias("a:example.com").is_err());
    }
}
