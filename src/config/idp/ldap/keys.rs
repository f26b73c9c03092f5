//! The keys of `type = "ldap"`, each with its syntax.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use matrix_sdk::ruma::OwnedServerName;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use url::Url;

use super::{ForeignMembers, Lockout, ReadPeople, Schema};
use crate::config::policy::{as_written, duration};
use crate::config::schema::{Attribute, Filter, LdapUrls, ServerNameText, Span};
use crate::config::secret::Secret;
use crate::naming::InvalidNames;

/// An LDAP directory.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Ldap")]
pub(in crate::config) struct RawLdap {
    /// What plans call it.
    #[schemars(length(min = 1))]
    pub(super) name: String,
    /// The homeserver of its people: `alice` becomes `@alice:` and this.
    #[schemars(with = "ServerNameText")]
    pub(super) mxid_homeserver: OwnedServerName,
    /// What becomes of usernames that are no valid localpart.
    #[serde(default)]
    pub(super) invalid_names: InvalidNames,
    /// What stands for `#` and `:` in the names of groups.
    #[serde(default = "default_token", deserialize_with = "token")]
    #[schemars(length(min = 1))]
    pub(super) room_token: String,
    /// What follows the name of a room's group in that of its moderators' group.
    #[serde(default = "default_suffix", deserialize_with = "token")]
    #[schemars(length(min = 1))]
    pub(super) owners_suffix: String,
    /// Where the directory is: `ldaps://host[:port]` or `ldap://host[:port]`, or a list of them, tried in order.
    #[serde(default, deserialize_with = "urls")]
    #[schemars(schema_with = "LdapUrls::one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub(super) url: Vec<Url>,
    /// A domain whose servers the DNS tells, in place of `url`.
    pub(super) srv: Option<String>,
    /// The DNS server that is asked for `srv`, `address:port`; the system's if none is given.
    #[schemars(with = "Option<String>")]
    pub(super) dns_server: Option<SocketAddr>,
    /// Secures an `ldap://` connection by StartTLS before anything is sent.
    #[serde(default)]
    pub(super) starttls: bool,
    /// PEM file with the certificate of a private authority, trusted in addition to the system's.
    pub(super) ca_file: Option<PathBuf>,
    /// Lets an `ldap://` connection without StartTLS pass.
    #[serde(default)]
    pub(super) allow_plaintext: bool,
    /// Who binds; anonymous if it is not given.
    pub(super) bind_dn: Option<String>,
    /// The password of `bind_dn`. Better in a file: `bind_password_file`.
    #[schemars(with = "Option<String>")]
    pub(super) bind_password: Option<Secret>,
    /// File with the password of `bind_dn`.
    pub(super) bind_password_file: Option<PathBuf>,
    /// Environment variable with the password of `bind_dn`.
    pub(super) bind_password_env: Option<String>,
    /// PEM file with a certificate by which the server knows who asks (SASL EXTERNAL), in place of `bind_dn`.
    pub(super) client_certificate_file: Option<PathBuf>,
    /// PEM file with the key of that certificate.
    pub(super) client_key_file: Option<PathBuf>,
    /// Binds as the principal of a Kerberos ticket (SASL GSSAPI), in place of `bind_dn`.
    #[serde(default)]
    pub(super) gssapi: bool,
    /// Which directory it is. It decides what is not given below.
    #[serde(default)]
    pub(super) schema: Schema,
    /// How long connecting may take.
    #[serde(default = "default_connect_timeout", deserialize_with = "duration", serialize_with = "as_written")]
    #[schemars(with = "Span")]
    pub(super) connect_timeout: Duration,
    /// How long each operation may take.
    #[serde(default = "default_operation_timeout", deserialize_with = "duration", serialize_with = "as_written")]
    #[schemars(with = "Span")]
    pub(super) operation_timeout: Duration,
    /// Entries per page of a search.
    #[serde(default = "default_page_size", deserialize_with = "page_size")]
    #[schemars(range(min = 1, max = 10000))]
    pub(super) page_size: i32,
    /// The entry below which groups are found.
    pub(super) group_base: String,
    /// Which entries below `group_base` are groups, those inside other groups among them; by `schema` if it is not
    /// given.
    #[serde(default, deserialize_with = "filter")]
    #[schemars(with = "Option<Filter>")]
    pub(super) group_filter: Option<String>,
    /// The attribute with the group's name.
    #[serde(default, deserialize_with = "attribute")]
    #[schemars(with = "Option<Attribute>", extend("default" = "cn"))]
    pub(super) group_name_attribute: Option<String>,
    /// The attributes with members; by `schema` if they are not given.
    #[serde(default, deserialize_with = "attributes")]
    #[schemars(with = "Option<Vec<Attribute>>", length(min = 1))]
    pub(super) member_attributes: Option<Vec<String>>,
    /// The entry below which people are found.
    pub(super) user_base: String,
    /// Which entries below `user_base` are people who may be in rooms; by `schema` if it is not given.
    #[serde(default, deserialize_with = "filter")]
    #[schemars(with = "Option<Filter>")]
    pub(super) user_filter: Option<String>,
    /// The attribute with the username; of a `userPrincipalName`, what comes before the last `@`. By `schema` if it is
    /// not given.
    #[serde(default, deserialize_with = "attribute")]
    #[schemars(with = "Option<Attribute>")]
    pub(super) username_attribute: Option<String>,
    /// The attributes with an immutable ID, the first that an entry has counts; by `schema` if they are not given.
    #[serde(default, deserialize_with = "attributes")]
    #[schemars(with = "Option<Vec<Attribute>>", length(min = 1))]
    pub(super) id_attributes: Option<Vec<String>>,
    /// Which people are read. All give the same rooms.
    #[serde(default)]
    pub(super) read_people: ReadPeople,
    /// What a lock means that ends by itself, such as one after wrong passwords.
    #[serde(default)]
    pub(super) lockout: Lockout,
    /// What members mean that only another directory knows.
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
