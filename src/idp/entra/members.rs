//! From the objects of a collection to the accounts among them.

use std::collections::{BTreeMap, BTreeSet};

use super::error::EntraProblem;
use super::graph::Collection;
use super::person::{Person, person, text};
use crate::config::{EntraIdp, Guests, Idp};
use crate::printable::{few, line};
use crate::snapshot::{Account, Members, SourceId};

/// Everybody who was met so far.
pub(super) struct People<'a> {
    all: &'a Idp,
    idp: &'a EntraIdp,
    known: BTreeMap<SourceId, Person>,
    ignored: BTreeMap<&'static str, BTreeSet<SourceId>>,
}

impl<'a> People<'a> {
    pub(super) fn new(all: &'a Idp, idp: &'a EntraIdp) -> Self {
        Self { all, idp, known: BTreeMap::new(), ignored: BTreeMap::new() }
    }

    /// The accounts in a collection. An error is one that all collections would have.
    pub(super) fn members(&mut self, collection: &Collection) -> Result<Members, EntraProblem> {
        let mut members = BTreeSet::new();
        let mut gaps: BTreeSet<String> = collection.gap.iter().map(ToString::to_string).collect();
        for object in &collection.objects {
            let kind = text(object, "@odata.type")?.unwrap_or("");
            let Some(id) = text(object, "id")? else {
                gaps.insert(format!("a member of the type {:?} has no id", line(kind)));
                continue;
            };
            let ignored = match kind {
                "#microsoft.graph.user" => {
                    if !self.known.contains_key(id) {
                        let person = person(self.all, self.idp, id, object)?;
                        self.known.insert(id.to_owned(), person);
                    }
                    match self.known.get(id) {
                        Some(Person::Usable(_)) => _ = members.insert(id.to_owned()),
                        Some(Person::Unclear(reason)) => _ = gaps.insert(reason.clone()),
                        Some(Person::Disabled | Person::Skipped(_)) | None => {}
                    }
                    continue;
                }
                // Its members are in the collection as well.
                "#microsoft.graph.group" => continue,
                "#microsoft.graph.servicePrincipal" => "service principals",
                "#microsoft.graph.device" => "devices",
                "#microsoft.graph.orgContact" => "contacts",
                _ => {
                    gaps.insert(format!(
                        "the member {} has the type {:?}, which is not known here",
                        line(id),
                        line(kind)
                    ));
                    continue;
                }
            };
            self.ignored.entry(ignored).or_default().insert(id.to_owned());
        }
        Ok(if gaps.is_empty() {
            Members::Known(members)
        } else {
            Members::Unknown { at_least: members, reason: few(gaps.iter().map(String::as_str)) }
        })
    }

    /// The accounts, after telling who was left out.
    pub(super) fn finish(self, notices: &mut BTreeSet<String>) -> BTreeMap<SourceId, Account> {
        for (kind, ids) in &self.ignored {
            notices.insert(format!("{kind} among the members are ignored: {}", ids.len()));
        }
        let skipped: BTreeSet<&str> = self
            .known
            .values()
            .filter_map(|person| if let Person::Skipped(label) = person { Some(label.as_str()) } else { None })
            .collect();
        if !skipped.is_empty() {
            let remedy = match self.idp.guests {
                Guests::Map(_) => "guest_homeservers has no rule for their domain",
                _ => "see guests in the configuration",
            };
            notices.insert(format!("guests are left out ({remedy}): {}", few(skipped)));
        }
        let usable = |(id, person)| match person {
            Person::Usable(account) => Some((id, account)),
            _ => None,
        };
        self.known.into_iter().filter_map(usable).collect()
    }
}
