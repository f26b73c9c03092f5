//! Secrets: inline, in a file or in the environment, and never shown.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::document::{ConfigError, Document};
use super::exposure::readable_by_all;

/// Where a secret comes from. Nothing prints it: its `Debug` says `[REDACTED]`.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a secret as it is.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(SecretString::from(value))
    }

    /// The secret itself, for the request that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// The three ways to give one secret, as they stand in a section of the configuration.
pub(super) struct Given {
    /// The way to the section: `["matrix"]`, `["idp", "0"]`.
    pub(super) section: Vec<String>,
    /// The key of the inline form; the others add `_file` and `_env`.
    pub(super) key: &'static str,
    pub(super) inline: Option<Secret>,
    pub(super) file: Option<PathBuf>,
    pub(super) env: Option<String>,
    /// The environment variable that is looked at when none of the three is given.
    pub(super) default_env: Option<&'static str>,
}

impl Given {
    /// Gets the secret, or `None` if it is given in no way.
    ///
    /// # Errors
    /// When it is given in two ways, when its file cannot be read or its variable is not set, and when it is empty.
    pub(super) fn resolve(self, document: &Document<'_>, folder: &Path) -> Result<Option<Secret>, ConfigError> {
        let (key, file_key, env_key) = (self.key, format!("{}_file", self.key), format!("{}_env", self.key));
        let error = |key: &str, message: String| {
            let mut path: Vec<&str> = self.section.iter().map(String::as_str).collect();
            path.push(key);
            document.error_at(&path, message)
        };
        let (place, value) = match (self.inline, self.file, self.env) {
            (None, None, None) => match self.default_env.and_then(|name| std::env::var(name).ok()) {
                None => return Ok(None),
                Some(value) => (key, value),
            },
            (Some(secret), None, None) => {
                document.warn(readable_by_all(document.path()));
                (key, secret.expose().to_owned())
            }
            (None, Some(file), None) => {
                let path = folder.join(&file);
                let value = crate::bounded::read_to_string(&path)
                    .map_err(|cause| error(&file_key, format!("{} cannot be read: {cause}", path.display())))?;
                document.warn(readable_by_all(&path));
                (file_key.as_str(), value)
            }
            (None, None, Some(name)) => {
                let value = std::env::var(&name)
                    .map_err(|cause| error(&env_key, format!("the environment variable {name}: {cause}")))?;
                (env_key.as_str(), value)
            }
            _ => {
                return Err(error(key, format!("give only one of {key}, {file_key} and {env_key}")));
            }
        };
        let value = value.trim();
        if value.is_empty() {
            return Err(error(place, "the secret is empty".into()));
        }
        if value.contains(|c: char| c.is_control()) {
            return Err(error(place, "the secret has more than one line, or control characters".into()));
        }
        Ok(Some(Secret::new(value.to_owned())))
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}
