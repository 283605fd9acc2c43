use postern_policy_core::policy::{PortRule, PortSelector};
use postern_policy_core::port::{PortRange, PortSpec, Protocol, ProtocolMatch};

use super::reads;

fn rules(item: &str) -> Vec<PortRule> {
    match reads(&format!("ingress: [{{{item}}}]")).ingress.items.remove(0).ports {
        PortSelector::AnyOf(rules) => rules,
        PortSelector::Unnamed => panic!("{item} names no ports"),
    }
}

fn check(port: &str, expected: PortSpec) {
    let rules = rules(&format!("toPorts: [{{ports: [{{{port}}}]}}]"));
    assert_eq!(rules[0].ports, [expected], "{port}");
}

fn numbers(protocol: ProtocolMatch, first: u16, last: u16) -> PortSpec {
    PortSpec::Numbers(PortRange { protocol, first, last })
}

#[test]
fn numbers_names_and_ranges() {
    let tcp = ProtocolMatch::Only(Protocol::Tcp);
    check("port: '80'", numbers(ProtocolMatch::Any, 80, 80));
    check("port: '80', protocol: ANY", numbers(ProtocolMatch::Any, 80, 80));
    check("port: '80', protocol: TCP", numbers(tcp, 80, 80));
    check("port: '80', endPort: 80, protocol: TCP", numbers(tcp, 80, 80));
    check("port: '1', endPort: 65535, protocol: TCP", numbers(tcp, 1, 65535));
    check("port: '0', protocol: TCP", numbers(tcp, 0, 65535));
    let named = |protocol, name: &str| PortSpec::Named { protocol, name: name.to_owned() };
    check("port: web, protocol: TCP", named(tcp, "web"));
    check("port: Web-2", named(ProtocolMatch::Any, "web-2"));
    check("port: '0x50'", named(ProtocolMatch::Any, "0x50"));
}

#[test]
fn protocols() {
    for protocol in
        Protocol::EVERY.into_iter().filter(|protocol| Protocol::parse(protocol.as_str()).is_some())
    {
        let only = ProtocolMatch::Only(protocol);
        check(&format!("port: '0', protocol: {protocol}"), numbers(only, 0, 65535));
        if !protocol.has_ports() {
            check(&format!("protocol: {protocol}"), numbers(only, 0, 65535));
        }
    }
}

#[test]
fn icmp_types() {
    let icmp = |number| numbers(ProtocolMatch::Only(Protocol::Icmp), number, number);
    let icmp6 = |number| numbers(ProtocolMatch::Only(Protocol::IcmpV6), number, number);
    let rules = rules(
        "icmps: [{fields: [{type: 8}, {family: IPv4, type: '0'}, {type: EchoReply}]}, {fields: [{family: IPv6, type: EchoRequest}, {family: IPv6, type: 255}]}]",
    );
    let [v4, v6] = &rules[..] else { panic!("{rules:?}") };
    assert_eq!(v4.id.as_str(), "cnp/default/p/ingress/0/icmps/0");
    assert_eq!(v4.ports, [icmp(8), icmp(0), icmp(0)]);
    assert_eq!(v6.ports, [icmp6(128), icmp6(255)]);
}
