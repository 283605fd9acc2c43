//! What the proxy is told at start.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use postern_host_vm::{Direction, Limits, ModuleCache, Plugin};

mod upstream;

pub use upstream::{FixedUpstream, Protocol, Transparent, Upstream, UpstreamAddressError};

/// Everything but the filter's configuration, which may change later.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Where clients connect. Not used before [`Upstream::Original`].
    pub listen: SocketAddr,
    /// Where requests go, and with that, what kind of proxy this is.
    pub upstream: Upstream,
    /// Worker threads.
    pub workers: NonZeroUsize,
    /// Where `/metrics`, `/healthz`, `/readyz` and `/config` are served.
    pub admin: Option<SocketAddr>,
    /// The destination address that the filter is told. Without one, and always before [`Upstream::Original`], the
    /// address that the client connected to.
    pub destination: Option<SocketAddr>,
    /// Which way the traffic goes, as the filter is told. Before [`Upstream::Original`] it is always
    /// [`Direction::Unspecified`]: there is one proxy between the two ends, and it enforces the policies of both.
    pub direction: Direction,
    /// How the filter is addressed.
    pub plugin: Plugin,
    /// The filter: a proxy-wasm module, or a component of the world `postern:policy/policy`.
    pub module: Cow<'static, [u8]>,
    /// Where the module is kept compiled; without it, each start compiles it.
    pub module_cache: Option<ModuleCache>,
    /// Limits on the filter.
    pub guest_limits: Limits,
    /// Limits on clients and upstream.
    pub limits: ProxyLimits,
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
    /// Unused HTTP/1.1 connections of one worker to upstreams, all of them together.
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
