//! `ClusterNetworkPolicy`.

use postern_tests_oracle::label::Selector;
use postern_tests_oracle::policy::Direction;
use postern_tests_oracle::policy::tiered::{Action, Peer, Pods, Policy, PortMatch, Rule, Tier};
use postern_tests_oracle::port::Protocol;

use crate::labels::{NODES, OF_NAMESPACES, POD_LABELS, selector};
use crate::names::{PORT_NAMES, PORTS, PREFIXES, prefix};
use crate::reader::Reader;

pub(crate) fn policy(reader: &mut Reader<'_>) -> Policy {
    Policy {
        tier: if reader.yes() { Tier::Baseline } else { Tier::Admin },
        priority: reader.one(&[0_u16, 10, 1000]).unwrap_or_default(),
        audit: reader.yes(),
        subject: pods(reader),
        name: String::new(),
        ingress: Vec::new(),
        egress: Vec::new(),
    }
}

fn pods(reader: &mut Reader<'_>) -> Pods {
    match reader.yes() {
        false => Pods::Namespaces(selector(reader, OF_NAMESPACES)),
        true => Pods::Pods(selector(reader, OF_NAMESPACES), selector(reader, POD_LABELS)),
    }
}

/// The list that a rule is put into, and the rule.
pub(crate) fn rule(reader: &mut Reader<'_>) -> (Direction, Rule) {
    let direction = if reader.yes() { Direction::Egress } else { Direction::Ingress };
    let action = reader.one(&[Action::Accept, Action::Deny, Action::Pass]).unwrap_or(Action::Deny);
    let mut peers = reader.several(1, 2, |reader| peer(reader, direction));
    // Names are for accepting only, and only pods have named ports.
    peers.retain(|peer| action == Action::Accept || !matches!(peer, Peer::DomainNames(_)));
    if peers.is_empty() {
        peers.push(Peer::Pods(Pods::Namespaces(Selector::default())));
    }
    let mut protocols = reader.several(0, 2, protocol);
    if peers.iter().any(|peer| !matches!(peer, Peer::Pods(_))) {
        protocols.retain(|protocol| !matches!(protocol, PortMatch::Named(_)));
    }
    (direction, Rule { action, peers, protocols })
}

fn peer(reader: &mut Reader<'_>, direction: Direction) -> Peer {
    match reader.below(if direction == Direction::Ingress { 2 } else { 5 }) {
        0 | 1 => Peer::Pods(pods(reader)),
        2 => Peer::Nodes(selector(reader, NODES)),
        3 => {
            let one = |reader: &mut Reader<'_>| reader.one(&PREFIXES).unwrap_or_default().0;
            let mut prefixes = reader.several(1, 2, one);
            prefixes.sort_unstable();
            prefixes.dedup();
            Peer::Networks(prefixes.into_iter().map(prefix).collect())
        }
        _ => Peer::DomainNames(vec!["*.example.com".to_owned()]),
    }
}

fn protocol(reader: &mut Reader<'_>) -> PortMatch {
    let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let kind = reader.below(4);
    let protocol = reader.one(&protocols).unwrap_or(Protocol::Tcp);
    let [a, b] = [0; 2].map(|_: u8| reader.one(&PORTS).unwrap_or(80));
    match kind {
        0 => PortMatch::Ports(protocol, (a, a)),
        1 => PortMatch::Ports(protocol, (a.min(b), a.max(b))),
        2 => PortMatch::Ports(protocol, (1, u16::MAX)),
        _ => PortMatch::Named(PORT_NAMES.get(usize::from(a) % 3).copied().unwrap_or_default().to_owned()),
    }
}
