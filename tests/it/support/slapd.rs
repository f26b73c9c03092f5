//! A real `OpenLDAP`.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use super::{
    tls::Authority,
    tools::{self, Client},
    watchdog::{Watchdog, free_port, server_folder},
};

const SLAPD: &str = "/usr/sbin/slapd";
const SUFFIX: &str = "dc=example,dc=com";
const ROOT_DN: &str = "cn=admin,dc=example,dc=com";
const ROOT_PASSWORD: &str = "root-secret";
const SERVICE_DN: &str = "cn=inviter,ou=services,dc=example,dc=com";
const SERVICE_PASSWORD: &str = "directory-secret";

/// What a test may want of its directory.
#[derive(Debug, Clone, Default)]
pub struct SlapdOptions {
    /// How many entries the service account may read, paged or not; no limit if absent.
    pub size_limit: Option<u32>,
    /// Whether a connection without TLS is turned away (result 13).
    pub require_tls: bool,
    /// Whether the overlay keeps `memberOf` of direct members.
    pub member_of: bool,
    /// Entries that are there from the start: many are taken in fast this way, past the overlays.
    pub entries: String,
    /// Lines of the global section of `slapd.conf`.
    pub global_config: String,
    /// Lines that are appended to `slapd.conf`, in the section of the database.
    pub extra_config: String,
}

/// A running slapd with people and groups under `dc=example,dc=com`.
///
/// Its `groupOfNames` may be empty, as in other directories. In stock `OpenLDAP` it may not: there a group that
/// nobody is in has a placeholder, often `cn=nobody`, which a test can name as a member just as well.
#[derive(Debug)]
pub struct Slapd {
    watchdog: Watchdog,
    ldap: u16,
    ldaps: u16,
}

impl Slapd {
    /// Starts a slapd with the service account and without people, in about 0.1 s.
    pub fn start(options: &SlapdOptions) -> Self {
        assert!(Path::new(SLAPD).exists(), "OpenLDAP is not installed ({SLAPD} is missing): run tests/setup");
        let folder = server_folder("slapd");
        fs::create_dir(folder.join("db")).expect("the folder is writable");
        fs::write(folder.join("core.schema"), relaxed_schema()).expect("the folder is writable");
        Authority::shared().write_into(&folder);
        let config = folder.join("slapd.conf");
        fs::write(&config, configuration(&folder, options)).expect("the folder is writable");

        let entries = folder.join("entries.ldif");
        fs::write(&entries, format!("{BASE}\n{}", options.entries)).expect("the folder is writable");
        tools::done(Command::new("/usr/sbin/slapadd").args(["-q", "-f"]).arg(&config).arg("-l").arg(&entries));

        let (ldap, ldaps) = (free_port(), free_port());
        let urls = format!("ldap://127.0.0.1:{ldap} ldaps://127.0.0.1:{ldaps}");
        let config = config.to_str().expect("a UTF-8 path");
        // A debug level keeps slapd in the foreground; this one writes what each client asked.
        let command = [SLAPD, "-f", config, "-h", &urls, "-d", "stats"];
        let watchdog = Watchdog::start("slapd", folder, &command);
        watchdog.wait_until(|| [ldap, ldaps].iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()));
        Self { watchdog, ldap, ldaps }
    }

    /// The URL without TLS, where `StartTLS` is possible.
    pub fn ldap_url(&self) -> String {
        format!("ldap://localhost:{}", self.ldap)
    }

    /// The URL with TLS.
    pub fn ldaps_url(&self) -> String {
        format!("ldaps://localhost:{}", self.ldaps)
    }

    /// The certificate of the authority that signed the server's.
    pub fn ca_file(&self) -> PathBuf {
        self.watchdog.folder().join("ca.pem")
    }

    /// The DN that everything is under.
    pub fn base_dn(&self) -> &'static str {
        SUFFIX
    }

    /// The DN of the service account, which may only read.
    pub fn bind_dn(&self) -> &'static str {
        SERVICE_DN
    }

    /// The password of the service account.
    pub fn password(&self) -> &'static str {
        SERVICE_PASSWORD
    }

    /// How many searches below a base there were so far.
    pub fn searches(&self, base: &str) -> usize {
        let log = fs::read_to_string(self.watchdog.folder().join("log")).unwrap_or_default();
        log.matches(&format!(" SRCH base=\"{base}\"")).count()
    }

    /// The last lines of the server's log: connections, binds, searches and results.
    pub fn log(&self) -> String {
        self.watchdog.log()
    }

    /// Adds entries.
    pub fn add(&self, ldif: &str) {
        self.client().add(ldif);
    }

    /// Applies an LDIF with `changetype`s.
    pub fn modify(&self, ldif: &str) {
        self.client().modify(ldif);
    }

    /// Deletes an entry.
    pub fn delete(&self, dn: &str) {
        self.client().delete(dn);
    }

    /// Searches everything as the administrator and returns unwrapped LDIF.
    pub fn search(&self, filter: &str, attributes: &[&str]) -> String {
        self.client().search(SUFFIX, filter, attributes)
    }

    /// The immutable ID of an entry.
    pub fn entry_uuid(&self, dn: &str) -> String {
        let found = self.search(&format!("(entryDN={dn})"), &["entryUUID"]);
        found
            .lines()
            .find_map(|line| line.strip_prefix("entryUUID: "))
            .unwrap_or_else(|| panic!("{dn} has no entryUUID: {found}"))
            .to_owned()
    }

    /// Adds a person with a mail address and returns the DN.
    pub fn person(&self, uid: &str) -> String {
        self.people(&[uid]);
        person_dn(uid)
    }

    /// Adds many persons at once.
    pub fn people(&self, uids: &[&str]) {
        self.add(&uids.iter().map(|uid| person_entry(uid)).collect::<String>());
    }

    /// Adds a `groupOfNames` of uids or DNs, perhaps of none, and returns the DN.
    pub fn group(&self, cn: &str, members: &[&str]) -> String {
        self.add(&group_entry(cn, members));
        group_dn(cn)
    }

    /// Adds uids or DNs to a group.
    pub fn add_to_group(&self, cn: &str, members: &[&str]) {
        self.change(&group_dn(cn), "add", "member", members);
    }

    /// Removes uids or DNs from a group, perhaps all of them.
    pub fn remove_from_group(&self, cn: &str, members: &[&str]) {
        self.change(&group_dn(cn), "delete", "member", members);
    }

    /// Sets uids or DNs as the owners of a group.
    pub fn set_owners(&self, cn: &str, owners: &[&str]) {
        self.change(&group_dn(cn), "replace", "owner", owners);
    }

    /// Renames a group, which keeps its immutable ID.
    pub fn rename_group(&self, cn: &str, new: &str) {
        self.modify(&format!("dn: {}\nchangetype: modrdn\nnewrdn: cn={new}\ndeleteoldrdn: 1\n", group_dn(cn)));
    }

    /// Locks an account as an administrator does: for good.
    pub fn lock(&self, uid: &str) {
        self.set_locked_time(uid, "000001010000Z");
    }

    /// Locks an account as slapd does after too many wrong passwords: with the time.
    pub fn lock_out(&self, uid: &str) {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        self.set_locked_time(uid, &now.replace(['-', ':', 'T'], ""));
    }

    /// Removes either lock.
    pub fn unlock(&self, uid: &str) {
        self.change(&person_dn(uid), "delete", "pwdAccountLockedTime", &[]);
    }

    fn set_locked_time(&self, uid: &str, time: &str) {
        self.modify(&format!(
            "dn: {}\nchangetype: modify\nreplace: pwdAccountLockedTime\npwdAccountLockedTime: {time}\n",
            person_dn(uid)
        ));
    }

    fn change(&self, dn: &str, action: &str, attribute: &str, members: &[&str]) {
        let values = values(attribute, members);
        self.modify(&format!("dn: {dn}\nchangetype: modify\n{action}: {attribute}\n{values}"));
    }

    // Over LDAPS, because a test may have forbidden anything else; by address, because libldap takes the name of
    // the machine for `localhost` when it checks a certificate.
    fn client(&self) -> Client {
        Client {
            url: format!("ldaps://127.0.0.1:{}", self.ldaps),
            ca_file: self.ca_file(),
            bind_dn: ROOT_DN.into(),
            password: ROOT_PASSWORD.into(),
        }
    }
}

/// The DN of a person that [`Slapd::person`] adds.
pub fn person_dn(uid: &str) -> String {
    format!("uid={uid},ou=people,{SUFFIX}")
}

/// The entry of a person, as LDIF.
pub fn person_entry(uid: &str) -> String {
    format!(
        "dn: {}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\nmail: {uid}@example.com\n\n",
        person_dn(uid)
    )
}

/// The entry of a `groupOfNames` of uids or DNs, as LDIF.
pub fn group_entry(cn: &str, members: &[&str]) -> String {
    format!("dn: {}\nobjectClass: groupOfNames\ncn: {cn}\n{}\n", group_dn(cn), values("member", members))
}

/// The DN of a group that [`Slapd::group`] adds.
pub fn group_dn(cn: &str) -> String {
    format!("cn={cn},ou=groups,{SUFFIX}")
}

// What contains an equals sign is a DN, anything else a uid.
fn values(attribute: &str, members: &[&str]) -> String {
    members
        .iter()
        .map(|member| {
            if member.contains('=') {
                format!("{attribute}: {member}\n")
            } else {
                format!("{attribute}: {}\n", person_dn(member))
            }
        })
        .collect()
}

fn relaxed_schema() -> String {
    let strict = "MUST ( member $ cn )\n\tMAY ( businessCategory";
    let relaxed = "MUST cn\n\tMAY ( member $ businessCategory";
    let path = "/etc/ldap/schema/core.schema";
    let schema = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let start = schema.find("NAME 'groupOfNames'").expect("the schema has groupOfNames");
    let (before, after) = schema.split_at(start);
    let changed = after.replacen(strict, relaxed, 1);
    assert_ne!(changed, after, "groupOfNames looks different in {path}");
    format!("{before}{changed}")
}

fn configuration(folder: &Path, options: &SlapdOptions) -> String {
    let folder = folder.display();
    let security = if options.require_tls { "security tls=1\n" } else { "" };
    // `prtotal` is the limit of a whole paged search; without it the first page is refused.
    let limit = options.size_limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
    let global = if options.global_config.is_empty() { "TLSVerifyClient never" } else { &options.global_config };
    let member_of = if options.member_of { "overlay memberof\n" } else { "" };
    format!(
        "\
include {folder}/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
moduleload memberof
moduleload dynlist
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
{global}
{security}access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=\"{SERVICE_DN}\" read by * none
database mdb
suffix \"{SUFFIX}\"
rootdn \"{ROOT_DN}\"
rootpw {ROOT_PASSWORD}
directory {folder}/db
maxsize 1073741824
dbnosync
index objectClass,uid,cn,member,entryUUID eq
limits dn.exact=\"{SERVICE_DN}\" size={limit} size.prtotal={limit}
overlay ppolicy
{member_of}{}
",
        options.extra_config
    )
}

const BASE: &str = "\
dn: dc=example,dc=com
objectClass: domain
dc: example

dn: ou=services,dc=example,dc=com
objectClass: organizationalUnit
ou: services

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: cn=inviter,ou=services,dc=example,dc=com
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: inviter
userPassword: directory-secret
";
