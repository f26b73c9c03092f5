//! What a directory that is completely known says: the accounts that each wanted group reaches.

use std::collections::{BTreeMap, BTreeSet};

use super::membership::Directory;
use super::node::{Node, Person, Rest};
use crate::printable::{few, line};
use crate::snapshot::{Group, Members, Snapshot, SourceId};

impl Directory<'_> {
    /// What all of this says.
    pub(super) fn into_snapshot(mut self) -> Snapshot {
        let ids = self.unique_ids();
        let mut seen = vec![0_usize; self.nodes.len()];
        let (mut groups, mut other_groups) = (Vec::new(), BTreeSet::new());
        let mut unclear = BTreeSet::new();
        let mut round = 0;
        for (at, node) in self.nodes.iter().enumerate() {
            let Some(group) = &node.group else { continue };
            let names: Vec<&String> = group.names.iter().filter(|name| (self.wanted)(name)).collect();
            if names.is_empty() {
                match ids.get(at).cloned().flatten() {
                    Some(id) => drop(other_groups.insert(id)),
                    None => other_groups.extend(group.names.iter().cloned()),
                }
                continue;
            }
            round += 1;
            let (members, mut reasons) = self.reach(at, &mut seen, round, &ids, &mut unclear);
            let label = line(&node.label);
            if names.len() > 1 {
                let all = few(names.iter().map(|name| name.as_str()));
                reasons.insert(format!("it has several names that stand for rooms: {all}"));
                self.notices.insert(format!(
                    "the group \"{label}\" has several names that stand for rooms ({all}); nobody is removed from any"
                ));
            }
            for name in names {
                groups.push(Group {
                    name: name.clone(),
                    id: ids.get(at).cloned().flatten(),
                    label: label.clone(),
                    members: if reasons.is_empty() {
                        Members::Known(members.clone())
                    } else {
                        let reason = few(reasons.iter().map(String::as_str));
                        Members::Unknown { at_least: members.clone(), reason }
                    },
                    owners: None,
                });
            }
        }
        groups.sort_by(|left, right| (&left.name, &left.label).cmp(&(&right.name, &right.label)));
        self.note_losses(&seen, &unclear);
        let accounts = self.nodes.into_iter().zip(ids).filter_map(|(node, id)| match node.person {
            Some(Person::Usable { account, .. }) => Some((id.unwrap_or_else(|| node.dn.to_string()), account)),
            _ => None,
        });
        let (notices, more_groups) = (self.notices, self.more_groups);
        Snapshot { accounts: accounts.collect(), groups, other_groups, more_groups, notices }
    }

    /// The certain members of a group, and why there may be more. What is visited gets the number of the round.
    fn reach(
        &self,
        start: usize,
        seen: &mut [usize],
        round: usize,
        ids: &[Option<SourceId>],
        unclear: &mut BTreeSet<usize>,
    ) -> (BTreeSet<SourceId>, BTreeSet<String>) {
        let (mut members, mut reasons) = (BTreeSet::new(), BTreeSet::new());
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            let (Some(node), Some(mark)) = (self.nodes.get(at), seen.get_mut(at)) else { continue };
            if std::mem::replace(mark, round) == round {
                continue;
            }
            if let Some(group) = &node.group {
                let inside = |flaw: &String| {
                    if at == start { flaw.clone() } else { format!("in \"{}\", {flaw}", line(&node.label)) }
                };
                reasons.extend(group.flaws.iter().map(inside));
                if let Some(stranger) = self.strangers(group).next() {
                    let stranger = line(stranger);
                    if self.nameless > 0 {
                        let reason = format!("memberUid \"{stranger}\" may be somebody whose username cannot be read");
                        reasons.insert(reason);
                    }
                    if self.has_more_people {
                        reasons.insert(format!("memberUid \"{stranger}\" may be somebody at another server"));
                    }
                }
            }
            if node.group.as_ref().is_some_and(|group| group.sid.is_some()) && self.rootless > 0 {
                reasons.insert("it may be the primary group of somebody whose own cannot be read".into());
            }
            let mut puzzle = |why: &str| {
                unclear.insert(at);
                reasons.insert(format!("\"{}\" {why}", line(&node.label)));
            };
            match (&node.person, &node.rest) {
                (Some(Person::Usable { .. }), _) => {
                    members.insert(ids.get(at).cloned().flatten().unwrap_or_else(|| node.dn.to_string()));
                }
                (Some(Person::Nameless(why)), _) if node.group.is_none() => puzzle(why),
                (Some(Person::Unclear(why)), _) | (None, Rest::Unclear(why)) => puzzle(why),
                _ => {}
            }
            open.extend(self.leads_to(node));
        }
        (members, reasons)
    }

    /// The immutable ID of each node, if it has one that no other has.
    fn unique_ids(&mut self) -> Vec<Option<SourceId>> {
        let mut counts = BTreeMap::<&str, usize>::new();
        for node in &self.nodes {
            if let Some(id) = node.id() {
                *counts.entry(id).or_default() += 1;
            }
        }
        let shared: BTreeSet<String> =
            counts.iter().filter(|(_, count)| **count > 1).map(|(id, _)| (*id).to_owned()).collect();
        if !shared.is_empty() {
            let attributes = self.layout.id_attributes.join(", ");
            self.notices.insert(format!(
                "{} IDs belong to several entries ({}), whose names are used instead: {attributes} should have IDs that \
                 nobody shares",
                shared.len(),
                few(shared.iter().map(String::as_str)),
            ));
        }
        let unique = |node: &Node| node.id().filter(|id| !shared.contains(*id)).map(str::to_owned);
        self.nodes.iter().map(unique).collect()
    }

    /// Tells whom wanted groups lose.
    fn note_losses(&mut self, seen: &[usize], unclear: &BTreeSet<usize>) {
        let mut notices = Vec::new();
        for (node, round) in self.nodes.iter().zip(seen) {
            let (Some(group), true) = (&node.group, *round > 0) else { continue };
            let mut gone: Vec<&str> = (group.members.iter().filter_map(|at| self.nodes.get(*at)))
                .filter(|node| matches!(node.rest, Rest::Gone))
                .map(|node| node.label.as_str())
                .collect();
            gone.sort_unstable();
            let label = line(&node.label);
            if !gone.is_empty() {
                let count = if gone.len() == 1 { "1 member".into() } else { format!("{} members", gone.len()) };
                let gone = few(gone);
                notices.push(format!("the group \"{label}\" names {count} without an entry, left out: {gone}"));
            }
            // Some strangers are people whom the filter leaves out; that all are is odd.
            let mut strangers = self.strangers(group).peekable();
            if strangers.peek().is_some() && self.members(group).next().is_none() {
                let strangers = few(strangers);
                notices.push(format!("nobody is found for any memberUid of the group \"{label}\": {strangers}"));
            } else if strangers.peek().is_some() {
                let usernames: Vec<_> = strangers.collect();
                tracing::debug!(group = %label, ?usernames, "memberUid that is nobody's");
            }
        }
        if !unclear.is_empty() {
            let puzzles: BTreeSet<String> = (unclear.iter().filter_map(|at| self.nodes.get(*at)))
                .map(|node| format!("\"{}\" {}", line(&node.label), node.puzzle()))
                .collect();
            let puzzles = few(puzzles.iter().map(String::as_str));
            notices
                .push(format!("it is unclear who these members are, nobody is removed from their groups: {puzzles}"));
        }
        self.notices.extend(notices);
    }
}

#[cfg(test)]
mod tests;
