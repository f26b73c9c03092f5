//! The page of the managed rooms: who is there, in which role, and why.

use matrix_sdk::ruma::UserId;
use maud::{Markup, html};

use super::{Managed, ManagedList, NotManaged, Orphaned};
use crate::actual::{JoinedRoom, Membership};
use crate::desired::DesiredMember;
use crate::list::count;
use crate::page::{Page, note, room_section, table};
use crate::plan::show::level;
use crate::power::Power;
use crate::printable::harmless;

/// Somebody who is wanted in a room or is there, as the page tells it.
#[derive(Debug)]
pub(super) struct Person {
    user: String,
    role: String,
    standing: &'static str,
    from: String,
}

impl Person {
    /// Somebody whom the identity providers want.
    pub(super) fn wanted(user: &UserId, wanted: &DesiredMember, room: &JoinedRoom) -> Self {
        let role = |own: Option<i64>| own.map_or_else(|| "standard".into(), level);
        let standing = match room.membership(user) {
            Membership::Join => "joined",
            Membership::Invite => "invited",
            _ => "missing",
        };
        let (to_be, now) = (role(wanted.level), role_now(user, room));
        let role = if standing == "missing" || to_be == now { to_be } else { format!("{to_be}, now {now}") };
        let from: Vec<String> = wanted.via.iter().map(ToString::to_string).collect();
        Self { user: user.to_string(), role, standing, from: from.join(", ") }
    }

    /// Somebody who is there without being wanted.
    pub(super) fn guest(user: &UserId, room: &JoinedRoom, is_external: bool) -> Self {
        let standing = if room.membership(user) == Membership::Invite { "invited" } else { "joined" };
        let from = if is_external { "another organisation's homeserver" } else { "in no group of this room" };
        Self { user: user.to_string(), role: role_now(user, room), standing, from: from.into() }
    }

    fn row(&self) -> (&'static str, [String; 4]) {
        let class = match self.standing {
            "invited" => "warning",
            "missing" => "problem",
            _ => "",
        };
        (class, [self.user.clone(), self.role.clone(), self.standing.into(), self.from.clone()])
    }
}

fn role_now(user: &UserId, room: &JoinedRoom) -> String {
    match room.power.of(user) {
        Power::Creator => "creator".into(),
        Power::Level(own) if own == room.power.users_default() => "standard".into(),
        Power::Level(own) => level(own),
    }
}

impl ManagedList {
    /// The list as a page.
    #[must_use]
    pub fn html(&self) -> String {
        let rooms = html! {
            @for room in &self.managed { (room.html()) }
            @for room in &self.not_managed { (room.html()) }
            @for room in &self.orphaned { (room.html()) }
        };
        Page { title: "Rooms that inviter manages", summary: &[&self.summary()], notes: &html! {}, rooms: &rooms }
            .html()
    }
}

impl Managed {
    fn html(&self) -> Markup {
        let facts = format!(
            "{} wanted: {} joined, {} invited, {} missing; {}",
            self.wanted,
            self.joined.len(),
            self.invited.len(),
            self.missing.len(),
            count(self.external.len() + self.not_in_group.len(), "guest", "guests")
        );
        let body = html! {
            @if !self.problems.is_empty() {
                ul { @for problem in &self.problems { (note("problem", problem.message())) } }
            }
            @if !self.people.is_empty() {
                (table(["Person", "Role", "Membership", "From"], self.people.iter().map(Person::row)))
            }
        };
        room_section(&self.alias, &self.room_id, &facts, &body)
    }
}

impl NotManaged {
    fn html(&self) -> Markup {
        let id = self.room_id.as_deref().unwrap_or("no room yet");
        let body = html! {
            ul {
                @for problem in &self.problems { (note("problem", problem.message())) }
                @if let Some(next) = self.next { li { (next.told()) } }
            }
        };
        room_section(&self.alias, id, "not managed", &body)
    }
}

impl Orphaned {
    fn html(&self) -> Markup {
        let groups: Vec<String> = self.groups.iter().map(ToString::to_string).collect();
        let facts = format!("orphaned, {} in the room", count(self.members, "person", "people"));
        let body = html! {
            ul {
                @if let Some(name) = &self.name { li { "called " (harmless(name)) } }
                li { "stood for " (harmless(&groups.join(", "))) }
                @if let Some(alias) = &self.successor { li { "its group stands for " (harmless(alias)) " now" } }
                @for doubt in &self.doubts { (note("not orphaned for certain", doubt)) }
                @if let Some(since) = &self.since { li { "marked as orphaned since " (since) } }
            }
        };
        room_section(self.alias.as_deref().unwrap_or("(no alias)"), &self.room_id, &facts, &body)
    }
}
