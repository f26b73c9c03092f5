//! The page of what the identity providers want.

use maud::{Markup, html};

use super::{IdpList, Room};
use crate::list::count;
use crate::page::{Page, note, room_section, table};

impl IdpList {
    /// The list as a page.
    #[must_use]
    pub fn html(&self) -> String {
        let notes = html! {
            @if !self.warnings.is_empty() { ul.notes { @for warning in &self.warnings { (note("warning", warning)) } } }
        };
        let rooms = html! { @for room in &self.rooms { (room.html()) } };
        let title = "What the identity providers want";
        Page { title, summary: &[&self.summary()], notes: &notes, rooms: &rooms }.html()
    }
}

impl Room {
    fn html(&self) -> Markup {
        let groups = |groups: Vec<String>| groups.join(", ");
        let members = self.members.iter().map(|member| {
            let via = member.groups.iter().map(ToString::to_string).collect();
            ("", [member.user.clone(), member.role(), groups(via)])
        });
        let held = self
            .locked_out
            .iter()
            .map(|user| ("warning", [user.clone(), "locked out for the moment".into(), String::new()]));
        let body = html! {
            @if !(self.ambiguous.is_empty() && self.incomplete.is_empty() && self.warnings.is_empty()) {
                ul {
                    @for reason in &self.ambiguous { (note("problem", reason)) }
                    @for reason in &self.incomplete { (note("warning", &format!("not all members are known: {reason}"))) }
                    @for warning in &self.warnings { (note("warning", warning)) }
                }
            }
            (table(["Person", "Role", "From"], members.chain(held)))
        };
        let stands_for = self.groups.iter().map(ToString::to_string).collect();
        room_section(&self.alias, &groups(stands_for), &count(self.members.len(), "person", "people"), &body)
    }
}
