//! A cluster in a box: everything is real but the container runtime.
//!
//! - [`net`]: nodes and pods as network namespaces, usable without the rest;
//! - [`cluster::Cluster`]: the same with an API server, a stand-in for the kubelet, and the project's daemons;
//! - [`traces`]: everything a box leaves on the machine, and its removal.
//!
//! Everything of a box has the run's id in its name, so several can be up at once.

// For the program of this crate.
#[doc(hidden)]
pub mod command;

mod app;
pub mod cluster;
mod control;
pub mod daemon;
mod daemons;
mod exec;
pub mod folder;
mod images;
mod kubelet;
pub mod net;
pub mod options;
pub mod proc;
pub mod run;
pub mod services;
pub mod subnets;
mod tool;
pub mod traces;

pub use cluster::{Cluster, Condition};
pub use daemons::node::Node;
pub use options::{Engine, Options};
pub use run::RunId;
pub use services::ServiceProxy;
