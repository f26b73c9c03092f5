//! The keys of `type = "ldap"`, each with its syntax.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use matrix_sdk::ruma::OwnedServerName;
use serde::{Deserialize, Deserializer, de};
use url::Url;

use super::{ForeignMembers, Lockout, ReadPeople, Schema};
use crate::config::policy::duration;
use crate::config::secret::Secret;
use crate::naming::InvalidNames;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config::idp) struct RawLdap {
    pub(super) name: String,
    pub(super) mxid_homeserver: OwnedServerName,
    #[serde(default)]
    pub(super) invalid_names: InvalidNames,
    #[serde(default = "default_token", deserialize_with = "token")]
    pub(super) room_token: String,
    #[serde(default = "default_suffix", deserialize_with = "token")]
    pub(super) owners_suffix: String,
    #[serde(default, deserialize_with = "urls")]
    pub(super) url: Vec<Url>,
    pub(super) srv: Option<String>,
    pub(super) dns_server: Option<SocketAddr>,
    #[serde(default)]
    pub(super) starttls: bool,
    pub(super) ca_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) allow_plaintext: bool,
    pub(super) bind_dn: Option<String>,
    pub(super) bind_password: Option<Secret>,
    pub(super) bind_password_file: Option<PathBuf>,
    pub(super) bind_password_env: Option<String>,
    pub(super) client_certificate_file: Option<PathBuf>,
    pub(super) client_key_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) gssapi: bool,
    #[serde(default)]
    pub(super) schema: Schema,
    #[serde(default = "default_connect_timeout", deserialize_with = "duration")]
    pub(super) connect_timeout: Duration,
    #[serde(default = "default_operation_timeout", deserialize_with = "duration")]
    pub(super) operation_timeout: Duration,
    #[serde(default = "default_page_size", deserialize_with = "page_size")]
    pub(super) page_size: i32,
    pub(super) group_base: String,
    #[serde(default, deserialize_with = "filter")]
    pub(super) group_filter: Option<String>,
    #[serde(default, deserialize_with = "attribute")]
    pub(super) group_name_attribute: Option<String>,
    #[serde(default, deserialize_with = "attributes")]
    pub(super) member_attributes: Option<Vec<String>>,
    pub(super) user_base: String,
    #[serde(default, deserialize_with = "filter")]
    pub(super) user_filter: Option<String>,
    #[serde(default, deserialize_with = "attribute")]
    pub(super) username_attribute: Option<String>,
    #[serde(default, deserialize_with = "attributes")]
    pub(super) id_attributes: Option<Vec<String>>,
    #[serde(default)]
    pub(super) read_people: ReadPeople,
    #[serde(default)]
    pub(super) lockout: Lockout,
    #[serde(default)]
    pub(super) foreign_members: ForeignMembers,
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

/// One URL, or a list of them.
fn urls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Url>, D::Error> {
    struct Urls;
    impl<'de> de::Visitor<'de> for Urls {
        type Value = Vec<Url>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a URL, or a list of URLs")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Url::parse(text).map(|url| vec![url]).map_err(|error| E::custom(format!("{error}: {text:?}")))
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut urls = Vec::new();
            while let Some(url) = list.next_element::<Url>()? {
                urls.push(url);
            }
            if urls.is_empty() { Err(de::Error::custom("expected at least one URL")) } else { Ok(urls) }
        }
    }
    deserializer.deserialize_any(Urls)
}

fn filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match ldap3::parse_filter(&text) {
        Ok(_) => Ok(Some(text)),
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

fn attributes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    if names.is_empty() {
        return Err(de::Error::custom("expected at least one attribute"));
    }
    names.iter().try_for_each(|name| checked_attribute(name))?;
    Ok(Some(names))
}

fn attribute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    checked_attribute(&name)?;
    Ok(Some(name))
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
