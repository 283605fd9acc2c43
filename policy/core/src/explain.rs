//! Explanations: a verdict between two ends, with every rule that was considered.

use std::net::IpAddr;

use crate::decide::{Decision, Layer, Reason, Verdict, describe_miss};
use crate::endpoint::{Action, DirectionPolicy, EndpointPolicy, Flow, Rule};
use crate::http::{HttpMatcher, HttpRule, Request};
use crate::identity::{Identity, IdentityId, Who};
use crate::policy::{Direction, Policy, RuleId};
use crate::port::Protocol;
use crate::resolve::resolve;
use crate::world::{Identities, Service, WorkloadName, World, WorldError};

/// One end of the traffic that is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A workload, by name.
    Workload(WorkloadName),
    /// An address, whoever has it.
    Address(IpAddr),
}

/// The traffic that is asked about.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// Who connects.
    pub from: End,
    /// To whom.
    pub to: End,
    /// By which protocol.
    pub protocol: Protocol,
    /// To which port.
    pub port: u16,
    /// The request on that connection, if one is asked about.
    pub request: Option<Request<'a>>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What happens.
    pub verdict: Verdict,
    /// Where that was decided.
    pub layer: Layer,
    /// The stable name of the reason.
    pub code: &'static str,
    /// The reason in words.
    pub reason: String,
    /// The rule that decided, where one did.
    pub rule: Option<RuleId>,
    /// Every rule that was considered, in order.
    pub trace: Vec<Step>,
}

/// One rule that was considered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The direction it belongs to.
    pub direction: Direction,
    /// The rule.
    pub rule: RuleId,
    /// Whether it matched.
    pub matched: bool,
    /// What it does, or the first thing about it that did not match.
    pub why: String,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// There is no workload of this name.
    #[error("there is no workload {0} in the inventory{1}")]
    UnknownWorkload(WorkloadName, String),
    /// The address is a service's own: who answers there depends on its pods.
    #[error("{0} is the address of service {1}: ask about {2}")]
    ServiceAddress(IpAddr, WorkloadName, String),
    /// The inventory contradicts itself.
    #[error(transparent)]
    World(#[from] WorldError),
}

/// Answers a question: the policies of both ends must let the traffic pass.
pub fn explain(
    policies: &[Policy],
    world: &World,
    question: &Question<'_>,
) -> Result<Explanation, ExplainError> {
    let identities = world.identities(policies)?;
    let from = Party::find(&question.from, world, &identities)?;
    let to = Party::find(&question.to, world, &identities)?;
    let side = |subject: &Party, direction: Direction, peer: &Party| {
        let workload = world.workload(subject.workload.as_ref()?)?;
        let policy = resolve(policies, world, &identities, workload);
        let flow = Flow { peer: peer.identity, protocol: question.protocol, port: question.port };
        Some(Side { policy, direction, flow, peer: peer.name.clone() })
    };
    let sides: Vec<Side> = [side(&from, Direction::Egress, &to), side(&to, Direction::Ingress, &from)]
        .into_iter()
        .flatten()
        .collect();
    let mut trace = Vec::new();
    let mut decisions = Vec::new();
    for side in &sides {
        trace.extend(side.trace(question.request.as_ref()));
        decisions.push(side.decide(question.request.as_ref()));
    }
    let not_enforced = Decision { verdict: Verdict::Allow, layer: Layer::L3L4, reason: Reason::NotEnforced };
    // The strictest side decides; where both let it pass, the destination's reason is the one to tell.
    let decision = decisions.iter().max_by_key(|decision| strictness(decision)).unwrap_or(&not_enforced);
    Ok(Explanation {
        verdict: decision.verdict,
        layer: decision.layer,
        code: decision.reason.code(),
        reason: decision.describe(question.request.as_ref()),
        rule: decision.rule().cloned(),
        trace,
    })
}

fn strictness(decision: &Decision<'_>) -> (u8, Layer, bool) {
    let verdict = match decision.verdict {
        Verdict::Allow => 0,
        Verdict::Redirect => 1,
        Verdict::Deny => 2,
    };
    (verdict, decision.layer, decision.reason != Reason::NotEnforced)
}

struct Party {
    name: String,
    identity: IdentityId,
    workload: Option<WorkloadName>,
}

impl Party {
    fn find(end: &End, world: &World, identities: &Identities) -> Result<Self, ExplainError> {
        let workload = match end {
            End::Workload(name) => {
                let known = world.workload(name);
                Some(
                    known.ok_or_else(|| {
                        ExplainError::UnknownWorkload(name.clone(), suggestion(name, world))
                    })?,
                )
            }
            End::Address(address) => {
                let address = address.to_canonical();
                if let Some(service) = world.services().find(|service| service.addresses.contains(&address)) {
                    let pods = pods_of(service, world);
                    return Err(ExplainError::ServiceAddress(address, service.name.clone(), pods));
                }
                world.workloads().find(|w| w.addresses.iter().any(|known| known.to_canonical() == address))
            }
        };
        let (name, identity) = match (workload, end) {
            (Some(workload), _) => {
                let who = Who::Workloads(world.identity_labels(workload));
                (workload.name.to_string(), identities.id(&who).unwrap_or(IdentityId::WORLD))
            }
            (None, End::Address(address)) => {
                let identity = identities.table().identity(*address);
                (format!("{address} ({})", kind(identity, identities)), identity)
            }
            (None, End::Workload(name)) => (name.to_string(), IdentityId::WORLD),
        };
        Ok(Self { name, identity, workload: workload.map(|workload| workload.name.clone()) })
    }
}

fn kind(id: IdentityId, identities: &Identities) -> String {
    match identities.iter().find(|identity| identity.id == id) {
        Some(Identity { who: Who::Node(name), .. }) => format!("node {name}"),
        Some(Identity { who: Who::Cidr(net), .. }) => format!("world, in {net}"),
        _ => "world".to_owned(),
    }
}

fn pods_of(service: &Service, world: &World) -> String {
    let pods: Vec<String> = world
        .workloads()
        .filter(|workload| service.selects(workload))
        .map(|workload| workload.name.to_string())
        .collect();
    match pods.as_slice() {
        [] => "a workload; the service has none in the inventory".to_owned(),
        pods => format!("one of its workloads, {}", pods.join(", ")),
    }
}

fn suggestion(name: &WorkloadName, world: &World) -> String {
    if let Some(service) = world.services().find(|service| service.name == *name) {
        return format!(", but a service: ask about {}", pods_of(service, world));
    }
    let known: Vec<String> = world.workloads().map(|workload| workload.name.to_string()).collect();
    let same_name = world.workloads().find(|workload| workload.name.name == name.name);
    match (same_name, known.as_slice()) {
        (Some(workload), _) => format!(": did you mean {}?", workload.name),
        (None, []) => ": it has no workloads at all".to_owned(),
        (None, known) => format!(": it has {}", known.join(", ")),
    }
}

/// One end's policy and the traffic as it sees it.
struct Side {
    policy: EndpointPolicy,
    direction: Direction,
    flow: Flow,
    peer: String,
}

impl Side {
    fn rules(&self) -> &DirectionPolicy {
        self.policy.direction(self.direction)
    }

    fn decide(&self, request: Option<&Request<'_>>) -> Decision<'_> {
        match request {
            Some(request) => self.rules().request(&self.flow, request),
            None => self.rules().connection(&self.flow),
        }
    }

    fn trace(&self, request: Option<&Request<'_>>) -> Vec<Step> {
        self.rules().rules.iter().flat_map(|rule| self.steps(rule, request)).collect()
    }

    fn steps(&self, rule: &Rule, request: Option<&Request<'_>>) -> Vec<Step> {
        let step = |rule: &RuleId, matched: bool, why: String| Step {
            direction: self.direction,
            rule: rule.clone(),
            matched,
            why,
        };
        if !rule.peers.contains(self.flow.peer) {
            return vec![step(&rule.id, false, format!("peer {} is not selected", self.peer))];
        }
        if !rule.covers(&self.flow) {
            let why = format!("port {}/{} is not listed", self.flow.port, self.flow.protocol);
            return vec![step(&rule.id, false, why)];
        }
        match (&rule.action, request) {
            (Action::Allow, _) => vec![step(&rule.id, true, "allows".to_owned())],
            (Action::Deny, _) => vec![step(&rule.id, true, "denies".to_owned())],
            (Action::Pass, _) => vec![step(&rule.id, true, "leaves it to the next tier".to_owned())],
            (Action::Quarantined(why), _) => vec![step(&rule.id, false, format!("quarantined: {why}"))],
            (Action::Http(_), None) => {
                vec![step(&rule.id, true, "HTTP rules decide each request".to_owned())]
            }
            (Action::Http(http), Some(request)) => http
                .iter()
                .map(|http| match outcome(http, request) {
                    Ok(()) => step(&http.id, true, "allows".to_owned()),
                    Err(why) => step(&http.id, false, why),
                })
                .collect(),
        }
    }
}

fn outcome(rule: &HttpRule, request: &Request<'_>) -> Result<(), String> {
    match &rule.matcher {
        HttpMatcher::Active(wanted) => {
            wanted.check(request).map_err(|field| describe_miss(wanted, field, Some(request)))
        }
        HttpMatcher::Quarantined(why) => Err(format!("quarantined: {why}")),
    }
}
