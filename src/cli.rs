//! The command line.

mod by_hand;
mod help;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedUserId, RoomAliasId, UserId};

use crate::config::Secret;
use crate::init::Kind;
use crate::plan::Digest;
use crate::shard::Shard;

pub use by_hand::{ByHand, Mode, PersonArgs, UnmanageArgs};
use help::{CHECK, EXAMPLES, EXIT_STATUS, IMPORT, INIT, SCHEMA};

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
    /// How logs, progress and errors are written on standard error
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// How often progress is told where standard error is no terminal
    #[arg(long, global = true, hide = true, default_value = "10s", value_parser = humantime::parse_duration)]
    pub progress_interval: Duration,
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

impl Cli {
    /// The same, if the command can print the format that is asked for.
    ///
    /// # Errors
    /// When it cannot.
    pub fn with_a_format_that_fits(self) -> Result<Self, clap::Error> {
        match (self.format, &self.command) {
            (Format::Markdown | Format::Html, Command::ByHand(_) | Command::Check(_)) => Err(Self::command().error(
                ErrorKind::ArgumentConflict,
                "this command prints --format text or json: markdown and html are for sync and the lists",
            )),
            _ => Ok(self),
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring the rooms in line with the groups
    #[command(after_help = EXAMPLES)]
    Sync(SyncArgs),
    /// List the rooms and members that the identity providers define; the homeserver is not asked
    Idp,
    /// List the rooms that the account of inviter has joined
    Joined,
    /// List the rooms that are managed, those that were, and those that cannot be
    Managed,
    /// Look whether everything is there that a run needs, and write nothing
    #[command(after_help = CHECK)]
    Check(CheckArgs),
    /// One room, one person
    #[command(flatten)]
    ByHand(ByHand),
    /// Write a configuration to begin with, for a kind of identity provider
    #[command(after_help = INIT)]
    Init(InitArgs),
    /// Print the JSON schema of the configuration, from which editors complete it
    #[command(after_help = SCHEMA)]
    Schema,
    /// Make a configuration of that of a chat bot, and print it
    #[command(after_help = IMPORT)]
    Import(ImportArgs),
    /// Print a script that completes the command line in a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(ManArgs),
}

/// The options of `inviter check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Lift the limits of rate of the account, which takes an `admin_token` in the configuration
    #[arg(long)]
    pub fix: bool,
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

/// The options of `inviter init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The kind of identity provider
    #[arg(long, value_enum)]
    pub idp: Option<Kind>,
    /// Base URL of the homeserver
    #[arg(long, value_name = "URL")]
    pub homeserver: Option<String>,
    /// Name of the homeserver, as in user IDs, like example.com
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<String>,
    /// Where the directory is, beginning with `ldaps:` or `ldap:`
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The entry of the directory below which all is, like dc=example,dc=com
    #[arg(long, value_name = "DN")]
    pub base: Option<String>,
    /// Who binds to the directory
    #[arg(long, value_name = "DN")]
    pub bind_dn: Option<String>,
    /// The ID of the tenant of Entra, or one of its domains
    #[arg(long, value_name = "ID")]
    pub tenant_id: Option<String>,
    /// The ID of the application in Entra
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// The object ID of the root group in Entra
    #[arg(long, value_name = "ID")]
    pub root_group_id: Option<String>,
    /// The file with rooms and members
    #[arg(long, value_name = "FILE")]
    pub path: Option<String>,
}

impl InitArgs {
    /// What is given of the configuration, by the name of the option.
    #[must_use]
    pub fn given(&self) -> BTreeMap<&'static str, String> {
        [
            ("homeserver", &self.homeserver),
            ("server-name", &self.server_name),
            ("url", &self.url),
            ("base", &self.base),
            ("bind-dn", &self.bind_dn),
            ("tenant-id", &self.tenant_id),
            ("client-id", &self.client_id),
            ("root-group-id", &self.root_group_id),
            ("path", &self.path),
        ]
        .into_iter()
        .filter_map(|(option, value)| Some((option, value.clone()?)))
        .collect()
    }
}

/// The options of `inviter completions`.
#[derive(Debug, Clone, Copy, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// The options of `inviter man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder for a page for each command, inviter.1, inviter-sync.1 and so on; it is made if need be
    pub folder: Option<PathBuf>,
}

/// The options of `inviter sync`.
#[derive(Debug, Default, Args)]
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
    /// Only the rooms of shard I of N, counted from 0; N such runs take care of all rooms
    #[arg(long, value_name = "I/N", conflicts_with = "rooms")]
    pub shard: Option<Shard>,
    /// A value for the placeholder <1> in rooms that are described without `for_each`; may be given several times
    #[arg(long = "value", value_name = "VALUE")]
    pub values: Vec<String>,
    /// End with status 2 when changes are pending
    #[arg(long, requires = "dry_run")]
    pub detailed_exitcode: bool,
    /// Let the plan pass the guard if it has no more than N kicks (0 if it only demotes)
    #[arg(long, value_name = "N")]
    pub allow_kicks: Option<u64>,
    /// Let up to N rooms become orphaned at once
    #[arg(long, value_name = "N")]
    pub allow_orphans: Option<u64>,
    /// Apply the plan only if it has this digest, which a dry run with the same options has printed
    #[arg(long, value_name = "DIGEST")]
    pub expect: Option<Digest>,
    /// Begin nothing more after this time, like 20m, and leave the rest to the next run
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub deadline: Option<Duration>,
    /// Do nothing and end with status 75 while another run has this file locked; the file is made if it is missing
    #[arg(long, value_name = "FILE")]
    pub lock_file: Option<PathBuf>,
    /// Wait this long for the other run to end, like 5m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, requires = "lock_file")]
    pub lock_wait: Option<Duration>,
    /// Write what the run amounted to into this file, for Prometheus (the textfile collector of `node_exporter`)
    #[arg(long, value_name = "FILE")]
    pub metrics_file: Option<PathBuf>,
    /// Send what the run amounted to to a Pushgateway of Prometheus
    #[arg(long, value_name = "URL", env = "INVITER_PUSHGATEWAY", hide_env_values = true, value_parser = parse_hidden)]
    pub pushgateway: Option<Secret>,
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

fn parse_user(text: &str) -> Result<OwnedUserId, String> {
    UserId::parse(text).map_err(|error| format!("expected a user ID like @alice:example.com: {error}"))
}

/// A URL may have a password in it, so that what is wrong with it must not be told by clap, who would quote it.
#[allow(clippy::unnecessary_wraps, reason = "clap wants a result")]
fn parse_hidden(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text.to_owned()))
}

/// How logs, progress and errors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For a person.
    Text,
    /// For programs: a JSON object on each line.
    Json,
}

/// How the plan and the report are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person.
    Text,
    /// For programs; one JSON document.
    Json,
    /// For merge requests and job summaries; plans, reports and lists.
    Markdown,
    /// For a browser; plans, reports and lists as one page that loads nothing else.
    Html,
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
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_user_must_be_one() {
        assert!(parse_user("@a:example.com").is_ok());
        for bad in ["a", "@a", "#a:example.com", "@a:exa mple"] {
            assert!(parse_user(bad).unwrap_err().contains("@alice:example.com"), "{bad}");
        }
    }

    #[test]
    fn an_alias_must_be_one() {
        assert!(parse_alias("#a:example.com").is_ok());
        assert!(parse_alias("a:example.com").is_err());
    }
}
