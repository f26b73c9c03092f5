//! What is done by hand, for programs. `examples/manual.schema.json` is the contract, made from these types.

use std::collections::BTreeSet;

use matrix_sdk::ruma::OwnedRoomId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{End, Request, Step, Task, text};
use crate::plan::json;
use crate::report::Outcome;

/// The version of the format. It grows when a field changes its meaning or goes away, not when one is added.
pub const VERSION: u32 = 1;

/// What `unmanage`, `invite-member`, `kick-member` and `invite-admin` print with `--format json`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "Report of inviter's commands for one room and one person")]
pub struct Document {
    /// The version of this format.
    version: u32,
    command: Command,
    /// The room's alias.
    alias: String,
    /// The room's ID; null if `inviter` is not in the room.
    room_id: Option<String>,
    /// The person.
    user: String,
    /// Whether nothing was to be written.
    dry_run: bool,
    /// What was done, or would be, in this order.
    steps: Vec<Entry>,
    result: Outlook,
    /// The result, for a person.
    message: String,
    /// What a person should know.
    warnings: BTreeSet<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Command {
    Unmanage,
    InviteMember,
    KickMember,
    InviteAdmin,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Outlook {
    /// It is done; in a dry run: the steps would do it.
    Done,
    /// It was so before.
    Already,
    /// The person has to accept the invitation first; the same command completes it then.
    Waiting,
    /// The person declined while they were waited for, or somebody withdrew the invitation.
    Declined,
    /// A step failed.
    Failed,
}

/// A step, and what became of it.
#[derive(Debug, Serialize, JsonSchema)]
struct Entry {
    #[serde(flatten)]
    action: Action,
    /// What became of it; null in a dry run.
    outcome: Option<json::Result>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
enum Action {
    /// Invite somebody.
    Invite { user: String },
    /// Take the mark of `inviter` from the room.
    TakeMark,
    /// Set the power levels of people.
    PowerLevels { users: Vec<Level> },
    /// Remove a member, or withdraw an invitation.
    Kick {
        user: String,
        /// Whether the person was only invited so far.
        was_invited: bool,
    },
    /// Leave the room.
    Leave,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Level {
    user: String,
    from: i64,
    to: i64,
}

impl Document {
    /// The document for what was done; without outcomes for a dry run.
    #[must_use]
    pub fn new(
        request: &Request,
        room: Option<&OwnedRoomId>,
        dry_run: bool,
        steps: &[(Step, Option<Outcome>)],
        end: &End,
        warnings: &BTreeSet<String>,
    ) -> Self {
        let failed = steps.iter().filter_map(|(_, outcome)| outcome.as_ref()).any(|outcome| !outcome.is_done());
        let (result, message) = match end {
            _ if failed => (Outlook::Failed, text::FAILED.into()),
            End::Done => (Outlook::Done, text::end(request, end, dry_run)),
            End::Already(_) => (Outlook::Already, text::end(request, end, dry_run)),
            End::Waiting => (Outlook::Waiting, text::end(request, end, dry_run)),
            End::Declined => (Outlook::Declined, text::end(request, end, dry_run)),
        };
        let entry = |(step, outcome): &(Step, Option<Outcome>)| Entry {
            action: step.into(),
            outcome: outcome.as_ref().map(json::Result::from),
        };
        Self {
            version: VERSION,
            command: match request.task {
                Task::Unmanage { .. } => Command::Unmanage,
                Task::InviteMember => Command::InviteMember,
                Task::KickMember => Command::KickMember,
                Task::InviteAdmin => Command::InviteAdmin,
            },
            alias: request.alias.to_string(),
            room_id: room.map(ToString::to_string),
            user: request.user.to_string(),
            dry_run,
            steps: steps.iter().map(entry).collect(),
            result,
            message,
            warnings: warnings.clone(),
        }
    }

    /// The schema that every document fits.
    #[must_use]
    pub fn schema() -> Value {
        schemars::schema_for!(Document).to_value()
    }
}

impl From<&Step> for Action {
    fn from(step: &Step) -> Self {
        match step {
            Step::Invite(user) => Self::Invite { user: user.to_string() },
            Step::TakeMark => Self::TakeMark,
            Step::PowerLevels { users, .. } => Self::PowerLevels {
                users: users
                    .iter()
                    .map(|level| Level { user: level.user.to_string(), from: level.from, to: level.to })
                    .collect(),
            },
            Step::Kick { user, invited } => Self::Kick { user: user.to_string(), was_invited: *invited },
            Step::Leave => Self::Leave,
        }
    }
}
