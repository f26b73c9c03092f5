//! The HTTP client, and what the first contact tells.

use std::time::Duration;

use reqwest::{Certificate, Client, redirect};

use super::error::{Failure, What};
use crate::{bounded, config};

/// How long to wait for a connection, of all the time that a request may take.
const CONNECT: Duration = Duration::from_secs(15);

/// An HTTP client as the configuration wants it. It is made on a thread of its own, for the hundreds of files with
/// certificates that may have to be read: the identity providers are asked meanwhile.
pub(super) async fn client(config: &config::Matrix) -> Result<Client, String> {
    let config = config.clone();
    let made = tokio::task::spawn_blocking(move || build(&config)).await;
    made.unwrap_or_else(|cause| Err(format!("no HTTP client can be made: {cause}")))
}

fn build(config: &config::Matrix) -> Result<Client, String> {
    let mut builder = Client::builder()
        .user_agent(concat!("inviter/", env!("CARGO_PKG_VERSION")))
        .timeout(config.timeout)
        .connect_timeout(CONNECT.min(config.timeout))
        .gzip(true)
        .min_tls_version(reqwest::tls::Version::TLS_1_2)
        // A redirect could take the access token elsewhere, and turns a POST into a GET.
        .redirect(redirect::Policy::custom(|attempt| {
            let to = format!("redirects to {}", attempt.url());
            attempt.error(to)
        }));
    if config.homeserver.scheme() == "http" && config.ca_file.is_none() && !has_proxy() {
        builder = builder.tls_certs_only([]);
    }
    if let Some(file) = &config.ca_file {
        let told = |error: &dyn std::fmt::Display| format!("ca_file {}: {error}", file.display());
        let pem = bounded::read(file).map_err(|error| told(&error))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| told(&error))?;
        if certificates.is_empty() {
            return Err(told(&"there is no certificate in it (expected PEM)"));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        format!("no HTTP client can be made: {cause}")
    })
}

/// Whether the environment names a proxy, to which one may speak TLS.
fn has_proxy() -> bool {
    ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"].iter().any(|name| std::env::var_os(name).is_some())
}

/// A "not found" to the first request means that there is no homeserver.
pub(super) fn at_first_contact(failure: Failure, server: &str) -> Failure {
    match failure.what {
        What::Refused { status: 404 | 405, .. } => Failure::new(
            What::Unintelligible,
            &format!("{failure}; there is no Matrix homeserver at {server}: check [matrix] homeserver"),
        ),
        _ => failure,
    }
}
