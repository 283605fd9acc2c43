//! `ClusterNetworkPolicy`.

use postern_tests_oracle::label::Selector;
use postern_tests_oracle::policy::Direction;
use postern_tests_oracle::policy::tiered::{Action, Peer, Pods, Policy, PortMatch, Rule, Tier};
use postern_tests_oracle::port::Protocol;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::features::{Feature, choose, of, sometimes};
use crate::labels::{NAMESPACES, NODES, PODS, selector};
use crate::names::{PORT_NAMES, PORTS, PREFIXES, prefix};

pub(crate) fn policy() -> BoxedStrategy<Policy> {
    let parts = (
        sometimes(5, Some(Feature::Audit), Just(true)),
        of(&[Tier::Admin, Tier::Baseline]),
        of(&[0_u16, 10, 10, 1000]),
        prop_oneof![Just(Pods::Namespaces(Selector::default())), pods()],
        vec(rule(Direction::Ingress), 0..=3),
        vec(rule(Direction::Egress), 0..=3),
    );
    parts
        .prop_map(|(audit, tier, priority, subject, ingress, egress)| Policy {
            name: String::new(),
            audit: audit.is_some(),
            tier,
            priority,
            subject,
            ingress,
            egress,
        })
        .boxed()
}

fn pods() -> BoxedStrategy<Pods> {
    let both = (selector(NAMESPACES), selector(PODS)).prop_map(|(of, pods)| Pods::Pods(of, pods));
    prop_oneof![selector(NAMESPACES).prop_map(Pods::Namespaces), both].boxed()
}

fn rule(direction: Direction) -> BoxedStrategy<Rule> {
    let action = of(&[Action::Accept, Action::Deny, Action::Pass]);
    (action, vec(peer(direction), 1..=2), vec(protocol(), 0..=2))
        .prop_map(|(action, mut peers, mut protocols)| {
            // Names are for accepting only, and only pods have named ports.
            peers.retain(|peer| action == Action::Accept || !matches!(peer, Peer::DomainNames(_)));
            if peers.is_empty() {
                peers.push(Peer::Pods(Pods::Namespaces(Selector::default())));
            }
            if peers.iter().any(|peer| !matches!(peer, Peer::Pods(_))) {
                protocols.retain(|protocol| !matches!(protocol, PortMatch::Named(_)));
            }
            Rule { action, peers, protocols }
        })
        .boxed()
}

fn peer(direction: Direction) -> BoxedStrategy<Peer> {
    let pods = (4, None, pods().prop_map(Peer::Pods).boxed());
    if direction == Direction::Ingress {
        return choose(vec![pods]);
    }
    let prefixes: Vec<_> = PREFIXES.iter().map(|(text, _)| prefix(text)).collect();
    let networks = proptest::sample::subsequence(prefixes, 1..=2).prop_map(Peer::Networks);
    let names = Just(Peer::DomainNames(vec!["*.example.com".to_owned()]));
    choose(vec![
        pods,
        (1, Some(Feature::NodeLabels), selector(NODES).prop_map(Peer::Nodes).boxed()),
        (1, None, networks.boxed()),
        (1, None, names.boxed()),
    ])
}

fn protocol() -> BoxedStrategy<PortMatch> {
    let protocol = || of(&[Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
    let ports = (of(&PORTS), of(&PORTS)).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let one = of(&PORTS).prop_map(|port| (port, port));
    let every = Just((1, u16::MAX));
    let ported = (protocol(), prop_oneof![2 => one, 2 => ports, 1 => every])
        .prop_map(|(protocol, ports)| PortMatch::Ports(protocol, ports));
    let named = of(&PORT_NAMES).prop_map(|name| PortMatch::Named(name.to_owned()));
    choose(vec![(5, None, ported.boxed()), (1, Some(Feature::NamedPorts), named.boxed())])
}
