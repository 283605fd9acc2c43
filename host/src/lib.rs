//! The proxy: takes HTTP/1.1 and HTTP/2 connections, asks a proxy-wasm filter about each connection and each request,
//! and forwards what the filter lets through: to one upstream, or, as a transparent proxy, to where the client meant to go.
//!
//! Closed by default: a connection or request that the filter fails on, or has no configuration for, is not let through.
//! The filter sees a request exactly as the upstream will: hop-by-hop headers are gone, `x-forwarded-for` is complete,
//! and path and authority are the very bytes that are sent on. A transparent proxy leaves `x-forwarded-for` as it came:
//! the upstream sees the client's own address.
//!
//! ```text
//! Proxy::run ── admin thread: /metrics /healthz /readyz /config
//!           └── N workers, each one thread with its own runtime, filter instance and upstream connections:
//!               accept ─ filter.on_connection ─ hyper ─ filter.on_request ─ upstream
//! ```

mod access;
mod admin;
mod answer;
mod body;
mod config;
mod connection;
mod error;
mod exchange;
mod executor;
mod listeners;
mod metrics;
mod proxy;
mod request;
mod status;
mod throttle;
mod transparent;
mod upgrade;
mod upstream;
mod worker;

#[cfg(test)]
mod tests;

pub use config::{
    FixedUpstream, Protocol, ProxyConfig, ProxyLimits, Transparent, Upstream, UpstreamAddressError,
};
pub use error::ProxyError;
pub use postern_host_vm::{Direction, Limits as GuestLimits, ModuleCache, Plugin, UnsafeDirectory};
pub use proxy::Proxy;
pub use status::{ConfigStatus, WorkerStatus};
