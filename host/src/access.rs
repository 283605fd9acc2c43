//! The access log: one event for each request.

use std::net::SocketAddr;
use std::time::Instant;

use http::request::Parts;
use http::{Method, StatusCode, Uri};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Forwarded,
    /// By the filter.
    Denied,
    /// The filter failed.
    Fault,
    /// Not a request that can be forwarded, or no upstream to forward it to.
    Error,
}

/// A request, from its arrival until its answer begins.
pub(crate) struct Entry {
    started: Instant,
    method: Method,
    uri: Uri,
}

impl Entry {
    /// `None` when nobody listens: then nothing is copied.
    pub(crate) fn begin(parts: &Parts) -> Option<Self> {
        tracing::enabled!(target: "access", tracing::Level::INFO).then(|| Self {
            started: Instant::now(),
            method: parts.method.clone(),
            uri: parts.uri.clone(),
        })
    }

    pub(crate) fn end(self, client: SocketAddr, status: StatusCode, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Forwarded => "forwarded",
            Outcome::Denied => "denied",
            Outcome::Fault => "fault",
            Outcome::Error => "error",
        };
        let duration_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            target: "access",
            client = %client,
            method = %self.method,
            // Of a URI that hyper has parsed: no control characters are left in it.
            path = self.uri.path_and_query().map_or("", |path| path.as_str()),
            status = status.as_u16(),
            duration_us,
            outcome,
        );
    }
}
