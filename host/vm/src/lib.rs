//! Runs a filter in wasmtime, under limits: a proxy-wasm module (ABI 0.2.0 and 0.2.1), or a component of the world
//! `postern:policy/policy`.
//!
//! The guest is opaque and untrusted. Whatever it does (traps, loops, exhausts its memory, passes bad pointers,
//! exits, pauses for ever) becomes a [`Fault`] of the one call it was made in; the caller denies what that call was
//! about, and the next call finds a fresh instance. Nothing here opens a socket, reads a file other than the system's
//! random source and the [`ModuleCache`], or blocks beyond [`Limits`].
//!
//! ```text
//! Engine ── Module ── Vm ── Instance (store, exports) ── Host (what imports see)
//!  limits    compiled   last good configuration,          connection, request headers,
//!  ticker    pre-linked faults, replacement               answer, metrics, shared data
//! ```
//!
//! Cost: one request in a living instance crosses into the guest once per callback that the module exports (about
//! 30 ns each) plus 5 ns for each host call.

mod abi;
mod cache;
mod component;
mod connection;
mod either;
mod engine;
mod fault;
mod guest;
mod headers;
mod host;
mod imports;
mod instance;
mod metrics;
mod module;
mod property;
mod recovery;
mod response;
mod shared;
mod spare;
mod vm;
mod wasi;

#[cfg(test)]
mod tests;

pub use cache::{ModuleCache, UnsafeDirectory};
pub use connection::{ConnectionInfo, Direction};
pub use engine::{Engine, EngineError, Limits};
pub use fault::{ConfigureError, Fault};
pub use headers::Headers;
pub use metrics::{Metric, MetricKind, MetricSample, MetricsStore};
pub use module::{CompileError, Module, Plugin};
pub use response::{LocalResponse, RequestOutcome};
pub use vm::{Connection, ConnectionOutcome, Vm};
