//! `type = "file"`: a file with rooms and members.

use std::path::{Path, PathBuf};

use matrix_sdk::ruma::OwnedServerName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Idp, IdpKind};
use crate::config::schema::ServerNameText;
use crate::naming::{Convention, InvalidNames};

/// A TOML or JSON file with rooms and members.
#[derive(Debug, Clone)]
pub struct FileIdp {
    /// The file; its ending (`.toml`, `.json`) tells the format.
    pub path: PathBuf,
}

/// A file with rooms and members.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "File")]
pub(in crate::config) struct RawFile {
    /// What plans call it.
    #[schemars(length(min = 1))]
    name: String,
    /// The homeserver of its people: `alice` becomes `@alice:` and this.
    #[schemars(with = "ServerNameText")]
    mxid_homeserver: OwnedServerName,
    /// What becomes of usernames that are no valid localpart.
    #[serde(default)]
    invalid_names: InvalidNames,
    /// A TOML or JSON file; its ending tells which.
    path: PathBuf,
}

pub(super) fn idp(folder: &Path, raw: RawFile) -> Idp {
    Idp {
        name: raw.name,
        mxid_homeserver: raw.mxid_homeserver,
        invalid_names: raw.invalid_names,
        convention: Convention::Alias,
        kind: IdpKind::File(FileIdp { path: folder.join(raw.path) }),
    }
}
