//! Questions about a world.

use std::fmt;
use std::net::IpAddr;

use postern_tests_oracle::evaluate::{Question, View, concerns};
use postern_tests_oracle::http::Request;
use postern_tests_oracle::policy::{Direction, Policy};
use postern_tests_oracle::port::{PROTOCOLS, Protocol, Target};
use postern_tests_oracle::world::{Owner, World};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::features::{of, sometimes};
use crate::http::request;
use crate::names::{NODES, OUTSIDE, PORTS, address, node_address};

/// A question, and how its ends are named.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) question: Question,
    /// The names of the ends, where they are workloads and asked about by name.
    pub(crate) names: [Option<String>; 2],
}

impl Asked {
    /// The same of the connection alone.
    pub(crate) fn connection(&self) -> Self {
        let question = Question { request: None, ..self.question.clone() };
        Self { question, ..self.clone() }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Question { from, to, target, request } = &self.question;
        let end = |name: &Option<String>, address| {
            name.clone().map_or(format!("{address}"), |name| format!("{name} ({address})"))
        };
        let (from, to) = (end(&self.names[0], from), end(&self.names[1], to));
        write!(f, "{from} -> {to} {} {}", target.protocol.name(), target.port)?;
        request.iter().try_for_each(|request| write!(f, " {request:?}"))
    }
}

/// A question before the world is known.
#[derive(Debug, Clone)]
pub(crate) struct Pick {
    /// The ends to choose from: the first that any policy speaks of.
    ends: Vec<[End; 2]>,
    by_name: [bool; 2],
    target: Target,
    /// One of the ports that policies name, or next to it.
    aimed: Option<(Index, u8)>,
    request: Option<Request>,
}

#[derive(Debug, Clone)]
enum End {
    Workload(Index, bool),
    Node(usize),
    Outside(&'static str),
}

impl Pick {
    pub(crate) fn any() -> BoxedStrategy<Self> {
        let protocol = prop_oneof![
            8 => Just(Protocol::Tcp),
            2 => Just(Protocol::Udp),
            1 => of(&PROTOCOLS),
            1 => of(&[Protocol::Icmp, Protocol::IcmpV6]),
        ];
        let parts = (
            proptest::collection::vec([end(), end()], 1..=4),
            any::<[bool; 2]>(),
            protocol,
            of(&PORTS),
            of(&[0_u16, 3, 8, 128, 129]),
            sometimes(75, None, (any::<Index>(), 0..10_u8)),
            sometimes(70, None, request()),
        );
        parts
            .prop_map(|(ends, by_name, protocol, port, icmp, aimed, request)| {
                let port = match protocol {
                    Protocol::Icmp | Protocol::IcmpV6 => icmp,
                    protocol if protocol.has_ports() => port,
                    _ => 0,
                };
                Self { ends, by_name, target: Target { protocol, port }, aimed, request }
            })
            .boxed()
    }

    fn target(&self, known: &[Target]) -> Target {
        let Some((index, next)) = self.aimed.filter(|_| !known.is_empty()) else { return self.target };
        let Target { protocol, port } = known[index.index(known.len())];
        let port = match next {
            _ if !protocol.has_ports() => port,
            0 => port.saturating_sub(1),
            1 => port.saturating_add(1),
            _ => port,
        };
        Target { protocol, port }
    }
}

fn end() -> BoxedStrategy<End> {
    prop_oneof![
        6 => (any::<Index>(), any::<bool>()).prop_map(|(index, last)| End::Workload(index, last)),
        1 => (0..NODES.len()).prop_map(End::Node),
        4 => of(&OUTSIDE).prop_map(End::Outside),
    ]
    .boxed()
}

/// The question in a world, where policies name these ports.
pub(crate) fn asked(world: &World, policies: &[Policy], known: &[Target], pick: Pick) -> Asked {
    let target = pick.target(known);
    let spoken_of = |[from, to]: &[IpAddr; 2]| {
        let side = |own, peer, direction| match world.owner(own) {
            Owner::Workload(subject) if subject.is_local() => {
                let view = View { world, subject, peer: world.owner(peer), direction, target };
                policies.iter().any(|policy| concerns(&view, policy))
            }
            _ => false,
        };
        side(*from, *to, Direction::Egress) || side(*to, *from, Direction::Ingress)
    };
    let mut ends: Vec<[IpAddr; 2]> =
        pick.ends.iter().map(|ends| ends.each_ref().map(|end| address_of(world, end))).collect();
    let chosen = ends.iter().position(spoken_of).unwrap_or_default();
    let [from, to] = ends.swap_remove(chosen);
    let name = |address, by_name: bool| match world.owner(address) {
        Owner::Workload(workload) if by_name => Some(format!("{}/{}", workload.namespace, workload.name)),
        _ => None,
    };
    let names = [name(from, pick.by_name[0]), name(to, pick.by_name[1])];
    // Only TCP carries requests.
    let request = pick.request.filter(|_| target.protocol == Protocol::Tcp);
    Asked { question: Question { from, to, target, request }, names }
}

fn address_of(world: &World, end: &End) -> IpAddr {
    match end {
        End::Workload(index, last) => {
            let addresses = &world.workloads[index.index(world.workloads.len())].addresses;
            if *last { addresses[addresses.len() - 1] } else { addresses[0] }
        }
        End::Node(index) => node_address(*index),
        End::Outside(text) => address(text),
    }
}
