//! What the leader writes into the status of policies.
//!
//! What is to be written is a map that the index publishes whole, so nothing piles up while the API server is away:
//! only the last state of each policy is written.

mod conditions;
mod writer;

pub(crate) use conditions::{conditions, verdict_changed};
pub(crate) use writer::{StatusWriter, changed};
