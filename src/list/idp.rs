//! What the identity providers want.

mod html;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anstyle::AnsiColor;
use schemars::JsonSchema;
use serde::Serialize;

use super::count;
use crate::desired::{Desired, DesiredMember, DesiredRoom};
use crate::plan::json::{Group, GroupName, groups};
use crate::plan::show::level;
use crate::plan::text::Dress;
use crate::power::{ADMIN, MODERATOR};
use crate::printable::harmless;

/// What the identity providers want.
#[derive(Debug, Serialize, JsonSchema)]
pub struct IdpList {
    /// The rooms, sorted by alias.
    rooms: Vec<Room>,
    /// What a person should know that concerns no single room.
    warnings: BTreeSet<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Room {
    /// The alias.
    alias: String,
    /// The groups that the room stands for.
    groups: Vec<Group>,
    /// Who is wanted, sorted.
    members: Vec<Member>,
    /// Who is locked out for the moment, and neither invited nor removed.
    locked_out: Vec<String>,
    /// Why there may be more members than these; nobody is removed meanwhile.
    incomplete: BTreeSet<String>,
    /// Why it cannot be told which group the room stands for; the room is not managed meanwhile.
    ambiguous: BTreeSet<String>,
    /// What a person should know.
    warnings: BTreeSet<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Member {
    user: String,
    role: Role,
    /// The power level; null for that of everybody in the room.
    level: Option<i64>,
    /// The groups that say so.
    groups: Vec<GroupName>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Role {
    Standard,
    Moderator,
    Admin,
    /// Any other level.
    Other,
}

impl IdpList {
    /// What the identity providers want.
    #[must_use]
    pub fn of(desired: &Desired) -> Self {
        let room = |(alias, room): (_, &DesiredRoom)| Room {
            alias: ToString::to_string(alias),
            groups: groups(&room.stamp.groups),
            members: room.members.iter().map(|(user, wanted)| Member::new(user.to_string(), wanted)).collect(),
            locked_out: room.held.iter().map(ToString::to_string).collect(),
            incomplete: room.incomplete.clone(),
            ambiguous: room.ambiguous.clone(),
            warnings: room.warnings.clone(),
        };
        Self { rooms: desired.rooms.iter().map(room).collect(), warnings: desired.warnings.clone() }
    }

    /// Whether the identity providers told everything.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.rooms.iter().all(|room| room.incomplete.is_empty() && room.ambiguous.is_empty())
    }

    pub(super) fn text(&self, dress: Dress) -> String {
        let mut text = String::new();
        let warning = dress.color(AnsiColor::Yellow, "warning:");
        for said in &self.warnings {
            let _ = writeln!(text, "{warning} {}", harmless(said));
        }
        for room in &self.rooms {
            room.text(&mut text, dress);
        }
        let _ = writeln!(text, "{}", dress.bold(&self.summary()));
        text
    }

    fn summary(&self) -> String {
        let people: BTreeSet<&str> =
            self.rooms.iter().flat_map(|room| &room.members).map(|member| member.user.as_str()).collect();
        format!("{}, {}.", count(self.rooms.len(), "room", "rooms"), count(people.len(), "person", "people"))
    }
}

impl Room {
    fn text(&self, text: &mut String, dress: Dress) {
        let _ = writeln!(text, "{}", dress.bold(&harmless(&self.alias)));
        let width = self.members.iter().map(|member| member.user.chars().count()).max().unwrap_or(0);
        for member in &self.members {
            let via: Vec<String> = member.groups.iter().map(ToString::to_string).collect();
            let (user, via) = (harmless(&member.user), via.join(", "));
            let _ = writeln!(text, "  {user:width$}  {:14}  {}", member.role(), harmless(&via));
        }
        for user in &self.locked_out {
            let _ = writeln!(text, "  {:width$}  locked out for the moment", harmless(user));
        }
        let problem = dress.color(AnsiColor::Red, "! problem:");
        let warning = dress.color(AnsiColor::Yellow, "! warning:");
        for reason in &self.ambiguous {
            let _ = writeln!(text, "  {problem} {}", harmless(reason));
        }
        for reason in &self.incomplete {
            let _ = writeln!(text, "  {warning} not all members are known: {}", harmless(reason));
        }
        for said in &self.warnings {
            let _ = writeln!(text, "  {warning} {}", harmless(said));
        }
        text.push('\n');
    }
}

impl Member {
    fn new(user: String, wanted: &DesiredMember) -> Self {
        let role = match wanted.level {
            None => Role::Standard,
            Some(MODERATOR) => Role::Moderator,
            Some(ADMIN..) => Role::Admin,
            Some(_) => Role::Other,
        };
        Self { user, role, level: wanted.level, groups: wanted.via.iter().map(GroupName::from).collect() }
    }

    fn role(&self) -> String {
        self.level.map_or_else(|| "standard".into(), level)
    }
}
