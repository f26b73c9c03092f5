//! `type = "entra"`: Microsoft Entra ID, read through Microsoft Graph.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedServerName};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use url::Url;

use super::credential::{self, Credential, RawCredential};
use super::{Idp, IdpKind};
use crate::config::document::{ConfigError, Document};
use crate::config::policy::{as_written, duration};
use crate::config::schema::{HttpsUrl, ServerNameText, Span};
use crate::config::secret::Secret;
use crate::naming::{Convention, InvalidNames};

/// A tenant of Microsoft Entra ID.
#[derive(Debug, Clone)]
pub struct EntraIdp {
    /// The tenant: its ID, or one of its domains.
    pub tenant_id: String,
    /// How to sign in.
    pub credential: Credential,
    /// The group whose direct members are the groups of rooms.
    pub root_group_id: String,
    /// Where tokens come from.
    pub authority: Url,
    /// Where Microsoft Graph is, without the version.
    pub graph: Url,
    /// PEM file with the certificates of a private authority, trusted in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// The property with the username.
    pub username_property: String,
    /// What becomes of guests.
    pub guests: Guests,
    /// The groups of moderators that take the place of a group's owners, by the room's alias.
    pub owners_groups: BTreeMap<OwnedRoomAliasId, String>,
    /// How long connecting, with TLS, may take.
    pub connect_timeout: Duration,
    /// How long each request, and signing in as a whole, may take.
    pub timeout: Duration,
    /// How long a run waits in all for a service that limits its rate.
    pub rate_limit_patience: Duration,
}

/// What becomes of guests, who have their account in another tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guests {
    /// They are in no room.
    Skip,
    /// They are the users of other homeservers, by the domain of their account; those of other domains are in no room.
    Map(BTreeMap<String, OwnedServerName>),
    /// They are users of the own homeserver, whose names no local user can have.
    Local,
}

/// Microsoft Entra ID, read through Microsoft Graph.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Entra")]
pub(in crate::config) struct RawEntra {
    /// What plans call it.
    #[schemars(length(min = 1))]
    name: String,
    /// The homeserver of its people: `alice` becomes `@alice:` and this.
    #[schemars(with = "ServerNameText")]
    mxid_homeserver: OwnedServerName,
    /// What becomes of usernames that are no valid localpart.
    #[serde(default)]
    invalid_names: InvalidNames,
    /// The tenant's ID, or one of its domains.
    #[serde(deserialize_with = "tenant")]
    #[schemars(regex(
        pattern = r"^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Za-z.-]*\.[0-9A-Za-z.-]*)$"
    ))]
    tenant_id: String,
    /// The ID of the application; with `workload_identity` the pod's own and with `managed_identity` the system-assigned
    /// identity if none is given.
    #[schemars(regex(pattern = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"))]
    pub(super) client_id: Option<String>,
    /// How to sign in.
    #[serde(default)]
    pub(super) credential: RawCredential,
    /// The secret of the application. Better in a file: `client_secret_file`.
    #[schemars(with = "Option<String>")]
    pub(super) client_secret: Option<Secret>,
    /// File with the secret of the application.
    pub(super) client_secret_file: Option<PathBuf>,
    /// Environment variable with the secret of the application.
    pub(super) client_secret_env: Option<String>,
    /// PEM file with a certificate that the application knows, and its RSA key.
    pub(super) client_certificate_file: Option<PathBuf>,
    /// The object ID of the root group, whose members are the groups of rooms.
    #[serde(deserialize_with = "object_id")]
    #[schemars(regex(pattern = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"))]
    root_group_id: String,
    /// The cloud of the tenant.
    #[serde(default)]
    cloud: Cloud,
    /// Another address of Entra than that of the cloud: `https://host[:port]`.
    #[schemars(with = "Option<HttpsUrl>")]
    authority_url: Option<Url>,
    /// Another address of Microsoft Graph than that of the cloud: `https://host[:port]`.
    #[schemars(with = "Option<HttpsUrl>")]
    graph_url: Option<Url>,
    /// PEM file with the certificate of a private authority, trusted in addition to the system's.
    ca_file: Option<PathBuf>,
    /// What the name of a room's group begins with.
    #[serde(default = "default_prefix")]
    room_prefix: String,
    /// What follows the name of a room's group in that of a group of its moderators, which is in the root group too and takes
    /// the place of the owners.
    #[serde(default, deserialize_with = "suffix")]
    #[schemars(length(min = 1))]
    owners_suffix: Option<String>,
    /// Groups of moderators that take the place of the owners: the group's ID by the room's alias.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    owners_groups: BTreeMap<OwnedRoomAliasId, String>,
    /// The property with the username, cut at `@`.
    #[serde(default = "default_username_property", deserialize_with = "property")]
    #[schemars(regex(
        pattern = r"^(userPrincipalName|mail|mailNickname|onPremisesSamAccountName|extensionAttribute([1-9]|1[0-5])|extension_[0-9A-Fa-f]{32}_[0-9A-Za-z_]+)$"
    ))]
    username_property: String,
    /// What becomes of guests, who have their account in another tenant.
    #[serde(default)]
    guests: RawGuests,
    /// With `guests = "map"`, the homeserver of each domain. Guests of other domains are left out.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ServerNameText>")]
    guest_homeservers: BTreeMap<String, OwnedServerName>,
    /// How long connecting may take.
    #[serde(default = "default_connect_timeout", deserialize_with = "duration", serialize_with = "as_written")]
    #[schemars(with = "Span")]
    connect_timeout: Duration,
    /// How long each request may take.
    #[serde(default = "default_timeout", deserialize_with = "duration", serialize_with = "as_written")]
    #[schemars(with = "Span")]
    timeout: Duration,
    /// How long a run waits in all when Graph limits the rate.
    #[serde(default = "default_patience", deserialize_with = "duration", serialize_with = "as_written")]
    #[schemars(with = "Span")]
    rate_limit_patience: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Guests")]
enum RawGuests {
    /// They are left out, with a warning.
    #[default]
    Skip,
    /// They are users of other homeservers, those of `guest_homeservers`.
    Map,
    /// They are users of the own homeserver, whose names no other account can have.
    Local,
}

/// The national clouds (<https://learn.microsoft.com/graph/deployments>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Cloud {
    /// The cloud of most.
    #[default]
    Public,
    /// That of the government of the United States.
    UsGovernment,
    /// That in China.
    China,
}

impl Cloud {
    fn authority(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::UsGovernment => "https://login.microsoftonline.us",
            Self::China => "https://login.chinacloudapi.cn",
        }
    }

    fn graph(self) -> &'static str {
        match self {
            Self::Public => "https://graph.microsoft.com",
            Self::UsGovernment => "https://graph.microsoft.us",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
        }
    }
}

fn default_prefix() -> String {
    "MTRX ".into()
}
fn default_username_property() -> String {
    "userPrincipalName".into()
}
fn default_connect_timeout() -> Duration {
    Duration::from_secs(10)
}
fn default_timeout() -> Duration {
    Duration::from_mins(1)
}
fn default_patience() -> Duration {
    Duration::from_mins(5)
}

pub(super) fn idp(document: &Document<'_>, folder: &Path, at: &str, raw: RawEntra) -> Result<Idp, ConfigError> {
    let error = |key: &str, message: String| document.error_at(&["idp", at, key], message);
    let url = |key: &'static str, given: &Option<Url>, default: &str| match given {
        Some(url) => checked_url(url).map_err(|message| error(key, message)),
        None => Url::parse(default).map_err(|cause| error(key, cause.to_string())),
    };
    let authority = url("authority_url", &raw.authority_url, raw.cloud.authority())?;
    let graph = url("graph_url", &raw.graph_url, raw.cloud.graph())?;
    for (alias, id) in &raw.owners_groups {
        if !is_object_id(id) {
            return Err(error("owners_groups", format!("{alias}: {}", not_an_id(id))));
        }
    }
    let guests = guests(&raw, &error)?;
    let credential = credential::read(document, folder, at, &raw)?;
    Ok(Idp {
        name: raw.name,
        mxid_homeserver: raw.mxid_homeserver,
        invalid_names: raw.invalid_names,
        convention: Convention::Prefix { prefix: raw.room_prefix, owners_suffix: raw.owners_suffix },
        kind: IdpKind::Entra(Box::new(EntraIdp {
            tenant_id: raw.tenant_id,
            credential,
            root_group_id: raw.root_group_id,
            authority,
            graph,
            ca_file: raw.ca_file.map(|file| folder.join(file)),
            username_property: raw.username_property,
            guests,
            owners_groups: raw.owners_groups,
            connect_timeout: raw.connect_timeout,
            timeout: raw.timeout,
            rate_limit_patience: raw.rate_limit_patience,
        })),
    })
}

fn guests(raw: &RawEntra, error: &dyn Fn(&str, String) -> ConfigError) -> Result<Guests, ConfigError> {
    const KEY: &str = "guest_homeservers";
    match raw.guests {
        RawGuests::Map if raw.guest_homeservers.is_empty() => Err(error(
            KEY,
            "guests = \"map\" needs a homeserver for each domain, like { \"partner.com\" = \"matrix.partner.com\" }"
                .into(),
        )),
        RawGuests::Skip | RawGuests::Local if !raw.guest_homeservers.is_empty() => {
            Err(error(KEY, "homeservers of guests are used only with guests = \"map\"".into()))
        }
        RawGuests::Skip => Ok(Guests::Skip),
        RawGuests::Local => Ok(Guests::Local),
        RawGuests::Map => {
            // Else the guest alice of a partner would be the own user alice.
            if let Some((domain, server)) =
                raw.guest_homeservers.iter().find(|(_, server)| **server == raw.mxid_homeserver)
            {
                return Err(error(
                    KEY,
                    format!(
                        "{domain}: {server} is the homeserver of the own people, whose names guests could take: use guests = \"local\""
                    ),
                ));
            }
            let lower = |(domain, server): (&String, &OwnedServerName)| (domain.to_lowercase(), server.clone());
            Ok(Guests::Map(raw.guest_homeservers.iter().map(lower).collect()))
        }
    }
}

fn checked_url(url: &Url) -> Result<Url, String> {
    if url.scheme() != "https" {
        return Err("expected a URL with https://: secrets and tokens go there".into());
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err("only https://, host and port belong here".into());
    }
    Ok(url.clone())
}

/// IDs of Entra are GUIDs. They become a part of URLs, so nothing else may.
pub(crate) fn is_object_id(id: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = id.split('-').collect();
    parts.len() == lengths.len()
        && parts
            .iter()
            .zip(lengths)
            .all(|(part, length)| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit()))
}

pub(super) fn not_an_id(id: &str) -> String {
    format!("expected an ID like 00000000-0000-0000-0000-000000000000, not {id:?}")
}

fn object_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    if is_object_id(&id) { Ok(id) } else { Err(de::Error::custom(not_an_id(&id))) }
}

fn tenant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    if is_object_id(&id)
        || (id.contains('.') && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')))
    {
        Ok(id)
    } else {
        Err(de::Error::custom(format!("expected the tenant's ID, or one of its domains, not {id:?}")))
    }
}

fn suffix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let suffix = String::deserialize(deserializer)?;
    if suffix.is_empty() { Err(de::Error::custom("expected at least one character")) } else { Ok(Some(suffix)) }
}

fn property<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let known = matches!(name.as_str(), "userPrincipalName" | "mail" | "mailNickname" | "onPremisesSamAccountName");
    let synchronised = name
        .strip_prefix("extensionAttribute")
        .is_some_and(|number| number.parse::<u8>().is_ok_and(|n| (1..=15).contains(&n) && n.to_string() == number));
    // A directory extension (<https://learn.microsoft.com/graph/extensibility-overview>).
    let extension = name.strip_prefix("extension_").and_then(|rest| rest.split_once('_')).is_some_and(|(app, name)| {
        app.len() == 32
            && app.bytes().all(|b| b.is_ascii_hexdigit())
            && !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    if known || synchronised || extension {
        return Ok(name);
    }
    Err(de::Error::custom(format!(
        "expected userPrincipalName, mail, mailNickname, onPremisesSamAccountName, extensionAttribute1 to \
         extensionAttribute15, or extension_<app ID>_<name>, not {name:?}"
    )))
}
