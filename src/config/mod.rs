//! The configuration: TOML in, validated values out, and an error that names file, line, column and key.

mod document;
mod idp;
mod matrix;
mod policy;
mod room;
mod secret;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use matrix_sdk::ruma::{OwnedServerName, OwnedUserId, UserId};

pub use document::ConfigError;
pub use idp::{FileIdp, ForeignMembers, Idp, IdpKind, LdapIdp, Lockout, Schema, Srv};
pub use matrix::Matrix;
pub use policy::{OwnersOutside, Policy};
pub use room::{HistoryVisibility, RoomSettings};
pub use secret::Secret;

use document::Document;

/// Everything that a run is told by its configuration file.
#[derive(Debug, Clone)]
pub struct Config {
    /// The homeserver and the account on it.
    pub matrix: Matrix,
    /// The identity providers, in the order of the file.
    pub idps: Vec<Idp>,
    /// What may be done.
    pub policy: Policy,
    /// How rooms are set up.
    pub room: RoomSettings,
    /// Usernames, in lower case, and the localpart or user ID that such an account has always had.
    pub renamed_users: BTreeMap<String, RenamedUser>,
}

/// The right side of an entry of `[renamed_users]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenamedUser {
    /// A localpart on the homeserver of the identity provider.
    Localpart(String),
    /// A whole Matrix user ID.
    UserId(OwnedUserId),
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// Relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// When the file cannot be read, is no TOML, or says something that cannot be followed.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?;
        Self::parse(path, &text)
    }

    /// Checks the text of a configuration file; `path` is for messages and for relative paths.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut document = Document::parse(path, text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let matrix = matrix::read(&mut document, folder)?;
        let idps = idp::read(&mut document, folder)?;
        let policy = document.section::<Policy>("policy")?.unwrap_or_default();
        let room = document.section::<RoomSettings>("room")?.unwrap_or_default();
        let renamed_users = renamed_users(&mut document)?;
        document.finish(&["matrix", "idp", "policy", "room", "renamed_users"])?;
        Ok(Self { matrix, idps, policy, room, renamed_users })
    }

    /// The homeservers whose users the identity providers speak for.
    #[must_use]
    pub fn managed_servers(&self) -> BTreeSet<OwnedServerName> {
        self.idps.iter().map(|idp| idp.mxid_homeserver.clone()).collect()
    }
}

fn renamed_users(document: &mut Document<'_>) -> Result<BTreeMap<String, RenamedUser>, ConfigError> {
    let entries = document.section::<BTreeMap<String, String>>("renamed_users")?.unwrap_or_default();
    let mut renamed = BTreeMap::new();
    for (new, old) in entries {
        let target = if old.starts_with('@') {
            UserId::parse(&old).map(RenamedUser::UserId).map_err(|error| error.to_string())
        } else {
            // Any server will do for the check; which one it is, the identity provider says.
            UserId::parse(format!("@{old}:example.com"))
                .and_then(|user| user.validate_historical())
                .map(|()| RenamedUser::Localpart(old.clone()))
                .map_err(|error| error.to_string())
        };
        let target = target.map_err(|reason| {
            document.error_at(
                &["renamed_users", &new],
                format!("expected the localpart of a Matrix user ID, or a whole one (@name:server): {reason}"),
            )
        })?;
        if renamed.insert(new.to_lowercase(), target).is_some() {
            return Err(document.error_at(
                &["renamed_users", &new],
                "this username is there twice, since upper and lower case count as the same".into(),
            ));
        }
    }
    Ok(renamed)
}
