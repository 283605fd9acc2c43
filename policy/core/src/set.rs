//! Policy sets: everything one proxy enforces.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::decide::{Decision, Reason, Verdict};
use crate::endpoint::{DirectionPolicy, EndpointPolicy, Flow};
use crate::http::Request;
use crate::identity::{AddressTable, IdentityId};
use crate::matcher::Matchers;
use crate::policy::Direction;
use crate::port::Protocol;
use crate::world::WorkloadName;

/// The policies of the workloads behind one proxy, and the identities of their peers.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    endpoints: Vec<EndpointPolicy>,
    matchers: Arc<Matchers>,
    by_address: HashMap<IpAddr, usize>,
    by_name: HashMap<WorkloadName, usize>,
    identities: AddressTable,
    attachment: Attachment,
}

/// What is fixed about the traffic that a proxy sees. What is `None` is taken from each connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// The direction, seen from the workload.
    pub direction: Option<Attached>,
    /// The workload, where a proxy serves just one.
    pub endpoint: Option<WorkloadName>,
    /// The port that policies mean, where the proxy listens on another.
    pub port: Option<u16>,
    /// The other end's address, where the connection shows the proxy's own: that of a fixed upstream, for egress.
    pub peer: Option<IpAddr>,
}

/// Which of a connection's ends are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attached {
    /// The workload of one end: the one that this direction is seen from.
    To(Direction),
    /// Both: what the source may send and what the destination may get. An end that is not in the set is
    /// somebody else's to guard, but one of them must be in it.
    Both,
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
    /// The attachment names one endpoint and both ends.
    #[error(
        "the attachment names endpoint {0} and direction `both`: expected `ingress` or `egress` with an endpoint"
    )]
    TwoEnds(WorkloadName),
}

/// A decision, and at which end of the connection it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Judged<'p> {
    /// The end; none where no policy was consulted.
    pub side: Option<Side>,
    /// The decision.
    pub decision: Decision<'p>,
}

/// One end of a connection, as its policy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// Seen from the workload whose policy it is.
    pub direction: Direction,
    /// The other end's address.
    pub peer: IpAddr,
    /// Who that is.
    pub identity: IdentityId,
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
        if let (Some(name), Some(Attached::Both)) = (&set.attachment.endpoint, set.attachment.direction) {
            return Err(SetError::TwoEnds(name.clone()));
        }
        set.matchers = Arc::new(Matchers::new(&endpoints));
        set.endpoints = endpoints;
        Ok(set)
    }

    /// The endpoints of the set.
    pub fn endpoints(&self) -> &[EndpointPolicy] {
        &self.endpoints
    }

    /// Decides a connection.
    pub fn connection(&self, connection: &Connection) -> Judged<'_> {
        self.judge(connection, |index, policy, flow| match self.matchers.get(index.0, index.1) {
            Some(matcher) => matcher.connection(policy, flow),
            None => policy.connection(flow),
        })
    }

    /// Decides a request on a connection.
    pub fn request(&self, connection: &Connection, request: &Request<'_>) -> Judged<'_> {
        self.judge(connection, |index, policy, flow| match self.matchers.get(index.0, index.1) {
            Some(matcher) => matcher.request(policy, self.matchers.expressions(), flow, request),
            None => policy.request(flow, request),
        })
    }

    /// The identity number of an address, as this set knows it.
    pub fn identity(&self, address: IpAddr) -> IdentityId {
        self.identities.identity(address)
    }

    /// The decision of the ends that are looked at: the first denial, or what the last one says.
    fn judge<'p>(
        &'p self,
        connection: &Connection,
        decide: impl Fn((usize, Direction), &'p DirectionPolicy, &Flow) -> Decision<'p>,
    ) -> Judged<'p> {
        let ends: &[Direction] = match &self.attachment.direction {
            Some(Attached::To(direction)) => std::slice::from_ref(direction),
            Some(Attached::Both) => &[Direction::Egress, Direction::Ingress],
            None => std::slice::from_ref(&connection.direction),
        };
        let mut judged: Option<Judged<'p>> = None;
        for direction in ends {
            let Some((index, policy, side)) = self.locate(connection, *direction) else { continue };
            let port = self.attachment.port.unwrap_or(connection.destination.port());
            let flow = Flow { peer: side.identity, protocol: Protocol::Tcp, port };
            let decision = decide((index, *direction), policy, &flow);
            let redirected =
                judged.as_ref().is_some_and(|judged| judged.decision.verdict == Verdict::Redirect);
            // Either end's HTTP rules are enough for the requests to be looked at.
            if decision.verdict == Verdict::Deny || !redirected {
                judged = Some(Judged { side: Some(side), decision });
            }
            if judged.as_ref().is_some_and(|judged| judged.decision.verdict == Verdict::Deny) {
                break;
            }
        }
        judged.unwrap_or(Judged { side: None, decision: Decision::closed(Reason::UnknownEndpoint) })
    }

    fn locate(
        &self,
        connection: &Connection,
        direction: Direction,
    ) -> Option<(usize, &DirectionPolicy, Side)> {
        let (subject, peer) = match direction {
            Direction::Ingress => (connection.destination, connection.source),
            Direction::Egress => (connection.source, connection.destination),
        };
        let index = match &self.attachment.endpoint {
            Some(name) => self.by_name.get(name)?,
            None => self.by_address.get(&subject.ip().to_canonical())?,
        };
        let peer = self.attachment.peer.unwrap_or(peer.ip());
        let side = Side { direction, peer, identity: self.identity(peer) };
        Some((*index, self.endpoints.get(*index)?.direction(direction), side))
    }
}
