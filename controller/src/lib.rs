//! The controller: watches the cluster, tells every node its policy, and reports what became of it.
//!
//! A watch for each kind of object feeds the one task that owns the index; what the index makes of it is served to
//! nodes by xDS. Writes to the cluster are the leader's ([`lease`]): identities, the status of policies, events, where
//! the webhook is ([`crds`]). Every replica watches and serves the conversion webhook ([`webhook`]); clients are
//! served by the leader, to whom they prove which node they are on ([`auth`]).
//!
//! Whatever fails, nodes keep the last good policy: nothing here can take one away but the API server's word.
#![forbid(unsafe_code)]

mod admin;
pub mod auth;
mod client;
mod config;
pub mod crds;
mod events;
mod identities;
mod kind;
pub mod lease;
mod metrics;
mod publisher;
mod reach;
mod run;
mod server;
mod status;
pub mod tls;
mod watch;
pub mod webhook;
mod writer;

pub use client::ClientError;
pub use config::{CertificateFiles, Config, NAME};
pub use metrics::Conversions;
pub use reach::{Party, Reach};
pub use run::{Controller, RunError};
pub use server::ServerError;

/// Who the API server is told has written a field.
pub const FIELD_MANAGER: &str = "postern-controller";
