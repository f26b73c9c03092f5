//! `type = "ldap"`: an LDAP directory.

mod keys;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Idp, IdpKind};
use crate::config::document::{ConfigError, Document};
use crate::config::exposure::{readable_by_all, unencrypted};
use crate::config::secret::{Given, Secret};
use crate::naming::Convention;

pub(in crate::config) use keys::RawLdap;
pub(crate) use keys::{is_attribute_name, is_search_filter};

/// An LDAP directory.
#[derive(Debug, Clone)]
pub struct LdapIdp {
    /// `ldaps://host[:port]` or `ldap://host[:port]`, in the order in which they are tried; none if the DNS tells.
    pub urls: Vec<Url>,
    /// How the DNS tells which servers there are.
    pub srv: Option<Srv>,
    /// Whether an `ldap://` connection is secured by StartTLS (RFC 4511, section 4.14) before anything is sent.
    pub starttls: bool,
    /// PEM file with the certificates of a private authority, trusted in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Who binds; anonymous if it is not given.
    pub bind: Option<(String, Secret)>,
    /// PEM files with a client certificate and its key, by which the server knows who asks (SASL EXTERNAL).
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Whether the server knows by a Kerberos ticket who asks (SASL GSSAPI; RFC 4752).
    pub gssapi: bool,
    /// Which directory it is: what is not given below is chosen by it.
    pub schema: Schema,
    /// How long connecting, with TLS, may take.
    pub connect_timeout: Duration,
    /// How long each operation may take: a bind, one page of a search.
    pub operation_timeout: Duration,
    /// Entries per page (RFC 2696).
    pub page_size: i32,
    /// The entry below which groups are found.
    pub group_base: String,
    /// Which entries below it are groups. Must match nested groups as well.
    pub group_filter: Option<String>,
    /// The attribute with the group's name.
    pub group_name_attribute: Option<String>,
    /// The attributes with members, as distinguished names (or usernames: `memberUid`).
    pub member_attributes: Option<Vec<String>>,
    /// The entry below which people are found.
    pub user_base: String,
    /// Which entries below it are people who may be in rooms.
    pub user_filter: Option<String>,
    /// The attribute with the username. Of a `userPrincipalName`, the part before the last `@` counts.
    pub username_attribute: Option<String>,
    /// The attributes with an immutable ID, the first that an entry has is used.
    pub id_attributes: Option<Vec<String>>,
    /// Which people are read.
    pub read_people: ReadPeople,
    /// What a lock that ends by itself means.
    pub lockout: Lockout,
    /// What a member means that is known to another directory only.
    pub foreign_members: ForeignMembers,
}

/// How the DNS tells which servers there are (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// The domain.
    pub domain: String,
    /// Whether servers for LDAPS are asked for (`_ldaps._tcp`), or for LDAP (`_ldap._tcp`).
    pub ldaps: bool,
    /// Which DNS server is asked, if not those of the system.
    pub dns_server: Option<SocketAddr>,
}

/// Which directory it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schema {
    /// What its root DSE and its schema say.
    #[default]
    Auto,
    /// `OpenLDAP`.
    #[serde(rename = "openldap")]
    OpenLdap,
    /// 389 Directory Server.
    #[serde(rename = "389ds")]
    Ds389,
    /// `FreeIPA`.
    #[serde(rename = "freeipa")]
    FreeIpa,
    /// Active Directory, of Microsoft or Samba.
    ActiveDirectory,
    /// Any other.
    Generic,
}

/// Which people are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadPeople {
    /// Everybody, unless they turn out to be many more than the members of groups.
    #[default]
    Auto,
    /// Everybody.
    All,
    /// Those whom groups name.
    Members,
}

/// What a member means that is known to another directory only: a foreign security principal of Active Directory, an
/// external member of `FreeIPA`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForeignMembers {
    /// It cannot be told who all is in the group: nobody is removed from its room.
    #[default]
    Hold,
    /// Such members are left out.
    LeaveOut,
}

/// What a lock that ends by itself means: one that the directory sets after wrong passwords, as anybody can bring
/// about for anybody. An account that an administrator locked is always left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lockout {
    /// The person is neither invited nor removed meanwhile.
    #[default]
    Hold,
    /// The person is left out, like one locked by an administrator.
    LeaveOut,
}

pub(super) fn idp(document: &Document<'_>, folder: &Path, at: &str, raw: RawLdap) -> Result<Idp, ConfigError> {
    let error = |key: &str, message: &str| Err(document.error_at(&["idp", at, key], message.into()));
    let srv = match (raw.srv, raw.url.is_empty()) {
        (None, true) => return error("url", "it is not said where the directory is: give url, or srv"),
        (Some(_), false) => return error("srv", "where the directory is is told twice: give this or url, not both"),
        (Some(domain), true) if Url::parse(&format!("ldap://{domain}")).is_ok_and(|url| url.path().is_empty()) => {
            Some(Srv { domain, ldaps: !raw.starttls && !raw.allow_plaintext, dns_server: raw.dns_server })
        }
        (Some(_), true) => return error("srv", "expected the name of a domain"),
        (None, false) if raw.dns_server.is_some() => return error("dns_server", "it is only asked for srv"),
        (None, false) => None,
    };
    for url in &raw.url {
        if let Err((key, message)) = checked_url(url, raw.starttls, raw.allow_plaintext) {
            return error(key, message);
        }
    }
    for url in raw.url.iter().filter(|url| url.scheme() == "ldap" && !raw.starttls) {
        document.warn(unencrypted(url, "passwords and answers go"));
    }
    if let Some(srv) = srv.as_ref().filter(|srv| !srv.ldaps && !raw.starttls) {
        let url = Url::parse(&format!("ldap://{}", srv.domain)).ok();
        document.warn(url.and_then(|url| unencrypted(&url, "passwords and answers go")));
    }
    let client_certificate = match (raw.client_certificate_file, raw.client_key_file) {
        (Some(certificate), Some(key)) => {
            document.warn(readable_by_all(&folder.join(&key)));
            Some((folder.join(certificate), folder.join(key)))
        }
        (None, None) => None,
        (Some(_), None) => return error("client_certificate_file", "its key is missing: give client_key_file"),
        (None, Some(_)) => return error("client_key_file", "its certificate is missing: give client_certificate_file"),
    };
    let ldaps = raw.url.iter().all(|url| url.scheme() == "ldaps") && srv.as_ref().is_none_or(|srv| srv.ldaps);
    if client_certificate.is_some() && !raw.starttls && !ldaps {
        return error("client_certificate_file", "a certificate needs TLS: use ldaps://, or say starttls = true");
    }
    if client_certificate.is_some() && raw.bind_dn.is_some() {
        return error("client_certificate_file", "who asks is told twice: give this or bind_dn, not both");
    }
    if raw.gssapi && (client_certificate.is_some() || raw.bind_dn.is_some()) {
        return error("gssapi", "who asks is told twice: give this, bind_dn or a client certificate");
    }
    if raw.gssapi && !cfg!(feature = "gssapi") {
        return error("gssapi", "this inviter was built without Kerberos: build it with --features gssapi");
    }
    let given = Given {
        section: vec!["idp".into(), at.into()],
        key: "bind_password",
        inline: raw.bind_password,
        file: raw.bind_password_file,
        env: raw.bind_password_env,
        default_env: None,
    };
    let bind = match (raw.bind_dn, given.resolve(document, folder)?) {
        (Some(dn), Some(password)) => Some((dn, password)),
        (None, None) => None,
        // A bind with a name and no password would succeed as anonymous (RFC 4513, section 5.1.2).
        (Some(_), None) => return error("bind_dn", "the password is missing: give bind_password_file"),
        (None, Some(_)) => return error("bind_dn", "a password is given, but not whose it is: give bind_dn"),
    };
    Ok(Idp {
        name: raw.name,
        mxid_homeserver: raw.mxid_homeserver,
        invalid_names: raw.invalid_names,
        convention: Convention::Token { token: raw.room_token, owners_suffix: raw.owners_suffix },
        kind: IdpKind::Ldap(Box::new(LdapIdp {
            urls: raw.url,
            srv,
            starttls: raw.starttls,
            ca_file: raw.ca_file.map(|file| folder.join(file)),
            bind,
            client_certificate,
            gssapi: raw.gssapi,
            schema: raw.schema,
            connect_timeout: raw.connect_timeout,
            operation_timeout: raw.operation_timeout,
            page_size: raw.page_size,
            group_base: raw.group_base,
            group_filter: raw.group_filter,
            group_name_attribute: raw.group_name_attribute,
            member_attributes: raw.member_attributes,
            user_base: raw.user_base,
            user_filter: raw.user_filter,
            username_attribute: raw.username_attribute,
            id_attributes: raw.id_attributes,
            read_people: raw.read_people,
            lockout: raw.lockout,
            foreign_members: raw.foreign_members,
        })),
    })
}

fn checked_url(url: &Url, starttls: bool, plaintext: bool) -> Result<(), (&'static str, &'static str)> {
    match (url.scheme(), starttls, plaintext) {
        ("ldaps", false, _) | ("ldap", true, _) | ("ldap", false, true) => {}
        ("ldaps", true, _) => return Err(("starttls", "an ldaps:// connection is encrypted from its start")),
        ("ldap", false, false) => {
            return Err((
                "url",
                "over plain ldap:// the password travels unencrypted: use ldaps://, say starttls = true, or allow it \
                 with allow_plaintext = true",
            ));
        }
        _ => return Err(("url", "expected a URL with ldaps:// or ldap://")),
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(("url", "the host is missing"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("url", "a name or password does not belong here: use bind_dn and bind_password_file"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(("url", "only host and port belong here: use group_base and user_base for the rest"));
    }
    Ok(())
}
