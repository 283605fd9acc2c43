//! The agent: brings the kernel to what it is told, and keeps it there.

mod desired;
mod places;
mod reconcile;
mod status;

pub use desired::{Desired, DesiredEndpoint};
pub use reconcile::{Agent, AgentConfig, ApplyError, Problem};
pub use status::{EndpointStatus, NodeStatus};
