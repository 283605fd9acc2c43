//! Policy sets: everything one proxy enforces.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::decide::{Decision, Reason};
use crate::endpoint::{DirectionPolicy, EndpointPolicy, Flow};
use crate::http::Request;
use crate::identity::AddressTable;
use crate::policy::Direction;
use crate::port::Protocol;
use crate::world::WorkloadName;

/// The policies of the workloads behind one proxy, and the identities of their peers.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    endpoints: Vec<EndpointPolicy>,
    by_address: HashMap<IpAddr, usize>,
    by_name: HashMap<WorkloadName, usize>,
    identities: AddressTable,
    attachment: Attachment,
}

/// What is fixed about the traffic that a proxy sees. What is `None` is taken from each connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// The direction, seen from the workload.
    pub direction: Option<Direction>,
    /// The workload, where a proxy serves just one.
    pub endpoint: Option<WorkloadName>,
    /// The port that policies mean, where the proxy listens on another.
    pub port: Option<u16>,
    /// The other end's address, where the connection shows the proxy's own: that of a fixed upstream, for egress.
    pub peer: Option<IpAddr>,
}

/// A TCP connection as a proxy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// The client's end.
    pub source: SocketAddr,
    /// The end it connected to.
    pub destination: SocketAddr,
    /// The direction the proxy's listener serves; the attachment's wins.
    pub direction: Direction,
}

/// Why a policy set was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// Two endpoints share a name or an address.
    #[error("endpoint {0} shares its name or an address with another endpoint: each must be its own")]
    Duplicate(WorkloadName),
    /// The attachment names an endpoint that is not there.
    #[error("the attachment names endpoint {0}, which is not among the endpoints")]
    Unattached(WorkloadName),
}

impl PolicySet {
    /// Puts a set together.
    pub fn new(
        endpoints: Vec<EndpointPolicy>,
        identities: AddressTable,
        attachment: Attachment,
    ) -> Result<Self, SetError> {
        let mut set = Self { identities, attachment, ..Self::default() };
        for (index, endpoint) in endpoints.iter().enumerate() {
            let known = set.by_name.insert(endpoint.name.clone(), index).is_some();
            let shared = endpoint.addresses.iter().any(|address| {
                set.by_address.insert(address.to_canonical(), index).is_some_and(|i| i != index)
            });
            if known || shared {
                return Err(SetError::Duplicate(endpoint.name.clone()));
            }
        }
        if let Some(name) = set.attachment.endpoint.as_ref().filter(|name| !set.by_name.contains_key(name)) {
            return Err(SetError::Unattached(name.clone()));
        }
        set.endpoints = endpoints;
        Ok(set)
    }

    /// The endpoints of the set.
    pub fn endpoints(&self) -> &[EndpointPolicy] {
        &self.endpoints
    }

    /// Decides a connection.
    pub fn connection(&self, connection: &Connection) -> Decision<'_> {
        match self.locate(connection) {
            Some((policy, flow)) => policy.connection(&flow),
            None => Decision::closed(Reason::UnknownEndpoint),
        }
    }

    /// Decides a request on a connection.
    pub fn request(&self, connection: &Connection, request: &Request<'_>) -> Decision<'_> {
        match self.locate(connection) {
            Some((policy, flow)) => policy.request(&flow, request),
            None => Decision::closed(Reason::UnknownEndpoint),
        }
    }

    /// The identity number of an address, as this set knows it.
    pub fn identity(&self, address: IpAddr) -> crate::identity::IdentityId {
        self.identities.identity(address)
    }

    /// The direction a connection has here.
    pub fn direction(&self, connection: &Connection) -> Direction {
        self.attachment.direction.unwrap_or(connection.direction)
    }

    fn locate(&self, connection: &Connection) -> Option<(&DirectionPolicy, Flow)> {
        let direction = self.direction(connection);
        let (subject, peer) = match direction {
            Direction::Ingress => (connection.destination, connection.source),
            Direction::Egress => (connection.source, connection.destination),
        };
        let index = match &self.attachment.endpoint {
            Some(name) => self.by_name.get(name)?,
            None => self.by_address.get(&subject.ip().to_canonical())?,
        };
        let flow = Flow {
            peer: self.identity(self.attachment.peer.unwrap_or(peer.ip())),
            protocol: Protocol::Tcp,
            port: self.attachment.port.unwrap_or(connection.destination.port()),
        };
        Some((self.endpoints.get(*index)?.direction(direction), flow))
    }
}
