//! The HTTP client, and the request that goes before there is a session.

use std::fs;
use std::time::Duration;

use matrix_sdk::HttpError;
use matrix_sdk::ruma::api::client::account::whoami;
use matrix_sdk::ruma::api::client::uiaa::UiaaResponse;
use matrix_sdk::ruma::api::error::{Error, FromHttpResponseError};
use matrix_sdk::ruma::api::{EndpointError as _, IncomingResponse as _};
use matrix_sdk::ruma::exports::http;
use reqwest::{Certificate, Client, Response, redirect};
use serde_json::Value;

use super::error::{Failure, What};
use crate::config;

/// How long to wait for a connection, of all the time that a request may take.
const CONNECT: Duration = Duration::from_secs(15);

/// An HTTP client as the configuration wants it.
pub(super) fn client(config: &config::Matrix) -> Result<Client, String> {
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
    if let Some(file) = &config.ca_file {
        let told = |error: &dyn std::fmt::Display| format!("ca_file {}: {error}", file.display());
        let pem = fs::read(file).map_err(|error| told(&error))?;
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

/// Asks whose the access token is (<https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3accountwhoami>).
/// matrix-sdk cannot ask before it has been told the answer.
pub(super) fn whoami(
    client: &Client,
    server: &str,
    token: &str,
) -> impl Future<Output = Result<whoami::v3::Response, HttpError>> + use<> {
    let url = format!("{server}/_matrix/client/v3/account/whoami");
    let request = client.get(url).bearer_auth(token);
    async move { Ok(whoami::v3::Response::try_from_http_response(plain(request.send().await?).await?)?) }
}

/// The JSON of an answer, or the error that it tells; for endpoints that are not of the specification.
pub(super) async fn json(response: Response) -> Result<Value, HttpError> {
    let response = plain(response).await?;
    if response.status().is_success() {
        return Ok(serde_json::from_slice(response.body())
            .map_err(|error| FromHttpResponseError::<UiaaResponse>::Deserialization(error.into()))?);
    }
    let error = UiaaResponse::MatrixError(Error::from_http_response(response));
    Err(FromHttpResponseError::Server(error).into())
}

async fn plain(response: Response) -> Result<http::Response<Vec<u8>>, HttpError> {
    let mut plain = http::Response::new(Vec::new());
    *plain.status_mut() = response.status();
    *plain.headers_mut() = response.headers().clone();
    *plain.body_mut() = response.bytes().await?.to_vec();
    Ok(plain)
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
