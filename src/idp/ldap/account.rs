//! What an entry that matches `user_filter` says about its person.

use super::entry::Entry;
use crate::config::{LdapIdp, Lockout};
use crate::dn;
use crate::snapshot::Standing;

/// The attributes with which directories lock accounts. All but the last are operational: they come only when they
/// are asked for by name.
pub(super) const LOCKS: [&str; 3] = ["pwdAccountLockedTime", "nsAccountLock", "userAccountControl"];

/// What an entry says about its person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// An account that can be used, now or when a lockout is over.
    Usable { username: String, standing: Standing },
    /// Locked: not wanted anywhere.
    Locked,
    /// It cannot be told who this is, or whether the account is locked, and why.
    Unclear(String),
}

/// Reads an entry.
pub(super) fn state(entry: &Entry, idp: &LdapIdp) -> State {
    let standing = match lock(entry, idp.lockout) {
        Ok(Some(standing)) => standing,
        Ok(None) => return State::Locked,
        Err(reason) => return State::Unclear(reason),
    };
    match username(entry, &idp.username_attribute) {
        Ok(username) => State::Usable { username, standing },
        Err(reason) => State::Unclear(reason),
    }
}

/// How the account stands; `None` if it is locked.
fn lock(entry: &Entry, lockout: Lockout) -> Result<Option<Standing>, String> {
    let [since, locked, control] = LOCKS;
    if entry.texts(locked).any(|value| value.trim().eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    if let Some(value) = entry.values(control).first() {
        let flags = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse::<i64>().ok());
        // ACCOUNTDISABLE (MS-ADTS, section 2.2.16).
        match flags {
            Some(flags) if flags & 2 != 0 => return Ok(None),
            Some(_) => {}
            None => return Err(format!("has a {control} that is no number")),
        }
    }
    // The year 0 stands for a lock without end (draft-behera-ldap-password-policy-10, section 5.3.3).
    match entry.values(since) {
        [] => Ok(Some(Standing::Active)),
        times if times.iter().any(|time| time.starts_with(b"0000")) => Ok(None),
        _ if lockout == Lockout::LeaveOut => Ok(None),
        _ => Ok(Some(Standing::LockedOut)),
    }
}

/// The username. Of several, the one in the DN is meant: which of them came first would be the server's whim.
fn username(entry: &Entry, attribute: &str) -> Result<String, String> {
    let values = entry.values(attribute);
    let mut names: Vec<&str> = entry.texts(attribute).map(str::trim).filter(|name| !name.is_empty()).collect();
    names.sort_by_key(|name| name.to_lowercase());
    names.dedup_by_key(|name| name.to_lowercase());
    match names.as_slice() {
        [] if values.is_empty() => Err(format!("has no {attribute} that can be read")),
        [] => Err(format!("has a {attribute} that is empty or no text")),
        [name] => Ok((*name).to_owned()),
        [..] => {
            let naming = dn::naming_values(&entry.dn, attribute);
            let in_dn = |name: &&&str| naming.iter().any(|value| value.trim().to_lowercase() == name.to_lowercase());
            let mut meant = names.iter().filter(in_dn);
            match (meant.next(), meant.next()) {
                (Some(name), None) => Ok((*name).to_owned()),
                _ => Err(format!("has {} values of {attribute}, and its DN does not say which is meant", names.len())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(attribute: &str, value: &str) -> Option<Standing> {
        lock(&Entry::new("uid=a", &[(attribute, &[value])]), Lockout::Hold).unwrap()
    }

    fn name(dn: &str, values: &[&str]) -> Result<String, String> {
        username(&Entry::new(dn, &[("uid", values)]), "uid")
    }

    #[test]
    fn an_account_without_a_lock_is_active() {
        assert_eq!(lock(&Entry::new("uid=a", &[]), Lockout::Hold), Ok(Some(Standing::Active)));
        assert_eq!(locked("nsAccountLock", "false"), Some(Standing::Active));
        assert_eq!(locked("userAccountControl", "512"), Some(Standing::Active));
        assert_eq!(locked("userAccountControl", "66048"), Some(Standing::Active));
    }

    #[test]
    fn an_account_that_an_administrator_locked_is_left_out() {
        assert_eq!(locked("pwdAccountLockedTime", "000001010000Z"), None);
        assert_eq!(locked("pwdAccountLockedTime", "00000101000000Z"), None);
        assert_eq!(locked("nsaccountlock", "TRUE"), None);
        assert_eq!(locked("userAccountControl", "514"), None);
        assert_eq!(locked("userAccountControl", "-2147483646"), None);
    }

    #[test]
    fn a_lockout_after_wrong_passwords_holds_or_leaves_out() {
        let entry = Entry::new("uid=a", &[("pwdAccountLockedTime", &["20260101120000Z"])]);
        assert_eq!(lock(&entry, Lockout::Hold), Ok(Some(Standing::LockedOut)));
        assert_eq!(lock(&entry, Lockout::LeaveOut), Ok(None));
    }

    #[test]
    fn a_lock_that_cannot_be_read_is_unclear() {
        let entry = Entry::new("uid=a", &[("userAccountControl", &["what"])]);
        assert_eq!(lock(&entry, Lockout::Hold).unwrap_err(), "has a userAccountControl that is no number");
    }

    #[test]
    fn of_several_usernames_the_one_in_the_dn_is_meant() {
        assert_eq!(name("cn=x", &["alice"]), Ok("alice".into()));
        assert_eq!(name("uid=Bob,dc=com", &["alice", "bob"]), Ok("bob".into()));
        assert_eq!(name("cn=x", &["Alice", "alice"]), Ok("Alice".into()));
        assert!(name("cn=x", &["alice", "bob"]).is_err());
        assert!(name("uid=alice+uid=bob,dc=com", &["alice", "bob"]).is_err());
    }

    #[test]
    fn an_account_without_username_is_unclear() {
        assert_eq!(name("cn=x", &[]).unwrap_err(), "has no uid that can be read");
        assert_eq!(name("cn=x", &[" "]).unwrap_err(), "has a uid that is empty or no text");
    }
}
