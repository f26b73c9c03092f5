//! The commands for one room and one person.

use std::time::Duration;

use clap::{Args, Subcommand};
use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedUserId};

use super::help::UNMANAGE;
use super::{parse_alias, parse_user};
use crate::manual::{Request, Task};

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
