//! The groups of rooms: the direct members of the root group.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::PAGE;
use super::error::EntraProblem;
use super::graph::Collection;
use super::person::{self, text};
use crate::config::{EntraIdp, Idp};
use crate::naming::GroupName;
use crate::printable::{few, line};
use crate::snapshot::{Group, Members};

/// The properties of groups that are asked for.
pub(super) const SELECT: &str = "id,displayName,groupTypes,mailEnabled,onPremisesSyncEnabled,visibility";

/// A group of a room.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) is_hidden: bool,
    owners_are_readable: bool,
}

/// Where the moderators of a room come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owners {
    /// The group's owners.
    Own,
    /// The members of another group, by its ID.
    Group(String),
    /// Another group that is found by its name, or nobody.
    Elsewhere,
}

/// A group of a room, and where its moderators come from.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) group: Known,
    pub(super) owners: Owners,
}

/// The groups of rooms.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    pub(super) known: Vec<Room>,
    /// Groups whose name is malformed, for the warning.
    pub(super) malformed: Vec<Group>,
    /// The IDs of groups that nobody asked for.
    pub(super) others: BTreeSet<String>,
    /// Why there may be more groups, if so.
    pub(super) more: Option<String>,
    pub(super) notices: BTreeSet<String>,
}

impl Known {
    /// How messages name the group.
    pub(super) fn label(&self) -> String {
        line(&format!("\"{}\" ({})", self.name, self.id))
    }
}

impl Owners {
    /// The path to ask, if there is something to be asked.
    pub(super) fn path(&self, group: &str) -> Option<String> {
        match self {
            Self::Own => Some(format!("/groups/{group}/owners")),
            Self::Group(id) => Some(format!("/groups/{id}/transitiveMembers")),
            Self::Elsewhere => None,
        }
    }
}

impl Rooms {
    /// Reads the direct members of the root group.
    pub(super) fn read(
        all: &Idp,
        idp: &EntraIdp,
        wanted: &(dyn Fn(&str) -> bool + Sync),
        root: Collection,
    ) -> Result<Self, EntraProblem> {
        if let Some(problem) = root.gap {
            return Err(problem);
        }
        let mut rooms = Self::default();
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut strangers = BTreeSet::new();
        for object in &root.objects {
            let kind = text(object, "@odata.type")?.unwrap_or("").trim_start_matches("#microsoft.graph.");
            let Some(id) = text(object, "id")?.filter(|id| is_path_safe(id)) else {
                return Err(EntraProblem::Unintelligible(format!("a member of the type {:?} has no id", line(kind))));
            };
            if !seen.insert(id.to_owned()) {
                continue;
            }
            if kind != "group" {
                let name = text(object, "displayName")?.unwrap_or(id);
                strangers.insert(format!("\"{}\" ({})", line(name), line(kind)));
                continue;
            }
            let group = known(id, object)?;
            match all.convention.read(&group.name) {
                Ok(GroupName::Other) if !wanted(&group.name) => {
                    let about = format!(
                        "the group {} stands for no room: its name does not begin like that of one",
                        group.label()
                    );
                    rooms.notices.insert(about);
                    rooms.others.insert(group.id);
                }
                // The warning is made where the names of all kinds of identity provider are read.
                Err(_) => rooms.malformed.push(Group {
                    label: group.label(),
                    name: group.name,
                    id: Some(group.id),
                    members: Members::Unknown { at_least: [].into(), reason: "it was not read".into() },
                    owners: None,
                }),
                Ok(_) if !wanted(&group.name) => drop(rooms.others.insert(group.id)),
                Ok(name) => found.push((name, group)),
            }
        }
        if root.objects.is_empty() {
            rooms.notices.insert(format!("the root group {} has no members, so there are no rooms", idp.root_group_id));
            rooms.more = Some("the root group has no members".into());
        }
        if !strangers.is_empty() {
            let some = few(strangers.iter().map(String::as_str));
            rooms.notices.insert(format!("members of the root group that are no groups are ignored: {some}"));
        }
        rooms.place_owners(idp, found);
        Ok(rooms)
    }

    fn place_owners(&mut self, idp: &EntraIdp, found: Vec<(GroupName, Known)>) {
        let siblings: BTreeSet<_> = found
            .iter()
            .filter_map(|(name, _)| match name {
                GroupName::Owners(alias) => Some(alias.clone()),
                _ => None,
            })
            .collect();
        let mut unreadable = BTreeSet::new();
        for (name, group) in found {
            let owners = match &name {
                GroupName::Room(alias) if siblings.contains(alias) => Owners::Elsewhere,
                GroupName::Room(alias) => match idp.owners_groups.get(alias) {
                    Some(id) => Owners::Group(id.clone()),
                    None if group.owners_are_readable => Owners::Own,
                    None => {
                        unreadable.insert(group.label());
                        Owners::Elsewhere
                    }
                },
                _ => Owners::Elsewhere,
            };
            self.known.push(Room { group, owners });
        }
        if !unreadable.is_empty() {
            self.notices.insert(format!(
                "the owners of groups that are synchronised from on-premises or come from Exchange cannot be read, so \
                 their rooms have no moderators: use owners_suffix or owners_groups. They are {}",
                few(unreadable.iter().map(String::as_str))
            ));
        }
    }

    /// What is to be asked, for each room one or two paths.
    pub(super) fn questions(&self, idp: &EntraIdp) -> Vec<String> {
        let rest = format!("?$select={}&$top={PAGE}", person::select(idp));
        let paths = self.known.iter().flat_map(|Room { group, owners }| {
            [Some(format!("/groups/{}/transitiveMembers", group.id)), owners.path(&group.id)]
        });
        paths.flatten().map(|path| format!("{path}{rest}")).collect()
    }
}

fn known(id: &str, group: &Map<String, Value>) -> Result<Known, EntraProblem> {
    let Some(name) = text(group, "displayName")? else {
        return Err(EntraProblem::Withheld {
            what: format!("the name (displayName) of the group {}", line(id)),
            permission: "GroupMember.Read.All",
        });
    };
    let is = |property: &str| group.get(property) == Some(&Value::Bool(true));
    let is_microsoft_365 =
        group.get("groupTypes").and_then(Value::as_array).is_some_and(|types| types.contains(&"Unified".into()));
    Ok(Known {
        id: id.to_owned(),
        name: name.to_owned(),
        is_hidden: text(group, "visibility")?
            .is_some_and(|visibility| visibility.eq_ignore_ascii_case("HiddenMembership")),
        // <https://learn.microsoft.com/graph/api/group-list-owners>: not for groups that were made in Exchange, and not
        // for those that are synchronised. A group with mail that is none of Microsoft 365 is one of Exchange.
        owners_are_readable: !is("onPremisesSyncEnabled") && (is_microsoft_365 || !is("mailEnabled")),
    })
}

/// IDs become parts of paths.
fn is_path_safe(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
