//! What both sides say of a witness: the core decides it, on the policies as they are.

use std::sync::Arc;

use postern_policy_core::decide::{Decision, Verdict};
use postern_policy_core::endpoint::{Action, DirectionPolicy, Flow, Rule};
use postern_policy_core::http::Request;
use postern_policy_core::policy::Direction;

use crate::budget::Open;
use crate::compare::{Comparison, Pair};
use crate::ends::Group;
use crate::pairs::Item;
use crate::report::{Effect, End, Said, Sample, What, Witness};

/// A witness of an item for one of the pairs that it concerns, if the core confirms it.
pub(crate) fn witness(
    comparison: &Comparison,
    pairs: &[Pair],
    item: &Item,
    what: &What,
) -> Result<Witness, Open> {
    let request = match what {
        What::Requests { sample, .. } => Some(sample),
        What::Everything | What::NotHttp => None,
    };
    let (pair, ports) = pairs.first().zip(item.ports.first()).ok_or(Open::Unconfirmed)?;
    let group = |number| comparison.groups.get(number).ok_or(Open::Unconfirmed);
    let (source, destination) = (group(pair.0)?, group(pair.1)?);
    let (from, to) = two(source, destination, pair.0 == pair.1).ok_or(Open::Unconfirmed)?;
    let say = |version: usize| {
        let ends = [(Direction::Egress, source, destination), (Direction::Ingress, destination, source)];
        let said = ends.into_iter().filter_map(|(direction, subject, peer)| {
            let versions = comparison.interned.get(subject.policies?.of(direction))?;
            let flow = Flow { peer: peer.identity, protocol: ports.protocol, port: ports.first };
            Some(said(versions.get(version)?, direction, &flow, request))
        });
        said.collect::<Vec<Said>>()
    };
    let (old, new) = (say(0), say(1));
    let passes = |said: &[Said]| said.iter().all(|said| said.passes);
    if (passes(&old), passes(&new)) != (item.effect == Effect::Lost, item.effect == Effect::Gained) {
        return Err(Open::Unconfirmed);
    }
    let request = request.cloned();
    Ok(Witness { from, to, protocol: ports.protocol, port: ports.first, request, old, new })
}

/// One of each, and not the same twice.
fn two(source: &Group, destination: &Group, same: bool) -> Option<(End, End)> {
    let to = if same { destination.members.get(1)? } else { destination.members.first()? };
    Some((source.members.first()?.clone(), to.clone()))
}

fn said(policy: &DirectionPolicy, direction: Direction, flow: &Flow, sample: Option<&Sample>) -> Said {
    let request = sample.map(Sample::request);
    let (decision, passes) = match &request {
        Some(request) => {
            let decision = policy.request(flow, request);
            let passes = decision.verdict == Verdict::Allow;
            (decision, passes)
        }
        None => (policy.connection(flow), passes_without_http(policy, flow)),
    };
    let is_read = request.is_some() && policy.connection(flow).verdict == Verdict::Redirect;
    let profile = is_read.then(|| policy.profile(flow.protocol, flow.port));
    let why = why(&decision, passes, request.as_ref());
    Said { direction, passes, profile, rule: decision.rule().cloned(), why }
}

fn why(decision: &Decision<'_>, passes: bool, request: Option<&Request<'_>>) -> String {
    match (decision.verdict, passes) {
        (Verdict::Redirect, false) => format!("only {}", decision.describe(request)),
        _ => decision.describe(request),
    }
}

/// Whether what is not HTTP passes: HTTP rules match nothing of it.
fn passes_without_http(policy: &DirectionPolicy, flow: &Flow) -> bool {
    match policy.connection(flow).verdict {
        Verdict::Allow => true,
        Verdict::Deny => false,
        Verdict::Redirect => {
            let emptied = |rule: &Rule| match rule.action {
                Action::Http(_) => Rule { action: Action::Http(Arc::from([])), ..rule.clone() },
                _ => rule.clone(),
            };
            let rules = policy.rules.iter().map(|rule| Arc::new(emptied(rule))).collect();
            let policy =
                DirectionPolicy { rules, default_deny: policy.default_deny, ..DirectionPolicy::default() };
            policy.request(flow, &Request::default()).verdict == Verdict::Allow
        }
    }
}
