//! The engine: the documents loaded, and each question asked in every way there is.

use std::net::SocketAddr;

use postern_policy_core::decide::Verdict as Found;
use postern_policy_core::endpoint::Flow;
use postern_policy_core::explain::{End, Question, explain};
use postern_policy_core::http::Request;
use postern_policy_core::lower::{Lowered, lower};
use postern_policy_core::policy::{Direction, Policy};
use postern_policy_core::port::Protocol;
use postern_policy_core::resolve::resolve;
use postern_policy_core::set::{Attached, Attachment, Connection, PolicySet};
use postern_policy_core::world::{Identities, WorkloadName, World};
use postern_policy_lang::diagnostic::{Diagnostic, Severity};
use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;
use postern_policy_wire::{decode, encode};
use postern_tests_oracle::evaluate::Verdict;
use postern_tests_oracle::http::Request as OracleRequest;
use postern_tests_oracle::port::Protocol as OracleProtocol;
use postern_tests_oracle::world::Owner;

use crate::case::Case;
use crate::questions::Asked;

pub(crate) struct Engine<'c> {
    case: &'c Case,
    policies: Vec<Policy>,
    world: World,
    identities: Identities,
    /// By the workload's name.
    lowered: Vec<(WorkloadName, Lowered)>,
    /// From a bundle that was written and read again.
    bundle: PolicySet,
}

impl<'c> Engine<'c> {
    /// Loads a case's documents; an error is a document that was refused.
    pub(crate) fn load(case: &'c Case) -> Result<Self, String> {
        let file = |name: &str, text| [SourceFile { name: name.to_owned(), text }];
        let inventory = load_inventory(&file("inventory", case.inventory()));
        refused(&inventory.diagnostics)?;
        let policies = load_policies(&file("policies", case.policies()));
        refused(&policies.diagnostics)?;
        let (mut world, groups) = (inventory.world, policies.cidr_groups);
        let policies = policies.policies;
        groups
            .into_iter()
            .try_for_each(|group| world.add_cidr_group(group))
            .map_err(|error| error.to_string())?;

        let identities = world.identities(&policies).map_err(|error| error.to_string())?;
        let local = world.workloads().filter(|workload| {
            let known = case.world.workloads.iter().find(|one| one.name == workload.name.name);
            known.is_some_and(postern_tests_oracle::world::Workload::is_local)
        });
        let endpoints: Vec<_> =
            local.map(|workload| resolve(&policies, &world, &identities, workload)).collect();
        let lowered = endpoints.iter().map(|policy| (policy.name.clone(), lower(policy))).collect();
        let attachment = Attachment { direction: Some(Attached::Both), ..Attachment::default() };
        let json = serde_json::to_vec(&encode(&endpoints, &identities, &attachment)).unwrap();
        let (bundle, _) = decode(&json).map_err(|error| error.to_string())?;
        Ok(Self { case, policies, world, identities, lowered, bundle })
    }

    /// The answers, and how each was found.
    pub(crate) fn answers(&self, asked: &Asked) -> Vec<(&'static str, Verdict)> {
        let mut answers = vec![("explain", self.explain(asked))];
        if asked.question.request.is_none() {
            answers.push(("lowered", self.lowered(asked)));
        }
        answers.extend(self.bundle(asked).map(|verdict| ("bundle", verdict)));
        answers
    }

    fn explain(&self, asked: &Asked) -> Verdict {
        let question = &asked.question;
        let end = |name: &Option<String>, address| match name {
            Some(name) => End::Workload(WorkloadName::parse(name)),
            None => End::Address(address),
        };
        let question = Question {
            from: end(&asked.names[0], question.from),
            to: end(&asked.names[1], question.to),
            protocol: protocol(question.target.protocol),
            port: question.target.port,
            request: question.request.as_ref().map(request),
        };
        verdict(explain(&self.policies, &self.world, &question).unwrap().verdict)
    }

    /// What the kernel's tables of both ends say.
    fn lowered(&self, asked: &Asked) -> Verdict {
        let question = &asked.question;
        let side = |own, peer, direction| {
            let Owner::Workload(workload) = self.case.world.owner(own) else { return Verdict::Allow };
            let Some((_, lowered)) = self.lowered.iter().find(|(name, _)| name.name == workload.name) else {
                return Verdict::Allow;
            };
            let target = question.target;
            let peer = self.identities.table().identity(peer);
            let flow = Flow { peer, protocol: protocol(target.protocol), port: target.port };
            verdict(lowered.direction(direction).verdict(&flow))
        };
        let egress = side(question.from, question.to, Direction::Egress);
        egress.max(side(question.to, question.from, Direction::Ingress))
    }

    /// What a proxy says of TCP; it serves one of the ends at least.
    fn bundle(&self, asked: &Asked) -> Option<Verdict> {
        let question = &asked.question;
        let local =
            |address| matches!(self.case.world.owner(address), Owner::Workload(one) if one.is_local());
        let served =
            question.target.protocol == OracleProtocol::Tcp && (local(question.from) || local(question.to));
        let connection = Connection {
            source: SocketAddr::new(question.from, 40_000),
            destination: SocketAddr::new(question.to, question.target.port),
            direction: Direction::Ingress,
        };
        served.then(|| {
            let judged = match &question.request {
                Some(asked) => self.bundle.request(&connection, &request(asked)),
                None => self.bundle.connection(&connection),
            };
            verdict(judged.decision.verdict)
        })
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

fn protocol(protocol: OracleProtocol) -> Protocol {
    Protocol::EVERY.into_iter().find(|known| known.number() == protocol.number()).unwrap()
}

fn request(request: &OracleRequest) -> Request<'_> {
    Request {
        method: Some(request.method.as_bytes()),
        path: request.path.as_ref().map(String::as_bytes),
        authority: Some(request.host.as_bytes()),
        headers: request.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect(),
    }
}
