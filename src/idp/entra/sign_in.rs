//! Tokens for Graph, by `azure_identity`.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{AccessToken, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_core::time::OffsetDateTime;
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use tokio::sync::Mutex;

use super::certificate::Assertions;
use super::error::{EntraProblem, chain};
use super::http;
use crate::config::{Credential, EntraIdp};

/// How often signing in is tried when the service does not answer well.
const ATTEMPTS: u32 = 3;

/// A token that ends sooner is replaced.
const MARGIN: Duration = Duration::from_mins(5);

/// The source of tokens. The library's credential for the Azure CLI keeps none, so they are kept here.
pub(super) struct Tokens<'a> {
    idp: &'a EntraIdp,
    credential: Arc<dyn TokenCredential>,
    scope: String,
    kept: Mutex<Option<AccessToken>>,
}

impl<'a> Tokens<'a> {
    /// Prepares to sign in; nothing is asked yet.
    pub(super) fn new(idp: &'a EntraIdp) -> Result<Self, EntraProblem> {
        let scope = format!("{}/.default", idp.graph.as_str().trim_end_matches('/'));
        Ok(Self { idp, credential: credential(idp)?, scope, kept: Mutex::new(None) })
    }

    /// A token that is good for a while.
    pub(super) async fn get(&self) -> Result<String, EntraProblem> {
        let mut kept = self.kept.lock().await;
        let now = OffsetDateTime::now_utc();
        if let Some(token) = kept.as_ref().filter(|token| token.expires_on > now + MARGIN) {
            return Ok(token.token.secret().to_owned());
        }
        let late = |_| {
            let after = humantime::format_duration(self.idp.timeout);
            failure(self.idp, format!("no answer after {after}"), NETWORK)
        };
        let token = tokio::time::timeout(self.idp.timeout, self.sign_in()).await.map_err(late)??;
        let secret = token.token.secret().to_owned();
        *kept = Some(token);
        Ok(secret)
    }

    async fn sign_in(&self) -> Result<AccessToken, EntraProblem> {
        let mut attempt = 1;
        loop {
            match self.credential.get_token(&[&self.scope], None).await {
                // As which the library takes an answer without one.
                Ok(token) if token.token.secret().is_empty() => {
                    return Err(failure(self.idp, "there is no token in the answer".into(), NETWORK));
                }
                Ok(token) => return Ok(token),
                Err(error) if attempt < ATTEMPTS && is_passing(&error, &self.idp.credential) => {
                    tracing::debug!(attempt, "signing in failed, and is tried again");
                    tokio::time::sleep(Duration::from_secs(1 << (attempt - 1))).await;
                    attempt += 1;
                }
                Err(error) => return Err(failure(self.idp, chain(&error), advice(&error, &self.idp.credential))),
            }
        }
    }
}

fn failure(idp: &EntraIdp, answer: String, advice: &'static str) -> EntraProblem {
    EntraProblem::SignIn {
        authority: idp.authority.as_str().trim_end_matches('/').to_owned(),
        tenant: idp.tenant_id.clone(),
        credential: idp.credential.name(),
        answer,
        advice,
    }
}

fn credential(idp: &EntraIdp) -> Result<Arc<dyn TokenCredential>, EntraProblem> {
    let refused = |error: azure_core::Error| failure(idp, chain(&error), "Check the settings of this section");
    // The metadata service of Azure is on the machine's own link, and no proxy gets there.
    let is_local = matches!(idp.credential, Credential::ManagedIdentity { .. });
    let client = http::client(idp, is_local)?;
    let mut cloud = CustomConfiguration::default();
    idp.authority.as_str().clone_into(&mut cloud.authority_host);
    let client_options = ClientOptions {
        transport: Some(Transport::new(Arc::new(http::Bounded(client)))),
        // Its own retries wait as long as they are told, and 80 seconds for nobody.
        retry: RetryOptions::none(),
        cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))),
        ..ClientOptions::default()
    };
    let credential: Arc<dyn TokenCredential> = match &idp.credential {
        Credential::ClientSecret { client_id, secret } => {
            let options = ClientSecretCredentialOptions { client_options };
            let secret = secret.expose().to_owned().into();
            ClientSecretCredential::new(&idp.tenant_id, client_id.clone(), secret, Some(options)).map_err(refused)?
        }
        Credential::ClientCertificate { client_id, file } => {
            let audience = format!("{}{}/oauth2/v2.0/token", idp.authority, idp.tenant_id);
            let assertions = Assertions::load(file, client_id, audience)?;
            let options = ClientAssertionCredentialOptions { client_options };
            ClientAssertionCredential::new(idp.tenant_id.clone(), client_id.clone(), assertions, Some(options))
                .map_err(refused)?
        }
        Credential::WorkloadIdentity { client_id } => {
            let options = WorkloadIdentityCredentialOptions {
                credential_options: ClientAssertionCredentialOptions { client_options },
                client_id: client_id.clone(),
                tenant_id: Some(idp.tenant_id.clone()),
                token_file_path: None,
            };
            WorkloadIdentityCredential::new(Some(options)).map_err(|error| {
                failure(idp, chain(&error), "Check that the pod has the label azure.workload.identity/use: \"true\"")
            })?
        }
        Credential::ManagedIdentity { client_id } => {
            let options = ManagedIdentityCredentialOptions {
                user_assigned_id: client_id.clone().map(UserAssignedId::ClientId),
                client_options,
            };
            ManagedIdentityCredential::new(Some(options)).map_err(refused)?
        }
        Credential::AzureCli => {
            let options = AzureCliCredentialOptions { tenant_id: Some(idp.tenant_id.clone()), ..Default::default() };
            AzureCliCredential::new(Some(options)).map_err(refused)?
        }
    };
    Ok(credential)
}

/// Whether it may go better next time. A gateway's error page hides its status behind a complaint about JSON.
fn is_passing(error: &azure_core::Error, credential: &Credential) -> bool {
    match status(error) {
        Some(status) => matches!(status, 408 | 429 | 500..),
        None => !matches!(credential, Credential::AzureCli) && !matches!(root(error).kind(), ErrorKind::Credential),
    }
}

fn status(error: &azure_core::Error) -> Option<u16> {
    root(error).http_status().map(u16::from)
}

/// The library's own innermost error.
fn root(error: &azure_core::Error) -> &azure_core::Error {
    let mut inner = error;
    while let Some(next) = inner.source().and_then(|source| source.downcast_ref::<azure_core::Error>()) {
        inner = next;
    }
    inner
}

const NETWORK: &str = "Check authority_url, the network, name service and proxies (HTTPS_PROXY), or raise timeout";

/// What to do, by the codes of <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.
fn advice(error: &azure_core::Error, credential: &Credential) -> &'static str {
    let text = chain(error);
    let code = text.split("AADSTS").nth(1).map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or(""));
    match code {
        Some("7000215") => {
            "Give the secret's value (not its ID) from the app registration, under Certificates & secrets"
        }
        Some("7000222") => {
            "The secret has expired: make a new one in the app registration, under Certificates & secrets"
        }
        Some("700016" | "7000229") => "Check client_id and tenant_id: this tenant does not know the application",
        Some("90002" | "900021" | "900023") => "Check tenant_id",
        Some("700027" | "700030") => {
            "Upload this certificate to the app registration, under Certificates & secrets, and check that it is valid \
             now, and the clock of this machine"
        }
        Some("70021" | "700211" | "700213" | "700212" | "700223") => {
            "Check the federated credential of the app registration: issuer, subject (namespace and service account) \
             and audience must be those of the pod"
        }
        Some(code) if code.starts_with("53") => {
            "A conditional access policy forbids this: ask whoever looks after the tenant"
        }
        Some(_) => "Look the code up at https://login.microsoftonline.com/error",
        None => match credential {
            Credential::AzureCli => "Install the Azure CLI, and sign in with az login --tenant TENANT",
            Credential::ManagedIdentity { .. } => {
                "Does this run on Azure, and has the machine or app this managed identity?"
            }
            _ if text.contains("certificate") => {
                "Check authority_url; give ca_file if a private authority signed the certificate"
            }
            _ => NETWORK,
        },
    }
}
