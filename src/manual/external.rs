//! People whom no identity provider speaks for.

use std::collections::BTreeSet;

use super::{Bounds, Decision, End, Refusal, Situation, Step, already};
use crate::actual::Membership;
use crate::plan::PowerNeed;
use crate::power::Power;

impl Situation<'_> {
    pub(super) fn invite_member(&self, bounds: &Bounds) -> Result<Decision, Refusal> {
        self.is_external(bounds)?;
        Ok(match self.invitation()? {
            Some(invite) => Decision { steps: vec![invite], end: End::Done, warnings: BTreeSet::new() },
            None => already(self.presence()),
        })
    }

    pub(super) fn invite_admin(&self) -> Result<Decision, Refusal> {
        let steps: Vec<Step> = self.invitation()?.into_iter().chain(self.levels(&self.admin_level())?).collect();
        if steps.is_empty() {
            return Ok(already(format!("{}, and an admin", self.presence())));
        }
        let mut warnings = BTreeSet::new();
        if !self.is_admin() && self.room.power.of(self.me) != Power::Creator {
            warnings.insert(format!(
                "inviter cannot take this away again, since it does not outrank admins in this room (version {}): only they can \
                 give it up",
                self.room.version
            ));
        }
        Ok(Decision { steps, end: End::Done, warnings })
    }

    pub(super) fn kick_member(&self, bounds: &Bounds) -> Result<Decision, Refusal> {
        self.is_external(bounds)?;
        let invited = match self.membership() {
            Membership::Join | Membership::Knock => false,
            Membership::Invite => true,
            Membership::Leave | Membership::Ban => {
                return match self.namesake() {
                    Some(other) => Err(Refusal::NotThere { user: self.user.to_owned(), other }),
                    None => Ok(already(format!("{} is already out of the room", self.user))),
                };
            }
        };
        if bounds.protected.iter().any(|pattern| pattern.matches(self.user.as_str())) {
            return Err(Refusal::Protected(self.user.to_owned()));
        }
        let power = &self.room.power;
        let level = match power.of(self.user) {
            Power::Level(level) if !self.is_admin() => level,
            rank => return Err(Refusal::Admin { user: self.user.to_owned(), rank }),
        };
        self.must(PowerNeed::Kick, power.to_kick())?;
        self.must(PowerNeed::Outrank(self.user.to_owned()), level.saturating_add(1))?;
        // Who was muted stays so, in case they come back.
        let entry = power.entry(self.user).filter(|level| *level >= power.users_default());
        let levels = match entry {
            Some(_) => self.levels(&[(self.user.to_owned(), None)].into())?,
            None => None,
        };
        let steps = levels.into_iter().chain([Step::Kick { user: self.user.to_owned(), invited }]).collect();
        Ok(Decision { steps, end: End::Done, warnings: BTreeSet::new() })
    }

    fn is_external(&self, bounds: &Bounds) -> Result<(), Refusal> {
        let server = self.user.server_name();
        if bounds.managed_servers.iter().any(|managed| managed.as_str().eq_ignore_ascii_case(server.as_str())) {
            return Err(Refusal::FromTheIdp(self.user.to_owned()));
        }
        Ok(())
    }

    fn presence(&self) -> String {
        match self.membership() {
            Membership::Invite => format!("{} is already invited", self.user),
            _ => format!("{} is already in the room", self.user),
        }
    }

    /// Somebody in the room whose ID differs by upper and lower case alone.
    fn namesake(&self) -> Option<matrix_sdk::ruma::OwnedUserId> {
        let same = |user: &&matrix_sdk::ruma::OwnedUserId| user.as_str().eq_ignore_ascii_case(self.user.as_str());
        let there = self.room.members.iter().filter(|(_, member)| {
            matches!(member.membership, Membership::Join | Membership::Invite | Membership::Knock)
        });
        there.map(|(user, _)| user).find(same).cloned()
    }
}
