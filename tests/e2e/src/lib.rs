//! What the end-to-end suites share: the `postern` binary as a command and as a proxy, a node with its workloads in
//! network namespaces, the tutorial's world, and the corpus engines that show nothing but traffic.
//!
//! The suites are in `tests/`, one file for each thing that is proven.

pub mod bundles;
pub mod callers;
pub mod chaos;
pub mod engine;
pub mod node;
pub mod postern;
pub mod proxy;
pub mod traffic;
pub mod tutorial;
pub mod updates;
