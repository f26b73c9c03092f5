//! The rooms that are managed, those that were, and those that cannot be.

mod html;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anstyle::AnsiColor;
use matrix_sdk::ruma::{OwnedServerName, OwnedUserId};
use schemars::JsonSchema;
use serde::Serialize;

use super::count;
use crate::actual::{Actual, ActualRoom, JoinedRoom, Membership};
use crate::desired::{Desired, DesiredRoom};
use crate::plan::json::{Group, RoomProblem, groups};
use crate::plan::orphans;
use crate::plan::text::Dress;
use crate::plan::{Change, Plan, RoomPlan};
use crate::printable::harmless;

/// The rooms that are managed, those that were, and those that cannot be.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ManagedList {
    /// The rooms that bear the mark of the account, and that the identity providers name; sorted by alias.
    managed: Vec<Managed>,
    /// The rooms that bear the mark of the account, and that no identity provider names any more.
    orphaned: Vec<Orphaned>,
    /// The rooms that the identity providers name, and that are not managed.
    not_managed: Vec<NotManaged>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Managed {
    alias: String,
    room_id: String,
    /// How many the identity providers want.
    wanted: usize,
    /// Who is wanted and in the room.
    joined: Vec<String>,
    /// Who is wanted and invited.
    invited: Vec<String>,
    /// Who is wanted, and neither in the room nor invited.
    missing: Vec<String>,
    /// Who is in the room or invited, on a homeserver that no identity provider speaks for.
    external: Vec<Guest>,
    /// Who is in the room or invited, on a homeserver that an identity provider speaks for, and in no group of it.
    not_in_group: Vec<Guest>,
    /// What keeps a part of the room from being managed.
    problems: Vec<RoomProblem>,
    /// All of them with their roles, for the page.
    #[serde(skip)]
    people: Vec<html::Person>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Guest {
    user: String,
    /// Whether they have not accepted their invitation so far.
    is_invited: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Orphaned {
    room_id: String,
    /// The alias that the room calls its own; null if there is none.
    alias: Option<String>,
    /// The name; null if there is none.
    name: Option<String>,
    /// The groups that the room stood for.
    groups: Vec<Group>,
    /// How many are in the room.
    members: usize,
    /// Why it is not known to be orphaned, for a person; empty if it is.
    doubts: Vec<String>,
    /// Since when it is marked as orphaned (RFC 3339); null if it is not.
    since: Option<String>,
    /// The alias that a group of this room stands for now, if it was renamed or the alias points elsewhere.
    successor: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct NotManaged {
    alias: String,
    /// Null while there is no room.
    room_id: Option<String>,
    /// What keeps the room from being managed.
    problems: Vec<RoomProblem>,
    /// What the next sync would do, if it can begin to manage the room.
    next: Option<Next>,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Next {
    /// Create it.
    Create,
    /// Accept the invitation to it.
    Join,
    /// Mark it.
    Mark,
}

impl Next {
    fn told(self) -> &'static str {
        match self {
            Self::Create => "the next sync creates it",
            Self::Join => "the next sync accepts the invitation to it",
            Self::Mark => "the next sync adopts it",
        }
    }
}

impl ManagedList {
    /// The rooms of a plan, and the others that the account has joined.
    #[must_use]
    pub fn of(desired: &Desired, actual: &Actual, plan: &Plan, servers: &BTreeSet<OwnedServerName>) -> Self {
        let mut list = Self { managed: Vec::new(), orphaned: Vec::new(), not_managed: Vec::new() };
        for room_plan in &plan.rooms {
            match (actual.rooms.get(&room_plan.alias), desired.rooms.get(&room_plan.alias)) {
                (Some(ActualRoom::Joined(room)), Some(wanted)) if room.stamp.is_some() => {
                    list.managed.push(Managed::new(room_plan, room, wanted, &actual.me, servers));
                }
                _ => list.not_managed.push(NotManaged::new(room_plan)),
            }
        }
        list.orphaned = actual.others.values().filter_map(|room| Orphaned::new(room, desired)).collect();
        list
    }

    pub(super) fn text(&self, dress: Dress) -> String {
        let mut text = String::new();
        for room in &self.managed {
            room.text(&mut text, dress);
        }
        if !self.orphaned.is_empty() {
            let _ = writeln!(
                text,
                "\n{}",
                dress.bold("Orphaned: marked by inviter, and named by no identity provider any more")
            );
            for room in &self.orphaned {
                room.text(&mut text);
            }
        }
        if !self.not_managed.is_empty() {
            let _ = writeln!(text, "\n{}", dress.bold("Named by an identity provider, and not managed"));
            for room in &self.not_managed {
                room.text(&mut text, dress);
            }
        }
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{}", dress.bold(&self.summary()));
        text
    }

    fn summary(&self) -> String {
        format!(
            "{} managed, {} orphaned, {} not managed.",
            count(self.managed.len(), "room", "rooms"),
            self.orphaned.len(),
            self.not_managed.len()
        )
    }
}

impl Managed {
    fn new(
        plan: &RoomPlan,
        room: &JoinedRoom,
        wanted: &DesiredRoom,
        me: &OwnedUserId,
        servers: &BTreeSet<OwnedServerName>,
    ) -> Self {
        let (mut joined, mut invited, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        let mut people = Vec::new();
        for (user, member) in &wanted.members {
            people.push(html::Person::wanted(user, member, room));
            let list = match room.membership(user) {
                Membership::Join => &mut joined,
                Membership::Invite => &mut invited,
                _ => &mut missing,
            };
            list.push(user.to_string());
        }
        let (mut external, mut not_in_group) = (Vec::new(), Vec::new());
        for (user, member) in &room.members {
            let is_there = matches!(member.membership, Membership::Join | Membership::Invite);
            if !is_there || user == me || wanted.members.contains_key(user) {
                continue;
            }
            let is_external = !servers.contains(user.server_name());
            people.push(html::Person::guest(user, room, is_external));
            let list = if is_external { &mut external } else { &mut not_in_group };
            list.push(Guest { user: user.to_string(), is_invited: member.membership == Membership::Invite });
        }
        Self {
            alias: plan.alias.to_string(),
            room_id: room.id.to_string(),
            wanted: wanted.members.len(),
            joined,
            invited,
            missing,
            external,
            not_in_group,
            problems: plan.problems.iter().map(RoomProblem::from).collect(),
            people,
        }
    }

    fn text(&self, text: &mut String, dress: Dress) {
        let _ = writeln!(text, "{}  {}", dress.bold(&harmless(&self.alias)), harmless(&self.room_id));
        let _ = writeln!(
            text,
            "  {} wanted: {} joined, {} invited, {} missing",
            self.wanted,
            self.joined.len(),
            self.invited.len(),
            self.missing.len()
        );
        let guests = |guests: &[Guest]| -> Vec<String> { guests.iter().map(ToString::to_string).collect() };
        for (label, people) in [
            ("joined", self.joined.clone()),
            ("invited", self.invited.clone()),
            ("missing", self.missing.clone()),
            ("external", guests(&self.external)),
            ("not in the group", guests(&self.not_in_group)),
        ] {
            if !people.is_empty() {
                let _ = writeln!(text, "  {label}: {}", harmless(&people.join(", ")));
            }
        }
        problems(text, "  ", &self.problems, dress);
    }
}

impl std::fmt::Display for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.user, if self.is_invited { " (invited)" } else { "" })
    }
}

impl Orphaned {
    fn new(room: &JoinedRoom, desired: &Desired) -> Option<Self> {
        let stamp = room.stamp.as_ref()?;
        let successor = desired.rooms.iter().find(|(_, wanted)| !wanted.stamp.groups.is_disjoint(&stamp.groups));
        Some(Self {
            room_id: room.id.to_string(),
            alias: room.canonical_alias.as_ref().map(ToString::to_string),
            name: room.name.clone(),
            groups: groups(&stamp.groups),
            members: room.members.values().filter(|member| member.membership == Membership::Join).count(),
            doubts: orphans::doubts(room, stamp, desired).iter().map(ToString::to_string).collect(),
            since: room.orphaned_since.map(orphans::moment),
            successor: successor.map(|(alias, _)| alias.to_string()),
        })
    }

    fn text(&self, text: &mut String) {
        let alias = harmless(self.alias.as_deref().unwrap_or("(no alias)"));
        let groups: Vec<String> = self.groups.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "  {alias}  {}", harmless(&self.room_id));
        let _ = writeln!(
            text,
            "    {} in the room, stood for {}",
            count(self.members, "person", "people"),
            harmless(&groups.join(", "))
        );
        if let Some(alias) = &self.successor {
            let _ = writeln!(text, "    its group stands for {} now", harmless(alias));
        } else if !self.doubts.is_empty() {
            let _ = writeln!(text, "    not orphaned for certain: {}", self.doubts.join("; "));
        }
        if let Some(since) = &self.since {
            let _ = writeln!(text, "    marked as orphaned since {since}");
        }
    }
}

impl NotManaged {
    fn new(plan: &RoomPlan) -> Self {
        let next = plan.changes.iter().find_map(|change| match change {
            Change::Create(_) => Some(Next::Create),
            Change::Join { .. } => Some(Next::Join),
            Change::Stamp(_) => Some(Next::Mark),
            _ => None,
        });
        Self {
            alias: plan.alias.to_string(),
            room_id: plan.room_id.as_ref().map(ToString::to_string),
            problems: plan.problems.iter().map(RoomProblem::from).collect(),
            next,
        }
    }

    fn text(&self, text: &mut String, dress: Dress) {
        let id = self.room_id.as_deref().map_or_else(|| "no room yet".into(), harmless);
        let _ = writeln!(text, "  {}  {id}", harmless(&self.alias));
        if let Some(next) = self.next {
            let _ = writeln!(text, "    {}", next.told());
        }
        problems(text, "    ", &self.problems, dress);
    }
}

fn problems(text: &mut String, indent: &str, problems: &[RoomProblem], dress: Dress) {
    for problem in problems {
        let _ = writeln!(text, "{indent}{} {}", dress.color(AnsiColor::Red, "! problem:"), harmless(problem.message()));
    }
}
