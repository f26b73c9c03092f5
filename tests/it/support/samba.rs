//! A real Active Directory: Samba's.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use super::{
    tls::Authority,
    tools::{Client, done},
    watchdog::{Watchdog, server_folder},
};

const SAMBA: &str = "/usr/sbin/samba";
/// The domain.
pub const SUFFIX: &str = "DC=example,DC=com";
const ADMIN: &str = "Administrator@example.com";
const PASSWORD: &str = "Root-secret1";

/// A running domain controller of `example.com`.
#[derive(Debug)]
pub struct Samba {
    watchdog: Watchdog,
    address: String,
}

impl Samba {
    /// The domain controller of this process, in about 10 s.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Samba> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn start() -> Self {
        assert!(Path::new(SAMBA).exists(), "Samba is not installed ({SAMBA} is missing): run tests/setup");
        // Its ports are fixed, so each process takes a loopback address of its own.
        let id = std::process::id();
        let address = format!("127.{}.{}.2", 16 + (id >> 8) % 200, id % 256);
        let folder = server_folder("samba");
        let names = ["localhost", address.as_str(), "dc1.example.com"];
        Authority::shared().write_for(&folder, &names);
        for part in ["private", "lock", "state", "cache", "pid", "logs", "sysvol/scripts"] {
            fs::create_dir_all(folder.join(part)).expect("the folder is writable");
        }
        let config = folder.join("smb.conf");
        fs::write(&config, configuration(&folder.display().to_string(), &address)).expect("the folder is writable");
        let config = config.to_str().expect("a UTF-8 path");
        samba_tool(&[
            "domain",
            "provision",
            &format!("--configfile={config}"),
            "--realm=EXAMPLE.COM",
            "--domain=EXAMPLE",
            &format!("--adminpass={PASSWORD}"),
            "--server-role=dc",
            "--dns-backend=NONE",
            &format!("--host-ip={address}"),
            "--host-name=dc1",
        ]);
        let command = [SAMBA, "-i", "-M", "single", "--debug-stdout", "-s", config];
        let watchdog = Watchdog::start("samba", folder, &command);
        let ldaps: SocketAddr = format!("{address}:636").parse().expect("an address");
        watchdog.wait_until(|| TcpStream::connect_timeout(&ldaps, Duration::from_secs(1)).is_ok());
        let samba = Self { watchdog, address };
        samba.samba_tool(&["domain", "passwordsettings", "set", "--account-lockout-threshold=3"]);
        samba
    }

    /// The URL with TLS.
    pub fn ldaps_url(&self) -> String {
        format!("ldaps://{}", self.address)
    }

    /// The URL without TLS.
    pub fn ldap_url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// The certificate of the authority that signed the server's.
    pub fn ca_file(&self) -> PathBuf {
        self.watchdog.folder().join("ca.pem")
    }

    /// Who may read everything.
    pub fn bind_dn(&self) -> &'static str {
        ADMIN
    }

    /// The password of that account.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Adds entries.
    pub fn add(&self, ldif: &str) {
        self.client(ADMIN, PASSWORD).add(ldif);
    }

    /// Applies an LDIF with `changetype`s.
    pub fn modify(&self, ldif: &str) {
        self.client(ADMIN, PASSWORD).modify(ldif);
    }

    /// Searches everything as the administrator and returns unwrapped LDIF.
    pub fn search(&self, filter: &str, attributes: &[&str]) -> String {
        self.client(ADMIN, PASSWORD).search(SUFFIX, filter, attributes)
    }

    /// The loopback address, which has all its ports: those of LDAP, and that of the KDC.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Makes the domain controller known to Kerberos under its address too, since its name does not resolve.
    pub fn add_principal(&self) {
        self.samba_tool(&["spn", "add", &format!("ldap/{}", self.address), "DC1$"]);
    }

    /// Writes the keytab of an account.
    pub fn export_keytab(&self, principal: &str, file: &Path) {
        let file = file.to_str().expect("a UTF-8 path");
        self.samba_tool(&["domain", "exportkeytab", file, &format!("--principal={principal}")]);
    }

    /// Gives an account a password.
    pub fn set_password(&self, username: &str, password: &str) {
        self.samba_tool(&["user", "setpassword", username, &format!("--newpassword={password}")]);
    }

    /// Tries a wrong password until the account is locked out.
    pub fn lock_out(&self, username: &str) {
        for _ in 0..4 {
            assert!(!self.client(&format!("{username}@example.com"), "Wrong-secret1").lets_in());
        }
    }

    fn samba_tool(&self, arguments: &[&str]) {
        let config = format!("--configfile={}", self.watchdog.folder().join("smb.conf").display());
        samba_tool(&[arguments, &[&config]].concat());
    }

    fn client(&self, who: &str, password: &str) -> Client {
        Client { url: self.ldaps_url(), ca_file: self.ca_file(), bind_dn: who.into(), password: password.into() }
    }
}

fn samba_tool(arguments: &[&str]) {
    done(Command::new("samba-tool").args(arguments));
}

fn configuration(folder: &str, address: &str) -> String {
    format!(
        "\
[global]
netbios name = DC1
realm = EXAMPLE.COM
workgroup = EXAMPLE
server role = active directory domain controller
server services = ldap kdc
dcerpc endpoint servers = -winreg, -srvsvc
interfaces = {address}/8
bind interfaces only = yes
private dir = {folder}/private
lock directory = {folder}/lock
state directory = {folder}/state
cache directory = {folder}/cache
pid directory = {folder}/pid
ncalrpc dir = {folder}/ncalrpc
binddns dir = {folder}/binddns
log file = {folder}/logs/log
tls enabled = yes
tls certfile = {folder}/server.pem
tls keyfile = {folder}/server.key
tls cafile = {folder}/ca.pem
ldap server require strong auth = allow_sasl_over_tls
[netlogon]
path = {folder}/sysvol/scripts
[sysvol]
path = {folder}/sysvol
"
    )
}
