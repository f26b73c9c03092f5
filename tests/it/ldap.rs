//! What is read from a real directory, and what is said when that fails.

use std::path::Path;

use inviter::config::{Config, Idp};
use inviter::snapshot::{Group, Members, Snapshot, Standing};

use crate::support::inviter::{Inviter, Outcome};
use crate::support::slapd::{Slapd, SlapdOptions, group_dn, person_dn};
use crate::support::tls::Authority;

mod broken;
mod ds389;
#[cfg(feature = "gssapi")]
mod gssapi;
mod organisation;
mod reading;
mod samba;
mod several;
mod small;

const ROOM: &str = "xxxopsxxxexample.com";

/// The connection to a directory over LDAPS, as its TOML.
fn ldaps(slapd: &Slapd) -> String {
    connection(slapd, &slapd.ldaps_url(), slapd.password())
}

fn connection(slapd: &Slapd, url: &str, password: &str) -> String {
    format!(
        "url = \"{url}\"\nca_file = \"{}\"\nbind_dn = \"{}\"\nbind_password = \"{password}\"\n",
        slapd.ca_file().display(),
        slapd.bind_dn()
    )
}

/// An identity provider from the TOML of its connection and of what differs from the usual.
fn idp(connection: &str, more: &str) -> Idp {
    config(connection, more).idps.remove(0)
}

fn config(connection: &str, more: &str) -> Config {
    let mut text = format!(
        "[matrix]\nhomeserver = \"https://matrix.example.com\"\naccess_token = \"x\"\n[[idp]]\nname = \"corp\"\n\
         type = \"ldap\"\nmxid_homeserver = \"example.com\"\n{connection}{more}"
    );
    for (key, value) in [("group_base", "ou=groups"), ("user_base", "ou=people")] {
        if !text.contains(key) {
            text += format!("\n{key} = \"{value},dc=example,dc=com\"\n").as_str();
        }
    }
    Config::parse(Path::new("inviter.toml"), &text).unwrap()
}

/// What the program says of an identity provider, from the TOML of its connection and of the rest.
fn told(connection: &str, more: &str, verbosity: &str) -> Outcome {
    let text = format!(
        "[matrix]\nhomeserver = \"https://matrix.example.com\"\naccess_token = \"x\"\n[[idp]]\nname = \"corp\"\n\
         type = \"ldap\"\nmxid_homeserver = \"example.com\"\n{connection}{more}"
    );
    runtime().block_on(Inviter::new(&text).run(&["idp", verbosity])).success()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

async fn fetch_wanted(idp: &Idp) -> Result<Snapshot, inviter::idp::IdpError> {
    inviter::idp::fetch(idp, &|name: &str| name.starts_with("xxx")).await
}

fn fetch(idp: &Idp) -> Result<Snapshot, String> {
    runtime().block_on(fetch_wanted(idp)).map_err(|error| error.to_string())
}

fn error(idp: &Idp) -> String {
    let error = fetch(idp).unwrap_err();
    println!("{error}"); // the texts are for people: `--nocapture` shows them all
    assert!(!error.contains("secret") && !error.contains(char::is_control), "{error}");
    error
}

fn group<'a>(snapshot: &'a Snapshot, name: &str) -> &'a Group {
    let mut groups = snapshot.groups.iter().filter(|group| group.name == name);
    let group = groups.next().unwrap_or_else(|| panic!("there is no {name}: {snapshot:#?}"));
    assert_eq!(groups.next(), None);
    group
}

/// The usernames of the members of a group, of which all must be known.
fn members(snapshot: &Snapshot, name: &str) -> Vec<String> {
    match &group(snapshot, name).members {
        Members::Known(members) => {
            let mut names: Vec<_> = members.iter().map(|id| snapshot.accounts[id].username.clone()).collect();
            names.sort();
            names
        }
        Members::Unknown { reason, .. } => panic!("unknown: {reason}"),
    }
}

fn notices(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.notices.iter().map(String::as_str).collect()
}

#[test]
fn a_directory_is_read_over_ldaps_with_a_private_authority() {
    let slapd = Slapd::start(&SlapdOptions::default());
    slapd.people(&["alice", "bob", "carol"]);
    slapd.group(ROOM, &["alice", "bob"]);
    slapd.group("others", &["carol"]);
    let snapshot = fetch(&idp(&ldaps(&slapd), "")).unwrap();
    assert_eq!(members(&snapshot, ROOM), ["alice", "bob"]);
    assert_eq!(snapshot.groups.len(), 1);
    assert_eq!(snapshot.accounts.len(), 3);
    assert_eq!(notices(&snapshot), [""; 0]);
    let group = group(&snapshot, ROOM);
    assert_eq!(group.id, Some(slapd.entry_uuid(&group_dn(ROOM))));
    assert_eq!((group.label.as_str(), &group.owners), (group_dn(ROOM).as_str(), &None));
    assert_eq!(snapshot.accounts[&slapd.entry_uuid(&person_dn("alice"))].label, person_dn("alice"));
}

#[test]
fn kerberos_is_refused_where_it_is_not_built_in() {
    let text = "[matrix]\nhomeserver = \"https://m\"\naccess_token = \"x\"\n[[idp]]\nname = \"corp\"\ntype = \"ldap\"\n\
                mxid_homeserver = \"example.com\"\nurl = \"ldaps://a\"\ngssapi = true\ngroup_base = \"o=a\"\nuser_base = \"o=a\"\n";
    let read =
        |text: &str| Config::parse(Path::new("inviter.toml"), text).map(|_| ()).map_err(|error| error.to_string());
    let refused =
        "inviter.toml:9:1: idp[0].gssapi: this inviter was built without Kerberos: build it with --features gssapi";
    assert_eq!(read(text), if cfg!(feature = "gssapi") { Ok(()) } else { Err(refused.into()) });
    let twice = read(&(text.to_owned() + "bind_dn = \"cn=a\"\nbind_password = \"b\"\n")).unwrap_err();
    assert!(twice.contains("idp[0].gssapi: who asks is told twice"), "{twice}");
}

#[test]
fn a_directory_is_read_with_starttls() {
    let slapd = Slapd::start(&SlapdOptions { require_tls: true, ..SlapdOptions::default() });
    slapd.people(&["alice"]);
    slapd.group(ROOM, &["alice"]);
    let secured = connection(&slapd, &slapd.ldap_url(), slapd.password()) + "starttls = true\n";
    assert_eq!(members(&fetch(&idp(&secured, "")).unwrap(), ROOM), ["alice"]);
    let plain = connection(&slapd, &slapd.ldap_url(), slapd.password()) + "allow_plaintext = true\n";
    let error = error(&idp(&plain, ""));
    assert!(error.contains("confidentialityRequired (13)") && error.contains("starttls = true"), "{error}");
}

#[test]
fn groups_in_groups_are_expanded_even_in_cycles_and_outside_the_base() {
    let slapd = Slapd::start(&SlapdOptions::default());
    slapd.people(&["alice", "bob", "carol", "dave", "erin"]);
    slapd.add(&format!(
        "dn: cn=outside,ou=services,dc=example,dc=com\nobjectClass: groupOfNames\ncn: outside\nmember: {}\n\
         member: cn=deeper,ou=services,dc=example,dc=com\n\n\
         dn: cn=deeper,ou=services,dc=example,dc=com\nobjectClass: groupOfUniqueNames\ncn: deeper\n\
         uniqueMember: {}#'0101'B\nuniqueMember: {}\n",
        person_dn("dave"),
        person_dn("erin"),
        group_dn(ROOM)
    ));
    slapd.group("inner", &["bob", &group_dn("innermost"), "cn=outside,ou=services,dc=example,dc=com"]);
    slapd.group("innermost", &["carol", &group_dn("inner"), &group_dn(ROOM)]);
    slapd.group(ROOM, &["alice", &group_dn("inner")]);
    let snapshot = fetch(&idp(&ldaps(&slapd), "")).unwrap();
    assert_eq!(members(&snapshot, ROOM), ["alice", "bob", "carol", "dave", "erin"]);
    assert_eq!(notices(&snapshot), [""; 0]);
}

#[test]
fn locked_accounts_are_left_out_and_locked_out_ones_are_held() {
    let slapd = Slapd::start(&SlapdOptions::default());
    slapd.people(&["alice", "bob", "carol"]);
    slapd.group(ROOM, &["alice", "bob", "carol"]);
    slapd.lock("bob");
    slapd.lock_out("carol");
    let snapshot = fetch(&idp(&ldaps(&slapd), "")).unwrap();
    assert_eq!(members(&snapshot, ROOM), ["alice", "carol"]);
    let standing = |uid| snapshot.accounts.values().find(|account| account.username == uid).map(|a| a.standing);
    assert_eq!(standing("alice"), Some(Standing::Active));
    assert_eq!(standing("carol"), Some(Standing::LockedOut));
    assert_eq!(standing("bob"), None);
    let strict = fetch(&idp(&ldaps(&slapd), "lockout = \"leave_out\"\n")).unwrap();
    assert_eq!(members(&strict, ROOM), ["alice"]);
}

#[test]
fn people_whom_the_filter_leaves_out_are_left_out_silently() {
    let slapd = Slapd::start(&SlapdOptions::default());
    slapd.people(&["alice", "bob"]);
    slapd.group(ROOM, &["alice", "bob", slapd.bind_dn()]);
    let snapshot = fetch(&idp(&ldaps(&slapd), "user_filter = \"(&(objectClass=person)(!(uid=bob)))\"\n")).unwrap();
    assert_eq!(members(&snapshot, ROOM), ["alice"]);
    assert_eq!(notices(&snapshot), [""; 0]);
}

#[test]
fn members_without_an_entry_are_left_out_and_told() {
    let slapd = Slapd::start(&SlapdOptions::default());
    slapd.people(&["alice"]);
    slapd.group("inner", &["ghost1", "ghost2", "ghost3", "ghost4"]);
    slapd.group(ROOM, &["alice", &group_dn("inner")]);
    slapd.group("xxxotherxxxexample.com", &[&group_dn("inner")]);
    slapd.group("unrelated", &["ghost9"]);
    let snapshot = fetch(&idp(&ldaps(&slapd), "")).unwrap();
    assert_eq!(members(&snapshot, ROOM), ["alice"]);
    assert_eq!(
        notices(&snapshot),
        [format!(
            "the group \"{}\" names 4 members without an entry, left out: {}, {}, {} and 1 more",
            group_dn("inner"),
            person_dn("ghost1"),
            person_dn("ghost2"),
            person_dn("ghost3")
        )]
    );
}

#[test]
fn names_are_compared_whatever_their_spelling() {
    let slapd = Slapd::start(&SlapdOptions::default());
    let spellings = [
        ("a", r"cn=Doe\, Alice", r"CN=doe\2C  ALICE"),
        ("b", r"cn=one\+two", r"cn=One\2Btwo"),
        ("c", r#"cn=\"quoted\""#, r"cn=\22Quoted\22"),
        ("d", r"cn=back\\slash", r"cn=Back\5Cslash"),
        ("e", r"cn=\#number", r"cn=\23Number"),
        ("f", r"cn=\ space", r"cn=\20Space"),
        ("g", r"cn=M\C3\BCller", r"cn=M\C3\9CLLER"),
        ("h", "cn=x+uid=h", "UID=H + CN=X"),
        ("i", "2.5.4.3=oid", "commonName=OID"),
        ("j", r"cn=\EF\AC\81sh", r"cn=fish"),
    ];
    let base = "ou=people,dc=example,dc=com";
    for (uid, rdn, _) in spellings {
        slapd.add(&format!("dn: {rdn},{base}\nobjectClass: inetOrgPerson\nuid: {uid}\nsn: x\n"));
    }
    let named: Vec<_> = spellings.iter().map(|(_, _, rdn)| format!("{rdn}, OU = People,DC=Example,dc=com")).collect();
    slapd.group(ROOM, &named.iter().map(String::as_str).collect::<Vec<_>>());
    let snapshot = fetch(&idp(&ldaps(&slapd), "")).unwrap();
    let all: Vec<_> = spellings.iter().map(|(uid, _, _)| *uid).collect();
    assert_eq!(members(&snapshot, ROOM), all, "{:?}", snapshot.notices);
}

#[test]
fn more_people_than_a_page_are_all_read() {
    let slapd = Slapd::start(&SlapdOptions::default());
    let uids: Vec<_> = (0..1203).map(|number| format!("user{number:04}")).collect();
    let uids: Vec<_> = uids.iter().map(String::as_str).collect();
    slapd.people(&uids);
    slapd.group(ROOM, &uids);
    let paged = fetch(&idp(&ldaps(&slapd), "page_size = 100\n")).unwrap();
    assert_eq!(members(&paged, ROOM), uids);
    assert_eq!(paged, fetch(&idp(&ldaps(&slapd), "page_size = 10000\n")).unwrap());
}

#[test]
fn posix_groups_name_people_by_username() {
    let slapd = Slapd::start(&SlapdOptions::default());
    slapd.people(&["alice", "bob"]);
    slapd.add(&format!(
        "dn: {}\nobjectClass: posixGroup\ncn: {ROOM}\ngidNumber: 1\nmemberUid: ALICE\nmemberUid: nobody\n",
        group_dn(ROOM)
    ));
    let by_uid = fetch(&idp(&ldaps(&slapd), "")).unwrap();
    assert_eq!(members(&by_uid, ROOM), ["alice"]);
    let by_mail = fetch(&idp(&ldaps(&slapd), "username_attribute = \"mail\"\n")).unwrap();
    assert_eq!(members(&by_mail, ROOM), ["alice@example.com"]);
}

const DYNAMIC: &str = "xxxdynamicxxxexample.com";

/// A server that works out dynamic groups, or does not, with one that has a member beside.
fn with_dynamic_groups(extra_config: &str) -> Slapd {
    let slapd = Slapd::start(&SlapdOptions {
        global_config: "TLSVerifyClient never\ninclude /etc/ldap/schema/dyngroup.schema\n".into(),
        extra_config: extra_config.into(),
        ..SlapdOptions::default()
    });
    slapd.people(&["alice", "anton", "bob", "carol"]);
    for (name, more) in [(ROOM, String::new()), (DYNAMIC, format!("member: {}\n", person_dn("carol")))] {
        slapd.add(&format!(
            "dn: {}\nobjectClass: groupOfURLs\nobjectClass: extensibleObject\ncn: {name}\nmemberURL: ldap:///ou=people,dc=example,dc=com??sub?(uid=a*)\n\
             {more}",
            group_dn(name)
        ));
    }
    slapd.group("xxxouterxxxexample.com", &["bob", &group_dn(ROOM)]);
    slapd
}

#[test]
fn dynamic_groups_have_the_members_that_the_server_works_out() {
    let slapd = with_dynamic_groups("overlay dynlist\ndynlist-attrset groupOfURLs memberURL member\n");
    let snapshot = fetch(&idp(&ldaps(&slapd), "")).unwrap();
    assert_eq!(members(&snapshot, ROOM), ["alice", "anton"]);
    assert_eq!(members(&snapshot, DYNAMIC), ["alice", "anton", "carol"]);
    assert_eq!(members(&snapshot, "xxxouterxxxexample.com"), ["alice", "anton", "bob"]);
}

#[test]
fn dynamic_groups_that_the_server_is_not_seen_to_work_out_are_unknown() {
    let snapshot = fetch(&idp(&ldaps(&with_dynamic_groups("")), "")).unwrap();
    for (name, certain) in [(ROOM, 0), (DYNAMIC, 1), ("xxxouterxxxexample.com", 1)] {
        let members = &group(&snapshot, name).members;
        let reason = members.unknown_because().unwrap();
        assert!(
            reason.contains("it has members by a memberURL, and the server is not seen to work them out"),
            "{reason}"
        );
        assert_eq!(members.certain().len(), certain, "{name}");
    }
}

#[test]
fn a_group_that_reaches_somebody_without_username_is_unknown() {
    let slapd = Slapd::start(&SlapdOptions::default());
    slapd.people(&["alice"]);
    let nameless = "cn=nameless,ou=people,dc=example,dc=com";
    slapd.add(&format!("dn: {nameless}\nobjectClass: inetOrgPerson\nsn: x\n"));
    slapd.group("inner", &[nameless]);
    slapd.group(ROOM, &["alice", &group_dn("inner")]);
    slapd.group("xxxfinexxxexample.com", &["alice"]);
    let snapshot = fetch(&idp(&ldaps(&slapd), "")).unwrap();
    assert_eq!(members(&snapshot, "xxxfinexxxexample.com"), ["alice"]);
    let unknown = &group(&snapshot, ROOM).members;
    assert_eq!(unknown.certain().len(), 1);
    let reason = format!("\"{nameless}\" has no uid that can be read");
    assert_eq!(unknown.unknown_because(), Some(reason.as_str()));
    assert!(notices(&snapshot).concat().contains(&reason), "{:?}", snapshot.notices);
}

#[test]
fn a_group_with_a_member_that_may_not_be_read_is_unknown() {
    let access =
        "access to dn.exact=\"cn=hidden,ou=services,dc=example,dc=com\" by * disclose\naccess to * by * read\n";
    let slapd = Slapd::start(&SlapdOptions { extra_config: access.into(), ..SlapdOptions::default() });
    slapd.people(&["alice"]);
    let hidden = "cn=hidden,ou=services,dc=example,dc=com";
    slapd.add(&format!("dn: {hidden}\nobjectClass: groupOfNames\ncn: hidden\nmember: {}\n", person_dn("alice")));
    slapd.group(ROOM, &[hidden]);
    let snapshot = fetch(&idp(&ldaps(&slapd), "")).unwrap();
    let reason = group(&snapshot, ROOM).members.unknown_because().unwrap();
    println!("{reason}");
    assert!(reason.starts_with(&format!("\"{hidden}\" cannot be looked up")), "{reason}");
}

#[test]
fn a_wrong_password_is_told() {
    let slapd = Slapd::start(&SlapdOptions::default());
    let wrong = connection(&slapd, &slapd.ldaps_url(), "wrong-secret");
    let error = error(&idp(&wrong, ""));
    assert!(error.contains(&format!("cannot bind as \"{}\"", slapd.bind_dn())), "{error}");
    assert!(error.contains("invalidCredentials (49)"), "{error}");
}

#[test]
fn an_authority_that_is_not_trusted_is_told() {
    let slapd = Slapd::start(&SlapdOptions::default());
    let without = ldaps(&slapd).replace("ca_file", "#");
    let without = error(&idp(&without, ""));
    assert!(without.contains("not trusted") && without.contains("give its certificate with ca_file"), "{without}");
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.pem");
    std::fs::write(&other, Authority::new("another").pem()).unwrap();
    let file = slapd.ca_file().display().to_string();
    let with = error(&idp(&ldaps(&slapd).replace(&file, &other.display().to_string()), ""));
    assert!(with.contains("other.pem: is that the right file?"), "{with}");
    std::fs::write(&other, "nonsense").unwrap();
    let useless = error(&idp(&ldaps(&slapd).replace(&file, &other.display().to_string()), ""));
    assert!(useless.contains("there is no certificate in it"), "{useless}");
    let starttls =
        connection(&slapd, &slapd.ldap_url(), slapd.password()).replace("ca_file", "#") + "starttls = true\n";
    let starttls = error(&idp(&starttls, ""));
    assert!(starttls.contains("with StartTLS: the server's certificate is not trusted"), "{starttls}");
}

#[test]
fn ldaps_to_a_port_without_tls_is_told() {
    let slapd = Slapd::start(&SlapdOptions::default());
    let url = slapd.ldap_url().replace("ldap://", "ldaps://");
    let error = error(&idp(&connection(&slapd, &url, slapd.password()), ""));
    assert!(error.contains("does not speak TLS on this port"), "{error}");
}

#[test]
fn a_base_that_does_not_exist_is_told_by_its_key() {
    let slapd = Slapd::start(&SlapdOptions::default());
    slapd.people(&["alice"]);
    for key in ["group_base", "user_base"] {
        let error = error(&idp(&ldaps(&slapd), &format!("{key} = \"ou=typo,dc=example,dc=com\"\n")));
        assert!(error.contains("noSuchObject (32)") && error.contains(&format!("{key} names no entry")), "{error}");
        assert!(error.contains("below \"ou=typo,dc=example,dc=com\" with ("), "{error}");
    }
}

#[test]
fn a_directory_without_people_is_an_error() {
    let slapd = Slapd::start(&SlapdOptions::default());
    let error = error(&idp(&ldaps(&slapd), ""));
    assert!(error.contains("no person was found"), "{error}");
}

#[test]
fn a_list_that_the_server_cuts_is_an_error() {
    let uids: Vec<_> = (0..30).map(|number| format!("user{number}")).collect();
    let slapd = Slapd::start(&SlapdOptions { size_limit: Some(20), ..SlapdOptions::default() });
    slapd.people(&uids.iter().map(String::as_str).collect::<Vec<_>>());
    for page_size in [5, 500] {
        let error = error(&idp(&ldaps(&slapd), &format!("page_size = {page_size}\n")));
        assert!(error.contains("LimitExceeded") && error.contains("size.prtotal=unlimited"), "{error}");
    }
}

#[test]
fn who_does_not_bind_sees_nothing() {
    let slapd = Slapd::start(&SlapdOptions::default());
    slapd.people(&["alice"]);
    let anonymous = format!("url = \"{}\"\nca_file = \"{}\"\n", slapd.ldaps_url(), slapd.ca_file().display());
    let error = error(&idp(&anonymous, ""));
    assert!(error.contains("group_base names no entry that anonymous clients may see"), "{error}");
}
