//! Explanations: a verdict between two ends, with every rule that was considered.

mod end;
mod paths;
mod trace;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

pub use end::{End, Party, PartyKind};
pub use paths::{Paths, Reading};
pub use trace::{Aspect, Outcome, Step};

use crate::decide::{Decision, Layer, Reason, Verdict};
use crate::endpoint::{EndpointPolicy, Flow};
use crate::http::Request;
use crate::identity::AddressTable;
use crate::policy::{Direction, Mode, Policy, RuleId, Section};
use crate::port::Protocol;
use crate::resolve::{resolve, resolve_audited};
use crate::world::{Identities, WorkloadName, World, WorldError};

/// The stable names of the reasons that an explanation can have.
pub const CODES: [&str; 8] = [
    "allowed-by-rule",
    "not-enforced",
    "http-rules",
    "no-match",
    "invalid",
    "denied-by-rule",
    "ambiguous-path",
    "path-too-long",
];

/// The port that is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortRef {
    /// This one. It is the type for the ICMPs, and 0 for protocols that have neither.
    Number(u16),
    /// The one that the destination calls so.
    Named(String),
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
    pub port: PortRef,
    /// The request on that connection, if one is asked about.
    pub request: Option<Request<'a>>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Who connects.
    pub from: Party,
    /// To whom.
    pub to: Party,
    /// The traffic.
    pub traffic: Traffic,
    /// What happens.
    pub enforced: Judgement,
    /// What would happen if the policies that are only audited were enforced; none where no such policy
    /// selects an end.
    pub audited: Option<Judgement>,
    /// How many policies select neither end.
    pub unrelated: usize,
}

/// A protocol and a port of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// The protocol.
    pub protocol: Protocol,
    /// The port, the type for the ICMPs, 0 for protocols that have neither.
    pub port: u16,
}

/// A verdict on the traffic between two ends, and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
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
    /// Of the rules that would have allowed what none allows, the one that came closest.
    pub nearest: Option<Miss>,
    /// What each end's policy says: egress of the source, ingress of the destination. An address that is no
    /// workload's, a node and a workload of another cluster have none here.
    pub sides: Vec<Side>,
}

/// What the policies of one end say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The direction, seen from the subject.
    pub direction: Direction,
    /// The workload at this end.
    pub subject: WorkloadName,
    /// Whether what no rule allows is dropped.
    pub default_deny: bool,
    /// The policies that select it and speak of this direction.
    pub policies: Vec<RuleId>,
    /// What they say together.
    pub verdict: Verdict,
    /// Where that was decided.
    pub layer: Layer,
    /// The stable name of the reason.
    pub code: &'static str,
    /// The reason in words.
    pub reason: String,
    /// The rule that decided, where one did.
    pub rule: Option<RuleId>,
    /// How the path was read, where requests are looked at and one with a path is asked about.
    pub paths: Option<Paths>,
    /// Every rule that was considered, in order.
    pub trace: Vec<Step>,
}

/// A rule that did not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// The direction it belongs to.
    pub direction: Direction,
    /// The rule.
    pub rule: RuleId,
    /// The first thing about it that did not match.
    pub aspect: Aspect,
    /// The same in words.
    pub why: String,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// There is no workload of this name.
    #[error("there is no workload {0} in the inventory{1}")]
    UnknownWorkload(WorkloadName, String),
    /// There is no node of this name.
    #[error("there is no node {0} in the inventory{1}")]
    UnknownNode(String, String),
    /// A node and a workload share what the end is called.
    #[error(
        "node/{0} is a node and, in namespace node, a workload: ask about an address of the one you mean"
    )]
    NodeOrWorkload(String),
    /// The address is a service's own: who answers there depends on its pods.
    #[error("{0} is the address of service {1}: ask about {2}")]
    ServiceAddress(IpAddr, WorkloadName, String),
    /// Nothing gives the port this name.
    #[error("{who} has no {protocol} port called {name:?}{known}")]
    UnknownPort {
        /// The destination.
        who: String,
        /// The protocol.
        protocol: Protocol,
        /// The name.
        name: String,
        /// The names that there are, and what to do.
        known: String,
    },
    /// A request is asked about on something that carries none.
    #[error("an HTTP request goes over TCP, not {0}: ask about TCP, or about no request")]
    RequestWithout(Protocol),
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
    Explainer::new(policies, world)?.explain(question)
}

/// Answers many questions about the same policies and world: what it worked out for one serves the next.
#[derive(Debug)]
pub struct Explainer<'p> {
    policies: &'p [Policy],
    world: &'p World,
    identities: Identities,
    table: AddressTable,
    resolved: BTreeMap<WorkloadName, Resolved>,
}

/// What the policies say of one workload.
#[derive(Debug)]
struct Resolved {
    enforced: EndpointPolicy,
    /// With those that are only audited, where one of them selects it.
    audited: Option<EndpointPolicy>,
}

impl<'p> Explainer<'p> {
    /// Numbers the identities; fails where the inventory contradicts itself.
    pub fn new(policies: &'p [Policy], world: &'p World) -> Result<Self, WorldError> {
        let identities = world.identities(policies)?;
        let table = identities.table();
        Ok(Self { policies, world, identities, table, resolved: BTreeMap::new() })
    }

    /// Answers a question: the policies of both ends must let the traffic pass.
    pub fn explain(&mut self, question: &Question<'_>) -> Result<Explanation, ExplainError> {
        if question.request.is_some() && question.protocol != Protocol::Tcp {
            return Err(ExplainError::RequestWithout(question.protocol));
        }
        let from = self.party(&question.from)?;
        let to = self.party(&question.to)?;
        let traffic = Traffic { protocol: question.protocol, port: self.port(question, &to)? };
        for party in [&from, &to] {
            self.resolve(party);
        }
        let enforced = self.judge(&from, &to, traffic, question, Mode::Enforced);
        let ends = [from.workload.as_ref(), to.workload.as_ref()];
        let is_audited = |name| self.resolved.get(name).is_some_and(|known| known.audited.is_some());
        let audited = ends.into_iter().flatten().any(is_audited);
        let audited = audited.then(|| self.judge(&from, &to, traffic, question, Mode::Audit));
        let unrelated =
            self.policies.iter().filter(|policy| !ends.iter().any(|end| self.selects(policy, *end)));
        Ok(Explanation { enforced, audited, unrelated: unrelated.count(), from, to, traffic })
    }

    /// Works out the policy of a party, if it is a workload of this cluster.
    fn resolve(&mut self, party: &Party) {
        let workload = party.workload.as_ref().and_then(|name| self.world.workload(name));
        let Some(workload) = workload.filter(|workload| workload.cluster.is_none()) else { return };
        if self.resolved.contains_key(&workload.name) {
            return;
        }
        let resolved = Resolved {
            enforced: resolve(self.policies, self.world, &self.identities, workload),
            audited: resolve_audited(self.policies, self.world, &self.identities, workload),
        };
        self.resolved.insert(workload.name.clone(), resolved);
    }

    fn selects(&self, policy: &Policy, end: Option<&WorkloadName>) -> bool {
        let workload = end.and_then(|name| self.world.workload(name));
        workload.is_some_and(|workload| policy.selects(workload, &self.world.identity_labels(workload)))
    }

    fn judge(
        &self,
        from: &Party,
        to: &Party,
        traffic: Traffic,
        question: &Question<'_>,
        mode: Mode,
    ) -> Judgement {
        let view = |subject: &Party, direction: Direction, peer: &Party| {
            let name = subject.workload.as_ref()?;
            let resolved = self.resolved.get(name)?;
            let policy = match mode {
                Mode::Enforced => &resolved.enforced,
                Mode::Audit => resolved.audited.as_ref().unwrap_or(&resolved.enforced),
            };
            let flow = Flow { peer: peer.identity, protocol: traffic.protocol, port: traffic.port };
            let policies = self.speaking_of(name, direction, mode);
            let rules = policy.direction(direction);
            let view = trace::View { rules, flow, peer: peer.describe(), request: question.request.as_ref() };
            Some((direction, name.clone(), policies, view))
        };
        let views: Vec<_> = [view(from, Direction::Egress, to), view(to, Direction::Ingress, from)]
            .into_iter()
            .flatten()
            .collect();
        let request = question.request.as_ref();
        let decisions: Vec<Decision<'_>> = views.iter().map(|(.., view)| view.decide()).collect();
        let not_enforced =
            Decision { verdict: Verdict::Allow, layer: Layer::L3L4, reason: Reason::NotEnforced };
        // The strictest side decides; where both let it pass, the destination's reason is the one to tell.
        let decision = decisions.iter().max_by_key(|decision| strictness(decision)).unwrap_or(&not_enforced);
        let mut nearest: Option<(trace::Nearness, Miss)> = None;
        let mut sides = Vec::new();
        for ((direction, subject, policies, view), own) in views.iter().zip(&decisions) {
            let traced = view.trace();
            if matches!(own.reason, Reason::NoMatch(_)) && decision.verdict == Verdict::Deny {
                for (near, step) in traced.iter().filter_map(|traced| Some((traced.near?, &traced.step))) {
                    let Outcome::Missed(aspect) = step.outcome else { continue };
                    if nearest.as_ref().is_none_or(|(nearest, _)| *nearest < near) {
                        let (rule, why) = (step.rule.clone(), step.why.clone());
                        nearest = Some((near, Miss { direction: *direction, rule, aspect, why }));
                    }
                }
            }
            sides.push(Side {
                direction: *direction,
                subject: subject.clone(),
                default_deny: view.rules.default_deny,
                policies: policies.clone(),
                verdict: own.verdict,
                layer: own.layer,
                code: own.reason.code(),
                reason: own.describe(request),
                rule: own.rule().cloned(),
                paths: request.and_then(|request| Paths::of(view.rules, &view.flow, request)),
                trace: traced.into_iter().map(|traced| traced.step).collect(),
            });
        }
        Judgement {
            verdict: decision.verdict,
            layer: decision.layer,
            code: decision.reason.code(),
            reason: decision.describe(request),
            rule: decision.rule().cloned(),
            nearest: nearest.map(|(_, miss)| miss),
            sides,
        }
    }

    /// The policies that say something of this direction of a workload.
    fn speaking_of(&self, name: &WorkloadName, direction: Direction, mode: Mode) -> Vec<RuleId> {
        let counts = |policy: &&Policy| policy.mode == Mode::Enforced || mode == Mode::Audit;
        let selecting = self.policies.iter().filter(counts).filter(|policy| self.selects(policy, Some(name)));
        let speaking = selecting.filter(|policy| *policy.section(direction) != Section::default());
        speaking.map(|policy| policy.id.clone()).collect()
    }
}

fn strictness(decision: &Decision<'_>) -> (u8, Layer, bool) {
    let verdict = match decision.verdict {
        Verdict::Allow => 0,
        Verdict::Redirect => 1,
        Verdict::Deny => 2,
    };
    (verdict, decision.layer, decision.reason != Reason::NotEnforced)
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Icmp | Protocol::IcmpV6 => write!(f, "{} type {}", self.protocol, self.port),
            protocol if protocol.has_ports() => write!(f, "{}/{protocol}", self.port),
            protocol => write!(f, "{protocol}"),
        }
    }
}
