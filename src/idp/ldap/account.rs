//! What an entry that matches `user_filter` says about its person.

use std::time::{Duration, SystemTime};

use super::entry::Entry;
use super::layout::Layout;
use crate::config::Lockout;
use crate::dn;
use crate::snapshot::Standing;

/// The attributes with which directories lock accounts. Most are operational: they come only when they are asked for
/// by name.
pub(super) const LOCKS: [&str; 9] = [
    "pwdAccountLockedTime",
    "nsAccountLock",
    "accountUnlockTime",
    "userAccountControl",
    "msDS-User-Account-Control-Computed",
    "lockoutTime",
    "accountExpires",
    "krbPrincipalExpiration",
    "shadowExpire",
];

/// What an entry says about its person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// An account that can be used, now or when a lockout is over.
    Usable { username: String, standing: Standing },
    /// Locked: not wanted anywhere.
    Locked,
    /// It has no username that can be read, and why.
    Nameless(String),
    /// It cannot be told who this is, or whether the account is locked, and why.
    Unclear(String),
}

/// Reads an entry.
pub(super) fn state(entry: &Entry, layout: &Layout) -> State {
    let standing = match lock(entry, layout.lockout, layout.now) {
        Ok(Some(standing)) => standing,
        Ok(None) => return State::Locked,
        Err(reason) => return State::Unclear(reason),
    };
    match username(entry, &layout.username_attribute) {
        Ok(username) => State::Usable { username, standing },
        Err(reason) if entry.values(&layout.username_attribute).is_empty() => State::Nameless(reason),
        Err(reason) => State::Unclear(reason),
    }
}

/// How the account stands; `None` if it is locked.
fn lock(entry: &Entry, lockout: Lockout, now: SystemTime) -> Result<Option<Standing>, String> {
    let [locked_since, locked, until, control, computed, locked_out, expires, principal, shadow] = LOCKS;
    if entry.texts(locked).any(|value| value.trim().eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    // ACCOUNTDISABLE (MS-ADTS, section 2.2.16).
    if number(entry, control)?.is_some_and(|flags| flags & 2 != 0) {
        return Ok(None);
    }
    // 0 and the greatest number stand for never (MS-ADTS, section 2.3.1, accountExpires).
    if number(entry, expires)?.is_some_and(|time| time != 0 && time != i64::MAX && time <= file_time(now)) {
        return Ok(None);
    }
    // Of FreeIPA: the KDC refuses such a principal. When a password expires, somebody is still who they are.
    if time(entry, principal)?.is_some_and(|time| time <= now) {
        return Ok(None);
    }
    // The day from which the account is disabled (RFC 2307, section 3; shadow(5)). 0 means never to some, and long ago
    // to others; -1 means never.
    if number(entry, shadow)?.is_some_and(|day| day > 0 && day <= day_of(now)) {
        return Ok(None);
    }
    // UF_LOCKOUT is computed with the duration of a lockout (MS-ADTS, section 3.1.1.4.5.17); `lockoutTime` stays after
    // it is over, and stands in where nothing is computed.
    let mut held = match number(entry, computed)? {
        Some(flags) => flags & 0x10 != 0,
        None => number(entry, locked_out)?.is_some_and(|time| time != 0),
    };
    // The year 0 stands for a lock without end (draft-behera-ldap-password-policy-10, section 5.3.3).
    match entry.values(locked_since) {
        [] => {}
        times if times.iter().any(|time| time.starts_with(b"0000")) => return Ok(None),
        _ => held = true,
    }
    // Of 389 Directory Server; 1970 stands for a lockout that only an administrator ends.
    if let Some(time) = time(entry, until)? {
        held |= time == SystemTime::UNIX_EPOCH || time > now;
    }
    Ok(match (held, lockout) {
        (false, _) => Some(Standing::Active),
        (true, Lockout::Hold) => Some(Standing::LockedOut),
        (true, Lockout::LeaveOut) => None,
    })
}

fn number(entry: &Entry, attribute: &str) -> Result<Option<i64>, String> {
    let Some(value) = entry.values(attribute).first() else { return Ok(None) };
    let number = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
    number.map(Some).ok_or_else(|| format!("has a {attribute} that is no number"))
}

/// The time in an attribute (RFC 4517, section 3.3.13), in UTC as directories write it.
fn time(entry: &Entry, attribute: &str) -> Result<Option<SystemTime>, String> {
    let Some(value) = entry.values(attribute).first() else { return Ok(None) };
    let seconds = std::str::from_utf8(value).ok().and_then(|text| text.get(..14)).and_then(seconds);
    let time = seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    time.map(Some).ok_or_else(|| format!("has a value of {attribute} that is no time"))
}

/// The number of days since 1970.
fn day_of(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs() / (24 * 60 * 60)).unwrap_or(i64::MAX)
}

/// A time in steps of 100 nanoseconds since 1601 (MS-DTYP, section 2.3.3).
fn file_time(time: SystemTime) -> i64 {
    const EPOCH: i64 = 116_444_736_000_000_000;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos() / 100).unwrap_or(i64::MAX).saturating_add(EPOCH)
}

/// The seconds since 1970 of `YYYYMMDDHHMMSS` (RFC 4517, section 3.3.13), which is in UTC.
fn seconds(text: &str) -> Option<u64> {
    let part = |from: usize, to: usize| text.get(from..to).filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
    let time = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    );
    let time = humantime::parse_rfc3339(&time).ok()?;
    Some(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs())
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
        // `alice@corp.example.com` (MS-ADTS, section 5.1.1.1.1): what follows the last @ names the forest.
        [name] if attribute.eq_ignore_ascii_case("userPrincipalName") => {
            Ok(name.rsplit_once('@').map_or(*name, |(account, _)| account).to_owned())
        }
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
    use proptest::prelude::*;

    use super::*;

    /// 2026-01-01.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(490_896)
    }

    fn locked(attribute: &str, value: &str) -> Option<Standing> {
        lock(&Entry::new("uid=a", &[(attribute, &[value])]), Lockout::Hold, now()).unwrap()
    }

    fn name(dn: &str, values: &[&str]) -> Result<String, String> {
        username(&Entry::new(dn, &[("uid", values)]), "uid")
    }

    #[test]
    fn an_account_without_a_lock_is_active() {
        assert_eq!(lock(&Entry::new("uid=a", &[]), Lockout::Hold, now()), Ok(Some(Standing::Active)));
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
        assert_eq!(lock(&entry, Lockout::Hold, now()), Ok(Some(Standing::LockedOut)));
        assert_eq!(lock(&entry, Lockout::LeaveOut, now()), Ok(None));
    }

    #[test]
    fn an_account_of_active_directory_that_expired_is_left_out() {
        assert_eq!(locked("accountExpires", "0"), Some(Standing::Active));
        assert_eq!(locked("accountExpires", "9223372036854775807"), Some(Standing::Active));
        assert_eq!(locked("accountExpires", "134116992000000001"), Some(Standing::Active));
        assert_eq!(locked("accountExpires", "134116992000000000"), None);
    }

    #[test]
    fn a_lockout_of_active_directory_is_over_when_the_server_says_so() {
        let both = |computed: &str| {
            let entry = [("lockoutTime", ["1"].as_slice()), ("msDS-User-Account-Control-Computed", &[computed])];
            lock(&Entry::new("cn=a", &entry), Lockout::Hold, now()).unwrap()
        };
        assert_eq!(both("16"), Some(Standing::LockedOut));
        assert_eq!(both("0"), Some(Standing::Active));
        assert_eq!(locked("lockoutTime", "0"), Some(Standing::Active));
        assert_eq!(locked("lockoutTime", "133000000000000000"), Some(Standing::LockedOut));
    }

    #[test]
    fn a_lockout_of_389_directory_server_ends_at_its_time() {
        assert_eq!(locked("accountUnlockTime", "20260101000001Z"), Some(Standing::LockedOut));
        assert_eq!(locked("accountUnlockTime", "20260101000000Z"), Some(Standing::Active));
        assert_eq!(locked("accountUnlockTime", "19700101000000Z"), Some(Standing::LockedOut));
        let entry = Entry::new("uid=a", &[("accountUnlockTime", &["soon"])]);
        assert!(lock(&entry, Lockout::Hold, now()).is_err());
    }

    #[test]
    fn an_account_that_expired_is_left_out_and_one_whose_password_expired_is_not() {
        assert_eq!(locked("krbPrincipalExpiration", "20260101000001Z"), Some(Standing::Active));
        assert_eq!(locked("krbPrincipalExpiration", "20260101000000Z"), None);
        assert_eq!(locked("krbPrincipalExpiration", "19700101000000Z"), None);
        assert!(lock(&Entry::new("uid=a", &[("krbPrincipalExpiration", &["never"])]), Lockout::Hold, now()).is_err());
        assert_eq!(locked("shadowExpire", "20454"), None);
        for day in ["20455", "0", "-1"] {
            assert_eq!(locked("shadowExpire", day), Some(Standing::Active), "{day}");
        }
        for password in ["krbPasswordExpiration", "passwordExpirationTime"] {
            assert_eq!(locked(password, "20000101000000Z"), Some(Standing::Active));
        }
    }

    #[test]
    fn of_a_user_principal_name_the_account_counts() {
        let name = |value| username(&Entry::new("cn=x", &[("userPrincipalName", &[value])]), "userprincipalname");
        assert_eq!(name("Alice@corp.example.com"), Ok("Alice".into()));
        assert_eq!(name("a@b@c"), Ok("a@b".into()));
        assert_eq!(name("alice"), Ok("alice".into()));
    }

    #[test]
    fn a_lock_that_cannot_be_read_is_unclear() {
        let entry = Entry::new("uid=a", &[("userAccountControl", &["what"])]);
        assert_eq!(lock(&entry, Lockout::Hold, now()).unwrap_err(), "has a userAccountControl that is no number");
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

    #[test]
    fn fuzz_what_an_entry_says_of_its_person_never_panics() {
        let value = prop_oneof![
            crate::fuzz::mutated(vec![
                "20260101000001Z".into(),
                "133000000000000000".into(),
                "512".into(),
                "TRUE".into()
            ]),
            "[0-9]{14}Z?",
        ];
        let attributes = proptest::collection::vec((0..8_usize, proptest::collection::vec(value, 1..3)), 0..5);
        crate::fuzz::try_all(&attributes, |attributes| {
            let attributes: Vec<_> = attributes
                .iter()
                .map(|(at, values)| {
                    (LOCKS.get(*at).copied().unwrap_or("uid"), values.iter().map(String::as_str).collect())
                })
                .collect::<Vec<(&str, Vec<&str>)>>();
            let attributes: Vec<_> = attributes.iter().map(|(name, values)| (*name, values.as_slice())).collect();
            let entry = Entry::new("uid=a,dc=b", &attributes);
            for lockout in [Lockout::Hold, Lockout::LeaveOut] {
                let standing = lock(&entry, lockout, now());
                assert!(standing != Ok(Some(Standing::LockedOut)) || lockout == Lockout::Hold);
            }
            if let Ok(name) = username(&entry, "uid") {
                assert!(!name.trim().is_empty());
            }
        });
    }

    #[test]
    fn fuzz_a_time_is_the_one_that_is_written() {
        crate::fuzz::try_all(&(0..253_402_300_799_u64), |time| {
            let text =
                humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(time)).to_string();
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            assert_eq!(seconds(&digits), Some(time), "{text}");
        });
        crate::fuzz::try_all(&"[0-9é:-]{13,15}", |text| _ = seconds(&text));
    }
}
