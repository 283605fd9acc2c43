//! What the upstream answers.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::Response;

/// A response to be given.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    trailers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Answer {
    /// A response of this status and body.
    #[must_use]
    pub fn new(status: u16, body: impl AsRef<[u8]>) -> Answer {
        Answer { status, body: body.as_ref().to_vec(), ..Answer::default() }
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Answer {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Adds a trailer field, as gRPC's `grpc-status`.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Answer {
        self.trailers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// What a request that no route was set for is answered by.
    pub(super) fn by_default(method: &str, path: &str) -> Answer {
        match (method, path) {
            ("GET", "/public") => Answer::new(200, "{ 'val': 'this is public' }\n"),
            ("GET", "/private") => Answer::new(200, "{ 'val': 'this is private' }\n"),
            _ => Answer::new(200, format!("{method} {path}\n")),
        }
    }

    /// The response on the wire; one that cannot be made becomes a 500 that says why.
    pub(super) fn into_response(self) -> Response<BoxBody<Bytes, std::convert::Infallible>> {
        self.try_response().unwrap_or_else(|error| {
            let body = Full::from(format!("the test's answer cannot be sent: {error}\n"));
            let mut response = Response::new(body.boxed());
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            response
        })
    }

    fn try_response(self) -> Result<Response<BoxBody<Bytes, std::convert::Infallible>>, http::Error> {
        let body = Full::from(self.body);
        let body = if self.trailers.is_empty() {
            body.boxed()
        } else {
            let trailers = fields(&self.trailers)?;
            body.with_trailers(async { Some(Ok(trailers)) }).boxed()
        };
        let mut response = Response::builder().status(self.status).body(body)?;
        *response.headers_mut() = fields(&self.headers)?;
        Ok(response)
    }
}

fn fields(fields: &[(String, Vec<u8>)]) -> Result<HeaderMap, http::Error> {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_bytes(value)?);
    }
    Ok(map)
}
