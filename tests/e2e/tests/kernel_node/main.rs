//! One node without a cluster: `postern node` and `postern proxy --transparent`, with real packets between network
//! namespaces. Needs root.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod agent_gone;
mod bad_input;
mod both_ends;
mod changes;
mod forms;
mod outside;
mod pods;
mod policies;
mod proxy_gone;
mod spoofing;
mod support;
mod tutorial;
