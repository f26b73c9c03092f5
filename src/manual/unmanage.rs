//! A room is handed over.

use std::collections::BTreeSet;

use super::{Decision, End, Refusal, Situation, Step};
use crate::actual::{Membership, STAMP_TYPE};
use crate::power::Power;

impl Situation<'_> {
    /// While the admin is not in the room, `inviter` stays: no room is ever left without an admin.
    pub(super) fn unmanage(&self, leave_as_creator: bool) -> Result<Decision, Refusal> {
        if self.room.power.of(self.me) == Power::Creator && !leave_as_creator {
            let version = self.room.version.clone();
            return Err(Refusal::Creator { alias: self.alias.to_owned(), version });
        }
        let mut warnings = BTreeSet::new();
        if self.room.power.of(self.me) == Power::Creator {
            warnings.insert("inviter stays a creator of the room, and would outrank everybody if it came back".into());
        }
        if self.membership() == Membership::Join {
            Ok(Decision { steps: self.hand_over()?, end: End::Done, warnings })
        } else {
            let steps = self.invitation()?.into_iter().chain(self.levels(&self.admin_level())?).collect();
            Ok(Decision { steps, end: End::Waiting, warnings })
        }
    }

    /// The mark goes first, since without its power `inviter` could not take it away any more; that it was there once
    /// can be seen afterwards, so a run that ends in between can be repeated.
    fn hand_over(&self) -> Result<Vec<Step>, Refusal> {
        let mut steps = Vec::new();
        if self.room.stamp.is_some() {
            self.must_send(STAMP_TYPE)?;
            steps.push(Step::TakeMark);
        }
        let mut users = self.admin_level();
        if self.room.power.entry(self.me).is_some() {
            users.insert(self.me.to_owned(), None);
        }
        steps.extend(self.levels(&users)?);
        steps.push(Step::Leave);
        Ok(steps)
    }
}
