//! Whom to trust, and what it means when that fails.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use url::Url;

use super::error::Problem;
use crate::config::LdapIdp;
use crate::printable::line;

/// The settings of TLS: the system's authorities and those of the file are trusted. With an address, the
/// certificate must be for that instead of the name that the library passes on.
pub(super) fn config(idp: &LdapIdp, address: Option<IpAddr>) -> Result<ClientConfig, Problem> {
    // Named here, since a program in which two providers are compiled has no default.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let roots = Arc::new(roots(idp.ca_file.as_deref())?);
    let tls = |error: &dyn std::error::Error| Problem::Tls(error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| tls(&error))?;
    let builder = match address {
        None => builder.with_root_certificates(roots),
        Some(address) => {
            let verifier = AddressVerifier::new(address, roots, provider).map_err(|error| tls(&error))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    let mut config = match &idp.client_certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = client_chain(certificate)?;
            let useless = |error: &dyn std::error::Error| client_file("client_key_file", key, error);
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| useless(&error))?;
            builder.with_client_auth_cert(chain, secret).map_err(|error| useless(&error))?
        }
    };
    config.enable_sni = address.is_none();
    Ok(config)
}

fn client_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let chain = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| client_file("client_certificate_file", path, &error))?;
    if chain.is_empty() {
        return Err(client_file("client_certificate_file", path, &io::Error::other("there is no certificate in it")));
    }
    Ok(chain)
}

fn client_file(key: &'static str, path: &Path, error: &dyn std::error::Error) -> Problem {
    Problem::ClientCertificate { key, path: path.to_owned(), cause: line(&error.to_string()) }
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, Problem> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        let useless = |cause: String| Problem::CaFile { path: path.to_owned(), cause: line(&cause) };
        let pem = crate::bounded::read(path).map_err(|error| useless(error.to_string()))?;
        let mut added = 0;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| useless(error.to_string()))?;
            roots.add(certificate).map_err(|error| useless(error.to_string()))?;
            added += 1;
        }
        if added == 0 {
            return Err(useless("there is no certificate in it".into()));
        }
    }
    if roots.is_empty() {
        let causes: Vec<_> = system.errors.iter().map(ToString::to_string).collect();
        let cause = if causes.is_empty() { "none was found".into() } else { line(&causes.join("; ")) };
        return Err(Problem::NoAuthorities(cause));
    }
    Ok(roots)
}

/// What a failed handshake comes from.
pub(super) fn problem(error: &io::Error, host: &str, idp: &LdapIdp, url: &Url) -> Problem {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset if url.scheme() == "ldaps" => Problem::NoTls,
            _ => Problem::Lost(line(&error.to_string())),
        };
    };
    match tls {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            Problem::NotTrusted { ca_file: idp.ca_file.clone() }
        }
        Error::InvalidCertificate(CertificateError::NotValidForName) => {
            Problem::WrongName { host: line(host), presented: Vec::new() }
        }
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) => {
            Problem::WrongName { host: line(host), presented: presented.iter().map(|name| bare(name)).collect() }
        }
        Error::InvalidCertificate(
            cause @ (CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }),
        ) => Problem::NotValidNow(line(&cause.to_string())),
        Error::InvalidMessage(_) => Problem::NoTls,
        other => Problem::Tls(line(&other.to_string())),
    }
}

/// The name in `DnsName("example.com")`, as the library writes the names of a certificate.
fn bare(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"').to_owned()
}

/// Verifies that the certificate is for one address.
#[derive(Debug)]
struct AddressVerifier {
    address: IpAddr,
    inner: Arc<WebPkiServerVerifier>,
}

impl AddressVerifier {
    fn new(
        address: IpAddr,
        roots: Arc<RootCertStore>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, rustls::client::VerifierBuilderError> {
        Ok(Self { address, inner: WebPkiServerVerifier::builder_with_provider(roots, provider).build()? })
    }
}

impl ServerCertVerifier for AddressVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = ServerName::IpAddress(self.address.into());
        self.inner.verify_server_cert(end_entity, intermediates, &name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
