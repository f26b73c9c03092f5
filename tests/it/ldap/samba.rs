//! What only Active Directory has.

use inviter::snapshot::Standing;

use super::{error, fetch, group, idp, members, notices, told};
use crate::support::double::{ACTIVE_DIRECTORY, Double, Manners, PAGED_RESULTS};
use crate::support::samba::{SUFFIX, Samba};

/// The connection to the domain controller, as its TOML.
pub(super) fn connection(server: &Samba) -> String {
    format!(
        "url = {:?}\nca_file = \"{}\"\nbind_dn = {:?}\nbind_password = {:?}\n",
        server.ldaps_url(),
        server.ca_file().display(),
        server.bind_dn(),
        server.password()
    )
}

/// The keys of a unit with people and groups of one test's own.
fn unit(server: &Samba, name: &str) -> (String, String) {
    let unit = format!("OU={name},{SUFFIX}");
    server.add(&format!("dn: {unit}\nobjectClass: organizationalUnit\n"));
    (format!("user_base = {unit:?}\ngroup_base = {unit:?}\n"), unit)
}

fn user(unit: &str, name: &str, more: &str) -> String {
    format!("dn: CN={name},{unit}\nobjectClass: user\nsAMAccountName: {name}\nuserAccountControl: 544\n{more}\n")
}

fn group_of(unit: &str, name: &str, members: &[String]) -> String {
    let members = members.iter().fold(String::new(), |members, member| members + "member: " + member.as_str() + "\n");
    format!("dn: CN={name},{unit}\nobjectClass: group\nsAMAccountName: {name}\n{members}\n")
}

#[test]
fn whose_primary_group_it_is_is_a_member() {
    let server = Samba::shared();
    let (keys, unit) = unit(server, "primary");
    server.add(&user(&unit, "prima", ""));
    server.add(&user(&unit, "second", ""));
    let primary = format!("CN=xxxprimaryxxxexample.com,{unit}");
    let members_of = [format!("CN=prima,{unit}"), format!("CN=second,{unit}")];
    server.add(&group_of(&unit, "xxxprimaryxxxexample.com", &members_of));
    let sid = server.search("(sAMAccountName=xxxprimaryxxxexample.com)", &["primaryGroupToken"]);
    let token = sid.lines().find_map(|line| line.strip_prefix("primaryGroupToken: ")).expect("a group has one");
    server.modify(&format!(
        "dn: CN=prima,{unit}\nchangetype: modify\nreplace: primaryGroupID\nprimaryGroupID: {token}\n"
    ));
    let listed = server.search("(sAMAccountName=xxxprimaryxxxexample.com)", &["member"]);
    assert!(!listed.contains("CN=prima"), "it is what this test is about: {listed}");
    server.add(&group_of(&unit, "xxxnestedxxxexample.com", &[primary]));
    let snapshot = fetch(&idp(&connection(server), &keys)).unwrap();
    assert_eq!(members(&snapshot, "xxxprimaryxxxexample.com"), ["prima", "second"]);
    assert_eq!(members(&snapshot, "xxxnestedxxxexample.com"), ["prima", "second"]);
    assert_eq!(notices(&snapshot), [""; 0]);
    assert_eq!(group(&snapshot, "xxxprimaryxxxexample.com").id.as_ref().map(String::len), Some(36));
}

#[test]
fn the_group_of_all_users_has_all_users() {
    let server = Samba::shared();
    let (keys, unit) = unit(server, "everybody");
    server.add(&user(&unit, "every1", ""));
    server.add(&group_of(&unit, "xxxallxxxexample.com", &[format!("CN=Domain Users,CN=Users,{SUFFIX}")]));
    let snapshot = fetch(&idp(&connection(server), &keys)).unwrap();
    assert_eq!(members(&snapshot, "xxxallxxxexample.com"), ["every1"]);
}

#[test]
fn expired_and_disabled_accounts_are_left_out() {
    let server = Samba::shared();
    let (keys, unit) = unit(server, "expired");
    server.add(&user(&unit, "valid", "accountExpires: 9223372036854775807\n"));
    server.add(&user(&unit, "later", "accountExpires: 159000000000000000\n"));
    server.add(&user(&unit, "expired", "accountExpires: 131000000000000000\n"));
    server.add(&user(&unit, "disabled", "").replace("544", "546"));
    let everybody = ["valid", "later", "expired", "disabled"].map(|name| format!("CN={name},{unit}"));
    server.add(&group_of(&unit, "xxxexpiredxxxexample.com", &everybody));
    let snapshot = fetch(&idp(&connection(server), &keys)).unwrap();
    assert_eq!(members(&snapshot, "xxxexpiredxxxexample.com"), ["later", "valid"]);
    assert!(snapshot.accounts.values().all(|account| account.standing == Standing::Active));
}

#[test]
fn a_foreign_security_principal_makes_a_group_unknown() {
    let server = Samba::shared();
    let (keys, unit) = unit(server, "foreign");
    server.add(&user(&unit, "native", ""));
    let foreign = "<SID=S-1-5-21-1-2-3-1111>".to_owned();
    server.add(&group_of(&unit, "xxxforeignxxxexample.com", &[format!("CN=native,{unit}"), foreign]));
    let snapshot = fetch(&idp(&connection(server), &keys)).unwrap();
    let unknown = &group(&snapshot, "xxxforeignxxxexample.com").members;
    assert_eq!(unknown.certain().len(), 1);
    let reason = unknown.unknown_because().unwrap();
    println!("{reason}");
    assert!(reason.contains("S-1-5-21-1-2-3-1111") && reason.contains("another forest"), "{reason}");
    let without = fetch(&idp(&connection(server), &format!("{keys}foreign_members = \"leave_out\"\n"))).unwrap();
    assert_eq!(members(&without, "xxxforeignxxxexample.com"), ["native"]);
}

#[test]
fn referrals_to_other_partitions_are_no_news() {
    let server = Samba::shared();
    let (_, unit) = unit(server, "referrals");
    server.add(&user(&unit, "refer", ""));
    server.add(&group_of(&unit, "xxxreferxxxexample.com", &[format!("CN=refer,{unit}")]));
    let snapshot =
        fetch(&idp(&connection(server), &format!("user_base = {SUFFIX:?}\ngroup_base = {SUFFIX:?}\n"))).unwrap();
    assert_eq!(members(&snapshot, "xxxreferxxxexample.com"), ["refer"]);
    assert!(snapshot.notices.iter().all(|notice| !notice.contains("reference")), "{:?}", snapshot.notices);
}

#[test]
fn a_domain_controller_that_wants_tls_says_so() {
    let server = Samba::shared();
    let plain = connection(server).replace(&server.ldaps_url(), &server.ldap_url()) + "allow_plaintext = true\n";
    let error = error(&idp(&plain, ""));
    assert!(error.contains("strongerAuthRequired (8)") && error.contains("use ldaps:// in url"), "{error}");
}

#[test]
fn members_are_looked_up_by_the_hundred() {
    let server = Samba::shared();
    let (keys, unit) = unit(server, "lookups");
    let names: Vec<_> = (0..150).map(|number| format!("many{number:03}")).collect();
    let principal = |name: &String| user(&unit, name, &format!("userPrincipalName: {name}@example.com\n"));
    server.add(&names.iter().map(principal).collect::<String>());
    let members: Vec<_> = names.iter().map(|name| format!("CN={name},{unit}")).collect();
    server.add(&group_of(&unit, "xxxlookupsxxxexample.com", &members));
    for attribute in ["sAMAccountName", "userPrincipalName"] {
        let keys = format!("{keys}read_people = \"members\"\nusername_attribute = {attribute:?}\n");
        let said = told(&connection(server), &keys, "-vv").stderr;
        assert!(said.contains("members can be looked up by an attribute attribute=\"distinguishedName\""), "{said}");
        // Groups, people without a primary group, members, those whose primary group it is, and usernames.
        assert_eq!(said.matches("searched base=").count(), 1 + 1 + 2 + 1 + 2, "{said}");
    }
}

/// A directory like Active Directory, which hands out long attributes in ranges.
fn ranges(count: usize, shifts: usize) -> Double {
    let bytes = |text: String| vec![text.into_bytes()];
    let person = |number: usize| {
        let attributes = [
            ("objectClass", "user".to_owned()),
            ("objectCategory", "person".to_owned()),
            ("sAMAccountName", format!("user{number:05}")),
            ("primaryGroupID", "513".to_owned()),
            ("objectGUID", format!("{number:016}")),
        ];
        let mut attributes: Vec<_> = attributes.map(|(name, value)| (name.to_owned(), bytes(value))).into();
        attributes.push(("objectSid".to_owned(), vec![sid(1000)]));
        (format!("CN=user{number:05},OU=people,DC=example,DC=com"), attributes)
    };
    let mut entries: Vec<_> = (0..count).map(person).collect();
    let all = entries.iter().map(|(dn, _)| dn.clone().into_bytes()).collect();
    let attributes = vec![
        ("objectClass".to_owned(), bytes("group".into())),
        ("cn".to_owned(), bytes("xxxlongxxxexample.com".into())),
        ("objectSid".to_owned(), vec![sid(2000)]),
        ("member".to_owned(), all),
    ];
    entries.push(("CN=xxxlongxxxexample.com,OU=groups,DC=example,DC=com".into(), attributes));
    let root = vec![("supportedCapabilities", vec![ACTIVE_DIRECTORY]), ("supportedControl", vec![PAGED_RESULTS])];
    Double::start(Manners { root, page: Some(1000), range: Some(1500), shifts, ..Manners::default() }, entries)
}

fn sid(relative: u32) -> Vec<u8> {
    [&[1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0][..], &relative.to_le_bytes()].concat()
}

fn ranged(double: &Double) -> inviter::config::Idp {
    idp(&format!("url = {:?}\nallow_plaintext = true\npage_size = 5000\n", double.url()), "")
}

#[test]
fn a_list_that_comes_in_ranges_is_read_to_its_end() {
    for count in [1500, 1501, 2999, 3000, 4499] {
        let double = ranges(count, 0);
        let snapshot = fetch(&ranged(&double)).unwrap();
        assert_eq!(members(&snapshot, "xxxlongxxxexample.com").len(), count);
        let parts = double.searches().iter().filter(|search| search.contains(";range=")).count();
        // The first range comes with the entry; each other one begins with the end of the one before.
        assert_eq!(parts, (count - 1).saturating_sub(1).div_euclid(1499), "{count}");
    }
}

#[test]
fn a_group_of_50_000_is_read() {
    let double = ranges(50_000, 0);
    let snapshot = fetch(&ranged(&double)).unwrap();
    assert_eq!(members(&snapshot, "xxxlongxxxexample.com").len(), 50_000);
    assert_eq!(double.searches().iter().filter(|search| search.contains(";range=")).count(), 33);
}

#[test]
fn a_list_that_changes_while_it_is_read_is_read_again() {
    let double = ranges(4000, 1);
    assert_eq!(members(&fetch(&ranged(&double)).unwrap(), "xxxlongxxxexample.com").len(), 3999);
}

#[test]
fn a_list_that_keeps_changing_makes_its_group_unknown() {
    let double = ranges(4000, usize::MAX);
    let snapshot = fetch(&ranged(&double)).unwrap();
    let reason = group(&snapshot, "xxxlongxxxexample.com").members.unknown_because().unwrap();
    assert_eq!(reason, "the server sent only a part of member, as a range");
}
