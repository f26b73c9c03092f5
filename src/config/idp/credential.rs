//! How to sign in to Entra.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::entra::{RawEntra, is_object_id, not_an_id};
use crate::config::document::{ConfigError, Document};
use crate::config::exposure::readable_by_all;
use crate::config::secret::{Given, Secret};

/// How to sign in.
#[derive(Debug, Clone)]
pub enum Credential {
    /// With a secret of the app registration.
    ClientSecret {
        /// The ID of the application.
        client_id: String,
        /// The secret.
        secret: Secret,
    },
    /// With a certificate of the app registration.
    ClientCertificate {
        /// The ID of the application.
        client_id: String,
        /// PEM file with certificate and private key.
        file: PathBuf,
    },
    /// With the token of a Kubernetes service account, as AKS mounts it.
    WorkloadIdentity {
        /// The ID of the application; else the environment's `AZURE_CLIENT_ID`.
        client_id: Option<String>,
    },
    /// With the identity that Azure gives to a machine or an app.
    ManagedIdentity {
        /// The ID of a user-assigned identity; else the system-assigned one.
        client_id: Option<String>,
    },
    /// As whoever is signed in at the Azure CLI.
    AzureCli,
}

impl Credential {
    /// The name in the configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ClientSecret { .. } => "client_secret",
            Self::ClientCertificate { .. } => "client_certificate",
            Self::WorkloadIdentity { .. } => "workload_identity",
            Self::ManagedIdentity { .. } => "managed_identity",
            Self::AzureCli => "azure_cli",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Credential")]
pub(in crate::config) enum RawCredential {
    /// With a secret of the application.
    #[default]
    ClientSecret,
    /// With a certificate of the application.
    ClientCertificate,
    /// With the token of a Kubernetes service account, as AKS mounts it.
    WorkloadIdentity,
    /// With the identity that Azure gives to a machine or an app.
    ManagedIdentity,
    /// As whoever is signed in at the Azure CLI, for trying things at a terminal.
    AzureCli,
}

pub(super) fn read(
    document: &Document<'_>,
    folder: &Path,
    at: &str,
    raw: &RawEntra,
) -> Result<Credential, ConfigError> {
    let error = |key: &str, message: &str| Err(document.error_at(&["idp", at, key], message.into()));
    let given = Given {
        section: vec!["idp".into(), at.into()],
        key: "client_secret",
        inline: raw.client_secret.clone(),
        file: raw.client_secret_file.clone(),
        env: raw.client_secret_env.clone(),
        default_env: None,
    };
    let secret = given.resolve(document, folder)?;
    if secret.is_some() && raw.credential != RawCredential::ClientSecret {
        return error("client_secret", "a secret is used only with credential = \"client_secret\"");
    }
    if raw.client_certificate_file.is_some() && raw.credential != RawCredential::ClientCertificate {
        return error("client_certificate_file", "a certificate is used only with credential = \"client_certificate\"");
    }
    let client_id = || match &raw.client_id {
        Some(id) if is_object_id(id) => Ok(id.clone()),
        Some(id) => Err(document.error_at(&["idp", at, "client_id"], not_an_id(id))),
        None => Err(document
            .error_at(&["idp", at, "client_id"], "the ID of the application (app registration) is missing".into())),
    };
    let optional_client_id = || raw.client_id.as_ref().map(|_| client_id()).transpose();
    Ok(match raw.credential {
        RawCredential::ClientSecret => match secret {
            Some(secret) => Credential::ClientSecret { client_id: client_id()?, secret },
            None => {
                return error(
                    "client_secret",
                    "the secret is missing: give client_secret_file, or another credential (client_certificate, \
                     workload_identity, managed_identity, azure_cli)",
                );
            }
        },
        RawCredential::ClientCertificate => match &raw.client_certificate_file {
            Some(file) => {
                document.warn(readable_by_all(&folder.join(file)));
                Credential::ClientCertificate { client_id: client_id()?, file: folder.join(file) }
            }
            None => return error("client_certificate_file", "the PEM file with certificate and key is missing"),
        },
        RawCredential::WorkloadIdentity => Credential::WorkloadIdentity { client_id: optional_client_id()? },
        RawCredential::ManagedIdentity => Credential::ManagedIdentity { client_id: optional_client_id()? },
        RawCredential::AzureCli if raw.client_id.is_some() => {
            return error("client_id", "the Azure CLI signs in as itself: leave client_id out");
        }
        RawCredential::AzureCli => Credential::AzureCli,
    })
}
