//! Connections to upstreams, of one worker.

mod connect;
mod http1;
mod http2;
mod route;
mod unused;

use std::time::Duration;

use http::Response;
use hyper::body::Incoming;

pub(crate) use http1::Lease;
use route::Key;
pub(crate) use route::{Route, Upstreams};

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
