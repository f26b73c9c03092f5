//! What the plan of the next run tells of the rooms.

use std::collections::BTreeSet;

use matrix_sdk::ruma::{ServerName, UserId};

use super::{Area, Findings, counted};
use crate::desired::Desired;
use crate::plan::{Change, Plan, Refusal};
use crate::printable::few;

impl Findings {
    /// Whether the next run needs other homeservers.
    pub(crate) fn federation(&mut self, desired: &Desired, me: &UserId) {
        let rooms = desired.rooms.keys().map(|alias| alias.server_name());
        let people = desired.rooms.values().flat_map(|room| room.members.keys()).map(|user| user.server_name());
        let others: BTreeSet<&ServerName> = rooms.chain(people).filter(|server| *server != me.server_name()).collect();
        if others.is_empty() {
            let message = format!("not needed: all rooms and people are of {}", me.server_name());
            return self.ok(Area::Federation, None, message);
        }
        let sample = few(others.iter().map(|server| server.as_str()));
        self.ok(Area::Federation, None, format!("needed with {sample}, which rooms or people are of"));
    }

    /// Which rooms can be managed.
    pub(crate) fn rooms(&mut self, plan: &Plan) {
        for warning in &plan.warnings {
            self.warning(Area::Rooms, None, warning.clone(), None);
        }
        for room in &plan.rooms {
            let alias = Some(room.alias.as_str());
            for problem in &room.problems {
                self.failed(Area::Rooms, alias, problem.to_string());
            }
            for warning in &room.warnings {
                self.warning(Area::Rooms, alias, warning.clone(), None);
            }
        }
        let sound = plan.rooms.iter().filter(|room| room.problems.is_empty());
        let (mut managed, mut created) = (0, 0);
        for room in sound {
            managed += 1;
            created += usize::from(matches!(room.changes.first(), Some(Change::Create(_))));
        }
        if plan.rooms.is_empty() {
            return self.warning(Area::Rooms, None, "no room is named by any identity provider", None);
        }
        if managed > 0 {
            let yet = if created == 0 { String::new() } else { format!(", of which {created} do not exist yet") };
            self.ok(Area::Rooms, None, format!("{} can be managed{yet}", counted(managed, "room", "rooms")));
        }
    }

    /// Whether the guard would refuse a run that removes people; whether runs do so without being asked.
    pub(crate) fn guard(&mut self, refusals: &[Refusal], removes: bool) {
        let command = if removes { "sync" } else { "sync --kick" };
        if refusals.is_empty() {
            return self.ok(Area::Guard, None, format!("{command} would not be refused"));
        }
        for refusal in refusals {
            let message = format!("{command} would be refused: {refusal}");
            if removes {
                self.failed(Area::Guard, None, message);
            } else {
                self.warning(
                    Area::Guard,
                    None,
                    message,
                    Some("see what it would remove: inviter sync --kick --dry-run"),
                );
            }
        }
    }
}
