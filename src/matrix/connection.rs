//! Requests and answers, which end at a bound.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use matrix_sdk::ruma::DeviceId;
use matrix_sdk::ruma::api::auth_scheme::{AuthScheme, SendAccessToken};
use matrix_sdk::ruma::api::client::account::whoami;
use matrix_sdk::ruma::api::client::discovery::get_supported_versions;
use matrix_sdk::ruma::api::client::uiaa::UiaaResponse;
use matrix_sdk::ruma::api::error::{Error, FromHttpResponseError};
use matrix_sdk::ruma::api::path_builder::PathBuilder;
use matrix_sdk::ruma::api::{EndpointError as _, IncomingResponse as _, OutgoingRequest, SupportedVersions};
use matrix_sdk::ruma::exports::http;
use matrix_sdk::{Client, HttpError};
use serde_json::{Map, Value};

/// The longest answer that is read, in bytes, unpacked: what a homeserver says of 200,000 rooms.
pub(super) const LONGEST: usize = 16 << 20;
/// The longest state of a room that is read: about 200,000 members.
pub(super) const LONGEST_STATE: usize = 128 << 20;

/// How many requests this process has sent to homeservers, each attempt counted.
static SENT: AtomicU64 = AtomicU64::new(0);

/// How many requests this process has sent to homeservers, each attempt counted.
#[must_use]
pub fn requests_sent() -> u64 {
    SENT.load(Ordering::Relaxed)
}

/// An answer that may be quoted to a person is not longer, or an error.
const QUOTED: usize = 1 << 20;

/// Why a request was not answered well.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// As the SDK tells it.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The answer goes on after so many bytes.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// The answer to a request that changes something is no JSON object.
    #[error("the answer is no JSON object")]
    NoObject,
}

impl From<reqwest::Error> for SendError {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.into())
    }
}

/// A session on a homeserver.
///
/// The SDK's own sending reads an answer to its end, however long that is: here the SDK keeps the session and knows the
/// requests, and the bodies are read in pieces.
#[derive(Debug)]
pub(super) struct Connection {
    session: Client,
    http: reqwest::Client,
    versions: SupportedVersions,
}

impl Connection {
    pub(super) fn new(session: Client, http: reqwest::Client, versions: SupportedVersions) -> Self {
        Self { session, http, versions }
    }

    /// The versions of Matrix that the homeserver speaks.
    pub(super) fn versions(&self) -> &SupportedVersions {
        &self.versions
    }

    /// The access token.
    pub(super) fn token(&self) -> Option<String> {
        self.session.access_token()
    }

    /// The device that the access token belongs to.
    pub(super) fn device(&self) -> Option<&DeviceId> {
        self.session.device_id()
    }

    /// Sends a request.
    pub(super) fn send<R>(&self, request: R) -> impl Future<Output = Result<R::IncomingResponse, SendError>>
    where
        R: OutgoingRequest,
        R::Authentication: for<'a> AuthScheme<Input<'a> = SendAccessToken<'a>>,
        R::PathBuilder: for<'a> PathBuilder<Input<'a> = Cow<'a, SupportedVersions>>,
        HttpError: From<FromHttpResponseError<R::EndpointError>>,
    {
        self.send_for(LONGEST, request)
    }

    /// Sends a request whose answer may have so many bytes.
    pub(super) async fn send_for<R>(&self, longest: usize, request: R) -> Result<R::IncomingResponse, SendError>
    where
        R: OutgoingRequest,
        R::Authentication: for<'a> AuthScheme<Input<'a> = SendAccessToken<'a>>,
        R::PathBuilder: for<'a> PathBuilder<Input<'a> = Cow<'a, SupportedVersions>>,
        HttpError: From<FromHttpResponseError<R::EndpointError>>,
    {
        let token = self.session.access_token();
        let access = token.as_deref().map_or(SendAccessToken::None, SendAccessToken::IfRequired);
        let server = self.session.homeserver();
        let request = request
            .try_into_http_request::<Vec<u8>>(server.as_str(), access, Cow::Borrowed(&self.versions))
            .map_err(HttpError::IntoHttp)?;
        let answer = execute(&self.http, reqwest::Request::try_from(request)?, longest, token.as_deref()).await?;
        Ok(R::IncomingResponse::try_from_http_response(answer).map_err(HttpError::from)?)
    }
}

/// Asks whose the access token is (<https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3accountwhoami>).
/// There is no session before that is known.
pub(super) async fn whoami(
    http: &reqwest::Client,
    server: &str,
    token: &str,
) -> Result<whoami::v3::Response, SendError> {
    let request = http.get(format!("{server}/_matrix/client/v3/account/whoami")).bearer_auth(token).build()?;
    let answer = execute(http, request, LONGEST, Some(token)).await?;
    Ok(whoami::v3::Response::try_from_http_response(answer).map_err(HttpError::from)?)
}

/// Asks which versions of Matrix the homeserver speaks
/// (<https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientversions>).
pub(super) async fn versions(
    http: &reqwest::Client,
    server: &str,
    token: &str,
) -> Result<SupportedVersions, SendError> {
    let request = http.get(format!("{server}/_matrix/client/versions")).bearer_auth(token).build()?;
    let answer = execute(http, request, LONGEST, Some(token)).await?;
    let answer = get_supported_versions::Response::try_from_http_response(answer).map_err(HttpError::from)?;
    Ok(answer.as_supported_versions())
}

/// Sends a request that is not of the specification. The answer is JSON, or the error that it tells, without the token.
pub(super) async fn json(
    http: &reqwest::Client,
    request: reqwest::RequestBuilder,
    token: Option<&str>,
) -> Result<Value, SendError> {
    let answer = execute(http, request.build()?, LONGEST, token).await?;
    if answer.status().is_success() {
        return Ok(serde_json::from_slice(answer.body())
            .map_err(|error| HttpError::from(FromHttpResponseError::<UiaaResponse>::Deserialization(error.into())))?);
    }
    let error = UiaaResponse::MatrixError(Error::from_http_response(answer));
    Err(HttpError::from(FromHttpResponseError::Server(error)).into())
}

async fn execute(
    http: &reqwest::Client,
    request: reqwest::Request,
    longest: usize,
    token: Option<&str>,
) -> Result<http::Response<Vec<u8>>, SendError> {
    let is_write = request.method() != http::Method::GET;
    SENT.fetch_add(1, Ordering::Relaxed);
    let mut response = http.execute(request).await?;
    let mut answer = http::Response::new(Vec::new());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    let body = answer.body_mut();
    while let Some(part) = response.chunk().await? {
        if body.len() + part.len() > longest {
            return Err(SendError::TooLong(longest));
        }
        body.extend_from_slice(&part);
    }
    // Also where the token was not sent with this request: who knows it may repeat it anywhere.
    let is_quoted = body.len() <= QUOTED || !response.status().is_success();
    if let Some(token) = token.filter(|_| is_quoted) {
        blot_out(token.as_bytes(), body);
    }
    // Most answers to changes hold nothing that would be missed, so that any page with status 200 would pass for one.
    let is_object = |body: &[u8]| serde_json::from_slice::<Map<String, Value>>(body).is_ok();
    if is_write && answer.status().is_success() && !is_object(answer.body()) {
        return Err(SendError::NoObject);
    }
    Ok(answer)
}

/// Overwrites each occurrence of a secret: some error pages repeat the request, with its headers.
fn blot_out(secret: &[u8], text: &mut [u8]) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.windows(secret.len().max(1)).position(|it| it == secret))
    {
        let (start, end) = (from + at, from + at + secret.len());
        if let Some(found) = text.get_mut(start..end) {
            found.fill(b'*');
        }
        from = end.max(from + 1);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn a_secret_that_is_repeated_is_blotted_out() {
        let mut page = *b"Bearer abc, abcabc; ab";
        blot_out(b"abc", &mut page);
        assert_eq!(&page, b"Bearer ***, ******; ab");
    }

    /// What becomes of a request that is answered so.
    async fn answered(
        method: http::Method,
        status: &str,
        body: &str,
        longest: usize,
    ) -> Result<http::Response<Vec<u8>>, SendError> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let text = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            // Nobody reads an answer that is too long to its end.
            let _ = stream.write_all(text.as_bytes()).await;
        });
        let http = reqwest::Client::new();
        execute(&http, http.request(method, url).build().unwrap(), longest, Some("sesame")).await
    }

    #[tokio::test]
    async fn an_answer_may_be_as_long_as_the_bound_and_no_longer() {
        let body = answered(http::Method::GET, "200 OK", "0123456789", 10).await.unwrap().into_body();
        assert_eq!(body, b"0123456789");
        let error = answered(http::Method::GET, "200 OK", "0123456789", 9).await.unwrap_err();
        assert!(matches!(error, SendError::TooLong(9)), "{error}");
    }

    #[tokio::test]
    async fn what_answers_a_change_well_is_an_object() {
        for (method, status, body, expected) in [
            (http::Method::PUT, "200 OK", "{}", true),
            (http::Method::PUT, "200 OK", "[]", false),
            (http::Method::POST, "200 OK", "", false),
            (http::Method::POST, "502 Bad Gateway", "<html>", true),
            (http::Method::GET, "200 OK", "[]", true),
        ] {
            let answer = answered(method.clone(), status, body, LONGEST).await;
            assert_eq!(answer.is_ok(), expected, "{method} {status} {body}");
        }
    }

    #[tokio::test]
    async fn an_error_page_does_not_repeat_the_token_however_long_it_is() {
        let page = format!("Bearer sesame {} sesame", "x".repeat(QUOTED));
        for (method, status) in [(http::Method::GET, "502 Bad Gateway"), (http::Method::POST, "401 Unauthorized")] {
            let body = answered(method, status, &page, LONGEST).await.unwrap().into_body();
            let text = String::from_utf8(body).unwrap();
            assert!(text.starts_with("Bearer ****** x") && !text.contains("sesame"));
        }
    }
}
