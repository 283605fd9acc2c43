//! Confirmation: whether the core, asked about a request, says what the automata say.

use std::collections::BTreeSet;
use std::sync::Arc;

use postern_policy_core::decide::Verdict;
use postern_policy_core::endpoint::{Action, DirectionPolicy, Flow, Peers, Ports, Rule, Tier};
use postern_policy_core::http::{HeaderMatch, HttpMatch, HttpMatcher, HttpRule};
use postern_policy_core::identity::IdentityId;
use postern_policy_core::policy::RuleId;
use postern_policy_core::port::{PortRange, Protocol, ProtocolMatch};

use crate::allowed::{Allowances, Allowed, AllowedId, Matched};
use crate::automata::Automata;
use crate::witness::Sample;

/// An allowance as a policy that the core decides by.
pub(crate) fn policy(allowances: &Allowances, id: AllowedId, automata: &Automata) -> DirectionPolicy {
    let rule = |action| {
        let (id, peers, ports) = (RuleId::new("diff"), Peers::Any, Ports::All);
        Arc::new(Rule { id, tier: Tier::Normal, peers, ports, action })
    };
    let of = |requests: &BTreeSet<Matched>| -> Arc<Rule> {
        let http: Arc<[HttpRule]> = requests.iter().map(|matched| http(matched, automata)).collect();
        rule(Action::Http(http))
    };
    let read = allowances.read(id);
    let beside = read.and_then(|read| read.beside.as_ref());
    let rules = match (allowances.get(id), read, beside) {
        (Allowed::Nothing, ..) => Vec::new(),
        (Allowed::Everything, None, _) => vec![rule(Action::Allow)],
        (Allowed::Everything, Some(_), Some(beside)) => vec![of(beside)],
        (Allowed::Everything, Some(_), None) => vec![of(&BTreeSet::new()), rule(Action::Allow)],
        (Allowed::Requests(requests), ..) => vec![of(requests)],
    };
    let every = PortRange { protocol: ProtocolMatch::Any, first: 0, last: u16::MAX };
    let profiles = read.map(|read| (every, read.profile)).into_iter().collect();
    DirectionPolicy { default_deny: beside.is_none(), rules, profiles }
}

fn http(matched: &Matched, automata: &Automata) -> HttpRule {
    let pattern = |id: &Option<_>| id.and_then(|id| automata.pattern(id).cloned());
    let headers = matched.headers.iter();
    HttpRule {
        id: RuleId::new("diff"),
        matcher: HttpMatcher::Active(HttpMatch {
            method: pattern(&matched.method),
            path: pattern(&matched.path),
            host: pattern(&matched.host),
            headers: headers
                .map(|(name, value)| HeaderMatch { name: name.clone(), value: value.clone() })
                .collect(),
        }),
    }
}

/// Whether all of these policies let a request pass.
pub(crate) fn passes(policies: &[DirectionPolicy], sample: &Sample) -> bool {
    let flow = Flow { peer: IdentityId::WORLD, protocol: Protocol::Tcp, port: 80 };
    policies.iter().all(|policy| policy.request(&flow, &sample.request()).verdict == Verdict::Allow)
}
