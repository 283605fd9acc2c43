//! The items of Cilium's policies: peers and ports.

use postern_tests_oracle::policy::Direction;
use postern_tests_oracle::policy::cilium::{
    Authentication, Beyond, CidrSet, CidrSource, ENTITIES, ICMP_NAMES, Icmp, Item, Peers, Port, PortEntry,
    PortName, PortProtocol, ServiceRef,
};
use postern_tests_oracle::port::{PROTOCOLS, Protocol};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::features::{Feature, choose, of, sometimes};
use crate::http;
use crate::labels::{ENDPOINTS, KINDS, SOURCED_NODES, selector};
use crate::names::{GROUPS, NAMESPACES, NO_GROUP, PORT_NAMES, PORTS, PREFIXES, SERVICES, prefix};

/// An item of one of the four lists.
pub(crate) fn item(direction: Direction, deny: bool) -> BoxedStrategy<Item> {
    let peers = sometimes(65, None, peers(direction, deny));
    let ports = choose(vec![
        (3, None, Just((None, None)).boxed()),
        (8, None, vec(entry(direction, deny), 1..=2).prop_map(|entries| (Some(entries), None)).boxed()),
        (1, Some(Feature::Icmps), vec(icmp(), 1..=2).prop_map(|icmps| (None, Some(icmps))).boxed()),
    ]);
    let modes = [Authentication::Disabled, Authentication::Required, Authentication::AlwaysFail];
    let authentication = sometimes(10, Some(Feature::Authentication), of(&modes));
    (peers, ports, authentication)
        .prop_map(move |(peers, (ports, icmps), authentication)| Item {
            peers,
            ports,
            icmps,
            authentication: authentication.filter(|_| !deny),
        })
        .boxed()
}

fn peers(direction: Direction, deny: bool) -> BoxedStrategy<Peers> {
    let prefixes: Vec<_> = PREFIXES.iter().map(|(text, _)| prefix(text)).collect();
    let entities = ENTITIES.map(|(entity, _)| entity);
    let name = of(&["*.example.com", "example.com", "*"]).prop_map(str::to_owned);
    let group = of(&["web", "db"]).prop_map(str::to_owned);
    let mut options = vec![
        (6, None, vec(selector(ENDPOINTS), 0..=2).prop_map(Peers::Endpoints).boxed()),
        (1, Some(Feature::Nodes), vec(selector(SOURCED_NODES), 0..=2).prop_map(Peers::Nodes).boxed()),
        (3, Some(Feature::Entities), vec(of(&entities), 0..=2).prop_map(Peers::Entities).boxed()),
        (2, Some(Feature::Cidrs), vec(of(&prefixes), 0..=2).prop_map(Peers::Cidrs).boxed()),
        (3, Some(Feature::Cidrs), vec(cidr_set(), 0..=2).prop_map(Peers::CidrSets).boxed()),
        (1, Some(Feature::CloudGroups), vec(group, 0..=1).prop_map(Peers::Groups).boxed()),
    ];
    if direction == Direction::Egress {
        options.push((2, Some(Feature::Services), vec(service(), 0..=2).prop_map(Peers::Services).boxed()));
        if !deny {
            options.push((1, Some(Feature::Fqdns), vec(name, 0..=2).prop_map(Peers::Fqdns).boxed()));
        }
    }
    choose(options)
}

fn cidr_set() -> BoxedStrategy<CidrSet> {
    let plain = of(&PREFIXES).prop_flat_map(|(of, within)| {
        proptest::sample::subsequence(within.to_vec(), 0..=within.len().min(2)).prop_map(move |except| {
            CidrSet { of: CidrSource::Prefix(prefix(of)), except: except.into_iter().map(prefix).collect() }
        })
    });
    let except = || sometimes(40, None, of(&["203.0.113.8/29", "10.0.0.0/8", "2001:db8::/32"]));
    let with = |of, except: Option<&str>| CidrSet { of, except: except.into_iter().map(prefix).collect() };
    let names = [GROUPS[0], GROUPS[0], GROUPS[1], GROUPS[1], NO_GROUP];
    let group = (of(&names), except())
        .prop_map(move |(name, except)| with(CidrSource::Group(name.to_owned()), except));
    let groups = (selector(KINDS), except())
        .prop_map(move |(labels, except)| with(CidrSource::Groups(labels), except));
    choose(vec![
        (5, None, plain.boxed()),
        (2, Some(Feature::Groups), group.boxed()),
        (1, Some(Feature::Groups), groups.boxed()),
    ])
}

fn service() -> BoxedStrategy<ServiceRef> {
    let named =
        of(&SERVICES).prop_map(|(namespace, name)| ServiceRef::Named(namespace.to_owned(), name.to_owned()));
    let labels = (selector(KINDS), sometimes(60, None, of(&NAMESPACES)))
        .prop_map(|(labels, namespace)| ServiceRef::Labels(labels, namespace.map(str::to_owned)));
    prop_oneof![2 => named, 1 => labels].boxed()
}

fn icmp() -> BoxedStrategy<Icmp> {
    let numbered = (any::<bool>(), any::<bool>(), of(&[0_u8, 3, 8, 128]))
        .prop_map(|(v6, family_written, number)| Icmp { v6, family_written, number, name: None });
    let named = (of(&ICMP_NAMES), any::<bool>()).prop_map(|((v6, number, name), family_written)| Icmp {
        v6,
        family_written,
        number,
        name: Some(name),
    });
    prop_oneof![numbered, named].boxed()
}

fn entry(direction: Direction, deny: bool) -> BoxedStrategy<PortEntry> {
    let plain = sometimes(95, None, vec(port(), 0..=3)).prop_map(|ports| PortEntry {
        ports,
        http: None,
        beyond: None,
    });
    if deny {
        return plain.boxed();
    }
    let http = (vec(tcp_port(), 1..=2), http::rules()).prop_map(|(ports, rules)| PortEntry {
        ports: Some(ports),
        http: Some(rules),
        beyond: None,
    });
    let mut beyond = vec![Beyond::ServerNames, Beyond::TerminatingTls, Beyond::OriginatingTls];
    if direction == Direction::Egress {
        beyond.extend([Beyond::Listener, Beyond::Dns]);
    }
    let beyond = (vec(tcp_port(), 1..=2), of(&beyond)).prop_map(|(mut ports, beyond)| {
        if beyond == Beyond::Dns {
            ports.iter_mut().for_each(|port| port.end = None);
        }
        PortEntry { ports: Some(ports), http: None, beyond: Some(beyond) }
    });
    choose(vec![
        (3, None, plain.boxed()),
        (8, None, http.boxed()),
        (1, Some(Feature::Beyond), beyond.boxed()),
    ])
}

fn port() -> BoxedStrategy<Port> {
    let ported =
        of(&[Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp]).prop_map(PortProtocol::Only);
    let protocol = || {
        prop_oneof![
            2 => Just(None),
            1 => Just(Some(PortProtocol::Any)),
            4 => ported.clone().prop_map(Some),
        ]
    };
    let portless: Vec<Protocol> = PROTOCOLS[5..].to_vec();
    let portless = (of(&portless), any::<bool>()).prop_map(|(protocol, zero)| Port {
        port: if zero { PortName::Number(0) } else { PortName::Absent },
        end: None,
        protocol: Some(PortProtocol::Only(protocol)),
    });
    let every = protocol().prop_map(|protocol| Port { port: PortName::Number(0), end: None, protocol });
    choose(vec![
        (
            6,
            None,
            (numbers(), protocol()).prop_map(|((port, end), protocol)| Port { port, end, protocol }).boxed(),
        ),
        (
            2,
            Some(Feature::NamedPorts),
            (named(), protocol()).prop_map(|(port, protocol)| Port { port, end: None, protocol }).boxed(),
        ),
        (1, None, every.boxed()),
        (1, Some(Feature::Portless), portless.boxed()),
    ])
}

/// A port that HTTP may be looked at on.
fn tcp_port() -> BoxedStrategy<Port> {
    let protocol = Some(PortProtocol::Only(Protocol::Tcp));
    choose(vec![
        (5, None, numbers().prop_map(move |(port, end)| Port { port, end, protocol }).boxed()),
        (
            1,
            Some(Feature::NamedPorts),
            named().prop_map(move |port| Port { port, end: None, protocol }).boxed(),
        ),
    ])
}

fn numbers() -> BoxedStrategy<(PortName, Option<u16>)> {
    let port = prop_oneof![2 => of(&[80, 80, 8080]), 1 => of(&PORTS)];
    let one = port.prop_map(|port| (PortName::Number(port), None));
    let range = (of(&PORTS), of(&PORTS)).prop_map(|(a, b)| (PortName::Number(a.min(b)), Some(a.max(b))));
    prop_oneof![3 => one, 1 => range].boxed()
}

fn named() -> BoxedStrategy<PortName> {
    of(&PORT_NAMES).prop_map(|name| PortName::Name(name.to_owned())).boxed()
}
