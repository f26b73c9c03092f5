//! How somebody who is wanted comes into a room: invited, or added by an administrator's word.

use matrix_sdk::ruma::UserId;

use super::admin::{Admin, Standing};
use super::write::{Done, Place, WriteError, Writer, banned, unknown};
use crate::actual::{Membership, STANDING_INVITATION};
use crate::config::JoinFallback;
use crate::plan::{Invite, Way};

impl Writer {
    pub(super) async fn bring(&self, place: &Place, invite: &Invite) -> Result<Done, WriteError> {
        match (invite.way, &self.wire.admin) {
            (Way::Add, Some(admin)) => self.add(admin, place, &invite.user).await,
            (Way::InviteAgain, _) => self.invite(place, &invite.user, Some(STANDING_INVITATION)).await,
            (Way::Invite | Way::Add, _) => self.invite(place, &invite.user, None).await,
        }
    }

    async fn add(&self, admin: &Admin, place: &Place, user: &UserId) -> Result<Done, WriteError> {
        let why = match admin.standing(&self.wire.pace, user).await? {
            Standing::Active => match admin.join(&self.wire.pace, place, user).await {
                Ok(()) => return Ok(Done::Applied),
                Err(failure) => {
                    let asked = format!("adding {user} to {place}");
                    match self.reader.membership(&place.id, user).await {
                        Ok(Some(Membership::Join)) => return Ok(Done::Already),
                        Ok(Some(Membership::Ban)) => return Err(banned(&asked)),
                        Ok(_) if failure.is_refusal(403, "") => failure.to_string(),
                        Ok(_) => return Err(failure.into()),
                        Err(error) => return Err(unknown(&failure, &error)),
                    }
                }
            },
            Standing::Missing => {
                format!("there is no account {user} on the homeserver, perhaps not before the first login")
            }
            Standing::Suspended => format!("the account {user} is locked or suspended on the homeserver"),
            Standing::Deactivated => {
                return Err(WriteError::Skipped(format!(
                    "the account {user} is deactivated on the homeserver: reactivate it there, or take the person out of the \
                     group"
                )));
            }
        };
        match admin.fallback {
            JoinFallback::Fail => Err(WriteError::Failed(format!("not added to {place}: {why}"))),
            JoinFallback::Invite => {
                tracing::warn!("{user} is invited to {place} instead of added: {why}");
                self.invite(place, user, Some(STANDING_INVITATION)).await
            }
        }
    }
}
