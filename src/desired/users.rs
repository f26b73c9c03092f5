//! From accounts to Matrix users.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use matrix_sdk::ruma::{OwnedUserId, UserId};

use super::DesiredError;
use super::groups::RoomGroups;
use crate::config::{Config, Idp, RenamedUser};
use crate::naming;
use crate::snapshot::{Account, Snapshot};

/// Accounts by their identity, and the Matrix user of each, if it can have one.
pub(super) type Users<'a> = HashMap<&'a str, (Option<OwnedUserId>, &'a Account)>;

/// The Matrix users of all accounts. That an account can have none is reported if it is in a group of a room.
pub(super) fn user_ids<'a>(
    config: &Config,
    idp: &Idp,
    snapshot: &'a Snapshot,
    groups: &RoomGroups<'_>,
    warnings: &mut BTreeSet<String>,
) -> Result<Users<'a>, DesiredError> {
    let mut users = Users::with_capacity(snapshot.accounts.len());
    // Mostly nobody asks who is in some group of a room.
    let reached = LazyCell::new(|| groups.reached());
    for (id, account) in &snapshot.accounts {
        let user = user_id(config, idp, account);
        if let Err(reason) = &user
            && reached.contains(id.as_str())
        {
            warnings.insert(format!(
                "{}: the account {} ({:?}) is left out: {reason}",
                idp.name, account.label, account.username
            ));
        }
        users.insert(id.as_str(), (user.ok(), account));
    }
    let mut by_user: Vec<_> =
        users.iter().filter_map(|(id, (user, account))| Some((user.as_ref()?, &account.label, *id))).collect();
    by_user.sort_unstable();
    for ((user, first, first_id), (other, second, second_id)) in by_user.iter().zip(by_user.iter().skip(1)) {
        if user == other && [first_id, second_id].into_iter().any(|id| reached.contains(*id)) {
            let [first, second] = [first, second].map(|label| (*label).clone());
            return Err(DesiredError::Collision { idp: idp.name.clone(), first, second, user: (*user).clone() });
        }
    }
    Ok(users)
}

/// The Matrix user of an account.
pub(crate) fn user_id(config: &Config, idp: &Idp, account: &Account) -> Result<OwnedUserId, String> {
    if let Some(user) = &account.mxid {
        return Ok(user.clone());
    }
    match lookup(&config.renamed_users, &account.username) {
        Some(renamed) => renamed_user(renamed, idp),
        None => naming::user_id(&account.username, &idp.mxid_homeserver, idp.invalid_names),
    }
}

/// What a table of renamed users has for a username.
pub(super) fn lookup<'a>(renamed: &'a BTreeMap<String, RenamedUser>, username: &str) -> Option<&'a RenamedUser> {
    if renamed.is_empty() { None } else { renamed.get(&username.to_lowercase()) }
}

pub(super) fn renamed_user(renamed: &RenamedUser, idp: &Idp) -> Result<OwnedUserId, String> {
    match renamed {
        RenamedUser::UserId(user) => Ok(user.clone()),
        RenamedUser::Localpart(localpart) => {
            UserId::parse(format!("@{localpart}:{}", idp.mxid_homeserver)).map_err(|error| error.to_string())
        }
    }
}
