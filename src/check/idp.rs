//! What an identity provider said, and what becomes of it.

use super::{Area, Findings, counted};
use crate::config::{Config, Idp};
use crate::desired;
use crate::naming::GroupName;
use crate::printable::few;
use crate::snapshot::{Members, Snapshot};

impl Findings {
    /// Looks at the answer of an identity provider, with a sample of what it is mapped to.
    pub(crate) fn snapshot(&mut self, config: &Config, idp: &Idp, snapshot: &Snapshot) {
        let (area, name) = (Area::IdentityProvider, Some(idp.name.as_str()));
        for notice in &snapshot.notices {
            self.warning(area, name, notice.clone(), None);
        }
        let rooms: Vec<String> = snapshot
            .groups
            .iter()
            .filter_map(|group| match idp.convention.read(&group.name) {
                Ok(GroupName::Room(alias)) => Some(format!("{} -> {alias}", group.name)),
                _ => None,
            })
            .collect();
        let named = config.rooms.iter().filter(|room| !room.groups.is_empty()).count();
        match (rooms.len(), named) {
            (0, 0) => self.warning(
                area,
                name,
                "no group of it stands for a room",
                Some("name a group after a room, as the README says, or describe rooms under [[rooms]]"),
            ),
            (0, _) => self.ok(area, name, "its groups are named under [[rooms]]"),
            (count, _) => {
                let sample = few(rooms.iter().map(String::as_str));
                self.ok(area, name, format!("{} of rooms: {sample}", counted(count, "group", "groups")));
            }
        }
        for group in &snapshot.groups {
            if let Members::Unknown { reason, .. } = &group.members {
                let message = format!("not all members of {} are known: {reason}", group.label);
                self.warning(area, name, message, None);
            }
        }
        let mut people: Vec<String> = Vec::new();
        for account in snapshot.accounts.values() {
            if let Ok(user) = desired::user_id(config, idp, account) {
                people.push(format!("{} -> {user}", account.username));
            }
        }
        people.sort();
        if people.is_empty() {
            return self.warning(area, name, "nobody in it can have a Matrix user ID", None);
        }
        let sample = few(people.iter().map(String::as_str));
        self.ok(area, name, format!("{}: {sample}", counted(people.len(), "account", "accounts")));
    }
}
