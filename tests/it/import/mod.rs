//! `inviter import`: from a chat bot's configuration to one that does the same.

mod guide;
mod hostile;
mod journey;
mod meaning;
mod refusals;

use std::path::Path;

use inviter::config::{Config, ConfigError};
use inviter::import::import;
use tempfile::TempDir;

/// A small configuration of each bot: the keys and values of its sample.
const DIRECTORY_BOT: &str = include_str!("directory_bot.yaml");
const MAPPINGS_BOT: &str = include_str!("mappings_bot.yaml");

/// The sample of the bot for Azure AD and LDAP with LDAP chosen.
fn ldap_bot() -> String {
    DIRECTORY_BOT.replace("idp_type: azure_ad", "idp_type: ldap")
}

#[track_caller]
fn imported(yaml: &str) -> String {
    imported_with(yaml, &[])
}

#[track_caller]
fn imported_with(yaml: &str, values: &[&str]) -> String {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    import(Path::new("bot.yaml"), yaml, &values).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

/// Reads a configuration beside which each file for a secret holds one.
fn parsed(toml: &str) -> Result<Config, ConfigError> {
    let folder: TempDir = tempfile::tempdir().unwrap();
    for file in secret_files(toml) {
        std::fs::write(folder.path().join(file), "a secret\n").unwrap();
    }
    Config::parse(&folder.path().join("inviter.toml"), toml)
}

/// The files that the configuration takes secrets from.
fn secret_files(toml: &str) -> Vec<String> {
    let lines = toml.lines().filter_map(|line| line.split_once("_file = \""));
    lines.filter(|(key, _)| !key.starts_with('#')).map(|(_, file)| file.trim_end_matches('"').to_owned()).collect()
}
