//! The HTTP client.

use std::fs;

use reqwest::{Certificate, Client, redirect};

use super::error::{EntraProblem, chain};
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
        let pem = fs::read(path).map_err(|error| useless(error.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| useless(chain(&error)))?;
        if certificates.is_empty() {
            return Err(useless("there is no certificate in it".into()));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| EntraProblem::Client(chain(&error)))
}
