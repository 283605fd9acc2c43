//! Policy sets: everything one proxy enforces.

mod needs;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::decide::{Decision, Reason, Verdict};
use crate::endpoint::{EndpointPolicy, Flow};
use crate::http::{HttpRule, Request};
use crate::identity::{Caller, Evidence, IdentityId, Known, PeerSource, UnreadablePeer};
use crate::matcher::{Compiled, Matchers};
use crate::policy::{Direction, RuleId};
use crate::port::Protocol;
use crate::world::WorkloadName;

pub use needs::{Asked, Need, Needs};

/// The policies of the workloads behind one proxy, and the identities of their peers.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    policies: Arc<Policies>,
    known: Arc<Known>,
    attachment: Attachment,
    /// The endpoint that the attachment names.
    attached: Option<usize>,
}

/// The policies of some workloads. They say who may do what in numbers alone: whose an address is may change
/// without them.
#[derive(Debug, Default)]
pub struct Policies {
    endpoints: Vec<EndpointPolicy>,
    matchers: Matchers,
    by_address: HashMap<IpAddr, usize>,
    by_name: HashMap<WorkloadName, usize>,
}

impl Policies {
    /// Puts the policies of workloads together.
    ///
    /// # Errors
    /// When two of them share a name or an address.
    pub fn new(endpoints: Vec<EndpointPolicy>) -> Result<Self, SetError> {
        let mut policies = Self::default();
        for (index, endpoint) in endpoints.iter().enumerate() {
            let known = policies.by_name.insert(endpoint.name.clone(), index).is_some();
            let shared = endpoint.addresses.iter().any(|address| {
                policies.by_address.insert(address.to_canonical(), index).is_some_and(|i| i != index)
            });
            if known || shared {
                return Err(SetError::Duplicate(endpoint.name.clone()));
            }
        }
        policies.matchers = Matchers::new(&endpoints);
        policies.endpoints = endpoints;
        Ok(policies)
    }

    /// All HTTP rules in the order in which a bundle is read: of each endpoint those to it, then those from it, and of both
    /// what is enforced before what is tried.
    pub fn http_rules(&self) -> impl Iterator<Item = &HttpRule> {
        let policies = self.endpoints.iter().flat_map(|endpoint| {
            let EndpointPolicy { ingress, egress, audit, .. } = endpoint;
            [Some(ingress), audit.ingress.as_ref(), Some(egress), audit.egress.as_ref()]
        });
        policies.flatten().flat_map(|policy| &policy.rules).flat_map(|rule| rule.http())
    }
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
    /// How it is told who sends to a workload; by the connection's own address where there are none.
    pub peer_from: Vec<PeerSource>,
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
    /// The attachment names the peer and how to tell it.
    #[error("the attachment has both a peer and peerFrom: leave out the one or the other")]
    TwoPeers,
}

/// A decision, and at which end of the connection it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Judged<'p> {
    /// The end; none where no policy was consulted.
    pub side: Option<Side>,
    /// The decision.
    pub decision: Decision<'p>,
    /// What would be decided if what is tried were enforced; none where nothing is.
    pub audit: Option<Decision<'p>>,
}

impl<'p> Judged<'p> {
    /// A denial that no policy was consulted for.
    pub fn closed(reason: Reason<'p>) -> Self {
        Self { side: None, decision: Decision::closed(reason), audit: None }
    }
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
    ///
    /// # Errors
    /// When the parts contradict each other.
    pub fn new(
        endpoints: Vec<EndpointPolicy>,
        known: impl Into<Known>,
        attachment: Attachment,
    ) -> Result<Self, SetError> {
        Self::of(Arc::new(Policies::new(endpoints)?), Arc::new(known.into()), attachment)
    }

    /// Puts a set together of parts that others may have too.
    ///
    /// # Errors
    /// When the attachment contradicts the policies, or itself.
    pub fn of(policies: Arc<Policies>, known: Arc<Known>, attachment: Attachment) -> Result<Self, SetError> {
        let find = |name: &WorkloadName| {
            policies.by_name.get(name).copied().ok_or_else(|| SetError::Unattached(name.clone()))
        };
        let attached = attachment.endpoint.as_ref().map(find).transpose()?;
        if let (Some(name), Some(Attached::Both)) = (&attachment.endpoint, attachment.direction) {
            return Err(SetError::TwoEnds(name.clone()));
        }
        if attachment.peer.is_some() && !attachment.peer_from.is_empty() {
            return Err(SetError::TwoPeers);
        }
        Ok(Self { policies, known, attachment, attached })
    }

    /// The policies, for another set with other identities.
    pub fn policies(&self) -> &Arc<Policies> {
        &self.policies
    }

    /// How traffic is attached to the policies.
    pub fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    /// The endpoints of the set.
    pub fn endpoints(&self) -> &[EndpointPolicy] {
        &self.policies.endpoints
    }

    /// The names by which decisions know the rules that are enforced, in their order; those of HTTP rules after their
    /// rule's.
    pub fn rule_names(&self) -> impl Iterator<Item = &RuleId> {
        let policies = self.endpoints().iter().flat_map(|endpoint| [&endpoint.ingress, &endpoint.egress]);
        policies
            .flat_map(|policy| &policy.rules)
            .flat_map(|rule| std::iter::once(&rule.id).chain(rule.http().iter().map(|rule| &rule.id)))
    }

    /// Decides a connection of which nothing but the addresses is known.
    pub fn connection(&self, connection: &Connection) -> Judged<'_> {
        self.connection_by(connection, None)
    }

    /// Decides a request on such a connection.
    pub fn request(&self, connection: &Connection, request: &Request<'_>) -> Judged<'_> {
        self.request_by(connection, None, request)
    }

    /// Decides a connection. `certificate` is the URI of the peer's certificate, which the host has verified.
    pub fn connection_by(&self, connection: &Connection, certificate: Option<&[u8]>) -> Judged<'_> {
        let evidence = Evidence { certificate, headers: None };
        self.judge(connection, &evidence, Compiled::connection)
    }

    /// Decides a request on a connection.
    pub fn request_by(
        &self,
        connection: &Connection,
        certificate: Option<&[u8]>,
        request: &Request<'_>,
    ) -> Judged<'_> {
        let evidence = Evidence { certificate, headers: Some(&request.headers) };
        self.judge(connection, &evidence, |policy, flow| policy.request(flow, request))
    }

    /// The identity number of an address, as this set knows it.
    pub fn identity(&self, address: IpAddr) -> IdentityId {
        self.known.addresses.identity(address)
    }

    /// The decision of the ends that are looked at, by what is enforced and, where that differs, by what is tried.
    #[inline]
    fn judge<'p>(
        &'p self,
        connection: &Connection,
        evidence: &Evidence<'_>,
        decide: impl Fn(Compiled<'p>, &Flow) -> Decision<'p>,
    ) -> Judged<'p> {
        let direction = match self.attachment.direction {
            Some(Attached::To(direction)) => direction,
            Some(Attached::Both) => return self.judge_both(connection, evidence, &decide),
            None => connection.direction,
        };
        let end = match self.locate(connection, direction, evidence) {
            Ok(Some(end)) => end,
            Ok(None) => return Judged::closed(Reason::UnknownEndpoint),
            Err(why) => return Judged::closed(Reason::UnknownPeer(why)),
        };
        let flow = self.flow(connection, &end);
        Judged {
            side: Some(end.side),
            decision: decide(self.enforced(&end), &flow),
            audit: self.tried(&end).map(|tried| decide(tried, &flow)),
        }
    }

    /// The same of both ends: the first denial counts.
    fn judge_both<'p>(
        &'p self,
        connection: &Connection,
        evidence: &Evidence<'_>,
        decide: &dyn Fn(Compiled<'p>, &Flow) -> Decision<'p>,
    ) -> Judged<'p> {
        let mut ends: [Option<End<'p>>; 2] = [None, None];
        for (place, direction) in ends.iter_mut().zip([Direction::Egress, Direction::Ingress]) {
            *place = match self.locate(connection, direction, evidence) {
                Ok(end) => end,
                Err(why) => return Judged::closed(Reason::UnknownPeer(why)),
            };
        }
        let ends = || ends.iter().flatten();
        let enforced = |end: &End<'p>| decide(self.enforced(end), &self.flow(connection, end));
        let Some((side, decision)) = first_denial(ends(), enforced) else {
            return Judged::closed(Reason::UnknownEndpoint);
        };
        let audit = ends().any(|end| self.tried(end).is_some()).then(|| {
            first_denial(ends(), |end| match self.tried(end) {
                Some(policy) => decide(policy, &self.flow(connection, end)),
                None => enforced(end),
            })
        });
        Judged { side: Some(side), decision, audit: audit.flatten().map(|(_, decision)| decision) }
    }

    fn flow(&self, connection: &Connection, end: &End<'_>) -> Flow {
        let port = self.attachment.port.unwrap_or(connection.destination.port());
        Flow { peer: end.side.identity, protocol: Protocol::Tcp, port }
    }

    fn enforced<'p>(&'p self, end: &End<'p>) -> Compiled<'p> {
        self.policies.matchers.enforced(end.index, end.endpoint, end.side.direction)
    }

    fn tried<'p>(&'p self, end: &End<'p>) -> Option<Compiled<'p>> {
        self.policies.matchers.audited(end.index, end.endpoint, end.side.direction)
    }

    /// The policy of one end and who is at the other; `None` where that end is not in the set.
    #[inline]
    fn locate(
        &self,
        connection: &Connection,
        direction: Direction,
        evidence: &Evidence<'_>,
    ) -> Result<Option<End<'_>>, UnreadablePeer> {
        let (subject, peer) = match direction {
            Direction::Ingress => (&connection.destination, &connection.source),
            Direction::Egress => (&connection.source, &connection.destination),
        };
        let index = match &self.attached {
            Some(index) => Some(index),
            None => self.policies.by_address.get(&subject.ip().to_canonical()),
        };
        let found = index.and_then(|index| Some((*index, self.policies.endpoints.get(*index)?)));
        let Some((index, endpoint)) = found else { return Ok(None) };
        let address = self.attachment.peer.unwrap_or(peer.ip());
        // Only who sends can show more than an address.
        let Caller { address, identity } = match (direction, self.attachment.peer_from.as_slice()) {
            (Direction::Egress, _) | (_, []) => Caller { address, identity: self.identity(address) },
            (Direction::Ingress, sources) => self.known.caller(sources, address, evidence)?,
        };
        let side = Side { direction, peer: address, identity };
        Ok(Some(End { index, endpoint, side }))
    }
}

/// An end of a connection whose policy is in the set.
struct End<'p> {
    index: usize,
    endpoint: &'p EndpointPolicy,
    side: Side,
}

/// The first denial, or what the last end says; nothing where there are no ends.
fn first_denial<'e, 'p: 'e>(
    ends: impl Iterator<Item = &'e End<'p>>,
    decide: impl Fn(&End<'p>) -> Decision<'p>,
) -> Option<(Side, Decision<'p>)> {
    let mut judged: Option<(Side, Decision<'p>)> = None;
    for end in ends {
        let decision = decide(end);
        let denied = decision.verdict == Verdict::Deny;
        let redirected = judged.as_ref().is_some_and(|(_, decision)| decision.verdict == Verdict::Redirect);
        // Either end's HTTP rules are enough for the requests to be looked at.
        if denied || !redirected {
            judged = Some((end.side, decision));
        }
        if denied {
            break;
        }
    }
    judged
}
