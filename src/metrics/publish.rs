//! Where the numbers of a run go.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;
use thiserror::Error;
use url::Url;

/// How long the Pushgateway may take; a run does not wait for its monitoring.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why the numbers of a run were not published.
#[derive(Debug, Error)]
pub enum PublishError {
    /// The file could not be written.
    #[error("the metrics cannot be written to {path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The Pushgateway did not take them.
    #[error("the Pushgateway at {host} did not take the metrics: {cause}")]
    Gateway {
        /// Its host; the rest of its address may hold a password.
        host: String,
        /// What it said.
        cause: String,
    },
}

/// Writes the numbers to a file at once, so that whoever reads it sees the old ones or the new ones, and nothing in between.
///
/// # Errors
/// When the folder does not let a file be made or put in the place of another.
pub fn to_file(path: &Path, text: &str) -> Result<(), PublishError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        // The collector takes files that end in .prom, and this one does not.
        let mut file = NamedTempFile::with_prefix_in(".inviter-", folder)?;
        file.write_all(text.as_bytes())?;
        // The collector is another user.
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|cause| PublishError::File { path: path.to_owned(), cause })
}

/// Puts the numbers in the place of those of the last run, as the group of the job `inviter`, and of the shard if there is one.
///
/// # Errors
/// When the Pushgateway cannot be reached or does not answer with success.
pub async fn to_gateway(url: &Url, shard: Option<u32>, text: String) -> Result<(), PublishError> {
    let failed = |cause: String| PublishError::Gateway { host: url.host_str().unwrap_or_default().to_owned(), cause };
    let mut job = url.clone();
    job.path_segments_mut()
        .map_err(|()| failed("its address has no path".into()))?
        .pop_if_empty()
        .extend(["metrics", "job", "inviter"])
        .extend(shard.iter().flat_map(|shard| ["shard".to_owned(), shard.to_string()]));
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| failed(error.without_url().to_string()))?;
    let answer = client.put(job).header("content-type", "text/plain; version=0.0.4").body(text).send().await.map_err(
        |error| {
            let error = error.without_url();
            failed(std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string))
        },
    )?;
    if answer.status().is_success() { Ok(()) } else { Err(failed(answer.status().to_string())) }
}
