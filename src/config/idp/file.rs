//! `type = "file"`: a file with rooms and members.

use std::path::{Path, PathBuf};

use matrix_sdk::ruma::OwnedServerName;
use serde::Deserialize;

use super::{Idp, IdpKind};
use crate::naming::{Convention, InvalidNames};

/// A TOML or JSON file with rooms and members.
#[derive(Debug, Clone)]
pub struct FileIdp {
    /// The file; its ending (`.toml`, `.json`) tells the format.
    pub path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    name: String,
    mxid_homeserver: OwnedServerName,
    #[serde(default)]
    invalid_names: InvalidNames,
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
