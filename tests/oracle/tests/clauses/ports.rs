//! §1.4, §2.5: which connections ports cover.

use postern_tests_oracle::evaluate::Verdict;
use postern_tests_oracle::policy::Policy::Cilium;
use postern_tests_oracle::policy::cilium::{Icmp, Item, Policy, Port, PortName};
use postern_tests_oracle::port::{PROTOCOLS, Protocol, Target};

use crate::support::{A, B, OUTSIDE, S, connect, egress, ingress, item, named, port, tcp, udp};

fn passes(policy: &Policy, from: &str, to: &str, target: Target) -> bool {
    connect(&[Cilium(policy.clone())], from, to, target) != Verdict::Deny
}

fn check(clause: &str, ports: &[Port], target: Target, expected: bool) {
    let policy = ingress(vec![item(None, ports)], Vec::new());
    assert_eq!(passes(&policy, A, S, target), expected, "{clause}: {target:?}");
    // What an allow covers, a deny covers.
    let policy = ingress(vec![item(Some(everyone()), &[])], vec![item(None, ports)]);
    assert_eq!(passes(&policy, A, S, target), !expected, "{clause}, denied: {target:?}");
}

fn everyone() -> postern_tests_oracle::policy::cilium::Peers {
    postern_tests_oracle::policy::cilium::Peers::Entities(vec![
        postern_tests_oracle::policy::cilium::Entity::All,
    ])
}

#[test]
fn numbers_and_protocols() {
    let of = |protocol, port| Target { protocol, port };
    let tcp_range = Port { end: Some(90), ..port(80, Some(Protocol::Tcp)) };
    for (clause, ports, target, expected) in [
        ("one port", port(80, Some(Protocol::Tcp)), tcp(80), true),
        ("one port", port(80, Some(Protocol::Tcp)), tcp(81), false),
        ("one protocol", port(80, Some(Protocol::Tcp)), udp(80), false),
        ("no protocol is any with ports", port(80, None), udp(80), true),
        ("no protocol is any with ports", port(80, None), of(Protocol::Sctp, 80), true),
        ("any is not ICMP", port(0, None), of(Protocol::Icmp, 8), false),
        ("port 0 is every port", port(0, Some(Protocol::Tcp)), tcp(65_535), true),
        ("port 0 of one protocol", port(0, Some(Protocol::Tcp)), udp(1), false),
        ("a range", tcp_range.clone(), tcp(79), false),
        ("a range", tcp_range.clone(), tcp(80), true),
        ("a range", tcp_range.clone(), tcp(90), true),
        ("a range", tcp_range, tcp(91), false),
    ] {
        check(&format!("§1.4: {clause}"), &[ports], target, expected);
    }
    for protocol in PROTOCOLS.into_iter().filter(|protocol| protocol.number() != 1 && protocol.number() != 58)
    {
        let absent = Port { port: PortName::Absent, ..port(0, Some(protocol)) };
        check("§1.4: a protocol by name", &[absent], of(protocol, 0), true);
    }
}

#[test]
fn named_ports() {
    let web = |protocol| named("web", protocol);
    check("§2.5: the subject's own", &[web(None)], tcp(80), true);
    check("§2.5: the subject's own", &[web(None)], tcp(8080), false);
    check("§2.5: its protocol", &[web(Some(Protocol::Udp))], udp(80), false);
    check("§2.5: its protocol", &[named("dns", None)], udp(53), true);
    check("§2.5: unresolved is nothing", &[named("gone", None)], tcp(80), false);
    let to = |policy: &Policy, peer, port| passes(policy, S, peer, tcp(port));
    let allow = egress(vec![item(None, &[web(None)])], Vec::new());
    let found =
        [(A, 80), (A, 8080), (B, 80), (B, 8080), (OUTSIDE, 80)].map(|(peer, port)| to(&allow, peer, port));
    assert_eq!(found, [true, false, false, true, false], "§2.5: each peer's own");
}

#[test]
fn icmp_types() {
    let icmp = |v6, number| Icmp { v6, family_written: false, number, name: None };
    let policy = |icmps| ingress(vec![Item { icmps: Some(icmps), ..Item::default() }], Vec::new());
    let of = |protocol, port| Target { protocol, port };
    let echo = policy(vec![icmp(false, 8), icmp(true, 128)]);
    for (target, expected) in [
        (of(Protocol::Icmp, 8), true),
        (of(Protocol::Icmp, 0), false),
        (of(Protocol::IcmpV6, 128), true),
        (of(Protocol::IcmpV6, 8), false),
        (tcp(8), false),
    ] {
        assert_eq!(passes(&echo, A, S, target), expected, "§1.4: {target:?}");
    }
    let all = ingress(vec![item(Some(everyone()), &[])], Vec::new());
    assert!(passes(&all, A, S, of(Protocol::Icmp, 8)), "§2.4: L3 only is every protocol");
}
