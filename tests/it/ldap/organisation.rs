//! One organisation, described once and loaded into each kind of directory, is wanted alike.

use std::fmt::Write as _;

use inviter::desired::Desired;

use super::{Config, config, fetch_wanted, runtime};
use crate::support::double::{Double, Manners};
use crate::support::ds389::{self, Ds389};
use crate::support::samba::{self, Samba};
use crate::support::slapd::{Slapd, SlapdOptions};

#[derive(Clone, Copy, PartialEq)]
enum Lock {
    No,
    /// By an administrator.
    Closed,
    /// After wrong passwords.
    Out,
}

struct Person {
    uid: &'static str,
    /// The name in the DN, without escapes.
    name: &'static str,
    lock: Lock,
}

enum Member {
    Person(&'static str),
    Group(&'static str),
}

const fn person(uid: &'static str, name: &'static str, lock: Lock) -> Person {
    Person { uid, name, lock }
}

const PEOPLE: &[Person] = &[
    person("alice", "Alice", Lock::No),
    person("bob", "Doe, Bob", Lock::No),
    person("carol", "Carol \"C\" (ops) *", Lock::No),
    person("dave", "one+two", Lock::No),
    person("erin", r"back\slash", Lock::No),
    person("frank", "#number", Lock::No),
    person("grace", " space ", Lock::No),
    person("heidi", "Jürgen Müller ẞ", Lock::No),
    person("ivan", "a=b;c<d>e", Lock::No),
    person("judy", "*)(uid=*", Lock::No),
    person("closed", "Closed", Lock::Closed),
    person("out", "Out", Lock::Out),
    person("Upper", "Upper", Lock::No),
    person("nobody", "In no group", Lock::No),
];

const OPS: &str = "xxxopsxxxexample.com";

fn groups() -> Vec<(&'static str, Vec<Member>)> {
    use Member::{Group as G, Person as P};
    vec![
        (OPS, vec![P("alice"), P("closed"), P("out"), G("outer, (1) *"), P("Upper")]),
        ("xxxopsxxxexample.com_owners", vec![P("alice"), P("nobody"), G("#inner")]),
        ("xxxemptyxxxexample.com", vec![]),
        ("xxxonexxxexample.com", vec![P("heidi")]),
        ("outer, (1) *", vec![P("bob"), P("carol"), G("#inner")]),
        // A cycle of three.
        ("#inner", vec![P("dave"), P("erin"), P("frank"), G("back\\slash")]),
        ("back\\slash", vec![P("grace"), P("heidi"), P("ivan"), P("judy"), G("outer, (1) *")]),
        ("unrelated", vec![P("nobody")]),
    ]
}

/// RFC 4514, section 2.4.
fn escaped(value: &str) -> String {
    let last = value.chars().count() - 1;
    let mut escaped = String::new();
    for (at, c) in value.chars().enumerate() {
        if "\"+,;<>\\=".contains(c) || at == 0 && "# ".contains(c) || at == last && c == ' ' {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The same name in another spelling: another case where that is the same, hexadecimal escapes, spaces.
fn respelt(dn: &str, spaced: bool) -> String {
    let dn = dn.replace("\\,", "\\2C").replace("\\+", "\\2b");
    if spaced {
        dn.replacen("cn=", "CN = ", 1).replace(",ou=", ", OU=")
    } else {
        dn.replacen("cn=", "CN=", 1).replace(",OU=", ",ou=")
    }
}

/// An attribute in LDIF, whatever is in its value (RFC 2849).
fn line(name: &str, value: &str) -> String {
    format!("{name}:: {}\n", base64(value.as_bytes()))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0, |word, byte| word << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = if at <= chunk.len() { DIGITS[word >> (18 - 6 * at) & 63] } else { b'=' };
            text.push(char::from(digit));
        }
    }
    text
}

/// How a kind of directory writes it down.
struct Dialect {
    people: &'static str,
    groups: &'static str,
    person: fn(&Person) -> Vec<(&'static str, String)>,
    group: fn(&str) -> Vec<(&'static str, String)>,
    /// Whether the server takes names with spaces around what separates their parts.
    spaced: bool,
}

impl Dialect {
    fn person_dn(&self, uid: &str) -> String {
        let person = PEOPLE.iter().find(|person| person.uid == uid).unwrap();
        format!("cn={},{}", escaped(person.name), self.people)
    }

    fn group_dn(&self, name: &str) -> String {
        format!("cn={},{}", escaped(name), self.groups)
    }

    fn member(&self, member: &Member) -> String {
        let dn = match member {
            Member::Person(uid) => self.person_dn(uid),
            Member::Group(name) => self.group_dn(name),
        };
        respelt(&dn, self.spaced)
    }

    /// The entries, people first, and the memberships, since some servers want the entry before its name.
    fn entries(&self) -> Vec<(String, Vec<(&'static str, String)>)> {
        let people = PEOPLE.iter().map(|person| {
            let mut attributes = (self.person)(person);
            attributes.push(("cn", person.name.into()));
            (self.person_dn(person.uid), attributes)
        });
        let groups = groups().into_iter().map(|(name, _)| {
            let mut attributes = (self.group)(name);
            attributes.push(("cn", name.into()));
            (self.group_dn(name), attributes)
        });
        people.chain(groups).collect()
    }

    fn ldif(&self) -> (String, String) {
        let (mut entries, mut members) = (String::new(), String::new());
        for (dn, attributes) in self.entries() {
            entries.push_str(&line("dn", &dn));
            for (name, value) in attributes {
                entries.push_str(&line(name, &value));
            }
            entries.push('\n');
        }
        for (name, list) in groups().iter().filter(|(_, list)| !list.is_empty()) {
            write!(members, "{}changetype: modify\nadd: member\n", line("dn", &self.group_dn(name))).unwrap();
            for member in list {
                members.push_str(&line("member", &self.member(member)));
            }
            members += "-\n\n";
        }
        (entries, members)
    }
}

fn inet_org_person(person: &Person) -> Vec<(&'static str, String)> {
    vec![("objectClass", "inetOrgPerson".into()), ("uid", person.uid.into()), ("sn", "x".into())]
}

/// What is wanted, whether everybody is read or those whom groups name.
fn desired(name: &str, connection: &str, more: &str) -> String {
    let [all, members] = ["all", "members"]
        .map(|mode| read(&format!("{name}, {mode}"), &config(connection, &format!("{more}read_people = {mode:?}\n"))));
    assert_eq!(all, members, "{name}");
    all
}

/// What is wanted, without what differs by nature: the immutable IDs of the groups.
fn read(name: &str, config: &Config) -> String {
    let idp = &config.idps[0];
    let snapshot = runtime().block_on(fetch_wanted(idp)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let named = snapshot.groups.iter().filter_map(|group| group.id.clone());
    let ids: Vec<_> = named.chain(snapshot.other_groups.iter().cloned()).collect();
    let desired = Desired::build(config, &[snapshot]).unwrap();
    ids.iter().fold(format!("{desired:#?}\n"), |desired, id| {
        assert!(id.len() > 30 && desired.contains(id.as_str()), "{name} {id}: {desired}");
        desired.replace(id, "(an ID)")
    })
}

fn openldap() -> String {
    let slapd = Slapd::start(&SlapdOptions { member_of: true, ..SlapdOptions::default() });
    let dialect = Dialect {
        people: "ou=people,dc=example,dc=com",
        groups: "ou=groups,dc=example,dc=com",
        person: |person| {
            let mut attributes = inet_org_person(person);
            match person.lock {
                Lock::No => {}
                Lock::Closed => attributes.push(("pwdAccountLockedTime", "000001010000Z".into())),
                Lock::Out => attributes.push(("pwdAccountLockedTime", "20260101000000Z".into())),
            }
            attributes
        },
        group: |_| vec![("objectClass", "groupOfNames".into())],
        spaced: true,
    };
    let (entries, members) = dialect.ldif();
    slapd.add(&entries);
    slapd.modify(&members);
    desired("OpenLDAP", &super::ldaps(&slapd), "")
}

fn ds389_tree(people: &'static str, groups: &'static str, freeipa: bool) -> String {
    let server = Ds389::shared();
    let dialect = Dialect {
        people,
        groups,
        person: |person| {
            let mut attributes = inet_org_person(person);
            if person.lock == Lock::Closed {
                attributes.push(("nsAccountLock", "true".into()));
            }
            attributes
        },
        group: if freeipa {
            |name| {
                let id = format!("{:0>36}", base64(name.as_bytes()).replace('=', "-"));
                let classes = ["ipaUserGroup", "nestedGroup", "groupOfNames", "ipaObject"];
                let classes = classes.iter().map(|class| ("objectClass", (*class).to_owned()));
                classes.chain([("ipaUniqueID", id)]).collect()
            }
        } else {
            |_| vec![("objectClass", "groupOfNames".into())]
        },
        spaced: true,
    };
    let (entries, members) = dialect.ldif();
    server.add(&entries);
    server.modify(&members);
    server.modify(&format!(
        "{}changetype: modify\nadd: accountUnlockTime\naccountUnlockTime: 20991231235959Z\n",
        line("dn", &dialect.person_dn("out"))
    ));
    let connection = format!(
        "url = {:?}\nallow_plaintext = true\nbind_dn = {:?}\nbind_password = {:?}\n",
        server.url(),
        server.bind_dn(),
        server.password()
    );
    let more = format!("user_base = {people:?}\ngroup_base = {groups:?}\n");
    desired(if freeipa { "FreeIPA" } else { "389 Directory Server" }, &connection, &more)
}

fn active_directory() -> String {
    let server = Samba::shared();
    server.add(&format!(
        "dn: OU=people,{0}\nobjectClass: organizationalUnit\n\ndn: OU=groups,{0}\nobjectClass: organizationalUnit\n",
        samba::SUFFIX
    ));
    let dialect = Dialect {
        people: "OU=people,DC=example,DC=com",
        groups: "OU=groups,DC=example,DC=com",
        person: |person| {
            // Without a password, an account has to say that it needs none.
            let control = if person.lock == Lock::Closed { "546" } else { "544" };
            vec![
                ("objectClass", "user".into()),
                ("sAMAccountName", person.uid.into()),
                ("userPrincipalName", format!("{}@example.com", person.uid)),
                ("userAccountControl", control.into()),
            ]
        },
        group: |name| {
            let account: String = name.chars().filter(|c| c.is_alphanumeric() || ".-_".contains(*c)).collect();
            vec![("objectClass", "group".into()), ("sAMAccountName", format!("g-{account}"))]
        },
        spaced: false,
    };
    let (entries, members) = dialect.ldif();
    server.add(&entries);
    server.modify(&members);
    server.set_password("out", "Right-secret1");
    server.lock_out("out");
    let more =
        format!("user_base = {:?}\ngroup_base = {:?}\n", dialect.people.to_lowercase(), dialect.groups.to_lowercase());
    let connection = super::samba::connection(server);
    let by_account = desired("Active Directory", &connection, &more);
    let by_principal = format!("{more}username_attribute = \"userprincipalname\"\n");
    assert_eq!(by_account, desired("principals", &connection, &by_principal));
    by_account
}

fn small_server() -> String {
    let dialect = Dialect {
        people: "ou=people,dc=example,dc=com",
        groups: "ou=groups,dc=example,dc=com",
        person: |person| {
            let mut attributes = inet_org_person(person);
            attributes.push(("objectClass", "person".into()));
            match person.lock {
                Lock::No => {}
                // It has no locks of its own: an attribute that an administrator keeps, and a filter.
                Lock::Closed => attributes.push(("disabled", "TRUE".into())),
                Lock::Out => attributes.push(("pwdAccountLockedTime", "20260101000000Z".into())),
            }
            attributes
        },
        group: |_| vec![("objectClass", "groupOfNames".into())],
        spaced: true,
    };
    let mut entries = Vec::new();
    for (number, (dn, attributes)) in dialect.entries().into_iter().enumerate() {
        let mut all = vec![("entryUUID".to_owned(), vec![format!("{number:036}").into_bytes()])];
        for (name, value) in attributes {
            match all.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => values.push(value.into_bytes()),
                None => all.push((name.to_owned(), vec![value.into_bytes()])),
            }
        }
        if let Some((_, list)) = groups().iter().find(|(name, _)| dialect.group_dn(name) == dn) {
            let members = list.iter().map(|member| dialect.member(member).into_bytes()).collect();
            all.push(("member".to_owned(), members));
        }
        entries.push((dn, all));
    }
    let root = vec![("vendorName", vec!["LLDAP"]), ("supportedLDAPVersion", vec!["3"])];
    let server = Double::start(Manners { root, ..Manners::default() }, entries);
    let connection = format!("url = {:?}\nallow_plaintext = true\n", server.url());
    desired("a small server", &connection, "user_filter = \"(&(objectClass=person)(!(disabled=TRUE)))\"\n")
}

#[test]
fn the_same_organisation_is_wanted_alike_whatever_directory_it_is_in() {
    let all = std::thread::scope(|scope| {
        let started = [
            scope.spawn(openldap),
            scope.spawn(|| {
                let plain = ds389_tree("ou=people,dc=example,dc=com", "ou=groups,dc=example,dc=com", false);
                let users = "cn=users,cn=accounts,dc=ipa,dc=test";
                let ipa = ds389_tree(users, "cn=groups,cn=accounts,dc=ipa,dc=test", true);
                assert_eq!(plain, ipa, "FreeIPA");
                assert!(ipa.len() > ds389::SUFFIX.len());
                plain
            }),
            scope.spawn(active_directory),
            scope.spawn(small_server),
        ];
        started.map(|thread| thread.join().unwrap())
    });
    let [openldap, ds389, active_directory, small] = &all;
    insta_like(openldap);
    assert_eq!(openldap, ds389, "389 Directory Server");
    assert_eq!(openldap, active_directory, "Active Directory");
    assert_eq!(openldap, small, "a small server");
}

/// The rule itself, not only that all say the same.
fn insta_like(desired: &str) {
    let ops = desired.split("#empty:example.com").next().unwrap().len();
    assert!(ops < desired.len());
    for user in ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "upper", "out"] {
        assert!(desired.contains(&format!("\"@{user}:example.com\"")), "{user}: {desired}");
    }
    assert!(!desired.contains("@closed:") && !desired.contains("incomplete: {\n"), "{desired}");
}
