//! The reference interpreter: what policies mean, written from the description and from nothing else.
//!
//! It has its own plain types, evaluates them directly (every policy, every item, every peer, for each question) and
//! prints them as the YAML that users write. The tests compare its answers with the engine's. It depends on no crate of
//! the engine, so that the two cannot be wrong together by sharing code.
#![forbid(unsafe_code)]

pub mod address;
pub mod evaluate;
pub mod http;
pub mod label;
pub mod pattern;
pub mod policy;
pub mod port;
pub mod print;
pub mod world;
