//! The configuration: TOML in, validated values out, and an error that names file, line, column and key.

mod document;
mod exposure;
mod idp;
mod matrix;
mod policy;
mod report;
mod room;
mod rooms;
pub mod schema;
mod secret;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use matrix_sdk::ruma::{OwnedServerName, OwnedUserId, UserId};

pub use document::ConfigError;
pub use idp::{
    Credential, EntraIdp, FileIdp, ForeignMembers, Guests, Idp, IdpKind, LdapIdp, Lockout, ReadPeople, Schema, Srv,
};
pub(crate) use idp::{is_attribute_name, is_object_id, is_search_filter};
pub use matrix::{AddMembers, JoinFallback, Matrix};
pub use policy::{Orphans, OwnersOutside, Policy, RenamedRooms, WhenRefused};
pub use report::Report;
pub use room::{HistoryVisibility, RoomSettings};
pub use rooms::{ExplicitRoom, GroupNames, Overrides, RoomGroup};
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
    /// The rooms that are described one by one.
    pub rooms: Vec<ExplicitRoom>,
    /// The aliases of rooms that are described for values of the command line: patterns with `*` for such a value.
    pub open_rooms: Vec<String>,
    /// Who is told of what a run did.
    pub report: Report,
    /// Usernames, in lower case, and the localpart or user ID that such an account has always had.
    pub renamed_users: BTreeMap<String, RenamedUser>,
    /// What a person should know of the configuration: secrets that others could read.
    pub warnings: BTreeSet<String>,
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
    /// Relative paths in it are relative to its folder. `values` are those of the placeholder in `[[rooms]]` where the
    /// file gives none.
    ///
    /// # Errors
    /// When the file cannot be read, is no TOML, or says something that cannot be followed.
    pub fn load(path: &Path, values: &[String]) -> Result<Self, ConfigError> {
        let text = crate::bounded::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?;
        Self::parse_with(path, &text, values)
    }

    /// Checks the text of a configuration file; `path` is for messages and for relative paths.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        Self::parse_with(path, text, &[])
    }

    /// The same with values for the placeholder in `[[rooms]]`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse_with(path: &Path, text: &str, values: &[String]) -> Result<Self, ConfigError> {
        let mut document = Document::parse(path, text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let matrix = matrix::read(&mut document, folder)?;
        let idps = idp::read(&mut document, folder)?;
        let policy = document.section::<Policy>("policy")?.unwrap_or_default();
        let room = document.section::<RoomSettings>("room")?.unwrap_or_default();
        let names: Vec<&str> = idps.iter().map(|idp| idp.name.as_str()).collect();
        let (rooms, open_rooms) = rooms::read(&mut document, &names, values)?;
        let report = document.section::<Report>("report")?.unwrap_or_default();
        let renamed_users = document.section::<BTreeMap<String, String>>("renamed_users")?.unwrap_or_default();
        let renamed_users =
            renamed(&renamed_users).map_err(|(key, message)| document.error_at(&["renamed_users", &key], message))?;
        document.finish(&["matrix", "idp", "policy", "room", "rooms", "report", "renamed_users"])?;
        let warnings = document.into_warnings();
        Ok(Self { matrix, idps, policy, room, rooms, open_rooms, report, renamed_users, warnings })
    }

    /// What the groups of an identity provider are called that rooms are described with, one by one.
    #[must_use]
    pub fn group_names(&self, idp: &str) -> GroupNames {
        let of_idp = |group: &&RoomGroup| group.idp.as_deref().is_none_or(|only| only == idp);
        GroupNames::of(self.rooms.iter().flat_map(|room| &room.groups).filter(of_idp))
    }

    /// The homeservers whose users the identity providers speak for.
    #[must_use]
    pub fn managed_servers(&self) -> BTreeSet<OwnedServerName> {
        self.idps.iter().map(|idp| idp.mxid_homeserver.clone()).collect()
    }
}

/// The entries of a table of renamed users, with usernames in lower case.
///
/// # Errors
/// When one cannot be followed: its key, and why.
fn renamed(entries: &BTreeMap<String, String>) -> Result<BTreeMap<String, RenamedUser>, (String, String)> {
    let mut renamed = BTreeMap::new();
    for (new, old) in entries {
        let target = if old.starts_with('@') {
            UserId::parse(old).map(RenamedUser::UserId)
        } else {
            // Any server will do for the check; which one it is, the identity provider says.
            UserId::parse(format!("@{old}:example.com"))
                .and_then(|user| user.validate_historical())
                .map(|()| RenamedUser::Localpart(old.clone()))
        };
        let target = target.map_err(|reason| {
            let expected = "expected the localpart of a Matrix user ID, or a whole one (@name:server)";
            (new.clone(), format!("{expected}: {reason}"))
        })?;
        if renamed.insert(new.to_lowercase(), target).is_some() {
            let why = "this username is there twice, since upper and lower case count as the same";
            return Err((new.clone(), why.into()));
        }
    }
    Ok(renamed)
}
