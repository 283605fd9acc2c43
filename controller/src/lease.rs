//! Which controller writes to the cluster: whoever holds the Lease.
//!
//! [`Election`] is the decision, without a clock or a client; [`follow`] carries it out.

mod driver;
mod election;

pub use driver::{LeaseError, LeaseName, follow};
pub use election::{Election, Record, Role, Step, Timing};
