//! The core itself, with and without a bundle between.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use postern_policy_core::decide::{Decision, Verdict};
use postern_policy_core::endpoint::{Action, EndpointPolicy, Rule};
use postern_policy_core::http::HttpRule;
use postern_policy_core::policy::{Direction, RuleId};
use postern_policy_core::set::{Attachment, Connection, PolicySet};
use postern_policy_wire::{decode, encode};

use super::{Decided, Engine};
use crate::case::{Case, Observed, Scenario};

/// `policy/core`, straight from the resolved policies.
#[derive(Default)]
pub struct NativeEngine {
    set: Option<PolicySet>,
}

/// `policy/core`, from a bundle that was written and read again.
#[derive(Default)]
pub struct BundleEngine {
    set: Option<PolicySet>,
}

impl Engine for NativeEngine {
    fn name(&self) -> &'static str {
        "native"
    }

    fn load(&mut self, scenario: &Scenario) -> anyhow::Result<()> {
        let endpoints = vec![scenario.policy.clone()];
        self.set = Some(PolicySet::new(endpoints, scenario.identities.table(), Attachment::default())?);
        Ok(())
    }

    fn decide(&mut self, scenario: &Scenario, case: &Case) -> anyhow::Result<Decided> {
        Ok(decide(self.set.as_ref().context("nothing loaded")?, scenario, case))
    }
}

impl Engine for BundleEngine {
    fn name(&self) -> &'static str {
        "bundle"
    }

    fn load(&mut self, scenario: &Scenario) -> anyhow::Result<()> {
        let (set, quarantined) = decode(&bundle(scenario, &Attachment::default())?)?;
        // A bundle quarantines what the policy does, and nothing more.
        let found: BTreeSet<&RuleId> = quarantined.iter().map(|quarantined| &quarantined.rule).collect();
        let meant = quarantined_by(&scenario.policy);
        ensure!(found == meant.iter().collect(), "{quarantined:?}, but {meant:?} were meant");
        self.set = Some(set);
        Ok(())
    }

    fn decide(&mut self, scenario: &Scenario, case: &Case) -> anyhow::Result<Decided> {
        Ok(decide(self.set.as_ref().context("nothing loaded")?, scenario, case))
    }
}

fn quarantined_by(policy: &EndpointPolicy) -> BTreeSet<RuleId> {
    let rules = policy.ingress.rules.iter().chain(&policy.egress.rules);
    let of_rule = |rule: &Arc<Rule>| match &rule.action {
        Action::Quarantined(_) => vec![rule.id.clone()],
        Action::Http(http) => http.iter().filter_map(HttpRule::quarantined).map(|(id, _)| id).collect(),
        Action::Allow | Action::Deny | Action::Pass => Vec::new(),
    };
    rules.flat_map(of_rule).collect()
}

/// The bundle of a scenario.
pub(super) fn bundle(scenario: &Scenario, attachment: &Attachment) -> anyhow::Result<Vec<u8>> {
    let bundle = encode(std::slice::from_ref(&scenario.policy), &scenario.identities, attachment);
    Ok(serde_json::to_vec(&bundle)?)
}

/// The ends of a case's connection.
pub(super) fn ends(scenario: &Scenario, case: &Case) -> (SocketAddr, SocketAddr) {
    const CLIENT_PORT: u16 = 40_000;
    let subject = scenario.subject_address;
    match case.direction {
        Direction::Ingress => ((case.peer, CLIENT_PORT).into(), (subject, case.port).into()),
        Direction::Egress => ((subject, CLIENT_PORT).into(), (case.peer, case.port).into()),
    }
}

fn decide(set: &PolicySet, scenario: &Scenario, case: &Case) -> Decided {
    let (source, destination) = ends(scenario, case);
    let connection = Connection { source, destination, direction: case.direction };
    let decided = |decision: &Decision<'_>, observed| Decided {
        observed,
        reason: Some(decision.reason.code().to_owned()),
        rule: Some(decision.rule().map_or("none", |rule| rule.as_str()).to_owned()),
    };
    let decision = set.connection(&connection).decision;
    if decision.verdict == Verdict::Deny {
        return decided(&decision, Observed::Drop);
    }
    let decision = set.request(&connection, &case.request()).decision;
    match decision.verdict {
        Verdict::Deny => decided(&decision, Observed::Deny),
        Verdict::Allow => decided(&decision, Observed::Allow),
        Verdict::Redirect => decided(&decision, Observed::Other("undecided".to_owned())),
    }
}
