//! What a rate limit tells, to the millisecond.

use matrix_sdk::ruma::api::auth_scheme::AuthScheme;
use matrix_sdk::ruma::api::error::{FromHttpResponseError, IntoHttpError};
use matrix_sdk::ruma::api::path_builder::PathBuilder;
use matrix_sdk::ruma::api::{IncomingResponse, Metadata, OutgoingRequest};
use matrix_sdk::ruma::exports::bytes::BufMut;
use matrix_sdk::ruma::exports::http::{Method, Request, Response, StatusCode, header};
use serde::Deserialize;

/// A request whose refusal for "too many" tells the wait by `retry_after_ms` if it has that.
///
/// Synapse's `Retry-After` is the same wait rounded up to whole seconds, and ruma prefers it: a server that allows ten
/// events a second would be asked for one.
#[derive(Debug, Clone)]
pub(crate) struct Precise<R>(pub(crate) R);

/// The answer to a [`Precise`] request.
#[derive(Debug)]
pub(crate) struct PreciseAnswer<A>(pub(crate) A);

impl<R: Metadata> Metadata for Precise<R> {
    const METHOD: Method = R::METHOD;
    const RATE_LIMITED: bool = R::RATE_LIMITED;
    type Authentication = R::Authentication;
    type PathBuilder = R::PathBuilder;
    const PATH_BUILDER: Self::PathBuilder = R::PATH_BUILDER;
}

impl<R: OutgoingRequest> OutgoingRequest for Precise<R> {
    type EndpointError = R::EndpointError;
    type IncomingResponse = PreciseAnswer<R::IncomingResponse>;

    fn try_into_http_request<T: Default + BufMut + AsRef<[u8]>>(
        self,
        base_url: &str,
        authentication: <Self::Authentication as AuthScheme>::Input<'_>,
        path: <Self::PathBuilder as PathBuilder>::Input<'_>,
    ) -> Result<Request<T>, IntoHttpError> {
        self.0.try_into_http_request(base_url, authentication, path)
    }
}

impl<A: IncomingResponse> IncomingResponse for PreciseAnswer<A> {
    type EndpointError = A::EndpointError;

    fn try_from_http_response<T: AsRef<[u8]>>(
        mut response: Response<T>,
    ) -> Result<Self, FromHttpResponseError<Self::EndpointError>> {
        #[derive(Deserialize)]
        struct Told {
            #[serde(rename = "retry_after_ms")]
            _milliseconds: u64,
        }
        if response.status() == StatusCode::TOO_MANY_REQUESTS
            && serde_json::from_slice::<Told>(response.body().as_ref()).is_ok()
        {
            response.headers_mut().remove(header::RETRY_AFTER);
        }
        A::try_from_http_response(response).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use matrix_sdk::HttpError;
    use matrix_sdk::ruma::api::client::membership::invite_user;

    use super::*;
    use crate::matrix::error::{Failure, What};

    #[test]
    fn the_milliseconds_of_the_body_count_and_the_header_where_it_has_none() {
        let told = |body: &str| {
            let response = Response::builder().status(429).header("Retry-After", "7").body(body.as_bytes()).unwrap();
            let error = PreciseAnswer::<invite_user::v3::Response>::try_from_http_response(response).unwrap_err();
            match Failure::of("x", "https://x", &HttpError::from(error)).what {
                What::RateLimited { told, .. } => told,
                what => panic!("{what:?}"),
            }
        };
        let limit = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"slow""#;
        assert_eq!(told(&format!(r#"{limit},"retry_after_ms":1500}}"#)), Some(Duration::from_millis(1500)));
        assert_eq!(told(&format!("{limit}}}")), Some(Duration::from_secs(7)));
    }
}
