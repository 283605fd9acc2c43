//! What the guest may know of a connection.

use std::net::SocketAddr;
use std::sync::Arc;

/// Which way the traffic goes, seen from the workload that is guarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// To the workload.
    #[default]
    Inbound,
    /// From the workload.
    Outbound,
    /// Both at once: the connection leaves one workload for another, and the policies of both ends apply.
    Unspecified,
}

/// One accepted connection, with its properties already in the form that the guest reads: a property is asked for on
/// every request, and the connection lives longer than that.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    source: Endpoint,
    destination: Endpoint,
    direction: Direction,
    mtls: bool,
    server_name: Option<Arc<str>>,
    peer_uri: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) text: String,
}

impl ConnectionInfo {
    /// A plain-text connection. Addresses should be canonical: an IPv4-mapped IPv6 address is shown as it is given.
    #[must_use]
    pub fn new(source: SocketAddr, destination: SocketAddr, direction: Direction) -> Self {
        let [source, destination] =
            [source, destination].map(|address| Endpoint { address, text: address.to_string() });
        Self { source, destination, direction, mtls: false, server_name: None, peer_uri: None }
    }

    /// The server name that the client asked for in its TLS handshake.
    #[must_use]
    pub fn with_server_name(mut self, name: &str) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Marks the connection as mutual TLS, with the peer's SPIFFE URI if its certificate carries one.
    #[must_use]
    pub fn with_mtls(mut self, peer_uri: Option<&str>) -> Self {
        self.mtls = true;
        self.peer_uri = peer_uri.map(Into::into);
        self
    }

    /// The client's address.
    #[must_use]
    pub fn source(&self) -> SocketAddr {
        self.source.address
    }

    /// The address that policies mean.
    #[must_use]
    pub fn destination(&self) -> SocketAddr {
        self.destination.address
    }

    pub(crate) fn source_endpoint(&self) -> &Endpoint {
        &self.source
    }

    pub(crate) fn destination_endpoint(&self) -> &Endpoint {
        &self.destination
    }

    pub(crate) fn direction(&self) -> Direction {
        self.direction
    }

    pub(crate) fn mtls(&self) -> bool {
        self.mtls
    }

    pub(crate) fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    pub(crate) fn peer_uri(&self) -> Option<&str> {
        self.peer_uri.as_deref()
    }
}
