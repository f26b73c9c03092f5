//! A certificate authority of the tests' own.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::OnceLock};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// A test authority, trusted by nobody who is not given its certificate.
#[derive(Debug)]
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate for `localhost` and `127.0.0.1`, with its key, both as PEM.
#[derive(Debug)]
pub struct Leaf {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS#8.
    pub key: String,
}

impl Authority {
    /// The authority of this process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Authority> = OnceLock::new();
        SHARED.get_or_init(|| Self::new("inviter test authority"))
    }

    /// A new authority.
    pub fn new(name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.self_signed(&key).expect("an authority can sign itself");
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// The authority's certificate as PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Signs a certificate for a server on the loopback address.
    pub fn leaf(&self) -> Leaf {
        self.sign(params("localhost", &["localhost", "127.0.0.1"]), ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Signs a certificate for a client with this common name.
    pub fn client(&self, name: &str) -> Leaf {
        self.sign(params(name, &[]), ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Leaf {
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority can sign");
        Leaf { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Writes `ca.pem`, `server.pem` and `server.key` into a folder.
    pub fn write_into(&self, folder: &Path) {
        self.write(folder, self.leaf());
    }

    /// Likewise, for a server with other names.
    pub fn write_for(&self, folder: &Path, hosts: &[&str]) {
        self.write(folder, self.sign(params("localhost", hosts), ExtendedKeyUsagePurpose::ServerAuth));
    }

    fn write(&self, folder: &Path, leaf: Leaf) {
        for (name, content) in [("ca.pem", self.pem()), ("server.pem", leaf.certificate), ("server.key", leaf.key)] {
            fs::write(folder.join(name), content).expect("the folder is writable");
        }
        // Samba takes no key that others may read.
        let secret = fs::Permissions::from_mode(0o600);
        fs::set_permissions(folder.join("server.key"), secret).expect("the folder is writable");
    }
}

fn params(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts = hosts.iter().map(ToString::to_string);
    let mut params = CertificateParams::new(hosts.collect::<Vec<_>>()).expect("valid host names");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
