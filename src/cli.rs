//! The command line.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedUserId, RoomAliasId, UserId};

use crate::config::Secret;
use crate::init::Kind;
use crate::manual::{Request, Task};
use crate::plan::Digest;
use crate::shard::Shard;

const EXIT_STATUS: &str = "\
Exit status:
   0  done, or nothing to do
   1  nothing was changed because of an error
   2  changes are pending (only with --dry-run --detailed-exitcode)
   3  some changes failed or are left, some rooms cannot be managed, or check found a fault
   4  the guard refused to remove or demote people
   5  what is left to do waits for somebody else (only unmanage)
  64  the command line cannot be understood
  75  another run has the lock file, so nothing was done";

const UNMANAGE: &str = "\
The new admin is invited, if need be, and given the power level 100. When they are in the room, inviter takes its mark
away, gives its power up and leaves. Until then the status is 5, and the same command goes on.

  inviter unmanage '#ops:example.com' @alice:example.com --wait 10m";

const EXAMPLES: &str = "\
Examples:
  inviter sync --dry-run                        show what would be done, write nothing
  inviter sync                                  do it, but remove nobody
  inviter sync --kick                           do it, and remove who is no longer wanted
  inviter sync --room '#ops:example.com'        this room alone
  inviter sync --shard 0/4                      a quarter of the rooms; 1/4, 2/4 and 3/4 take the others
  inviter sync --expect DIGEST                  what a dry run has shown, or nothing
  inviter --format json sync --dry-run          the plan for programs
  inviter --format html sync --dry-run >plan.html
                                                the plan for a browser
  inviter sync --lock-file /run/inviter.lock --deadline 25m
                                                for cron: one run at a time, and each ends in time

SIGTERM and SIGINT (Ctrl-C) stop a run between two requests: it tells what is left, which the next run does. A second one
ends it at once.";

const CHECK: &str = "\
Each line is ok, warning or failed, and says what to do. The status is 3 when something failed.";

const INIT: &str = "\
On a terminal it asks for what is not given here. It writes no secret, and never over a file.

Examples:
  inviter init
  inviter -c /etc/inviter/inviter.toml init --idp openldap --homeserver https://matrix.example.com \
          --server-name example.com --url ldaps://ldap.example.com --base dc=example,dc=com";

const SCHEMA: &str = "\
Example:
  inviter schema > inviter.schema.json
With the line `#:schema ./inviter.schema.json` at the top of inviter.toml, editors complete and check its keys.";

const IMPORT: &str = "\
It knows the maubot plugin for Azure AD and LDAP,
and the maubot plugin for LDAP room mappings.
It reads that file alone, and copies no secret.

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

/// What to do in one room with one person.
#[derive(Debug, Subcommand)]
pub enum ByHand {
    /// Hand a room over to another admin, and leave it
    #[command(after_help = UNMANAGE)]
    Unmanage(UnmanageArgs),
    /// Invite somebody whom no identity provider speaks for
    InviteMember(PersonArgs),
    /// Remove somebody whom no identity provider speaks for
    KickMember(PersonArgs),
    /// Invite somebody as an admin, who cannot be removed again below room version 12
    InviteAdmin(PersonArgs),
}

impl ByHand {
    /// What is asked for.
    #[must_use]
    pub fn request(&self) -> Request {
        let task = match self {
            Self::Unmanage(args) => Task::Unmanage { leave_as_creator: args.leave_as_creator },
            Self::InviteMember(_) => Task::InviteMember,
            Self::KickMember(_) => Task::KickMember,
            Self::InviteAdmin(_) => Task::InviteAdmin,
        };
        Request { alias: self.person().alias.clone(), user: self.person().user.clone(), task }
    }

    /// How it is carried out.
    #[must_use]
    pub fn mode(&self) -> Mode {
        let wait = match self {
            Self::Unmanage(args) => args.wait,
            Self::InviteMember(_) | Self::KickMember(_) | Self::InviteAdmin(_) => None,
        };
        Mode { dry_run: self.person().dry_run, wait }
    }

    fn person(&self) -> &PersonArgs {
        match self {
            Self::Unmanage(args) => &args.person,
            Self::InviteMember(args) | Self::KickMember(args) | Self::InviteAdmin(args) => args,
        }
    }
}

/// How a command for one room and one person is carried out.
#[derive(Debug, Clone, Copy)]
pub struct Mode {
    /// Whether nothing is written.
    pub dry_run: bool,
    /// How long to wait for somebody to accept their invitation.
    pub wait: Option<Duration>,
}

/// A room and a person.
#[derive(Debug, Args)]
pub struct PersonArgs {
    /// The room
    #[arg(value_name = "ALIAS", value_parser = parse_alias)]
    pub alias: OwnedRoomAliasId,
    /// The person
    #[arg(value_name = "USER", value_parser = parse_user)]
    pub user: OwnedUserId,
    /// Show what would be done and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// The options of `inviter unmanage`.
#[derive(Debug, Args)]
pub struct UnmanageArgs {
    /// The room, and its new admin
    #[command(flatten)]
    pub person: PersonArgs,
    /// Wait this long for the new admin to accept the invitation, like 10m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, conflicts_with = "dry_run")]
    pub wait: Option<Duration>,
    /// Leave a room of version 12 or later that inviter created, where its power cannot be given up
    #[arg(long)]
    pub leave_as_creator: bool,
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
