//! An entry of `[[idp]]`, for the schema of the configuration alone.

use schemars::JsonSchema;

use super::entra::RawEntra;
use super::file::RawFile;
use super::ldap::RawLdap;

/// A source of groups.
#[derive(JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
#[schemars(rename = "Idp")]
#[allow(
    dead_code,
    clippy::large_enum_variant,
    reason = "it is never made: reading takes `type` out first, for better errors"
)]
pub(in crate::config) enum AnyIdp {
    /// An LDAP directory.
    Ldap(RawLdap),
    /// Microsoft Entra ID.
    Entra(RawEntra),
    /// A file.
    File(RawFile),
}
