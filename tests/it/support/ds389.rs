//! A real 389 Directory Server, with the tree of an organisation and that of a `FreeIPA`.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use super::{
    tools::{Client, done},
    watchdog::{Watchdog, free_port, server_folder},
};

const SERVER: &str = "/usr/sbin/ns-slapd";
const DEFAULTS: &str = "/usr/share/dirsrv/inf/defaults.inf";
const ROOT_DN: &str = "cn=Directory Manager";
const PASSWORD: &str = "Root-secret1";
/// The suffix of an organisation.
pub const SUFFIX: &str = "dc=example,dc=com";
/// The suffix of a `FreeIPA`.
pub const IPA_SUFFIX: &str = "dc=ipa,dc=test";

/// A running server.
#[derive(Debug)]
pub struct Ds389 {
    watchdog: Watchdog,
    port: u16,
    secure_port: u16,
}

impl Ds389 {
    /// The server of this process, in about 10 s.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Ds389> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn start() -> Self {
        assert!(
            Path::new(SERVER).exists() && Path::new(DEFAULTS).exists(),
            "389 Directory Server is not installed ({SERVER} or {DEFAULTS} is missing): run tests/setup"
        );
        let folder = server_folder("ds389");
        let (port, secure_port) = (free_port(), free_port());
        set_up(&folder, port, secure_port);
        let instance = folder.join("etc/dirsrv/slapd-test");
        fs::write(instance.join("schema/60ipa.ldif"), IPA_SCHEMA).expect("the folder is writable");
        let dse = instance.join("dse.ldif");
        let text = fs::read_to_string(&dse).expect("the server is configured");
        fs::write(&dse, with_member_of(&text)).expect("the folder is writable");

        let instance = instance.display().to_string();
        let pid = folder.join("run/server.pid").display().to_string();
        let watchdog = Watchdog::start("ns-slapd", folder, &[SERVER, "-d", "0", "-D", &instance, "-i", &pid]);
        watchdog.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        let server = Self { watchdog, port, secure_port };
        server.add(BASE);
        server
    }

    /// Its URL without TLS, where `StartTLS` is possible.
    pub fn url(&self) -> String {
        format!("ldap://localhost:{}", self.port)
    }

    /// Its URL with TLS.
    pub fn ldaps_url(&self) -> String {
        format!("ldaps://localhost:{}", self.secure_port)
    }

    /// The certificate of the authority of its own that signed the server's.
    pub fn ca_file(&self) -> PathBuf {
        self.watchdog.folder().join("etc/dirsrv/slapd-test/ca.crt")
    }

    /// Who may read everything.
    pub fn bind_dn(&self) -> &'static str {
        ROOT_DN
    }

    /// The password of that account.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Adds entries.
    pub fn add(&self, ldif: &str) {
        self.client().add(ldif);
    }

    /// Applies an LDIF with `changetype`s.
    pub fn modify(&self, ldif: &str) {
        self.client().modify(ldif);
    }

    /// Searches a suffix and returns unwrapped LDIF.
    pub fn search(&self, suffix: &str, filter: &str, attributes: &[&str]) -> String {
        self.client().search(suffix, filter, attributes)
    }

    /// Waits for what the server does by and by; at most a minute.
    pub fn wait_until(&self, ready: impl Fn() -> bool) {
        self.watchdog.wait_until(ready);
    }

    fn client(&self) -> Client {
        Client { url: self.url(), ca_file: self.ca_file(), bind_dn: ROOT_DN.into(), password: PASSWORD.into() }
    }
}

/// Makes an instance whose every path is below the folder, without systemd.
fn set_up(folder: &Path, port: u16, secure_port: u16) {
    let prefix = folder.display().to_string();
    let defaults = fs::read_to_string(DEFAULTS).unwrap_or_else(|error| panic!("{DEFAULTS}: {error}"));
    let moved = |line: &str| match line.split_once(" = ") {
        Some(("with_systemd", _)) => "with_systemd = 0".to_owned(),
        Some(("prefix", _)) => format!("prefix = {prefix}"),
        Some(("inst_dir", _)) => format!("inst_dir = {prefix}/inst/slapd-{{instance_name}}"),
        Some((key, path)) if ["/etc", "/run", "/var", "/dev/shm", "/tmp"].iter().any(|top| path.starts_with(top)) => {
            format!("{key} = {prefix}{path}")
        }
        _ => line.to_owned(),
    };
    let defaults: Vec<_> = defaults.lines().map(moved).collect();
    for part in ["share/dirsrv/inf", "run", "dev/shm", "tmp", "var", "etc"] {
        fs::create_dir_all(folder.join(part)).expect("the folder is writable");
    }
    fs::write(folder.join("share/dirsrv/inf/defaults.inf"), defaults.join("\n")).expect("the folder is writable");
    done(Command::new("cp").args(["-r", "/etc/dirsrv"]).arg(folder.join("etc/dirsrv")));
    let answers = folder.join("answers.inf");
    let who = |flag: &str| done(Command::new("id").arg(flag)).trim().to_owned();
    let text = format!(
        "[general]\nfull_machine_name = localhost\nstart = False\nstrict_host_checking = False\nsystemd = False\n\
         selinux = False\n[slapd]\ninstance_name = test\nport = {port}\nsecure_port = {secure_port}\nself_sign_cert = True\n\
         root_password = {PASSWORD}\nuser = {}\ngroup = {}\n[backend-userroot]\nsuffix = {SUFFIX}\n\
         sample_entries = no\n[backend-ipa]\nsuffix = {IPA_SUFFIX}\nsample_entries = no\n",
        who("-un"),
        who("-gn")
    );
    fs::write(&answers, text).expect("the folder is writable");
    done(Command::new("/usr/sbin/dscreate").env("PREFIX", &prefix).arg("from-file").arg(&answers));
}

/// The plugin for `memberOf` is there, and off.
fn with_member_of(dse: &str) -> String {
    let (before, after) = dse.split_once("dn: cn=MemberOf Plugin,cn=plugins,cn=config").expect("there is the plugin");
    let after = after.replacen("nsslapd-pluginEnabled: off", "nsslapd-pluginEnabled: on", 1);
    format!("{before}dn: cn=MemberOf Plugin,cn=plugins,cn=config{after}")
}

/// What the tree of a `FreeIPA` needs of its schema (60basev2.ldif there).
const IPA_SCHEMA: &str = "\
dn: cn=schema
attributeTypes: ( 2.16.840.1.113730.3.8.3.1 NAME 'ipaUniqueID' DESC 'Unique identifier' EQUALITY caseIgnoreMatch \
 SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE X-ORIGIN 'IPA v2' )
attributeTypes: ( 2.16.840.1.113730.3.8.11.1 NAME 'ipaExternalMember' DESC 'External Group Member Identifier' \
 EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 X-ORIGIN 'IPA v3' )
objectClasses: ( 2.16.840.1.113730.3.8.4.1 NAME 'ipaObject' DESC 'IPA objectclass' AUXILIARY MUST ipaUniqueID \
 X-ORIGIN 'IPA v2' )
objectClasses: ( 2.16.840.1.113730.3.8.4.3 NAME 'nestedGroup' DESC 'Group that supports nesting' SUP groupOfNames \
 STRUCTURAL MAY memberOf X-ORIGIN 'IPA v2' )
objectClasses: ( 2.16.840.1.113730.3.8.4.4 NAME 'ipaUserGroup' DESC 'IPA user group object class' SUP nestedGroup \
 STRUCTURAL X-ORIGIN 'IPA v2' )
objectClasses: ( 2.16.840.1.113730.3.8.12.1 NAME 'ipaExternalGroup' SUP top STRUCTURAL MUST cn MAY ( \
 ipaExternalMember $ memberOf $ description $ owner ) X-ORIGIN 'IPA v3' )
attributeTypes: ( 2.16.840.1.113719.1.301.4.14.1 NAME 'krbPrincipalExpiration' EQUALITY generalizedTimeMatch \
 SYNTAX 1.3.6.1.4.1.1466.115.121.1.24 SINGLE-VALUE )
objectClasses: ( 2.16.840.1.113719.1.301.6.8.1 NAME 'krbPrincipalAux' AUXILIARY MAY krbPrincipalExpiration )
";

const BASE: &str = "\
dn: dc=example,dc=com
objectClass: domain
dc: example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: dc=ipa,dc=test
objectClass: domain
dc: ipa

dn: cn=accounts,dc=ipa,dc=test
objectClass: nsContainer
cn: accounts

dn: cn=users,cn=accounts,dc=ipa,dc=test
objectClass: nsContainer
cn: users

dn: cn=groups,cn=accounts,dc=ipa,dc=test
objectClass: nsContainer
cn: groups
";
