//! What the proxy is told at start.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use postern_host_vm::{Direction, Limits, Plugin};

/// Everything but the filter's configuration, which may change later.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where requests go.
    pub upstream: Upstream,
    /// Worker threads.
    pub workers: NonZeroUsize,
    /// Where `/metrics`, `/healthz`, `/readyz` and `/config` are served.
    pub admin: Option<SocketAddr>,
    /// The destination address that the filter is told. Without one, the address that the client connected to.
    pub destination: Option<SocketAddr>,
    /// Which way the traffic goes, as the filter is told.
    pub direction: Direction,
    /// How the filter is addressed.
    pub plugin: Plugin,
    /// The filter: a proxy-wasm module.
    pub module: Cow<'static, [u8]>,
    /// Limits on the filter.
    pub guest_limits: Limits,
    /// Limits on clients and upstream.
    pub limits: ProxyLimits,
}

/// One server, by host name or address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    address: String,
    protocol: Protocol,
}

/// What the upstream speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge, as plain-text gRPC servers do.
    Http2,
}

/// Not an upstream's address.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an upstream address: expected HOST:PORT, such as 127.0.0.1:8080, [::1]:8080 or app:80")]
pub struct UpstreamAddressError(String);

impl Upstream {
    /// An upstream by `host:port`. A name is looked up each time a connection is made.
    ///
    /// # Errors
    /// When the text is not of that form.
    pub fn new(address: &str, protocol: Protocol) -> Result<Self, UpstreamAddressError> {
        let error = || UpstreamAddressError(address.to_owned());
        let (host, port) = address.rsplit_once(':').ok_or_else(error)?;
        let bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        if host.is_empty() || bare_v6 || !port.parse::<u16>().is_ok_and(|port| port != 0) {
            return Err(error());
        }
        Ok(Self { address: address.to_owned(), protocol })
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }
}

/// Limits on what clients and upstream may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyLimits {
    /// Bytes of a request's head, at least 8 KiB.
    pub header_bytes: usize,
    /// Time for a client to send a request's head; also how long a connection may be idle.
    pub header_read: Duration,
    /// Time to connect to the upstream.
    pub connect: Duration,
    /// Time for the upstream to begin its answer.
    pub response: Duration,
    /// Unused upstream connections of one worker.
    pub idle_connections: usize,
    /// How long an upstream connection may be unused.
    pub idle: Duration,
    /// How long open requests may go on after shutdown begins.
    pub drain: Duration,
}

impl Default for ProxyLimits {
    fn default() -> Self {
        Self {
            header_bytes: 64 << 10,
            header_read: Duration::from_secs(60),
            connect: Duration::from_secs(5),
            response: Duration::from_secs(60),
            idle_connections: 256,
            idle: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_has_host_and_port() {
        for good in ["127.0.0.1:80", "[::1]:8080", "app.default.svc:80"] {
            assert!(Upstream::new(good, Protocol::Http1).is_ok(), "{good}");
        }
        for bad in ["", "app", "app:", ":80", "::1:80", "app:0", "app:65536", "http://app"] {
            assert!(Upstream::new(bad, Protocol::Http1).is_err(), "{bad}");
        }
    }
}
