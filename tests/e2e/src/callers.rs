//! Callers that show more than an address: certificates, and hops that pass on whose request it is.

mod bundle;
mod client;
mod envoy;
mod forwarded;
mod pki;

pub use bundle::{
    A, B, GATEWAY, SPIFFE_A, SPIFFE_B, STRANGER, Strangers, V6_GATEWAY, bundle, bundle_of_connections,
};
pub use client::{Client, Server};
pub use envoy::{Callers, Certificates, Listener, Serves};
pub use forwarded::{Row, gateway_alone, gateway_and_proxy, trusting};
pub use pki::{Pki, SERVER};
