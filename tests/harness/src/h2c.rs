//! An HTTP/2 client with prior knowledge: one request from a bound source address.

mod exchange;

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Duration;

use crate::raw::Headers;

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// `:method`.
    pub method: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`. The `h2` crate refuses bytes that no path may have; those are for the raw client.
    pub path: String,
    /// The other header fields in order.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without further headers and without a body.
    #[must_use]
    pub fn new(method: &str, authority: &str, path: &str) -> Request {
        let (method, authority, path) = (method.to_owned(), authority.to_owned(), path.to_owned());
        Request { method, authority, path, headers: Headers::new(), body: Vec::new() }
    }

    /// Adds a header field after those that are there.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Request {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Request {
        self.body = body.as_ref().to_vec();
        self
    }
}

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct H2Response {
    /// `:status`.
    pub status: u16,
    /// The header fields.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// The trailer fields, empty if there were none.
    pub trailers: Headers,
}

impl H2Response {
    /// The first value of the header `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }

    /// The first value of the trailer `name`.
    #[must_use]
    pub fn trailer(&self, name: &str) -> Option<&[u8]> {
        self.trailers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum H2Outcome {
    /// A whole response.
    Response(H2Response),
    /// The connection ended, or was refused by GOAWAY, before the response was whole.
    Closed(String),
    /// The stream was reset, with this reason.
    Reset(String),
    /// Nobody listens at the address.
    Refused,
    /// No whole response came before the deadline.
    Timeout,
    /// The request could not be sent: this machine's fault, or the test's.
    Failed(String),
}

impl H2Outcome {
    /// The response, if there was one.
    #[must_use]
    pub fn response(&self) -> Option<&H2Response> {
        match self {
            H2Outcome::Response(response) => Some(response),
            _ => None,
        }
    }

    /// The status, if there was a response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.response().map(|response| response.status)
    }
}

/// Connects `from` an address of this machine, sends `request`, and reads the response, all of it before
/// `deadline`.
#[must_use]
pub fn request(from: IpAddr, to: SocketAddr, request: &Request, deadline: Duration) -> H2Outcome {
    // On a thread of its own, so that it may be called inside a test's runtime too.
    thread::scope(|scope| {
        let exchange = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| H2Outcome::Failed(error.to_string()));
            runtime.map_or_else(
                |failed| failed,
                |runtime| {
                    runtime.block_on(async {
                        let exchange = exchange::exchange(from, to, request);
                        tokio::time::timeout(deadline, exchange).await.unwrap_or(H2Outcome::Timeout)
                    })
                },
            )
        });
        exchange.join().unwrap_or_else(|_| H2Outcome::Failed("the client panicked".to_owned()))
    })
}
