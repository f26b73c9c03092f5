//! `type = "ldap"`: an LDAP directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use matrix_sdk::ruma::OwnedServerName;
use serde::{Deserialize, Deserializer, de};
use url::Url;

use super::{Idp, IdpKind};
use crate::config::document::{ConfigError, Document};
use crate::config::policy::duration;
use crate::config::secret::{Given, Secret};
use crate::naming::{Convention, InvalidNames};

/// An LDAP directory.
#[derive(Debug, Clone)]
pub struct LdapIdp {
    /// `ldaps://host[:port]` or `ldap://host[:port]`.
    pub url: Url,
    /// Whether an `ldap://` connection is secured by StartTLS (RFC 4511, section 4.14) before anything is sent.
    pub starttls: bool,
    /// PEM file with the certificates of a private authority, trusted in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Who binds; anonymous if it is not given.
    pub bind: Option<(String, Secret)>,
    /// How long connecting, with TLS, may take.
    pub connect_timeout: Duration,
    /// How long each operation may take: a bind, one page of a search.
    pub operation_timeout: Duration,
    /// Entries per page (RFC 2696).
    pub page_size: i32,
    /// The entry below which groups are found.
    pub group_base: String,
    /// Which entries below it are groups. Must match nested groups as well.
    pub group_filter: String,
    /// The attribute with the group's name.
    pub group_name_attribute: String,
    /// The attributes with members, as distinguished names (or usernames: `memberUid`).
    pub member_attributes: Vec<String>,
    /// The entry below which people are found.
    pub user_base: String,
    /// Which entries below it are people who may be in rooms.
    pub user_filter: String,
    /// The attribute with the username.
    pub username_attribute: String,
    /// The attributes with an immutable ID, the first that an entry has is used.
    pub id_attributes: Vec<String>,
    /// What a lock that ends by itself means.
    pub lockout: Lockout,
}

/// What a lock that ends by itself means: one that the directory sets after wrong passwords, as anybody can bring
/// about for anybody. An account that an administrator locked is always left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lockout {
    /// The person is neither invited nor removed meanwhile.
    #[default]
    Hold,
    /// The person is left out, like one locked by an administrator.
    LeaveOut,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLdap {
    name: String,
    mxid_homeserver: OwnedServerName,
    #[serde(default)]
    invalid_names: InvalidNames,
    #[serde(default = "default_token", deserialize_with = "token")]
    room_token: String,
    #[serde(default = "default_suffix", deserialize_with = "token")]
    owners_suffix: String,
    url: Url,
    #[serde(default)]
    starttls: bool,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    allow_plaintext: bool,
    bind_dn: Option<String>,
    bind_password: Option<Secret>,
    bind_password_file: Option<PathBuf>,
    bind_password_env: Option<String>,
    #[serde(default = "default_connect_timeout", deserialize_with = "duration")]
    connect_timeout: Duration,
    #[serde(default = "default_operation_timeout", deserialize_with = "duration")]
    operation_timeout: Duration,
    #[serde(default = "default_page_size", deserialize_with = "page_size")]
    page_size: i32,
    group_base: String,
    #[serde(default = "default_group_filter", deserialize_with = "filter")]
    group_filter: String,
    #[serde(default = "default_group_name_attribute", deserialize_with = "attribute")]
    group_name_attribute: String,
    #[serde(default = "default_member_attributes", deserialize_with = "attributes")]
    member_attributes: Vec<String>,
    user_base: String,
    #[serde(default = "default_user_filter", deserialize_with = "filter")]
    user_filter: String,
    #[serde(default = "default_username_attribute", deserialize_with = "attribute")]
    username_attribute: String,
    #[serde(default = "default_id_attributes", deserialize_with = "attributes")]
    id_attributes: Vec<String>,
    #[serde(default)]
    lockout: Lockout,
}

fn default_token() -> String {
    "xxx".into()
}
fn default_suffix() -> String {
    "_owners".into()
}
fn default_connect_timeout() -> Duration {
    Duration::from_secs(10)
}
fn default_operation_timeout() -> Duration {
    Duration::from_mins(1)
}
fn default_page_size() -> i32 {
    500
}
fn default_group_filter() -> String {
    "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)(objectClass=group))".into()
}
fn default_group_name_attribute() -> String {
    "cn".into()
}
fn default_member_attributes() -> Vec<String> {
    ["member", "uniqueMember", "memberUid"].map(String::from).into()
}
fn default_user_filter() -> String {
    "(objectClass=person)".into()
}
fn default_username_attribute() -> String {
    "uid".into()
}
fn default_id_attributes() -> Vec<String> {
    ["entryUUID", "ipaUniqueID", "nsUniqueId", "objectGUID"].map(String::from).into()
}

pub(super) fn idp(document: &Document<'_>, folder: &Path, at: &str, raw: RawLdap) -> Result<Idp, ConfigError> {
    let error = |key: &str, message: &str| Err(document.error_at(&["idp", at, key], message.into()));
    match (raw.url.scheme(), raw.starttls, raw.allow_plaintext) {
        ("ldaps", false, _) | ("ldap", true, _) | ("ldap", false, true) => {}
        ("ldaps", true, _) => return error("starttls", "an ldaps:// connection is encrypted from its start"),
        ("ldap", false, false) => {
            return error(
                "url",
                "over plain ldap:// the password travels unencrypted: use ldaps://, say starttls = true, or allow it \
                 with allow_plaintext = true",
            );
        }
        _ => return error("url", "expected a URL with ldaps:// or ldap://"),
    }
    if raw.url.host_str().is_none_or(str::is_empty) {
        return error("url", "the host is missing");
    }
    if !raw.url.username().is_empty() || raw.url.password().is_some() {
        return error("url", "a name or password does not belong here: use bind_dn and bind_password_file");
    }
    if !matches!(raw.url.path(), "" | "/") || raw.url.query().is_some() {
        return error("url", "only host and port belong here: use group_base and user_base for the rest");
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
            url: raw.url,
            starttls: raw.starttls,
            ca_file: raw.ca_file.map(|file| folder.join(file)),
            bind,
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
            lockout: raw.lockout,
        })),
    })
}

fn filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match ldap3::parse_filter(&text) {
        Ok(_) => Ok(text),
        Err(()) => {
            Err(de::Error::custom("expected a search filter in parentheses (RFC 4515), like (objectClass=person)"))
        }
    }
}

fn page_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    let size = i32::deserialize(deserializer)?;
    if (1..=10_000).contains(&size) { Ok(size) } else { Err(de::Error::custom("expected a number from 1 to 10000")) }
}

fn token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let token = String::deserialize(deserializer)?;
    if token.is_empty() { Err(de::Error::custom("expected at least one character")) } else { Ok(token) }
}

fn attributes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    if names.is_empty() {
        return Err(de::Error::custom("expected at least one attribute"));
    }
    names.iter().try_for_each(|name| checked_attribute(name))?;
    Ok(names)
}

fn attribute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    checked_attribute(&name)?;
    Ok(name)
}

/// An attribute description (RFC 4512, section 2.5): a name or a numeric identifier, with options.
fn checked_attribute<E: de::Error>(name: &str) -> Result<(), E> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';');
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed) {
        Ok(())
    } else {
        Err(E::custom(format!("{name:?} is no attribute name")))
    }
}

/// Whether text is a search filter (RFC 4515).
pub(crate) fn is_search_filter(text: &str) -> bool {
    ldap3::parse_filter(text).is_ok()
}

/// Whether text is the name of an attribute.
pub(crate) fn is_attribute_name(text: &str) -> bool {
    checked_attribute::<de::value::Error>(text).is_ok()
}
