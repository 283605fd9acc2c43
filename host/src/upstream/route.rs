//! Which upstream a client's requests go to.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::Version;
use http::request::Parts;
use hyper::body::Incoming;

use super::connect::Connector;
use super::http1::SharedUnused;
use super::unused::Unused;
use super::{Answer, UpstreamError, http1, http2};
use crate::config::{Protocol, ProxyLimits, Transparent, Upstream};
use crate::request::Target;

/// Who may use an unused connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// Everybody: there is only one upstream.
    Fixed,
    /// This client, for this server: to the server, a connection is the client's.
    Original { client: IpAddr, destination: SocketAddr },
}

/// The upstreams of one worker.
pub(crate) struct Upstreams {
    kind: Kind,
    limits: ProxyLimits,
    unused: SharedUnused,
}

enum Kind {
    Fixed(Rc<Route>),
    Original(Transparent),
}

impl Upstreams {
    pub(crate) fn new(upstream: &Upstream, limits: &ProxyLimits) -> Self {
        let unused = Rc::new(RefCell::new(Unused::new(limits.idle_connections, limits.idle)));
        let kind = match upstream {
            Upstream::Fixed(fixed) => {
                let connector = Connector::Fixed { address: fixed.address().into(), limit: limits.connect };
                let http1 = http1::Pool::new(Key::Fixed, unused.clone());
                Kind::Fixed(Rc::new(Route::new(connector, Some(fixed.protocol()), http1, limits)))
            }
            Upstream::Original(transparent) => Kind::Original(*transparent),
        };
        Self { kind, limits: *limits, unused }
    }

    /// Where the requests of a client connection go.
    pub(crate) fn route(&self, client: SocketAddr, destination: SocketAddr) -> Rc<Route> {
        match &self.kind {
            Kind::Fixed(route) => route.clone(),
            Kind::Original(Transparent { mark }) => {
                let limit = self.limits.connect;
                let connector = Connector::Original { client, destination, mark: *mark, limit };
                let key = Key::Original { client: client.ip(), destination };
                let http1 = http1::Pool::new(key, self.unused.clone());
                Rc::new(Route::new(connector, None, http1, &self.limits))
            }
        }
    }

    /// Closes, for as long as it is polled, what is unused for too long: nobody may come back for it.
    pub(crate) fn sweep(&self) -> impl Future<Output = ()> + 'static {
        let every = (self.limits.idle / 2).max(Duration::from_secs(1));
        let unused = self.unused.clone();
        async move {
            loop {
                tokio::time::sleep(every).await;
                unused.borrow_mut().expire(Instant::now());
            }
        }
    }
}

/// An upstream, and the connections to it.
///
/// Of a fixed upstream there is one in each worker. Of original destinations there is one for each client connection: its
/// HTTP/1.1 connections outlive it for the client's next connection, its HTTP/2 connection goes when it goes.
pub(crate) struct Route {
    connector: Connector,
    /// What the upstream speaks; the client's own HTTP if it is not known.
    protocol: Option<Protocol>,
    http1: http1::Pool,
    http2: http2::Pool,
    response: Duration,
}

impl Route {
    fn new(
        connector: Connector,
        protocol: Option<Protocol>,
        http1: http1::Pool,
        limits: &ProxyLimits,
    ) -> Self {
        Self { connector, protocol, http1, http2: http2::Pool::new(limits), response: limits.response }
    }

    /// What is spoken upstream for a request that came in this version of HTTP.
    pub(crate) fn protocol(&self, client: Version) -> Protocol {
        match self.protocol {
            Some(protocol) => protocol,
            None if client == Version::HTTP_2 => Protocol::Http2,
            None => Protocol::Http1,
        }
    }

    /// The upstream's address, for messages.
    pub(crate) fn address(&self) -> impl std::fmt::Display {
        &self.connector
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        parts: Parts,
        target: &Target,
        body: Incoming,
    ) -> Result<Answer, UpstreamError> {
        let answer = async {
            match self.protocol(parts.version) {
                Protocol::Http1 => self.http1.send(&self.connector, parts, target, body).await,
                Protocol::Http2 => self.http2.send(&self.connector, parts, target, body).await,
            }
        };
        let limited = tokio::time::timeout(self.response, answer).await;
        limited.unwrap_or(Err(UpstreamError::Timeout(self.response)))
    }
}
