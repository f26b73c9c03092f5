//! Signing in with a certificate: an assertion (RFC 7523, section 2.2) that its key has signed. The library's own way
//! would bring OpenSSL.

use std::fmt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use azure_core::base64::encode_url_safe;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::error::EntraProblem;
use crate::printable::line;

/// How long an assertion counts. Microsoft advises five to ten minutes.
const LIFETIME: u64 = 600;

/// Makes assertions.
pub(super) struct Assertions {
    key: RsaKeyPair,
    thumbprint: String,
    client_id: String,
    audience: String,
}

// Never the key.
impl fmt::Debug for Assertions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertions").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Assertions {
    /// Reads a PEM file with certificate and private key.
    pub(super) fn load(path: &Path, client_id: &str, audience: String) -> Result<Self, EntraProblem> {
        const NEED: &str = "Give a PEM file with the certificate that the app registration knows, and its RSA key, not \
                            encrypted";
        let useless = |cause: &str| EntraProblem::Certificate {
            path: path.to_owned(),
            cause: format!("{}. {NEED}", line(cause)),
        };
        let pem = crate::bounded::read(path).map_err(|error| useless(&format!("cannot be read: {error}")))?;
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| useless("there is no certificate in it"))?;
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| useless("there is no private key in it"))?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(useless("its key is no RSA key")),
        }
        .map_err(|error| useless(&format!("its key is no RSA key that can be used ({error})")))?;
        let thumbprint = encode_url_safe(digest(&SHA256, &certificate));
        Ok(Self { key, thumbprint, client_id: client_id.to_owned(), audience })
    }

    /// An assertion as Entra wants it
    /// (<https://learn.microsoft.com/entra/identity-platform/certificate-credentials#assertion-format>).
    fn make(&self, now: u64) -> Result<String, Error> {
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint });
        let claims = json!({
            "aud": self.audience,
            "iss": self.client_id,
            "sub": self.client_id,
            "jti": azure_core::Uuid::new_v4().to_string(),
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
        });
        let part = |value: &Value| encode_url_safe(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| Error::with_message(ErrorKind::Credential, "the key cannot sign"))?;
        Ok(format!("{signed}.{}", encode_url_safe(signature)))
    }
}

#[async_trait::async_trait]
impl ClientAssertion for Assertions {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        self.make(now)
    }
}
