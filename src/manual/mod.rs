//! What is done in a room by hand, one person at a time: a pure function from the room as it is to the steps that are
//! left, so that a command can be repeated until nothing is left.

mod external;
pub mod json;
mod refusal;
pub mod text;
mod unmanage;

use std::collections::{BTreeMap, BTreeSet};

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedServerName, OwnedUserId, RoomAliasId, UserId};
use serde_json::{Map, Value};
use wildmatch::WildMatch;

use crate::actual::{ActualRoom, JoinedRoom, Membership};
use crate::plan::{PowerNeed, Problem};
use crate::power::{ADMIN, Power};

pub use refusal::{Refusal, similar_alias};

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The room.
    pub alias: OwnedRoomAliasId,
    /// The person whom it is about.
    pub user: OwnedUserId,
    /// What is to be done.
    pub task: Task,
}

/// What is to be done with a person in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Hand the room over to the person as its admin, and leave it.
    Unmanage {
        /// Whether to leave a room whose creator `inviter` is, and stays.
        leave_as_creator: bool,
    },
    /// Invite somebody whom no identity provider speaks for.
    InviteMember,
    /// Remove such a person.
    KickMember,
    /// Invite somebody and make them an admin.
    InviteAdmin,
}

/// On whose behalf, and within which bounds.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The account of `inviter`.
    pub me: OwnedUserId,
    /// The homeservers whose users the identity providers speak for.
    pub managed_servers: BTreeSet<OwnedServerName>,
    /// Users who are never removed.
    pub protected: Vec<WildMatch>,
}

/// What is left to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The writes, in this order; when one fails, those after it are not tried.
    pub steps: Vec<Step>,
    /// How it stands after them.
    pub end: End,
    /// What a person should know.
    pub warnings: BTreeSet<String>,
}

/// How it stands when all steps are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// What was asked for is so now.
    Done,
    /// It was so before; the text says what is so.
    Already(String),
    /// The person has to accept the invitation before the rest can be done.
    Waiting,
    /// The person declined while they were waited for, or somebody withdrew the invitation.
    Declined,
}

/// One write.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Invite somebody.
    Invite(OwnedUserId),
    /// Take the mark of `inviter` from the room.
    TakeMark,
    /// Set the power levels of people, all in one event.
    PowerLevels {
        /// The whole new content of the event.
        content: Map<String, Value>,
        /// Whose level changes.
        users: Vec<Level>,
    },
    /// Remove somebody, or withdraw their invitation.
    Kick {
        /// The person.
        user: OwnedUserId,
        /// Whether they are only invited so far.
        invited: bool,
    },
    /// Leave the room.
    Leave,
}

/// A new level for one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// The person.
    pub user: OwnedUserId,
    /// The level now.
    pub from: i64,
    /// The level to be.
    pub to: i64,
}

/// What is left to do for a request.
///
/// # Errors
/// When it must not be done, or cannot.
pub fn decide(request: &Request, room: &ActualRoom, bounds: &Bounds) -> Result<Decision, Refusal> {
    let room = match room {
        ActualRoom::Joined(room) => room,
        ActualRoom::Missing => return Err(Refusal::NoSuchRoom { alias: request.alias.clone(), known: None }),
        ActualRoom::Unreadable(reason) => return Err(Problem::Unreadable(reason.clone()).into()),
        ActualRoom::Invited(_) => return Err(Refusal::NotManaged(request.alias.clone())),
        ActualRoom::Outside(_) => {
            return match request.task {
                Task::Unmanage { .. } => Ok(already("inviter is already out of the room".into())),
                _ => Err(Refusal::NotManaged(request.alias.clone())),
            };
        }
    };
    let released = room.released && matches!(request.task, Task::Unmanage { .. });
    if room.stamp.is_none() && !released {
        return Err(Refusal::NotManaged(request.alias.clone()));
    }
    if request.user == bounds.me {
        return Err(Refusal::Oneself);
    }
    let room = Situation { room, me: &bounds.me, alias: &request.alias, user: &request.user };
    match request.task {
        Task::Unmanage { leave_as_creator } => room.unmanage(leave_as_creator),
        Task::InviteMember => room.invite_member(bounds),
        Task::KickMember => room.kick_member(bounds),
        Task::InviteAdmin => room.invite_admin(),
    }
}

fn already(what: String) -> Decision {
    Decision { steps: Vec::new(), end: End::Already(what), warnings: BTreeSet::new() }
}

/// A managed room, and the person whom a request is about.
struct Situation<'a> {
    room: &'a JoinedRoom,
    me: &'a UserId,
    alias: &'a RoomAliasId,
    user: &'a UserId,
}

impl Situation<'_> {
    fn membership(&self) -> Membership {
        self.room.membership(self.user)
    }

    fn is_admin(&self) -> bool {
        self.room.power.of(self.user) >= Power::Level(ADMIN)
    }

    /// The power of `inviter` for something.
    fn must(&self, to: PowerNeed, need: i64) -> Result<(), Refusal> {
        let have = self.room.power.of(self.me);
        if have >= Power::Level(need) { Ok(()) } else { Err(Problem::PowerTooLow { to, need, have }.into()) }
    }

    fn must_send(&self, event: &str) -> Result<(), Refusal> {
        self.must(PowerNeed::State(event.to_owned()), self.room.power.to_send_state(event))
    }

    /// The invitation, unless there is one or the person is in the room.
    fn invitation(&self) -> Result<Option<Step>, Refusal> {
        match self.membership() {
            Membership::Join | Membership::Invite => return Ok(None),
            Membership::Ban => return Err(Refusal::Banned(self.user.to_owned())),
            Membership::Leave | Membership::Knock => {}
        }
        if let Some(replacement) = &self.room.replaced_by {
            return Err(Problem::Replaced(replacement.clone()).into());
        }
        let lower = self.user.as_str().to_ascii_lowercase();
        if lower != self.user.as_str() {
            return Err(Refusal::UpperCase { user: self.user.to_owned(), lower });
        }
        self.must(PowerNeed::Invite, self.room.power.to_invite())?;
        Ok(Some(Step::Invite(self.user.to_owned())))
    }

    /// One event that sets these levels; `None` takes an entry away.
    fn levels(&self, users: &BTreeMap<OwnedUserId, Option<i64>>) -> Result<Option<Step>, Refusal> {
        let power = &self.room.power;
        let mut changes = Vec::new();
        for (user, to) in users {
            // A creator has no entry, and cannot be given one.
            let Power::Level(from) = power.of(user) else { continue };
            let to = to.unwrap_or_else(|| power.users_default());
            self.must(PowerNeed::Grant(user.clone()), to)?;
            if user != self.me {
                self.must(PowerNeed::Outrank(user.clone()), from.saturating_add(1))?;
            }
            changes.push(Level { user: user.clone(), from, to });
        }
        if changes.is_empty() {
            return Ok(None);
        }
        self.must_send("m.room.power_levels")?;
        Ok(Some(Step::PowerLevels { content: power.patched(&BTreeMap::new(), users), users: changes }))
    }

    /// The level of an admin, unless the person has it.
    fn admin_level(&self) -> BTreeMap<OwnedUserId, Option<i64>> {
        if self.is_admin() { BTreeMap::new() } else { [(self.user.to_owned(), Some(ADMIN))].into() }
    }
}
