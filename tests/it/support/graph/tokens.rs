//! The token endpoint (<https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>).

use std::collections::BTreeMap;

use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use azure_core::base64::decode_url_safe;
use serde_json::{Value, json};

use super::{Answer, Request, Shared, lock, world::guid};

/// The tenant of the double.
pub const TENANT: &str = "6babcaad-604b-40ac-a9d7-9fd97c0b779f";
/// The application that may sign in.
pub const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
/// Its secret.
pub const SECRET: &str = "qWgdYAmab0YSkuL1qKv5bPX-the-secret";

impl Shared {
    pub(super) fn token(&self, request: &Request) -> Answer {
        let mut state = lock(&self.state);
        state.sign_ins += 1;
        if !state.token_answers.is_empty() {
            return state.token_answers.remove(0);
        }
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let origin = format!("https://localhost:{}", state.port);
        if request.target != format!("/{TENANT}/oauth2/v2.0/token") {
            return refusal(
                400,
                90002,
                "invalid_request",
                "Tenant not found. Check to make sure you have the correct tenant ID.",
            );
        }
        if field("grant_type") != "client_credentials" || field("scope") != format!("{origin}/.default") {
            return refusal(
                400,
                70011,
                "invalid_scope",
                "The provided value for the input parameter 'scope' is not valid.",
            );
        }
        if field("client_id") != CLIENT_ID {
            return refusal(400, 700_016, "unauthorized_client", "Application was not found in the directory.");
        }
        let is_known = match (form.get("client_secret"), form.get("client_assertion")) {
            (Some(secret), None) => secret == SECRET,
            (None, Some(assertion)) => {
                let audience = format!("{origin}/{TENANT}/oauth2/v2.0/token");
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                match &state.public_key {
                    Some((key, thumbprint)) if field("client_assertion_type") == kind => {
                        verify(assertion, key, thumbprint, &audience)
                    }
                    // A workload's own token is verified by somebody else.
                    _ => assertion == "the-token-of-the-pod",
                }
            }
            _ => false,
        };
        if !is_known && form.contains_key("client_assertion") {
            return refusal(
                401,
                700_027,
                "invalid_client",
                "The certificate with identifier used to sign the client assertion is not registered on application.",
            );
        }
        if !is_known {
            return refusal(
                401,
                7_000_215,
                "invalid_client",
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.",
            );
        }
        let token = format!("eyJ0eXAi.{}.token", guid(&state.sign_ins.to_string()));
        state.tokens.insert(token.clone());
        Answer::json(
            200,
            &json!({ "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token }),
        )
    }

    /// The endpoint of an App Service (<https://learn.microsoft.com/azure/app-service/overview-managed-identity>).
    pub(super) fn managed_identity(&self, request: &Request) -> Answer {
        let mut state = lock(&self.state);
        state.sign_ins += 1;
        let is_right = request.headers.get("x-identity-header").is_some_and(|header| header == "the-header")
            && request.target.contains(&format!("resource=https%3A%2F%2Flocalhost%3A{}", state.port));
        if !is_right {
            return Answer::json(400, &json!({ "statusCode": 400, "message": "No Managed Identity found." }));
        }
        let token = "eyJ0eXAi.managed.token";
        state.tokens.insert(token.to_owned());
        let body =
            json!({ "access_token": token, "expires_on": "4102444800", "resource": "x", "token_type": "Bearer" });
        Answer::json(200, &body)
    }
}

fn refusal(status: u16, code: u32, error: &str, text: &str) -> Answer {
    let id = guid(text);
    let description =
        format!("AADSTS{code}: {text} Trace ID: {id} Correlation ID: {id} Timestamp: 2026-01-01 00:00:00Z");
    Answer::json(
        status,
        &json!({
            "error": error, "error_description": description, "error_codes": [code],
            "timestamp": "2026-01-01 00:00:00Z", "trace_id": id, "correlation_id": id,
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
        }),
    )
}

/// Whether an assertion is as RFC 7523, section 3, and the documentation of Entra want it.
fn verify(assertion: &str, key: &[u8], thumbprint: &str, audience: &str) -> bool {
    let Some((signed, signature)) = assertion.rsplit_once('.') else { return false };
    let Some((header, claims)) = signed.split_once('.') else { return false };
    let read = |part: &str| -> Value {
        serde_json::from_slice(&decode_url_safe(part).unwrap_or_default()).unwrap_or_default()
    };
    let (header, claims) = (read(header), read(claims));
    let signature = decode_url_safe(signature).unwrap_or_default();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key).verify(signed.as_bytes(), &signature).is_ok()
        && header == json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint })
        && claims["aud"] == audience
        && claims["iss"] == CLIENT_ID
        && claims["sub"] == CLIENT_ID
        && claims["jti"].as_str().is_some_and(|id| id.len() == 36)
        && claims["nbf"].as_u64().is_some_and(|from| from <= now)
        && claims["exp"].as_u64().is_some_and(|until| now < until && until <= now + 600)
}
