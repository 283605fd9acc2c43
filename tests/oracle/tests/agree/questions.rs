//! Questions about a world.

use std::fmt;
use std::net::IpAddr;

use postern_tests_oracle::evaluate::Question;
use postern_tests_oracle::http::Request;
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
    ends: [End; 2],
    by_name: [bool; 2],
    target: Target,
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
            [end(), end()],
            any::<[bool; 2]>(),
            protocol,
            prop_oneof![1 => of(&[80, 80, 8080]), 1 => of(&PORTS)],
            of(&[0_u16, 3, 8, 128, 129]),
            sometimes(60, None, request()),
        );
        parts
            .prop_map(|(ends, by_name, protocol, port, icmp, request)| {
                let port = match protocol {
                    Protocol::Icmp | Protocol::IcmpV6 => icmp,
                    protocol if protocol.has_ports() => port,
                    _ => 0,
                };
                let target = Target { protocol, port };
                Self { ends, by_name, target, request: request.filter(|_| protocol == Protocol::Tcp) }
            })
            .boxed()
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

/// The question in a world.
pub(crate) fn asked(world: &World, pick: Pick) -> Asked {
    let find = |end: &End| -> IpAddr {
        match end {
            End::Workload(index, last) => {
                let addresses = &world.workloads[index.index(world.workloads.len())].addresses;
                if *last { addresses[addresses.len() - 1] } else { addresses[0] }
            }
            End::Node(index) => node_address(*index),
            End::Outside(text) => address(text),
        }
    };
    let [from, to] = pick.ends.map(|end| find(&end));
    let name = |address, by_name: bool| match world.owner(address) {
        Owner::Workload(workload) if by_name => Some(format!("{}/{}", workload.namespace, workload.name)),
        _ => None,
    };
    let names = [name(from, pick.by_name[0]), name(to, pick.by_name[1])];
    Asked { question: Question { from, to, target: pick.target, request: pick.request }, names }
}
