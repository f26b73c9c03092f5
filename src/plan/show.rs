//! How plans name things to a person: a sentence for each kind of thing.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use super::{
    Change, HeldChange, HoldReason, Invite, Kick, LevelChange, PermissionChange, PowerNeed, Problem, Reason, Way,
};
use crate::power::MODERATOR;
use crate::printable::harmless;

/// A moment, given in milliseconds since 1970, in UTC to the second (RFC 3339).
#[must_use]
pub(crate) fn moment(milliseconds: u64) -> String {
    // Past the year 9999 the calendar ends; nobody lives to be invited then.
    const END: u64 = 253_402_300_799_000;
    let time = UNIX_EPOCH + Duration::from_millis(milliseconds.min(END));
    humantime::format_rfc3339_seconds(time).to_string()
}

/// A level as a person says it.
#[must_use]
pub(crate) fn level(level: i64) -> String {
    if level == MODERATOR { format!("moderator ({level})") } else { format!("level {level}") }
}

/// A change in a few words, for messages about its outcome.
#[must_use]
pub(super) fn brief(change: &Change) -> String {
    match change {
        Change::Create(_) => "create the room".into(),
        Change::Join { .. } => "join the room".into(),
        Change::Stamp(stamp) if stamp.orphaned => "mark the room as orphaned".into(),
        Change::Stamp(_) => "mark the room as managed".into(),
        Change::PowerLevels(_) => "set the power levels".into(),
        Change::HistoryVisibility { .. } => "set the history visibility".into(),
        Change::Name { .. } => "name the room".into(),
        Change::Topic { .. } => "set the topic".into(),
        Change::Alias(change) => format!("give the room the alias {}", harmless(change.to.as_str())),
        Change::Directory { listed: true } => "list the room in the room directory".into(),
        Change::Directory { listed: false } => "take the room out of the room directory".into(),
        Change::Restrict { space, .. } => format!("let members of {} join", harmless(space.space.as_str())),
        Change::SpaceParent(link) => format!("say in the room that it is in {}", harmless(link.space.as_str())),
        Change::SpaceChild(link) => format!("put the room into {}", harmless(link.space.as_str())),
        Change::Kick(kick) => kick.to_string(),
        Change::Invite(invite) => invite.to_string(),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInGroup => f.write_str("in no group of this room"),
            Self::Wanted(via) => {
                let names: Vec<String> = via.iter().map(ToString::to_string).collect();
                write!(f, "in {}", harmless(&names.join(", ")))
            }
        }
    }
}

impl fmt::Display for Kick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.invited { "withdraw the invitation of" } else { "kick" };
        write!(f, "{verb} {}", self.user)
    }
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.way == Way::Add { "add" } else { "invite" };
        write!(f, "{verb} {}", self.user)?;
        if self.level == 0 { Ok(()) } else { write!(f, " as {}", level(self.level)) }
    }
}

impl fmt::Display for LevelChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "power level of {}: {} -> {}", self.user, self.from, self.effective())
    }
}

impl fmt::Display for PermissionChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "permission {}: ", harmless(&self.key.to_string()))?;
        match self.from {
            Some(from) => write!(f, "{from} -> {}", self.to),
            None => write!(f, "not set -> {}", self.to),
        }
    }
}

impl fmt::Display for HeldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kick(kick) => kick.fmt(f),
            Self::Level(change) => change.fmt(f),
            Self::Invite(invite) => invite.fmt(f),
            Self::Other(change) => f.write_str(&brief(change)),
        }
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cautious => f.write_str("removals need --kick"),
            Self::Refused => f.write_str("the guard refused the removals of this run"),
            Self::Stopped => f.write_str("the guard stopped this run"),
            Self::Incomplete(reasons) => {
                let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
                write!(f, "not all members are known: {}", harmless(&reasons.join("; ")))
            }
            Self::LeftRecently { until } => write!(f, "left not long ago, invited again after {}", moment(*until)),
        }
    }
}

impl fmt::Display for PowerNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invite => f.write_str("to invite"),
            Self::Kick => f.write_str("to kick"),
            Self::Outrank(user) => write!(f, "to kick or demote {user}"),
            Self::Grant(user) => write!(f, "to set the power level of {user}"),
            Self::Permission(key) => write!(f, "to change the permission {}", harmless(&key.to_string())),
            Self::State(event) => write!(f, "to send {}", harmless(event)),
            Self::SpaceChild(space) => write!(f, "in {} to put the room there", harmless(space.as_str())),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) | Self::Ambiguous(reason) => f.write_str(&harmless(reason)),
            Self::Outside(room) => write!(
                f,
                "the room exists ({room}), but inviter is neither in it nor invited: have an admin of the room invite it \
                 and give it the power level 100, or remove the alias so that inviter creates a room"
            ),
            Self::ForeignMissing => f.write_str(
                "there is no such room, and its alias belongs to another homeserver: it must be created there first",
            ),
            Self::NotAdopted => f.write_str(
                "the room was not made by inviter and bears no mark of it: if it is meant to be managed, set adopt = true \
                 under [policy]",
            ),
            Self::PowerTooLow { to, need, have } => write!(
                f,
                "the power level of inviter is too low {to}: it has {have} and needs {need}: have an admin of the room \
                 raise it"
            ),
            Self::AliasTaken(room) => write!(
                f,
                "the alias leads to {room}, which stands for another group: it gets free when that room has its own alias \
                 and renamed_rooms = \"drop_alias\" is set, or when you take it away there"
            ),
            Self::AliasMoved(room) => write!(
                f,
                "somebody moved the alias away from {}, the room that inviter manages for this group: take the alias away \
                 where it leads now, and the next run gives it back; or, if the move was meant, have inviter leave that \
                 room (inviter unmanage, under another alias of it)",
                harmless(room.as_str())
            ),
            Self::NoSpace(space) => write!(
                f,
                "the space {} does not exist, or inviter is not in it: create it (type = \"space\"), or have inviter \
                 invited there",
                harmless(space.as_str())
            ),
            Self::CannotRestrict(version) => write!(
                f,
                "rooms of version {} cannot let members of a space join: upgrade the room, or leave restricted out",
                harmless(version.as_str())
            ),
            Self::OwnPower(key) => write!(
                f,
                "the permission {} would take the power that inviter has here: have an admin of the room give inviter a \
                 power level of its own, or leave that permission out for this room",
                harmless(&key.to_string())
            ),
            Self::NotASpace => f.write_str(
                "this is no space, and nothing can make it one: leave type = \"space\" out, or use another alias",
            ),
            Self::Replaced(room) if room.is_empty() => {
                f.write_str("the room was closed by an upgrade: point the alias to the new room")
            }
            Self::Replaced(room) => {
                write!(f, "the room was replaced by {}: point the alias to the new room", harmless(room))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_moments_are_survived() {
        assert_eq!(moment(u64::MAX), "9999-12-31T23:59:59Z");
        assert_eq!(moment(0), "1970-01-01T00:00:00Z");
    }
}
