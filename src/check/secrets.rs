//! The files with secrets that a configuration names, and whether others than their owner can read them.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Area, Findings};

/// Keys that hold a secret themselves; with `_file` they name a file that does.
const SECRETS: [&str; 4] = ["access_token", "admin_token", "bind_password", "client_secret"];
/// Keys that name a file with a private key.
const KEYS: [&str; 2] = ["client_key_file", "client_certificate_file"];

/// A file that only `inviter` should be able to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretFile {
    /// The key that names it; empty for the configuration itself.
    pub(crate) key: String,
    pub(crate) path: PathBuf,
}

/// The files with secrets that a configuration names, and the configuration itself if it holds one.
pub(crate) fn files(config: &Path, table: &Table) -> Vec<SecretFile> {
    let mut files = Vec::new();
    let folder = config.parent().unwrap_or(Path::new(""));
    let sections =
        table.get("matrix").into_iter().chain(table.get("idp").and_then(Value::as_array).into_iter().flatten());
    for section in sections.filter_map(Value::as_table) {
        // With a key of its own, the certificate beside it is no secret.
        let has_key = section.contains_key("client_key_file");
        for (key, value) in section {
            if SECRETS.contains(&key.as_str()) && files.iter().all(|file: &SecretFile| !file.key.is_empty()) {
                files.push(SecretFile { key: String::new(), path: config.to_owned() });
            }
            let stem = key.strip_suffix("_file").unwrap_or_default();
            let is_key = KEYS.contains(&key.as_str()) && !(has_key && key == "client_certificate_file");
            if let Some(path) = value.as_str().filter(|_| SECRETS.contains(&stem) || is_key) {
                files.push(SecretFile { key: key.clone(), path: folder.join(path) });
            }
        }
    }
    files
}

/// Judges a file by the permissions that it has; `None` where it cannot be looked at.
pub(crate) fn judge(findings: &mut Findings, file: &SecretFile, mode: Option<u32>) {
    let path = file.path.display().to_string();
    let what = if file.key.is_empty() { "it holds a secret itself" } else { &file.key };
    let Some(mode) = mode.map(|mode| mode & 0o777) else {
        return findings.warning(
            Area::Secrets,
            Some(&path),
            format!("{what}: its permissions cannot be looked at"),
            None,
        );
    };
    let others = match (mode & 0o007, mode & 0o070) {
        (0, 0) => return findings.ok(Area::Secrets, Some(&path), format!("{what}: only its owner can read it")),
        (0, _) => "its group",
        _ => "everybody",
    };
    let message = format!("{what}: open to {others} (mode {mode:03o})");
    findings.warning(Area::Secrets, Some(&path), message, Some("take the access away: chmod 600"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<String> {
        let table = text.parse::<Table>().unwrap();
        files(Path::new("/etc/inviter.toml"), &table)
            .into_iter()
            .map(|file| format!("{}={}", file.key, file.path.display()))
            .collect()
    }

    #[test]
    fn files_with_secrets_are_found_wherever_they_are_named() {
        assert_eq!(
            keys(
                "[matrix]\naccess_token_file = \"token\"\nca_file = \"ca\"\n[[idp]]\nbind_password_file = \"/p\"\n\
                 client_certificate_file = \"cert\"\nclient_key_file = \"key\"\n[[idp]]\nclient_certificate_file = \"both\"\n\
                 [[idp]]\nclient_secret = \"x\"\n"
            ),
            [
                "access_token_file=/etc/token",
                "bind_password_file=/p",
                "client_key_file=/etc/key",
                "client_certificate_file=/etc/both",
                "=/etc/inviter.toml",
            ]
        );
        assert_eq!(keys("[matrix]\naccess_token_env = \"X\"\n"), Vec::<String>::new());
    }

    #[test]
    fn what_others_can_read_is_a_warning() {
        let file = SecretFile { key: "access_token_file".into(), path: "token".into() };
        let judged = |mode| {
            let mut findings = Findings::new();
            judge(&mut findings, &file, mode);
            findings.list()[0].message.clone()
        };
        assert!(judged(Some(0o100_600)).contains("only its owner"));
        assert!(judged(Some(0o100_400)).contains("only its owner"));
        assert!(judged(Some(0o100_640)).contains("open to its group (mode 640)"));
        assert!(judged(Some(0o100_644)).contains("open to everybody (mode 644)"));
        assert!(judged(None).contains("cannot be looked at"));
    }
}
