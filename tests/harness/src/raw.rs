//! An HTTP/1.1 client that sends exactly the bytes it is given, from the address it is told.

mod connection;
mod outcome;
mod parse;
mod request;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use connection::RawConnection;
pub use outcome::{Headers, RawOutcome};
pub use request::Request;

/// Sends one request on one connection.
#[derive(Debug)]
pub struct RawClient;

impl RawClient {
    /// Connects `from` an address of this machine (any of 127.0.0.0/8 can be bound on loopback), sends
    /// `bytes` and reads one response. `deadline` is for all of it.
    #[must_use]
    pub fn request(from: IpAddr, to: SocketAddr, bytes: &[u8], deadline: Duration) -> RawOutcome {
        match RawConnection::open(from, to, deadline) {
            Ok(mut connection) => connection.send(bytes, deadline),
            Err(outcome) => outcome,
        }
    }
}

#[cfg(test)]
mod tests;
