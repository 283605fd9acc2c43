//! An engine for fuzz targets: it changes inputs, keeps those that reach what none did before, and stops at the first that
//! panics or takes too long.
//!
//! `cargo xtask fuzz` builds it with rustc's coverage counters, which stable rustc has. libFuzzer would need a C++ compiler.

mod coverage;
mod engine;
mod mutate;

pub use engine::{Target, run};
