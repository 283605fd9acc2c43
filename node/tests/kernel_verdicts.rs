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
/// All packets of such a protocol between two addresses are one flow. The last has no name in policies.
const PORTLESS: [u8; 8] = [2, 4, 41, 47, 50, 51, 112, 200];
/// The first number of identities that stand for prefixes.
const CIDR: u32 = 1 << 24;

const IDENTITIES: [(&str, u32); 12] = [
    ("10.0.0.0/8", 300),
    ("10.1.0.0/16", 256),
    ("10.1.0.7/32", 257),
    ("10.2.0.0/15", 258),
    ("192.0.2.1/32", 1),
    ("fd00::/16", 300),
    ("fd00:1::/32", 256),
    ("fd00:1::7/128", 257),
    ("203.0.113.0/24", CIDR),
    ("203.0.113.64/26", CIDR + 1),
    ("2001:db8:1::/48", CIDR),
    ("2001:db8:1:2::/64", CIDR + 1),
];
const PEERS: [&str; 13] = [
    "10.1.0.7",
    "10.1.0.8",
    "10.2.1.1",
    "10.9.9.9",
    "192.0.2.1",
    "8.8.8.8",
    "fd00:1::7",
    "fd00:1::8",
    "2001:db8::1",
    "203.0.113.5",
    "203.0.113.100",
    "2001:db8:1::1",
    "2001:db8:1:2::1",
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
    let table: AddressTable = prefixes.into_iter().collect();
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
            let (verdict, plain) = decide(policy, peer, opening.protocol, opening.policy_port());
            let expected = match (verdict, opening.outgoing) {
                (Verdict::Allow, _) => Did::Pass,
                (Verdict::Deny, _) => Did::Drop,
                (Verdict::Redirect, true) => Did::Steer,
                (Verdict::Redirect, false) if plain || opening.from_proxy => Did::Pass,
                (Verdict::Redirect, false) => Did::Drop,
            };
            if PORTLESS.contains(&opening.protocol) {
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
    /// What policy takes for the port: the type for ICMP, nothing where there is none.
    fn policy_port(&self) -> u16 {
        match self.protocol {
            1 => 8,
            58 => 128,
            protocol if PORTLESS.contains(&protocol) => 0,
            _ => self.port,
        }
    }

    fn packet(&self, port: u16) -> Vec<u8> {
        let own: IpAddr = if self.peer.is_ipv4() { "10.0.0.1" } else { "fd00::1" }.parse().unwrap();
        let (from, to) = if self.outgoing { (own, self.peer) } else { (self.peer, own) };
        let ends = Ends { from: (from, port), to: (to, self.port) };
        match self.protocol {
            6 => ends.tcp(SYN),
            17 => ends.udp(),
            132 => ends.sctp(),
            1 | 58 => ends.ping(),
            other => ends.ip(other, &[0; 8]),
        }
    }
}

fn opening() -> impl Strategy<Value = Opening> {
    let portless = prop::sample::select(&PORTLESS);
    let protocol = prop_oneof![4 => Just(6), 3 => Just(17), 1 => Just(132), 2 => Just(1), 3 => portless];
    (prop::sample::select(&PEERS), protocol, port(), any::<bool>(), any::<bool>()).prop_map(
        |(peer, protocol, port, outgoing, from_proxy)| {
            let peer: IpAddr = peer.parse().unwrap();
            let protocol = if protocol == 1 && peer.is_ipv6() { 58 } else { protocol };
            Opening { peer, protocol, port, outgoing, from_proxy }
        },
    )
}

/// Few ports, so that rules and packets meet.
fn port() -> impl Strategy<Value = u16> {
    prop_oneof![3 => prop::sample::select(&[0u16, 1, 79, 80, 81, 443, 8000, 8079, 8080, 65535]), 1 => any::<u16>()]
}

/// Half of them are such that the strongest verdict is the right one, half have tiers.
fn policy() -> impl Strategy<Value = DirectionPolicy> {
    let tier = prop::sample::select(&[
        Tier::Admin,
        Tier::Admin,
        Tier::Normal,
        Tier::Normal,
        Tier::Default,
        Tier::Baseline,
    ]);
    let normal = prop::collection::vec(rule(Just(Tier::Normal)), 0..6);
    let tiered = prop::collection::vec(rule(tier), 0..8);
    (any::<bool>(), prop_oneof![normal, tiered]).prop_map(|(default_deny, mut rules)| {
        // Within a tier they stay as they came: there, the first one decides.
        rules.sort_by_key(|rule: &Arc<Rule>| rule.tier);
        DirectionPolicy { default_deny, rules, ..DirectionPolicy::default() }
    })
}

fn rule(tier: impl Strategy<Value = Tier>) -> impl Strategy<Value = Arc<Rule>> {
    let identity = prop::sample::select(&[1u32, 2, 256, 257, 258, 300, CIDR, CIDR + 1]).prop_map(IdentityId);
    let peers = prop_oneof![
        1 => Just(Peers::Any),
        3 => prop::collection::btree_set(identity, 0..4).prop_map(|ids| Peers::Only(Arc::new(ids))),
    ];
    let ports = prop_oneof![
        1 => Just(Ports::All),
        3 => prop::collection::vec(range(), 0..3).prop_map(Ports::Only),
    ];
    (tier, peers, ports, 0..8u8).prop_map(|(tier, peers, ports, action)| {
        let action = action_of(tier, action);
        Arc::new(Rule { id: RuleId::new("test"), tier, peers, ports, action })
    })
}

/// HTTP rules are of the normal tier alone, a pass leaves an ordered one, and the node's own tier only allows.
fn action_of(tier: Tier, choice: u8) -> Action {
    match (tier, choice) {
        (Tier::Default, _) | (_, 0..=2) => Action::Allow,
        (_, 3..=4) => Action::Deny,
        (Tier::Normal, 5) => Action::Quarantined("a test".into()),
        (Tier::Normal, _) => http_action(),
        (Tier::Admin | Tier::Baseline, _) => Action::Pass,
    }
}

fn range() -> impl Strategy<Value = PortRange> {
    let with_ports = prop::sample::select(&[Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
    let protocol = prop_oneof![
        1 => Just(ProtocolMatch::Any),
        3 => with_ports.prop_map(ProtocolMatch::Only),
    ];
    let of_ports = (protocol, port(), port(), 0..8u8).prop_map(|(protocol, a, b, kind)| match kind {
        0 => PortRange::whole(protocol),
        1..=3 => PortRange { protocol, first: a.min(b), last: a.max(b) },
        _ => PortRange { protocol, first: a, last: a },
    });
    let portless: Vec<Protocol> =
        Protocol::EVERY.into_iter().filter(|protocol| !protocol.has_ports()).collect();
    let portless =
        prop::sample::select(portless).prop_map(|only| PortRange::whole(ProtocolMatch::Only(only)));
    let typed = prop::sample::select(&[(Protocol::Icmp, 8u16), (Protocol::IcmpV6, 128), (Protocol::Icmp, 0)]);
    let typed = typed.prop_map(|(protocol, of_type)| PortRange {
        protocol: ProtocolMatch::Only(protocol),
        first: of_type,
        last: of_type,
    });
    prop_oneof![4 => of_ports, 2 => portless, 1 => typed]
}
