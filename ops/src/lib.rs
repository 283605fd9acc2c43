//! What every daemon needs around its work: a log, a metrics registry, a health state, an admin listener.
//!
//! Nothing here reads the environment or the command line: what is to be logged, and how, is passed in.

mod admin;
mod health;
mod log;
mod registry;

pub use admin::{Page, serve_admin};
pub use health::Health;
pub use log::{LogError, LogFormat, init_log};
pub use registry::{Counter, Gauge, Registry, Sample, SampleValue};
