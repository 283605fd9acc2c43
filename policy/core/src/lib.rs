//! The heart of Postern: what a policy means.
//!
//! The pipeline, each stage a type of its own:
//! a checked [`Policy`](policy::Policy) and a [`World`](world::World) of what exists are
//! [resolved](resolve) into one [`EndpointPolicy`](endpoint::EndpointPolicy) per workload, and a
//! [`PolicySet`](set::PolicySet) of those [decides](decide) connections and requests.
//!
//! This crate is pure: no IO, no clock, no environment, no `unsafe`, and nothing in it panics on input.
//! It builds for the host and for `wasm32-wasip1`, so the command line, the controller and the filter
//! reach a verdict with the same code.
#![forbid(unsafe_code)]

pub mod allowance;
pub mod bytes;
pub mod decide;
pub mod endpoint;
pub mod explain;
pub mod http;
pub mod identity;
pub mod labels;
pub mod lower;
pub mod matcher;
pub mod path;
pub mod pattern;
pub mod peer;
pub mod policy;
pub mod port;
pub mod prefixes;
pub mod resolve;
pub mod resolver;
pub mod selector;
pub mod set;
pub mod world;
