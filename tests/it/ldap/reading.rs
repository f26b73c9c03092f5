//! Everybody is read, or only those whom groups name: it is chosen by their numbers, and makes no difference.

use inviter::desired::Desired;
use inviter::snapshot::Snapshot;

use super::{ROOM, Slapd, SlapdOptions, config, error, fetch, fetch_wanted, group, idp, ldaps, members, runtime, told};
use crate::support::slapd::{group_dn, group_entry, person_dn, person_entry};

const PEOPLE: &str = "ou=people,dc=example,dc=com";
const EVERYTHING: &str = "dc=example,dc=com";
const MEMBERS: &str = "read_people = \"members\"\n";
const ALL: &str = "read_people = \"all\"\n";

fn uids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("user{number:05}")).collect()
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

fn with_people(count: usize, groups: &[(&str, &[&str])]) -> Slapd {
    let people = uids(count).iter().map(|uid| person_entry(uid)).collect::<String>();
    let groups = groups.iter().map(|(name, members)| group_entry(name, members)).collect::<String>();
    Slapd::start(&SlapdOptions { entries: [people, groups].concat(), ..SlapdOptions::default() })
}

fn people(snapshot: &Snapshot) -> Vec<&str> {
    let mut people: Vec<_> = snapshot.accounts.values().map(|account| account.username.as_str()).collect();
    people.sort_unstable();
    people
}

#[test]
fn only_members_are_read_when_people_are_many_more() {
    let slapd = with_people(900, &[(ROOM, &["user00001", "user00890"]), ("unrelated", &["user00005"])]);
    let snapshot = fetch(&idp(&ldaps(&slapd), "page_size = 100\n")).unwrap();
    assert_eq!(members(&snapshot, ROOM), ["user00001", "user00890"]);
    assert_eq!(people(&snapshot), ["user00001", "user00890"]);
    // One page, the two, and whoever has their names too; the other search is for what finds entries by name.
    assert_eq!(slapd.searches(PEOPLE), 4);
    let all = fetch(&idp(&ldaps(&slapd), ALL)).unwrap();
    assert_eq!((all.accounts.len(), &all.groups), (900, &snapshot.groups));
}

#[test]
fn everybody_is_read_when_most_are_members() {
    let uids = uids(900);
    let slapd = with_people(900, &[(ROOM, &strs(&uids[..600]))]);
    let snapshot = fetch(&idp(&ldaps(&slapd), "page_size = 100\n")).unwrap();
    assert_eq!((members(&snapshot, ROOM).len(), snapshot.accounts.len()), (600, 900));
    assert_eq!(slapd.searches(PEOPLE), 1 + 9, "a search for each page, and one for what finds entries by name");
}

#[test]
fn searches_for_members_grow_by_the_hundred() {
    let uids = uids(1000);
    let slapd = with_people(1000, &[(ROOM, &strs(&uids[..950]))]);
    let snapshot = fetch(&idp(&ldaps(&slapd), MEMBERS)).unwrap();
    assert_eq!(members(&snapshot, ROOM), uids[..950]);
    assert_eq!(slapd.searches(PEOPLE), 1 + 10 + 10);
}

#[test]
fn members_whom_the_filter_leaves_out_are_looked_up_by_the_hundred() {
    let uids = uids(3000);
    let slapd = with_people(3000, &[(ROOM, &strs(&uids))]);
    for mode in [ALL, MEMBERS] {
        let before = slapd.searches(EVERYTHING);
        let snapshot = fetch(&idp(&ldaps(&slapd), &format!("{mode}user_filter = \"(uid=user00000)\"\n"))).unwrap();
        assert_eq!(members(&snapshot, ROOM), ["user00000"]);
        assert_eq!(slapd.searches(EVERYTHING) - before, 30, "{mode}");
        assert_eq!(snapshot.notices.len(), 0);
    }
}

/// What is wanted, or what is wrong, read in both ways.
fn both(slapd: &Slapd, more: &str) -> String {
    let read = |mode: &str| {
        let config = config(&ldaps(slapd), &format!("{mode}{more}"));
        let snapshot = runtime().block_on(fetch_wanted(&config.idps[0])).unwrap();
        match Desired::build(&config, &[snapshot]) {
            Ok(desired) => format!("{desired:#?}"),
            Err(error) => error.to_string(),
        }
    };
    let [all, members] = [ALL, MEMBERS].map(read);
    assert_eq!(all, members);
    all
}

#[test]
fn members_of_every_kind_are_the_same_in_both_ways() {
    let slapd = with_people(30, &[("inner", &["user00003", "gone", &group_dn(ROOM)])]);
    slapd.add(&format!(
        "dn: cn=outside,ou=services,dc=example,dc=com\nobjectClass: groupOfUniqueNames\ncn: outside\n\
         uniqueMember: {}\nuniqueMember: cn=deeper,ou=services,dc=example,dc=com\n\n\
         dn: cn=deeper,ou=services,dc=example,dc=com\nobjectClass: posixGroup\ncn: deeper\ngidNumber: 1\n\
         memberUid: USER00006\n\n",
        person_dn("user00005")
    ));
    slapd.add(&format!(
        "dn: {}\nobjectClass: posixGroup\ncn: xxxposixxxxexample.com\ngidNumber: 1\nmemberUid: user00007\n",
        group_dn("xxxposixxxxexample.com")
    ));
    let respelt = "UID = \\75ser00004 , OU=People,dc=EXAMPLE,dc=com";
    let outside = "cn=outside,ou=services,dc=example,dc=com";
    slapd.group(ROOM, &["user00001", "user00002", respelt, outside, &group_dn("inner"), slapd.bind_dn()]);
    slapd.lock("user00001");
    slapd.lock_out("user00002");
    let wanted = both(&slapd, "");
    for number in 3..8 {
        assert!(wanted.contains(&format!("@user0000{number}:")), "{number}: {wanted}");
    }
    assert!(wanted.contains("held: {\n                \"@user00002:example.com\""), "{wanted}");
    assert!(!wanted.contains("@user00001:") && wanted.contains("names 1 member without an entry"), "{wanted}");
}

#[test]
fn somebody_outside_all_groups_who_would_be_the_same_user_is_found_in_both_ways() {
    let slapd = with_people(30, &[(ROOM, &["user00001"])]);
    slapd.add(&format!("dn: cn=twin,{PEOPLE}\nobjectClass: inetOrgPerson\nsn: x\nuid: USER00001\n"));
    let told = both(&slapd, "");
    assert!(told.contains("cn=twin") && told.contains("would both be @user00001:example.com"), "{told}");
}

#[test]
fn a_username_of_nobody_makes_everybody_be_read() {
    let slapd = with_people(30, &[]);
    let posix = |name: &str, uids: &str| {
        slapd.add(&format!("dn: {}\nobjectClass: posixGroup\ncn: {name}\ngidNumber: 1\n{uids}", group_dn(name)));
    };
    posix(ROOM, "memberUid: user00001\nmemberUid: left\n");
    let snapshot = fetch(&idp(&ldaps(&slapd), MEMBERS)).unwrap();
    assert_eq!((members(&snapshot, ROOM), snapshot.accounts.len()), (vec!["user00001".to_owned()], 30));
    slapd.add(&format!("dn: cn=nameless,{PEOPLE}\nobjectClass: inetOrgPerson\nsn: x\n"));
    let snapshot = fetch(&idp(&ldaps(&slapd), MEMBERS)).unwrap();
    let reason = group(&snapshot, ROOM).members.unknown_because().unwrap();
    assert_eq!(reason, "memberUid \"left\" may be somebody whose username cannot be read");
    both(&slapd, "");
}

#[test]
fn a_username_of_nobody_may_be_somebody_at_another_server() {
    let slapd = with_people(30, &[]);
    slapd.add(&format!(
        "dn: {}\nobjectClass: posixGroup\ncn: {ROOM}\ngidNumber: 1\nmemberUid: user00001\nmemberUid: far\n",
        group_dn(ROOM)
    ));
    slapd.modify(&format!(
        "dn: ou=branch,{PEOPLE}\ncontrol: 2.16.840.1.113730.3.4.2 true\nchangetype: add\nobjectClass: referral\n\
         objectClass: extensibleObject\nou: branch\nref: ldap://branch.example.com/ou=people,dc=branch,dc=com\n"
    ));
    for mode in [ALL, MEMBERS, ""] {
        let snapshot = fetch(&idp(&ldaps(&slapd), mode)).unwrap();
        let reason = group(&snapshot, ROOM).members.unknown_because().unwrap();
        assert_eq!(reason, "memberUid \"far\" may be somebody at another server", "{mode}");
    }
}

#[test]
fn hostile_names_find_nobody_else() {
    let slapd = with_people(30, &[]);
    let hostile = ["*", "*)(uid=*", "user00002)(|(uid=*", "\\2a", "user0000*", ")(objectClass=*"];
    let usernames = hostile.map(|name| format!("memberUid: {name}\n")).concat();
    slapd.add(&format!(
        "dn: {}\nobjectClass: posixGroup\ncn: {ROOM}\ngidNumber: 1\n{usernames}memberUid: user00001\n",
        group_dn(ROOM)
    ));
    let names = ["cn=\\2a", "cn=*)(uid=*", "uid=user0000*", "uid=\\28\\7c\\28uid=*\\29\\29"];
    let names = names.map(|name| format!("{name},{PEOPLE}"));
    slapd.group("xxxotherxxxexample.com", &names.iter().map(String::as_str).collect::<Vec<_>>());
    for mode in [ALL, MEMBERS] {
        let snapshot = fetch(&idp(&ldaps(&slapd), mode)).unwrap();
        assert_eq!(members(&snapshot, ROOM), ["user00001"], "{mode}");
        assert_eq!(members(&snapshot, "xxxotherxxxexample.com"), [""; 0], "{mode}");
    }
    // A username that is hostile itself.
    slapd.add(&format!("dn: cn=hostile,{PEOPLE}\nobjectClass: inetOrgPerson\nsn: x\nuid: *)(uid=*\n"));
    slapd.group("xxxthirdxxxexample.com", &[&format!("cn=hostile,{PEOPLE}")]);
    let snapshot = fetch(&idp(&ldaps(&slapd), MEMBERS)).unwrap();
    assert_eq!(members(&snapshot, "xxxthirdxxxexample.com"), ["*)(uid=*"]);
}

#[test]
fn without_people_there_is_no_answer_in_either_way() {
    let slapd = with_people(0, &[(ROOM, &["user00001"])]);
    for mode in [ALL, MEMBERS, ""] {
        let error = error(&idp(&ldaps(&slapd), mode));
        assert!(error.contains("no person was found"), "{error}");
    }
}

#[test]
fn a_group_of_50_000_and_somebody_in_500_groups_are_read() {
    let uids = uids(50_000);
    let names: Vec<_> = (0..500).map(|number| format!("xxxroom{number:03}xxxexample.com")).collect();
    let small = names.iter().map(|name| group_entry(name, &["user00007"])).collect::<String>();
    let people = uids.iter().map(|uid| person_entry(uid)).collect::<String>();
    let slapd = Slapd::start(&SlapdOptions {
        entries: [people, group_entry(ROOM, &strs(&uids)), small].concat(),
        ..SlapdOptions::default()
    });
    let started = std::time::Instant::now();
    let snapshot = fetch(&idp(&ldaps(&slapd), "page_size = 5000\n")).unwrap();
    println!("50,000 members of one group: {:?}", started.elapsed());
    assert_eq!(members(&snapshot, ROOM), uids);
    assert!(names.iter().all(|name| members(&snapshot, name) == ["user00007"]));
    assert_eq!(slapd.searches(PEOPLE), 1 + 10, "searches do not grow with the groups");
}

fn said(slapd: &Slapd, more: &str) -> String {
    let bases = format!("group_base = \"ou=groups,{EVERYTHING}\"\nuser_base = \"{PEOPLE}\"\n");
    told(&ldaps(slapd), &(bases + more), "-v").stderr
}

#[test]
fn the_program_says_which_directory_it_is_and_how_it_is_read() {
    let slapd = with_people(30, &[(ROOM, &["user00001"])]);
    let auto = said(&slapd, "page_size = 10\n");
    for choice in [
        "schema=openldap",
        "because=objectClass OpenLDAProotDSE",
        "paged=true",
        "group_filter=(|(objectClass=groupOfNames)",
        "group_name_attribute=cn",
        "member_attributes=member, uniqueMember, memberUid",
        "user_filter=(objectClass=person)",
        "username_attribute=uid",
        "id_attributes=entryUUID",
        "only people whom groups name are read named=1 because=there are many more",
    ] {
        assert!(auto.contains(choice), "{choice}: {auto}");
    }
    let all = said(&slapd, "schema = \"generic\"\nusername_attribute = \"mail\"\nread_people = \"all\"\n");
    for choice in [
        "schema=generic because=the configuration says so",
        "username_attribute=mail",
        "everybody is read people=30 named=1 because=the configuration says so",
    ] {
        assert!(all.contains(choice), "{choice}: {all}");
    }
    let few = said(&slapd, "");
    assert!(few.contains("everybody is read people=30 named=1 because=no more than can be looked up as fast"), "{few}");
}
