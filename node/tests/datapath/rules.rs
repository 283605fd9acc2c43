//! Policies for tests, and what policy/core says of packets.

use std::sync::Arc;

use postern_policy_core::decide::Verdict;
use postern_policy_core::endpoint::{Action, DirectionPolicy, Flow, Peers, Ports, Rule, Tier};
use postern_policy_core::http::{HttpMatch, HttpMatcher, HttpRule};
use postern_policy_core::identity::IdentityId;
use postern_policy_core::lower::{Lowered, lower_direction};
use postern_policy_core::policy::RuleId;
use postern_policy_core::port::{PortRange, Protocol, ProtocolMatch};

pub(crate) fn lowered(ingress: &DirectionPolicy, egress: &DirectionPolicy) -> Lowered {
    Lowered { ingress: lower_direction(ingress), egress: lower_direction(egress) }
}

/// Default deny, and these rules.
pub(crate) fn deny_but(rules: impl IntoIterator<Item = Rule>) -> DirectionPolicy {
    DirectionPolicy {
        default_deny: true,
        rules: rules.into_iter().map(Arc::new).collect(),
        ..DirectionPolicy::default()
    }
}

/// No rules, no default deny.
pub(crate) fn open() -> DirectionPolicy {
    DirectionPolicy::default()
}

pub(crate) fn rule(peers: Peers, ports: Ports, action: Action) -> Rule {
    Rule { id: RuleId::new("test"), tier: Tier::Normal, peers, ports, action }
}

pub(crate) fn allow(peer: u32, protocol: Protocol, port: u16) -> Rule {
    rule(only(peer), one(protocol, port), Action::Allow)
}

pub(crate) fn allow_all(peer: u32) -> Rule {
    rule(only(peer), Ports::All, Action::Allow)
}

pub(crate) fn http(peer: u32, port: u16) -> Rule {
    rule(only(peer), one(Protocol::Tcp, port), http_action())
}

pub(crate) fn http_action() -> Action {
    let id = RuleId::new("test/http");
    Action::Http([HttpRule { id, matcher: HttpMatcher::Active(HttpMatch::default()) }].into())
}

pub(crate) fn only(peer: u32) -> Peers {
    Peers::Only(Arc::new([IdentityId(peer)].into()))
}

pub(crate) fn one(protocol: Protocol, port: u16) -> Ports {
    Ports::Only(vec![PortRange { protocol: ProtocolMatch::Only(protocol), first: port, last: port }])
}

/// What a policy says, and whether all of it may pass where it cannot be steered.
pub(crate) fn decide(policy: &DirectionPolicy, peer: IdentityId, protocol: u8, port: u16) -> (Verdict, bool) {
    let known = Protocol::EVERY.into_iter().find(|known| known.number() == protocol);
    let Some(protocol) = known else { return decide_unknown(policy, peer) };
    let flow = Flow { peer, protocol, port };
    let plain = without_http(policy).connection(&flow).verdict == Verdict::Allow;
    (policy.connection(&flow).verdict, plain)
}

fn without_http(policy: &DirectionPolicy) -> DirectionPolicy {
    let plain = |rule: &&Arc<Rule>| !matches!(rule.action, Action::Http(_));
    DirectionPolicy {
        default_deny: policy.default_deny,
        rules: policy.rules.iter().filter(plain).cloned().collect(),
        ..DirectionPolicy::default()
    }
}

/// Only rules on everything speak of protocols that have no name.
fn decide_unknown(policy: &DirectionPolicy, peer: IdentityId) -> (Verdict, bool) {
    let mut policy = without_http(policy);
    policy.rules.retain(|rule| rule.ports == Ports::All);
    let flow = Flow { peer, protocol: Protocol::Udp, port: 0 };
    (policy.connection(&flow).verdict, false)
}
