//! A node and its workloads, each in a network namespace of its own; `postern node` and `postern proxy` as anybody runs
//! them, real sockets at both ends, and nothing of a cluster.

mod bundle;
mod daemon;
mod flows;
mod inside;
mod ping;
mod servers;
mod world;

pub use bundle::{Policy, no_policy};
pub use daemon::Daemon;
pub use flows::Flow;
pub use inside::Place;
pub use ping::ping;
pub use servers::{Echo, Received};
pub use world::{Pod, World};
