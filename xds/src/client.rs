//! The client of `postern node` and `postern proxy`.

mod backoff;
mod config;
mod connect;
mod follow;
mod held;
mod state;

pub use config::{ClientConfig, ClientCredentials, ConfigError, Kind, Pem};
pub use connect::ConnectError;
pub use follow::{Client, Connection};
pub use state::{Refusal, Snapshot};
