//! Distribution by xDS: what is sent, the server, the client.
//!
//! The server speaks the incremental (delta) variant of Envoy's aggregated discovery service and has one code
//! path for its three kinds of clients: `postern node` and `postern proxy` follow identities, services and
//! endpoints; Envoy asks for the configuration of the filter by its name. [`server::XdsServer`] sends what a
//! [`snapshot::NodeSnapshot`] has and the client has not, [`client::Client`] follows it.
//!
//! The order is part of the promise. Identities come before services, services before endpoints, endpoints
//! before the filter's configuration, and each only once the client has taken the one before; what is only
//! removed goes in the opposite order. Within a type one response is one change, so no address ever belongs to
//! two identities on the way from one state to the next.
#![forbid(unsafe_code)]

pub mod client;
mod extension;
mod metadata;
pub mod resource;
pub mod server;
pub mod service;
pub mod snapshot;

#[cfg(test)]
mod testing;
