//! The bundle: everything a filter needs, resolved, as one JSON document.
//!
//! It can be read and written by hand, and has a published schema. Who and which ports a rule covers is never
//! implied: "anyone" is written `"any"`, an empty list is nobody, and a field that got lost is an error. Within an
//! HTTP rule, a field that is absent is not looked at.
#![forbid(unsafe_code)]

mod decode;
mod document;
mod encode;
mod load;
mod rules;

pub use decode::{BundleError, Quarantined, decode, decode_bundle};
pub use document::{
    API_VERSION, Action, Attach, Audit, Bundle, Direction, DirectionPolicy, Endpoint, ForwardedFor, Header,
    HttpRule, Identity, PeerSource, Peers, PortRange, Ports, Protocol, Report, Rule, Tier, Versions,
};
pub use encode::encode;
pub use load::{Kept, Loaded};

/// The JSON Schema of the bundle.
#[cfg(feature = "schema")]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Bundle).into()
}
