//! What kernel programs and the agent share: map keys and values, and the numbers in them.
//!
//! Everything is a plain integer or an array of them, laid out as in C with all padding written out, so
//! that a value is the same bytes on both sides and no byte of it is undefined. A change of any layout
//! or meaning here goes with a new [`ABI_VERSION`]: maps of another version are never adopted.
#![no_std]

mod address;
mod conntrack;
mod endpoint;
mod event;
mod fragment;
#[cfg(feature = "user")]
mod pod;
mod policy;
mod reason;
mod service;
mod steer;

pub use address::Address;
pub use conntrack::{CtFlags, CtKey, CtValue, Leg, Lifetime};
pub use endpoint::{Config, Endpoint, EndpointFlags};
pub use event::Event;
pub use fragment::{FragmentKey, FragmentValue};
pub use policy::{PolicyKey, PolicyValue, Verdict, WORLD, direction};
pub use reason::{Counter, Reason};
pub use service::{BackendKey, ServiceKey, ServiceValue, Translated, TranslationKey};
pub use steer::{Mark, SteeredKey, listener};

/// The version of all layouts in this crate; the folder in bpffs bears it.
pub const ABI_VERSION: u32 = 1;
