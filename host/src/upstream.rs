//! Connections to the upstream, of one worker.

mod connect;
mod http1;
mod http2;

use std::time::Duration;

use http::Response;
use http::request::Parts;
use hyper::body::Incoming;

use crate::config::{Protocol, ProxyLimits, Upstream};
use crate::request::Target;

pub(crate) use http1::Lease;

/// Sends requests on connections that are kept open.
pub(crate) struct Pool {
    protocol: Connections,
    response: Duration,
}

enum Connections {
    Http1(http1::Pool),
    Http2(Box<http2::Pool>),
}

/// An upstream's answer, and the connection that must outlive it.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Option<Lease>,
}

/// No answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("cannot connect to {address}: {cause}; check that the upstream runs and listens there")]
    Connect { address: String, cause: std::io::Error },
    #[error(
        "no connection to {address} in {limit:?}; check that the address is right and no firewall drops it"
    )]
    ConnectTimeout { address: String, limit: Duration },
    #[error(
        "the upstream broke off: {0}; check its log, and that it speaks the protocol it is configured for"
    )]
    Broken(#[from] hyper::Error),
    #[error("the upstream did not begin to answer in {0:?}; check its load")]
    Timeout(Duration),
    #[error("the request cannot be written for HTTP/2: {0}")]
    Unsendable(#[from] http::Error),
}

impl Pool {
    pub(crate) fn new(upstream: &Upstream, limits: &ProxyLimits) -> Self {
        let connector = connect::Connector::new(upstream.address(), limits.connect);
        let protocol = match upstream.protocol() {
            Protocol::Http1 => Connections::Http1(http1::Pool::new(connector, limits)),
            Protocol::Http2 => Connections::Http2(Box::new(http2::Pool::new(connector, limits))),
        };
        Self { protocol, response: limits.response }
    }

    pub(crate) fn is_http2(&self) -> bool {
        matches!(self.protocol, Connections::Http2(_))
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        parts: Parts,
        target: &Target,
        body: Incoming,
    ) -> Result<Answer, UpstreamError> {
        let answer = async {
            match &self.protocol {
                Connections::Http1(pool) => pool.send(parts, target, body).await,
                Connections::Http2(pool) => pool.send(parts, target, body).await,
            }
        };
        let limited = tokio::time::timeout(self.response, answer).await;
        limited.unwrap_or(Err(UpstreamError::Timeout(self.response)))
    }
}
