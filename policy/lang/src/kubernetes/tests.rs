use postern_policy_core::peer::{CidrTerm, PeerTerm};
use postern_policy_core::policy::{PeerSelector, Policy, PortSelector};
use postern_policy_core::port::{PortRange, PortSpec, Protocol, ProtocolMatch};

use crate::load_policies;
use crate::source::SourceFile;

fn load(spec: &str) -> (Vec<Policy>, Vec<String>) {
    let text = format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, namespace: n}}, spec: {spec}}}"
    );
    let loaded = load_policies(&[SourceFile { name: "p.yaml".to_owned(), text }]);
    (loaded.policies, loaded.diagnostics.iter().map(ToString::to_string).collect())
}

fn accepts(spec: &str) -> Policy {
    let (mut policies, diagnostics) = load(spec);
    assert_eq!(diagnostics, Vec::<String>::new(), "{spec}");
    policies.pop().unwrap()
}

/// Every error of a spec, in order; no policy comes of it.
fn refuses(spec: &str, expected: &[&str]) {
    let (policies, diagnostics) = load(spec);
    assert!(policies.is_empty(), "{spec} was accepted");
    assert_eq!(diagnostics.len(), expected.len(), "{diagnostics:#?}");
    for (diagnostic, expected) in diagnostics.iter().zip(expected) {
        assert!(diagnostic.contains(expected), "{diagnostic}\nwanted: {expected}");
    }
}

fn from(peer: &str) -> String {
    format!("{{podSelector: {{}}, ingress: [{{from: [{peer}]}}]}}")
}

fn on(port: &str) -> String {
    format!("{{podSelector: {{}}, ingress: [{{ports: [{port}]}}]}}")
}

#[test]
fn blocks_of_addresses() {
    let block = |text: &str| match accepts(&from(text)).ingress.items.pop().unwrap().peers {
        PeerSelector::AnyOf(mut terms) => terms.pop().unwrap(),
        PeerSelector::Unnamed => panic!("{text}"),
    };
    let term = |net: &str, except: &[&str]| {
        let except = except.iter().map(|net| net.parse().unwrap()).collect();
        PeerTerm::Cidr(CidrTerm { net: net.parse().unwrap(), except })
    };
    assert_eq!(block("{ipBlock: {cidr: 10.0.0.0/8}}"), term("10.0.0.0/8", &[]));
    assert_eq!(block("{ipBlock: {cidr: 10.1.2.3/8, except: []}}"), term("10.0.0.0/8", &[]));
    assert_eq!(
        block("{ipBlock: {cidr: 'fd00::/8', except: ['fd12::/16', 'fd13::/16']}}"),
        term("fd00::/8", &["fd12::/16", "fd13::/16"])
    );
}

#[test]
fn blocks_that_cannot_be() {
    let field = "spec.ingress[0].from[0].ipBlock";
    for (block, expected) in [
        ("{cidr: 10.0.0.1}", "(write 10.0.0.1/32 for this address alone)"),
        ("{cidr: 10.0.0.0/33}", "\"10.0.0.0/33\" is not an address with a prefix length"),
        ("{cidr: '::ffff:10.0.0.0/104'}", "is an IPv4 prefix written as IPv6"),
        ("{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}", "11.0.0.0/16 is not a part of 10.0.0.0/8"),
        ("{cidr: 10.0.0.0/8, except: ['fd00::/64']}", "fd00::/64 is not a part of 10.0.0.0/8"),
        ("{cidr: 10.0.0.0/8, except: [10.0.0.0/8]}", "leaves out all of 10.0.0.0/8"),
        ("{cidr: 10.0.0.0/8, excepts: []}", "did you mean `except`?"),
        ("{}", "`cidr` is missing"),
        ("[]", "expected a mapping, found a list"),
    ] {
        let (_, diagnostics) = load(&from(&format!("{{ipBlock: {block}}}")));
        assert!(diagnostics[0].contains(field) && diagnostics[0].contains(expected), "{diagnostics:?}");
    }
    refuses(&from("{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}"), &["a peer is either addresses or pods"]);
    refuses(&from("{}"), &["the peer says nothing"]);
    let both = "{ipBlock: {cidr: 10.0.0.0/8, except: [1.0.0.0/8, 2.0.0.0/8]}}";
    refuses(&from(both), &["1.0.0.0/8 is not a part of", "2.0.0.0/8 is not a part of"]);
}

#[test]
fn ports_are_numbers_ranges_and_names() {
    let port = |text: &str| match accepts(&on(text)).ingress.items.pop().unwrap().ports {
        PortSelector::AnyOf(mut rules) => rules.pop().unwrap().ports.pop().unwrap(),
        PortSelector::Unnamed => panic!("{text}"),
    };
    let numbers = |protocol, first, last| {
        PortSpec::Numbers(PortRange { protocol: ProtocolMatch::Only(protocol), first, last })
    };
    assert_eq!(port("{port: 80}"), numbers(Protocol::Tcp, 80, 80));
    assert_eq!(port("{port: 80, endPort: 90, protocol: UDP}"), numbers(Protocol::Udp, 80, 90));
    assert_eq!(port("{protocol: SCTP}"), numbers(Protocol::Sctp, 0, u16::MAX));
    let named = PortSpec::Named { protocol: ProtocolMatch::Only(Protocol::Tcp), name: "web-2".to_owned() };
    assert_eq!(port("{port: web-2}"), named);
}

#[test]
fn ports_that_cannot_be() {
    for (port, expected) in [
        ("{port: '80'}", "\"80\" is not the name of a port (a number stands without quotes: 80)"),
        ("{port: Web}", "is not the name of a port"),
        ("{port: a-name-too-long-1}", "is not the name of a port"),
        ("{port: web--2}", "is not the name of a port"),
        ("{port: 0}", "0 is not a port here"),
        ("{port: 65536}", "65536 is not a port here"),
        ("{port: 80, endPort: 79}", "79 is not a port here (expected a number from 80 to 65535)"),
        ("{port: web, endPort: 90}", "`endPort` needs a number to start from: \"web\" is a name"),
        ("{endPort: 90}", "`endPort` needs `port`"),
        ("{port: 80, protocol: ICMP}", "there is no protocol \"ICMP\""),
        ("{port: 80, protocol: GRE}", "there is no protocol \"GRE\""),
        ("{port: [80]}", "expected a number, found a list"),
    ] {
        refuses(&on(port), &[expected]);
    }
}

#[test]
fn absent_empty_and_null_are_the_same_here() {
    for spec in ["{}", "{podSelector: }", "{podSelector: {}, ingress: , policyTypes: [Ingress]}"] {
        let policy = accepts(spec);
        assert!(policy.ingress.default_deny && !policy.egress.default_deny, "{spec}");
        assert!(policy.ingress.items.is_empty());
    }
    let everyone = accepts("{ingress: [{from: [], ports: []}]}");
    assert_eq!(everyone.ingress.items[0].peers, PeerSelector::Unnamed);
    assert_eq!(everyone.ingress.items[0].ports, PortSelector::Unnamed);
    assert!(accepts("{egress: [{}]}").egress.default_deny);
    let only_egress = accepts("{policyTypes: [Egress], ingress: [{}]}");
    assert!(only_egress.egress.default_deny && !only_egress.ingress.default_deny);
    assert!(only_egress.ingress.items.is_empty());
}
