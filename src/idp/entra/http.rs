//! The HTTP client.

use azure_core::error::{Error, ErrorKind};
use azure_core::http::{AsyncRawResponse, HttpClient, Request};
use futures_util::StreamExt as _;
use reqwest::{Certificate, Client, redirect};

use super::error::{EntraProblem, chain};
use crate::bounded;
use crate::config::EntraIdp;

/// An HTTP client as the configuration wants it; `direct` uses no proxy.
pub(super) fn client(idp: &EntraIdp, direct: bool) -> Result<Client, EntraProblem> {
    let mut builder = Client::builder()
        .user_agent(concat!("inviter/", env!("CARGO_PKG_VERSION")))
        .timeout(idp.timeout)
        .connect_timeout(idp.connect_timeout)
        .gzip(true)
        .min_tls_version(reqwest::tls::Version::TLS_1_2)
        // A redirect could take a token elsewhere.
        .redirect(redirect::Policy::none());
    if direct {
        builder = builder.no_proxy();
    }
    if let Some(path) = &idp.ca_file {
        let useless = |cause: String| EntraProblem::CaFile { path: path.clone(), cause };
        let pem = bounded::read(path).map_err(|error| useless(error.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| useless(chain(&error)))?;
        if certificates.is_empty() {
            return Err(useless("there is no certificate in it".into()));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| EntraProblem::Client(chain(&error)))
}

/// The longest answer to a sign-in that is read, in bytes; a token has some thousands.
const LONGEST: usize = 1 << 20;

/// Sends requests for `azure_identity`, which by itself would read an answer to its end, however long that is.
#[derive(Debug)]
pub(super) struct Bounded(pub(super) Client);

#[async_trait::async_trait]
impl HttpClient for Bounded {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let (status, headers, mut body) = self.0.execute_request(request).await?.deconstruct();
        let mut read = Vec::new();
        while let Some(part) = body.next().await {
            let part = part?;
            if read.len() + part.len() > LONGEST {
                let told = format!("the answer is longer than {} MiB, and was not read", LONGEST >> 20);
                // Of a kind that is not asked for again.
                return Err(Error::with_message(ErrorKind::Credential, told));
            }
            read.extend_from_slice(&part);
        }
        Ok(AsyncRawResponse::from_bytes(status, headers, read))
    }
}
