//! What the end-to-end tests stand on.
//!
//! - [`apiserver::ApiServer`]: a real API server with its etcd, and kubectl;
//! - [`envoy::Envoy`]: a real Envoy on a configuration of the test's own;
//! - [`upstream::Upstream`]: a server that answers and remembers what reached it;
//! - [`raw`] and [`h2c`]: clients that bind a source address and send exactly what the test says;
//! - [`process::Process`], [`ports`], [`wait::eventually`]: the parts that these are made of.
//!
//! Everything blocks, so that a test reads from top to bottom; nothing here sleeps to let something
//! happen: each wait has a condition, a deadline, and an error that says what was last seen.
//! Whatever a test starts is its own (port, folder, process) and is gone when its value is dropped.

pub mod apiserver;
pub mod envoy;
pub mod h2c;
pub mod ports;
pub mod process;
pub mod programs;
pub mod raw;
pub mod upstream;
pub mod wait;

pub use apiserver::ApiServer;
pub use envoy::{Envoy, Options};
pub use process::Process;
pub use raw::{RawClient, RawOutcome};
pub use upstream::{Answer, Upstream};
pub use wait::eventually;
