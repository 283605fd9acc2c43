//! The programs say of every packet what policy/core says of its connection.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod datapath;

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::sync::Arc;

use datapath::packets::{Ends, SYN};
use datapath::rules::{decide, http_action, lowered};
use datapath::{Did, Root, device, endpoint, in_namespace, run, run_marked};
use postern_node::datapath::{Applied, Hook, register_listener};
use postern_node_abi::Mark;
use postern_policy_core::decide::Verdict;
use postern_policy_core::endpoint::{Action, DirectionPolicy, Peers, Ports, Rule, Tier};
use postern_policy_core::identity::{AddressTable, IdentityId};
use postern_policy_core::policy::RuleId;
use postern_policy_core::port::{PortRange, Protocol, ProtocolMatch};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const POLICIES: u32 = 250;
const PACKETS: usize = 40;
/// A protocol without ports: all its packets between two addresses are one flow.
const GRE: u8 = 47;

const IDENTITIES: [(&str, u32); 8] = [
    ("10.0.0.0/8", 300),
    ("10.1.0.0/16", 256),
    ("10.1.0.7/32", 257),
    ("10.2.0.0/15", 258),
    ("192.0.2.1/32", 1),
    ("fd00::/16", 300),
    ("fd00:1::/32", 256),
    ("fd00:1::7/128", 257),
];
const PEERS: [&str; 9] = [
    "10.1.0.7",
    "10.1.0.8",
    "10.2.1.1",
    "10.9.9.9",
    "192.0.2.1",
    "8.8.8.8",
    "fd00:1::7",
    "fd00:1::8",
    "2001:db8::1",
];

/// A packet that begins a flow.
#[derive(Debug, Clone)]
struct Opening {
    peer: IpAddr,
    protocol: u8,
    port: u16,
    outgoing: bool,
    from_proxy: bool,
}

#[test]
fn the_kernel_and_the_core_agree() {
    in_namespace(agree);
}

fn agree() {
    let root = Root::new();
    let ifindex = device("pod");
    let mut datapath = root.open();
    let listeners = ["127.0.0.1:0", "[::1]:0"].map(|address| TcpListener::bind(address).unwrap());
    listeners.iter().for_each(|listener| register_listener(&root.0, listener.as_fd()).unwrap());
    let prefixes = IDENTITIES.map(|(prefix, id)| (prefix.parse().unwrap(), IdentityId(id)));
    let mut table = AddressTable::default();
    for (prefix, id) in prefixes {
        table.insert(prefix, id);
    }
    datapath.set_identities(prefixes).unwrap();
    let datapath = RefCell::new(datapath);
    let port = Cell::new(0u16);
    let mut runner =
        TestRunner::new(Config { cases: POLICIES, failure_persistence: None, ..Config::default() });
    let cases = (policy(), policy(), prop::collection::vec(opening(), PACKETS));
    let result = runner.run(&cases, |(ingress, egress, openings)| {
        let mut datapath = datapath.borrow_mut();
        let applied = datapath.set_endpoint(&endpoint(ifindex, 1), &lowered(&ingress, &egress)).unwrap();
        let unexpected = matches!(applied, Applied::Closed { .. });
        prop_assert!(!unexpected, "{:?}", applied);
        for opening in openings {
            // A port of its own, so that no packet belongs to the flow of another.
            port.set(port.get().wrapping_add(1));
            let policy = if opening.outgoing { &egress } else { &ingress };
            let peer = table.identity(opening.peer);
            let (verdict, plain) = decide(policy, peer, opening.protocol, opening.port);
            let expected = match (verdict, opening.outgoing) {
                (Verdict::Allow, _) => Did::Pass,
                (Verdict::Deny, _) => Did::Drop,
                (Verdict::Redirect, true) => Did::Steer,
                (Verdict::Redirect, false) if plain || opening.from_proxy => Did::Pass,
                (Verdict::Redirect, false) => Did::Drop,
            };
            if opening.protocol == GRE {
                root.forget_flows();
            }
            let packet = opening.packet(port.get());
            let did = if opening.outgoing {
                run(&datapath, Hook::FromEndpoint, ifindex, &packet)
            } else {
                let mark = if opening.from_proxy { Mark::FROM_PROXY } else { 0 };
                run_marked(&datapath, Hook::ToEndpoint, ifindex, mark, &packet)
            };
            prop_assert_eq!(did, expected, "{:?} of {:?}", opening, peer);
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

impl Opening {
    fn packet(&self, port: u16) -> Vec<u8> {
        let own: IpAddr = if self.peer.is_ipv4() { "10.0.0.1" } else { "fd00::1" }.parse().unwrap();
        let (from, to) = if self.outgoing { (own, self.peer) } else { (self.peer, own) };
        let ends = Ends { from: (from, port), to: (to, self.port) };
        match self.protocol {
            6 => ends.tcp(SYN),
            17 => ends.udp(),
            132 => ends.sctp(),
            1 => ends.ping(),
            other => ends.ip(other, &[0; 8]),
        }
    }
}

fn opening() -> impl Strategy<Value = Opening> {
    let protocol = prop_oneof![4 => Just(6), 3 => Just(17), 1 => Just(132), 1 => Just(1), 1 => Just(GRE)];
    (prop::sample::select(&PEERS), protocol, port(), any::<bool>(), any::<bool>()).prop_map(
        |(peer, protocol, port, outgoing, from_proxy)| Opening {
            peer: peer.parse().unwrap(),
            protocol,
            port,
            outgoing,
            from_proxy,
        },
    )
}

/// Few ports, so that rules and packets meet.
fn port() -> impl Strategy<Value = u16> {
    prop_oneof![3 => prop::sample::select(&[0u16, 1, 79, 80, 81, 443, 8000, 8079, 8080, 65535]), 1 => any::<u16>()]
}

fn policy() -> impl Strategy<Value = DirectionPolicy> {
    (any::<bool>(), prop::collection::vec(rule(), 0..6))
        .prop_map(|(default_deny, rules)| DirectionPolicy { default_deny, rules })
}

fn rule() -> impl Strategy<Value = Rule> {
    let identity = prop::sample::select(&[1u32, 2, 256, 257, 258, 300]).prop_map(IdentityId);
    let peers = prop_oneof![
        1 => Just(Peers::Any),
        3 => prop::collection::btree_set(identity, 0..4).prop_map(|ids| Peers::Only(Arc::new(ids))),
    ];
    let ports = prop_oneof![
        1 => Just(Ports::All),
        3 => prop::collection::vec(range(), 0..3).prop_map(Ports::Only),
    ];
    let action = prop_oneof![3 => Just(Action::Allow), 2 => Just(Action::Deny), 2 => Just(http_action())];
    (peers, ports, action).prop_map(|(peers, ports, action)| Rule {
        id: RuleId::new("test"),
        tier: Tier::Normal,
        peers,
        ports,
        action,
    })
}

fn range() -> impl Strategy<Value = PortRange> {
    let protocol = prop_oneof![
        Just(ProtocolMatch::Any),
        Just(ProtocolMatch::Only(Protocol::Tcp)),
        Just(ProtocolMatch::Only(Protocol::Udp)),
        Just(ProtocolMatch::Only(Protocol::Sctp)),
    ];
    (protocol, port(), port(), 0..8u8).prop_map(|(protocol, a, b, kind)| match kind {
        0 => PortRange::whole(protocol),
        1..=3 => PortRange { protocol, first: a.min(b), last: a.max(b) },
        _ => PortRange { protocol, first: a, last: a },
    })
}
