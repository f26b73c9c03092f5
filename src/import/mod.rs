//! From the configuration of a chat bot to one of `inviter`: YAML text in, TOML text out.
//!
//! The bots are the maubot plugin for Azure AD and LDAP, and the maubot plugin for LDAP room mappings.

mod connector;
mod directory;
mod entra;
mod mappings;
pub(crate) mod render;
mod section;
mod yaml;

use std::fmt;
use std::path::{Path, PathBuf};

use section::Section;
use yaml::Place;

use crate::place::write_place;

/// Why a configuration cannot be imported, and where in it. It never quotes a value that may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportError {
    file: PathBuf,
    /// Line and column, both from 1; `None` when the file as a whole is meant.
    position: Option<(u64, u64)>,
    /// `ldap.port`, `sync_rooms[0].alias`; empty when none is meant.
    key: String,
    message: String,
}

impl ImportError {
    fn new(place: Option<Place>, key: impl Into<String>, message: impl Into<String>) -> Self {
        let position = place.map(|place| (place.line, place.column));
        Self { file: PathBuf::new(), position, key: key.into(), message: message.into() }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, &self.file, self.position, &self.key)?;
        f.write_str(&self.message)
    }
}

impl std::error::Error for ImportError {}

/// The text of an `inviter.toml` that does what a bot's configuration said.
///
/// `file` is for messages alone. `values` are those of the placeholder `<1>`, which the plugin for LDAP room mappings
/// took from its command.
///
/// # Errors
/// When the text is no YAML, is the configuration of neither bot, or holds a value that neither the bot nor `inviter`
/// can follow.
pub fn import(file: &Path, text: &str, values: &[String]) -> Result<String, ImportError> {
    convert(text, values).map_err(|error| ImportError { file: file.to_owned(), ..error })
}

fn convert(text: &str, values: &[String]) -> Result<String, ImportError> {
    let root = Section::new(String::new(), yaml::parse(text)?)?;
    let knows = |keys: &[&str]| keys.iter().any(|key| root.has(key));
    match (knows(&directory::OWN_KEYS), knows(&mappings::OWN_KEYS)) {
        (true, false) if values.is_empty() => directory::import(root),
        (true, false) => Err(ImportError::new(None, "", "this configuration has no placeholder, so leave out --value")),
        (false, true) => mappings::import(root, values),
        (true, true) => Err(ImportError::new(
            None,
            "",
            "this has keys of two bots: give the configuration of one of them, as the web interface of maubot shows it",
        )),
        (false, false) => Err(ImportError::new(
            None,
            "",
            format!(
                "this is the configuration of neither bot: the one for Azure AD and LDAP has {}, the one for LDAP room \
                 mappings has {}",
                directory::OWN_KEYS.join(", "),
                mappings::OWN_KEYS.join(", ")
            ),
        )),
    }
}
