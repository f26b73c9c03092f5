//! The page of the rooms that the account has joined.

use maud::html;

use super::{JoinedList, Room};
use crate::page::{Page, room_section};

impl JoinedList {
    /// The list as a page.
    #[must_use]
    pub fn html(&self) -> String {
        let rooms = html! {
            @for room in &self.rooms {
                (room_section(room.alias.as_deref().unwrap_or("(no alias)"), &room.room_id, &room.facts(), &html! {}))
            }
            @for id in &self.unreadable { (room_section("(unknown)", id, Room::UNREADABLE, &html! {})) }
        };
        let title = "Rooms that inviter has joined";
        Page { title, summary: &[&self.summary()], notes: &html! {}, rooms: &rooms }.html()
    }
}
