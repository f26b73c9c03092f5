//! Reading identity providers: each kind is brought into the one shape of a [`Snapshot`].

mod entra;
mod file;
mod ldap;

use crate::config::{Idp, IdpKind};
use crate::snapshot::Snapshot;

pub use entra::{EntraFailure, EntraProblem, EntraStep, Refused};
pub use file::FileError;
pub use ldap::{Answer, LdapFailure, Problem, Step, quieten_ldap_panics};

/// Why an identity provider gave no complete answer. The text is for a person: it says what was being done, what
/// the answer was, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum IdpError {
    /// An LDAP directory.
    #[error("identity provider {idp}: {failure}")]
    Ldap {
        /// The name of the identity provider in the configuration.
        idp: String,
        /// What was being done, and what came of it.
        failure: LdapFailure,
    },
    /// Microsoft Entra ID.
    #[error("identity provider {idp}: {failure}")]
    Entra {
        /// The name of the identity provider in the configuration.
        idp: String,
        /// What was being done, and what came of it.
        failure: Box<EntraFailure>,
    },
    /// A file.
    #[error("identity provider {idp}: {error}")]
    File {
        /// The name of the identity provider in the configuration.
        idp: String,
        /// What is wrong with the file, and where.
        error: FileError,
    },
}

/// Reads an identity provider. `wanted` tells by its name whether a group is to be in [`Snapshot::groups`]; other
/// groups matter only for being members of such a group.
///
/// # Errors
/// When the answer is not complete. What is wrong with single groups makes these
/// [`Members::Unknown`](crate::snapshot::Members::Unknown) instead.
pub async fn fetch(idp: &Idp, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Snapshot, IdpError> {
    let name = || idp.name.clone();
    match &idp.kind {
        IdpKind::Ldap(ldap) => {
            ldap::fetch(ldap, wanted).await.map_err(|failure| IdpError::Ldap { idp: name(), failure })
        }
        IdpKind::Entra(entra) => entra::fetch(idp, entra, wanted)
            .await
            .map_err(|failure| IdpError::Entra { idp: name(), failure: Box::new(failure) }),
        IdpKind::File(file) => file::read(file, wanted).await.map_err(|error| IdpError::File { idp: name(), error }),
    }
}
