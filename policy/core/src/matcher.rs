//! Matchers: rules compiled so that a decision costs the same for ten of them and for ten thousand.
//!
//! The ports of TCP are cut where a rule begins or ends to speak of them. Of each segment, the active
//! HTTP rules become entries in the order in which they are asked, and an index leads from a path to the
//! few that may match: by its hash, by its first segments, by a literal that it contains. Each is then verified
//! field by field; the first in order decides. What the rules of a port mean to a peer is a view of its class.
//!
//! [`DirectionPolicy`] says what is decided, rule by rule; here is only how it is found. What is found in more ways
//! than it takes to be fast (protocols other than TCP, policies of very many overlapping port ranges) is decided there.

mod entry;
mod expressions;
mod hash;
mod index;
mod node;
mod peers;
mod port;
mod search;
mod segments;
mod view;
mod windows;
mod work;

use std::fmt;
use std::sync::Arc;

pub(crate) use expressions::{Collector, Expressions};
pub use view::NEAREST_AMONG;
pub use work::MOST_CANDIDATES;

use crate::decide::{Decision, decide_paths};
use crate::endpoint::{DirectionPolicy, EndpointPolicy, Flow, Rule};
use crate::http::Request;
use crate::policy::Direction;
use crate::port::Protocol;
use peers::Classes;
use port::Port;
use segments::Segments;
use work::Work;

/// How many entries the ports of a direction have together, for each HTTP rule that there is. Ports beyond it are
/// decided rule by rule.
const MOST_ENTRIES: usize = 4;

/// The matchers of a policy set.
#[derive(Default)]
pub(crate) struct Matchers {
    endpoints: Vec<OfEndpoint>,
    expressions: Expressions,
}

/// The matchers of an endpoint, for ingress and egress.
struct OfEndpoint {
    enforced: [Matcher; 2],
    audited: [Option<Matcher>; 2],
}

/// One direction of a policy with its matcher, ready to decide.
#[derive(Clone, Copy)]
pub(crate) struct Compiled<'p> {
    policy: &'p DirectionPolicy,
    matcher: Option<&'p Matcher>,
    expressions: &'p Expressions,
}

/// One direction of a policy, compiled.
pub(crate) struct Matcher {
    classes: Classes,
    /// The first port of each segment, and its matcher.
    starts: Box<[(u16, Option<u32>)]>,
    ports: Box<[Option<Port>]>,
}

impl Matchers {
    pub(crate) fn new(endpoints: &[EndpointPolicy]) -> Self {
        let mut collector = Collector::default();
        let directions = [Direction::Ingress, Direction::Egress];
        let mut of_endpoint = |endpoint: &EndpointPolicy| OfEndpoint {
            enforced: directions.map(|direction| Matcher::new(endpoint.direction(direction), &mut collector)),
            audited: directions
                .map(|direction| Some(Matcher::new(endpoint.audit(direction)?, &mut collector))),
        };
        let endpoints = endpoints.iter().map(&mut of_endpoint).collect();
        Self { endpoints, expressions: collector.finish() }
    }

    /// What is enforced in one direction of the endpoint with this number.
    pub(crate) fn enforced<'p>(
        &'p self,
        number: usize,
        endpoint: &'p EndpointPolicy,
        direction: Direction,
    ) -> Compiled<'p> {
        let matcher = self.endpoints.get(number).map(|of| choose(&of.enforced, direction));
        Compiled { policy: endpoint.direction(direction), matcher, expressions: &self.expressions }
    }

    /// What is tried there, where that is something else.
    pub(crate) fn audited<'p>(
        &'p self,
        number: usize,
        endpoint: &'p EndpointPolicy,
        direction: Direction,
    ) -> Option<Compiled<'p>> {
        let policy = endpoint.audit(direction)?;
        let matcher = self.endpoints.get(number).and_then(|of| choose(&of.audited, direction).as_ref());
        Some(Compiled { policy, matcher, expressions: &self.expressions })
    }

    /// The bytes that they take, about.
    pub(crate) fn memory(&self) -> usize {
        self.expressions.memory() + self.endpoints.iter().map(OfEndpoint::memory).sum::<usize>()
    }
}

fn choose<T>(of_both: &[T; 2], direction: Direction) -> &T {
    let [ingress, egress] = of_both;
    match direction {
        Direction::Ingress => ingress,
        Direction::Egress => egress,
    }
}

impl OfEndpoint {
    fn memory(&self) -> usize {
        self.enforced.iter().chain(self.audited.iter().flatten()).map(Matcher::memory).sum()
    }
}

impl<'p> Compiled<'p> {
    /// Decides a connection.
    pub(crate) fn connection(self, flow: &Flow) -> Decision<'p> {
        match self.matcher {
            Some(matcher) => matcher.connection(self.policy, flow),
            None => self.policy.connection(flow),
        }
    }

    /// Decides a request.
    #[inline]
    pub(crate) fn request(self, flow: &Flow, request: &Request<'_>) -> Decision<'p> {
        match self.matcher {
            Some(matcher) => matcher.request(self.policy, self.expressions, flow, request),
            None => self.policy.request(flow, request),
        }
    }
}

impl fmt::Debug for Matchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Matchers({} bytes)", self.memory())
    }
}

impl Matcher {
    fn new(policy: &DirectionPolicy, collector: &mut Collector) -> Self {
        let classes = Classes::new(&policy.rules);
        let segments = Segments::of(&policy.rules);
        let entries = |rule: &Arc<Rule>| rule.http().len();
        let all: usize = policy.rules.iter().map(entries).sum();
        let mut left = all.saturating_mul(MOST_ENTRIES).saturating_add(1 << 16);
        let mut port = |list: &Vec<u32>| {
            let rules = list.iter().filter_map(|rule| policy.rules.get(hash::index(*rule)));
            left = left.checked_sub(rules.map(entries).sum())?;
            Some(Port::new(policy, &classes, list, collector))
        };
        let ports = segments.lists.iter().map(&mut port).collect();
        Self { ports, starts: segments.starts.into(), classes }
    }

    fn connection<'p>(&self, policy: &'p DirectionPolicy, flow: &Flow) -> Decision<'p> {
        let Some(port) = self.port(flow) else { return policy.connection(flow) };
        let view = port.view(policy, &self.classes, self.classes.class(flow.peer));
        connect(policy, &view.connection)
    }

    #[inline]
    fn request<'p>(
        &self,
        policy: &'p DirectionPolicy,
        expressions: &Expressions,
        flow: &Flow,
        request: &Request<'_>,
    ) -> Decision<'p> {
        let Some(port) = self.port(flow) else { return policy.request(flow, request) };
        let view = port.view(policy, &self.classes, self.classes.class(flow.peer));
        if !view.redirects {
            return connect(policy, &view.connection);
        }
        let mut work = Work::new();
        let profile = || policy.profile(flow.protocol, flow.port);
        decide_paths(request.path, profile, 0, &mut |path| {
            work.next_reading();
            port.http(policy, expressions, &view, (request, path), &mut work)
        })
    }

    fn port(&self, flow: &Flow) -> Option<&Port> {
        if flow.protocol != Protocol::Tcp {
            return None;
        }
        let after = self.starts.partition_point(|(start, _)| *start <= flow.port);
        let (_, port) = self.starts.get(after.checked_sub(1)?)?;
        self.ports.get(hash::index((*port)?))?.as_ref()
    }

    fn memory(&self) -> usize {
        let ports: usize = self.ports.iter().flatten().map(Port::memory).sum();
        ports + size_of_val(&*self.starts) + self.classes.memory()
    }
}

/// Decides a connection by the few rules that matter for it.
fn connect<'p>(policy: &'p DirectionPolicy, few: &[u32]) -> Decision<'p> {
    let rule = |place: usize| few.get(place).and_then(|rule| policy.rules.get(hash::index(*rule)));
    match (rule(0), rule(1), rule(2)) {
        (Some(first), Some(second), Some(third)) => policy.connect(&[first, second, third]),
        (Some(first), Some(second), None) => policy.connect(&[first, second]),
        (Some(first), None, _) => policy.connect(&[first]),
        (None, ..) => policy.connect(&[]),
    }
}
