//! What the guest says about a request.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// The guest's verdict on a request.
#[derive(Clone, Debug)]
pub enum RequestOutcome {
    /// Forward it.
    Continue {
        /// Whether the guest edited the headers.
        changed: bool,
    },
    /// Answer it with this.
    Respond(LocalResponse),
    /// Drop it without an answer.
    Reset,
}

/// An answer made by the guest.
#[derive(Clone, Debug)]
pub struct LocalResponse {
    /// 200 to 599.
    pub status: StatusCode,
    /// The guest's headers; the proxy adds what it must.
    pub headers: HeaderMap,
    /// The body, often empty.
    pub body: Bytes,
    /// The status for gRPC clients, if the guest gave one.
    pub grpc_status: Option<u32>,
    /// Why, for logs.
    pub details: String,
}
