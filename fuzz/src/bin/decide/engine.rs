//! The engine: the documents loaded, and each question asked of what was compiled of them. No bundle comes between.

use std::net::SocketAddr;

use postern_policy_core::decide::Verdict as Found;
use postern_policy_core::endpoint::{EndpointPolicy, Flow};
use postern_policy_core::http::Request;
use postern_policy_core::identity::AddressTable;
use postern_policy_core::lower::{LoweredDirection, lower_direction};
use postern_policy_core::policy::Direction;
use postern_policy_core::port::Protocol;
use postern_policy_core::resolve::{resolve, resolve_audited};
use postern_policy_core::set::{Attached, Attachment, Connection, PolicySet};
use postern_policy_lang::diagnostic::{Diagnostic, Severity};
use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;
use postern_tests_oracle::evaluate::{Question, Verdict};
use postern_tests_oracle::http::Request as Asked;
use postern_tests_oracle::port::Protocol as AskedProtocol;

use crate::case::Case;

pub(crate) struct Engine {
    set: PolicySet,
    identities: AddressTable,
    /// What the kernel is told, for both directions, in the order of the set's endpoints.
    lowered: Vec<[LoweredDirection; 2]>,
}

/// A verdict, how it was found, and whether it is what would be if everything that is only audited were enforced.
pub(crate) struct Answer {
    pub(crate) way: &'static str,
    pub(crate) tried: bool,
    pub(crate) verdict: Verdict,
}

impl Engine {
    /// Loads a case's documents, or says why they are refused.
    pub(crate) fn load(case: &Case) -> Result<Self, String> {
        let file = |name: &str, text| [SourceFile { name: name.to_owned(), text }];
        let inventory = load_inventory(&file("inventory", case.inventory()));
        refused(&inventory.diagnostics)?;
        let policies = load_policies(&file("policies", case.documents()));
        refused(&policies.diagnostics)?;
        let (mut world, policies, groups) = (inventory.world, policies.policies, policies.cidr_groups);
        groups
            .into_iter()
            .try_for_each(|group| world.add_cidr_group(group))
            .map_err(|error| error.to_string())?;
        let identities = world.identities(&policies).map_err(|error| error.to_string())?;
        let local = world.workloads().filter(|workload| workload.cluster.is_none());
        let endpoint = |workload| {
            let tried = resolve_audited(&policies, &world, &identities, workload);
            resolve(&policies, &world, &identities, workload).auditing(tried)
        };
        let endpoints: Vec<EndpointPolicy> = local.map(endpoint).collect();
        let both = |endpoint: &EndpointPolicy| [&endpoint.ingress, &endpoint.egress].map(lower_direction);
        let lowered = endpoints.iter().map(both).collect();
        let attachment = Attachment { direction: Some(Attached::Both), ..Attachment::default() };
        let identities = identities.table();
        let set =
            PolicySet::new(endpoints, identities.clone(), attachment).map_err(|error| error.to_string())?;
        Ok(Self { set, identities, lowered })
    }

    pub(crate) fn answers(&self, question: &Question) -> Vec<Answer> {
        let mut answers = vec![Answer { way: "by its rules", tried: false, verdict: self.rules(question) }];
        if question.request.is_none() {
            answers.push(Answer { way: "lowered", tried: false, verdict: self.lowered(question) });
        }
        answers.extend(self.compiled(question).into_iter().flatten());
        answers
    }

    /// Rule by rule, at both ends.
    fn rules(&self, question: &Question) -> Verdict {
        let request = question.request.as_ref().map(request);
        self.ends(question, |index, direction, flow| {
            let endpoint = self.set.endpoints().get(index)?;
            let policy = endpoint.direction(direction);
            Some(match &request {
                Some(request) => policy.request(flow, request).verdict,
                None => policy.connection(flow).verdict,
            })
        })
    }

    /// What the kernel's tables of both ends say.
    fn lowered(&self, question: &Question) -> Verdict {
        self.ends(question, |index, direction, flow| {
            let [ingress, egress] = self.lowered.get(index)?;
            Some(if direction == Direction::Ingress { ingress } else { egress }.verdict(flow))
        })
    }

    /// What a proxy says of TCP, if it serves one of the ends: what it enforces and what it tries.
    fn compiled(&self, question: &Question) -> Option<[Answer; 2]> {
        let served = [question.from, question.to]
            .iter()
            .any(|end| self.set.endpoints().iter().any(|endpoint| endpoint.addresses.contains(end)));
        if question.target.protocol != AskedProtocol::Tcp || !served {
            return None;
        }
        let connection = Connection {
            source: SocketAddr::new(question.from, 40_000),
            destination: SocketAddr::new(question.to, question.target.port),
            direction: Direction::Ingress,
        };
        let judged = match &question.request {
            Some(asked) => self.set.request(&connection, &request(asked)),
            None => self.set.connection(&connection),
        };
        let enforced = judged.decision.verdict;
        let tried = judged.audit.map_or(enforced, |audit| audit.verdict);
        Some([
            Answer { way: "compiled", tried: false, verdict: verdict(enforced) },
            Answer { way: "compiled, what is audited", tried: true, verdict: verdict(tried) },
        ])
    }

    /// Both ends must let it pass; an end without a policy does.
    fn ends(
        &self,
        question: &Question,
        decide: impl Fn(usize, Direction, &Flow) -> Option<Found>,
    ) -> Verdict {
        let side = |own, peer, direction| {
            let index = self.set.endpoints().iter().position(|endpoint| endpoint.addresses.contains(&own));
            let protocol =
                Protocol::EVERY.into_iter().find(|known| known.number() == question.target.protocol.number());
            index.zip(protocol).and_then(|(index, protocol)| {
                let flow =
                    Flow { peer: self.identities.identity(peer), protocol, port: question.target.port };
                decide(index, direction, &flow)
            })
        };
        let egress = side(question.from, question.to, Direction::Egress);
        let ingress = side(question.to, question.from, Direction::Ingress);
        [egress, ingress].into_iter().flatten().map(verdict).max().unwrap_or(Verdict::Allow)
    }
}

fn refused(diagnostics: &[Diagnostic]) -> Result<(), String> {
    let errors: Vec<_> = diagnostics.iter().filter(|one| one.severity == Severity::Error).collect();
    if errors.is_empty() { Ok(()) } else { Err(format!("refused: {errors:#?}")) }
}

fn verdict(found: Found) -> Verdict {
    match found {
        Found::Allow => Verdict::Allow,
        Found::Deny => Verdict::Deny,
        Found::Redirect => Verdict::Redirect,
    }
}

fn request(request: &Asked) -> Request<'_> {
    Request {
        method: Some(request.method.as_bytes()),
        path: request.path.as_ref().map(String::as_bytes),
        authority: Some(request.host.as_bytes()),
        headers: request.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect(),
    }
}
