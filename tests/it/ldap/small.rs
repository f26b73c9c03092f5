//! Small servers, and what they do not offer.

use super::{error, fetch, group, idp, members};
use crate::support::double::{Double, Entry, Manners, PAGED_RESULTS};

const ROOM: &str = "xxxopsxxxexample.com";

fn entry(dn: &str, attributes: &[(&str, &[&str])]) -> Entry {
    let owned = |(name, values): &(&str, &[&str])| {
        (name.to_string(), values.iter().map(|value| value.as_bytes().to_vec()).collect())
    };
    (dn.into(), attributes.iter().map(owned).collect())
}

fn people(count: usize) -> Vec<Entry> {
    let names: Vec<_> = (0..count).map(|number| format!("user{number:03}")).collect();
    let dns: Vec<_> = names.iter().map(|uid| format!("uid={uid},ou=people,dc=example,dc=com")).collect();
    let mut entries: Vec<_> = (dns.iter().zip(&names))
        .map(|(dn, uid)| entry(dn, &[("objectClass", &["person"]), ("uid", &[uid]), ("entryUUID", &[uid])]))
        .collect();
    let dns: Vec<_> = dns.iter().map(String::as_str).collect();
    let attributes: [(&str, &[&str]); 3] = [("objectClass", &["groupOfNames"]), ("cn", &[ROOM]), ("member", &dns)];
    entries.push(entry(&format!("cn={ROOM},ou=groups,dc=example,dc=com"), &attributes));
    entries
}

fn small() -> Manners {
    Manners { root: vec![("vendorName", vec!["LLDAP"])], ..Manners::default() }
}

fn paging() -> Manners {
    Manners { root: vec![("supportedControl", vec![PAGED_RESULTS])], page: Some(10), ..Manners::default() }
}

fn at(double: &Double) -> String {
    format!("url = {:?}\nallow_plaintext = true\noperation_timeout = \"5s\"\n", double.url())
}

#[test]
fn a_server_without_pages_is_read_in_one_answer() {
    let double = Double::start(small(), people(30));
    assert_eq!(members(&fetch(&idp(&at(&double), "page_size = 7\n")).unwrap(), ROOM).len(), 30);
    assert_eq!(double.searches().len(), 3, "the root, the groups and the people: {:?}", double.searches());
}

#[test]
fn a_server_with_pages_is_read_page_by_page() {
    let double = Double::start(paging(), people(30));
    assert_eq!(members(&fetch(&idp(&at(&double), "")).unwrap(), ROOM).len(), 30);
    // The root, the groups, two for what finds members by the hundred, and the people.
    assert_eq!(double.searches().len(), 4 + 3, "{:?}", double.searches());
}

#[test]
fn a_further_page_without_its_control_is_an_error() {
    let double = Double::start(Manners { forgets_pages: true, ..paging() }, people(30));
    let error = error(&idp(&at(&double), ""));
    assert!(error.contains("a further page without its control"), "{error}");
}

#[test]
fn a_server_that_is_too_busy_to_say_what_it_is_is_an_error() {
    for (code, told) in [(3, "timeLimitExceeded (3)"), (51, "busy (51)"), (52, "unavailable (52)")] {
        let error = error(&idp(&at(&Double::start(Manners { root_result: code, ..paging() }, people(3))), ""));
        assert!(error.contains(told), "{error}");
    }
    let shy = Double::start(Manners { root_result: 50, ..paging() }, people(3));
    assert_eq!(members(&fetch(&idp(&at(&shy), "")).unwrap(), ROOM).len(), 3);
}

#[test]
fn everybody_is_read_where_looking_up_takes_searches_for_each() {
    let mut entries = people(300);
    let attributes: [(&str, &[&str]); 3] = [
        ("objectClass", &["groupOfNames"]),
        ("cn", &["xxxfewxxxexample.com"]),
        ("member", &["uid=user001,ou=people,dc=example,dc=com", "uid=user002,ou=people,dc=example,dc=com"]),
    ];
    *entries.last_mut().unwrap() = entry("cn=xxxfewxxxexample.com,ou=groups,dc=example,dc=com", &attributes);
    let double = Double::start(paging(), entries.clone());
    assert_eq!(fetch(&idp(&at(&double), "")).unwrap().accounts.len(), 2, "300 are many more than two times 16");
    entries.drain(20..300);
    let double = Double::start(paging(), entries);
    assert_eq!(fetch(&idp(&at(&double), "")).unwrap().accounts.len(), 20, "not more than two times 16, but than 4");
}

#[test]
fn a_server_without_pages_that_cuts_its_answer_is_an_error() {
    let double = Double::start(Manners { size_limit: Some(20), ..small() }, people(30));
    let error = error(&idp(&at(&double), ""));
    assert!(error.contains("sizeLimitExceeded (4)"), "{error}");
}

#[test]
fn a_filter_that_a_server_does_not_know_is_an_error() {
    let double = Double::start(small(), people(3));
    let error = error(&idp(&at(&double), "user_filter = \"(&(objectClass=person)(memberOf=cn=staff))\"\n"));
    assert!(error.contains("unwillingToPerform (53)"), "{error}");
}

#[test]
fn every_limit_and_every_loss_in_the_middle_of_an_answer_is_an_error() {
    let cases = [(3, "timeLimitExceeded (3)"), (4, "sizeLimitExceeded"), (11, "adminLimitExceeded"), (51, "busy (51)")];
    for base in ["ou=people", "ou=groups"] {
        for before in [0, 1] {
            for (code, told) in cases {
                let manners = Manners { result: Some((base, code, before)), ..paging() };
                let error = error(&idp(&at(&Double::start(manners, people(30))), ""));
                assert!(error.contains(told) && error.contains(base), "{error}");
            }
            let manners = Manners { result: Some((base, 0, before)), hangs_up: true, ..paging() };
            let error = error(&idp(&at(&Double::start(manners, people(30))), ""));
            assert!(error.contains("the connection was lost"), "{error}");
        }
    }
}

#[test]
fn a_dynamic_group_that_the_server_does_not_work_out_is_unknown() {
    let mut entries = people(3);
    entries.push(entry(
        "cn=xxxdynamicxxxexample.com,ou=groups,dc=example,dc=com",
        &[
            ("objectClass", &["groupOfURLs"]),
            ("cn", &["xxxdynamicxxxexample.com"]),
            ("memberURL", &["ldap:///ou=people,dc=example,dc=com??sub?(uid=user001)"]),
        ],
    ));
    let snapshot = fetch(&idp(&at(&Double::start(small(), entries)), "")).unwrap();
    let reason = group(&snapshot, "xxxdynamicxxxexample.com").members.unknown_because().unwrap();
    assert_eq!(reason, "it has members by a memberURL, and the server is not seen to work them out");
}

#[test]
fn members_are_looked_up_one_by_one_where_no_attribute_finds_them() {
    let double = Double::start(small(), people(30));
    let snapshot = fetch(&idp(&at(&double), "read_people = \"members\"\n")).unwrap();
    assert_eq!((members(&snapshot, ROOM).len(), snapshot.accounts.len()), (30, 30));
    // The root, the groups, two for an attribute; for each two, since whom the filter leaves out is no person; and one
    // for all their usernames.
    assert_eq!(double.searches().len(), 4 + 60 + 1, "{:?}", double.searches());
}

#[test]
fn a_limit_is_an_error_when_members_are_looked_up_too() {
    let manners = Manners { result: Some(("ou=people", 4, 0)), ..paging() };
    let error = error(&idp(&at(&Double::start(manners, people(30))), "read_people = \"members\"\n"));
    assert!(
        error.contains("cannot look up the members of groups") && error.contains("sizeLimitExceeded (4)"),
        "{error}"
    );
}

#[test]
fn external_members_of_freeipa_make_a_group_unknown() {
    let mut entries = people(1);
    let external: [(&str, &[&str]); 3] =
        [("objectClass", &["ipaExternalGroup"]), ("cn", &["external"]), ("ipaExternalMember", &["S-1-5-21-1-2-3-4"])];
    entries.push(entry("cn=external,ou=groups,dc=example,dc=com", &external));
    let outer: [(&str, &[&str]); 3] = [
        ("objectClass", &["groupOfNames"]),
        ("cn", &["xxxouterxxxexample.com"]),
        ("member", &["cn=external,ou=groups,dc=example,dc=com"]),
    ];
    entries.push(entry("cn=xxxouterxxxexample.com,ou=groups,dc=example,dc=com", &outer));
    let double = Double::start(small(), entries);
    let snapshot = fetch(&idp(&at(&double), "")).unwrap();
    let reason = group(&snapshot, "xxxouterxxxexample.com").members.unknown_because().unwrap();
    assert!(reason.contains("external members (ipaExternalMember)"), "{reason}");
    let without = fetch(&idp(&at(&double), "foreign_members = \"leave_out\"\n")).unwrap();
    assert_eq!(members(&without, "xxxouterxxxexample.com"), [""; 0]);
}

#[test]
fn somebody_in_500_groups_is_in_each() {
    let mut entries = people(1);
    for number in 0..500 {
        let name = format!("xxxroom{number}xxxexample.com");
        let attributes: [(&str, &[&str]); 3] = [
            ("objectClass", &["groupOfNames"]),
            ("cn", &[&name]),
            ("member", &["uid=user000,ou=people,dc=example,dc=com"]),
        ];
        entries.push(entry(&format!("cn={name},ou=groups,dc=example,dc=com"), &attributes));
    }
    let double = Double::start(small(), entries);
    let snapshot = fetch(&idp(&at(&double), "")).unwrap();
    assert_eq!(snapshot.groups.len(), 501);
    assert!(snapshot.groups.iter().all(|group| members(&snapshot, &group.name) == ["user000"]));
    assert_eq!(double.searches().len(), 3, "searches do not grow with the groups");
}
