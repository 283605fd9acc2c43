//! What is thrown at a proxy to see whether anything that policy denies comes out at the other side.

pub mod bootstrap;
mod http2;
mod module;
mod probes;
mod recorder;
mod storm;

pub use module::{TRAPPING_HEADERS, capped, trapping};
pub use probes::{Mark, Probe, bytes_everywhere, sizes};
pub use recorder::Recorder;
pub use storm::{Report, Wire, storm};
