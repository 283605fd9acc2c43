//! `NetworkPolicy`.

use postern_tests_oracle::label::Selector;
use postern_tests_oracle::policy::Direction;
use postern_tests_oracle::policy::kubernetes::{Item, Peer, Policy, Port, PortName};
use postern_tests_oracle::port::Protocol;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::features::{Feature, choose, of, sometimes};
use crate::labels::{NAMESPACES as NAMESPACE_LABELS, PODS, selector};
use crate::names::{NAMESPACES, PORT_NAMES, PORTS, PREFIXES, prefix};

pub(crate) fn policy() -> BoxedStrategy<Policy> {
    let types = of(&[
        Vec::new(),
        vec![Direction::Ingress],
        vec![Direction::Egress],
        vec![Direction::Ingress, Direction::Egress],
    ]);
    let parts = (
        prop_oneof![2 => Just(NAMESPACES[0]), 1 => of(&NAMESPACES)],
        sometimes(5, Some(Feature::Audit), Just(true)),
        sometimes(90, None, prop_oneof![1 => Just(Selector::default()), 2 => selector(PODS)]),
        sometimes(60, None, types),
        sometimes(70, None, vec(item(), 0..=3)),
        sometimes(50, None, vec(item(), 0..=3)),
    );
    parts
        .prop_map(|(namespace, audit, subject, types, ingress, egress)| Policy {
            namespace: namespace.to_owned(),
            name: String::new(),
            audit: audit.is_some(),
            subject,
            types,
            ingress,
            egress,
        })
        .boxed()
}

fn item() -> BoxedStrategy<Item> {
    (sometimes(80, None, vec(peer(), 0..=2)), sometimes(60, None, vec(port(), 0..=2)))
        .prop_map(|(peers, ports)| Item { peers, ports })
        .boxed()
}

fn peer() -> BoxedStrategy<Peer> {
    let block = of(&PREFIXES).prop_flat_map(|(of, within)| {
        proptest::sample::subsequence(within.to_vec(), 0..=within.len().min(2))
            .prop_map(move |except| Peer::Block(prefix(of), except.into_iter().map(prefix).collect()))
    });
    choose(vec![
        (3, None, selector(PODS).prop_map(Peer::Pods).boxed()),
        (2, None, selector(NAMESPACE_LABELS).prop_map(Peer::Namespaces).boxed()),
        (
            2,
            None,
            (selector(NAMESPACE_LABELS), selector(PODS)).prop_map(|(of, pods)| Peer::Both(of, pods)).boxed(),
        ),
        (2, Some(Feature::IpBlocks), block.boxed()),
    ])
}

fn port() -> BoxedStrategy<Port> {
    let protocol = || sometimes(60, None, of(&[Protocol::Tcp, Protocol::Udp, Protocol::Sctp]));
    let one = of(&PORTS).prop_map(|port| (Some(PortName::Number(port)), None));
    let range =
        (of(&PORTS), of(&PORTS)).prop_map(|(a, b)| (Some(PortName::Number(a.min(b))), Some(a.max(b))));
    let named = of(&PORT_NAMES).prop_map(|name| (Some(PortName::Name(name.to_owned())), None));
    let which = choose(vec![
        (3, None, one.boxed()),
        (1, None, range.boxed()),
        (1, None, Just((None, None)).boxed()),
        (1, Some(Feature::NamedPorts), named.boxed()),
    ]);
    (protocol(), which).prop_map(|(protocol, (port, end))| Port { protocol, port, end }).boxed()
}
