//! What is answered, in the interface's terms.

use std::collections::HashSet;
use std::net::IpAddr;

use postern_policy_core::decide::{self, Reason};
use postern_policy_core::http::Request;
use postern_policy_core::policy;
use postern_policy_core::set::{self, Judged};
use postern_policy_wire::{self as wire, BundleError, Loaded};

use crate::bindings::exports::postern::policy::decider::{
    Address, Decision, Direction, Judgement, Layer, NearMiss, Part, Parts, Quarantined, Refusal, Report,
    Reporting, Side, Verdict,
};

/// What is answered.
pub(crate) fn judgement(judged: &Judged<'_>, request: Option<&Request<'_>>) -> Judgement {
    let side = judged.side.as_ref().map(side);
    Judgement {
        enforced: decision(&judged.decision, side, request),
        audit: judged.audit.as_ref().map(|audit| decision(audit, side, request)),
    }
}

/// A decision. Words are put together for a denial alone: what passes must be cheap.
fn decision(decision: &decide::Decision<'_>, side: Option<Side>, request: Option<&Request<'_>>) -> Decision {
    let denied = decision.verdict == decide::Verdict::Deny;
    Decision {
        verdict: match decision.verdict {
            decide::Verdict::Allow => Verdict::Allow,
            decide::Verdict::Deny => Verdict::Deny,
            decide::Verdict::Redirect => Verdict::Redirect,
        },
        layer: match decision.layer {
            decide::Layer::L3L4 => Layer::L3l4,
            decide::Layer::L7 => Layer::L7,
        },
        code: decision.reason.code().to_owned(),
        rule: decision.rule().map(|rule| rule.as_str().to_owned()),
        side,
        explanation: denied.then(|| decision.describe(request)),
        nearest: match &decision.reason {
            Reason::NoMatch(Some(miss)) => {
                Some(NearMiss { rule: miss.rule.as_str().to_owned(), explanation: miss.describe(request) })
            }
            _ => None,
        },
    }
}

fn side(side: &set::Side) -> Side {
    Side {
        direction: match side.direction {
            policy::Direction::Ingress => Direction::Ingress,
            policy::Direction::Egress => Direction::Egress,
        },
        peer: match side.peer {
            IpAddr::V4(address) => Address::Ipv4(address.to_bits()),
            IpAddr::V6(address) => Address::Ipv6(halves(address.to_bits())),
        },
        identity: side.identity.0,
    }
}

fn halves(bits: u128) -> (u64, u64) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bits.to_be_bytes();
    (u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes([i, j, k, l, m, n, o, p]))
}

/// What an accepted bundle holds.
pub(crate) fn report(loaded: &Loaded) -> Report {
    let wire::Report { decision_header, rule_hits, denials_per_second } = loaded.report;
    let quarantined = loaded.quarantined.iter().map(|quarantined| Quarantined {
        rule: quarantined.rule.as_str().to_owned(),
        explanation: quarantined.reason.clone(),
    });
    let parts = loaded.versions.as_ref().map(|versions| Parts {
        identities: Part { version: versions.identities.clone(), kept: loaded.kept.identities },
        policy: Part { version: versions.policy.clone(), kept: loaded.kept.policy },
    });
    let mut known = HashSet::new();
    let rules = loaded.set.rule_names().filter(|rule| known.insert(*rule)).take(rule_hits.into());
    let rules = rules.map(|rule| rule.as_str().to_owned()).collect();
    Report {
        endpoints: u32::try_from(loaded.set.endpoints().len()).unwrap_or(u32::MAX),
        quarantined: quarantined.collect(),
        parts,
        reporting: Reporting { decision_header, rules, denials_per_second },
    }
}

pub(crate) fn refusal(error: &BundleError) -> Refusal {
    let field = match error {
        BundleError::Shape { path, .. } | BundleError::Value { path, .. } => Some(path.clone()),
        BundleError::Version(_) | BundleError::Set(_) => None,
    };
    Refusal { field, explanation: error.to_string() }
}
