//! What the reference itself says, clause by clause: each row names the clause of the description that it pins.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod empty_forms;
mod peers;
mod ports;
mod support;
mod tiers;
mod worked_outcomes;
