use postern_policy_core::labels::{LabelKey, NAMESPACE, NAMESPACE_LABELS, NODE};
use postern_policy_core::peer::{Entity, PeerTerm};
use postern_policy_core::policy::{
    Combination, Effect, OrderedTier, PeerSelector, Policy, PortSelector, Subject,
};
use postern_policy_core::port::{PortRange, PortSpec, Protocol, ProtocolMatch};
use postern_policy_core::selector::Operator;

use crate::load_policies;
use crate::source::SourceFile;

const ADMIN: &str = "tier: Admin, priority: 10, subject: {namespaces: {}}";
const TO_ALL: &str = "to: [{namespaces: {}}]";

fn load(spec: &str) -> (Vec<Policy>, Vec<String>) {
    let text = format!(
        "{{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {{name: p}}, spec: {spec}}}"
    );
    let loaded = load_policies(&[SourceFile { name: "p.yaml".to_owned(), text }]);
    (loaded.policies, loaded.diagnostics.iter().map(ToString::to_string).collect())
}

fn accepts(spec: &str) -> Policy {
    let (mut policies, diagnostics) = load(spec);
    assert_eq!(diagnostics, Vec::<String>::new(), "{spec}");
    policies.pop().unwrap()
}

/// The one error of a spec.
fn refuses(spec: &str, expected: &str) {
    let (policies, diagnostics) = load(spec);
    assert!(policies.is_empty(), "{spec} was accepted");
    assert_eq!(diagnostics.len(), 1, "{spec}: {diagnostics:#?}");
    assert!(diagnostics[0].contains(expected), "{}\nwanted: {expected}", diagnostics[0]);
}

fn egress(rule: &str) -> String {
    format!("{{{ADMIN}, egress: [{{{rule}}}]}}")
}

fn ingress(rule: &str) -> String {
    format!("{{{ADMIN}, ingress: [{{{rule}}}]}}")
}

#[test]
fn rules_keep_their_order_and_never_turn_default_deny_on() {
    let policy = accepts(
        "{tier: Baseline, priority: 0, subject: {pods: {podSelector: {matchLabels: {id: a}}}},
          ingress: [{name: one, action: Deny, from: [{namespaces: {}}]},
                    {action: Pass, from: [{pods: {namespaceSelector: {}, podSelector: {}}}]}],
          egress: [{action: Accept, to: [{namespaces: {matchLabels: {team: x}}}]}]}",
    );
    assert_eq!(policy.combination, Combination::Ordered { tier: OrderedTier::Baseline, priority: 0 });
    assert!(!policy.ingress.default_deny && !policy.egress.default_deny);
    let said: Vec<_> = policy.ingress.items.iter().map(|item| (item.id.as_str(), item.effect)).collect();
    assert_eq!(said, [("kcnp/p/ingress/0", Effect::Deny), ("kcnp/p/ingress/1", Effect::Pass)]);
    assert_eq!(policy.egress.items[0].effect, Effect::Allow);
    let Subject::Endpoints(subject) = &policy.subject else { panic!("{policy:?}") };
    assert_eq!(subject.requirements[0].key, LabelKey::k8s("id"));
    assert_eq!(
        (subject.requirements[1].key.key.as_str(), &subject.requirements[1].operator),
        (NAMESPACE, &Operator::Exists)
    );
    let PeerSelector::AnyOf(terms) = &policy.egress.items[0].peers else { panic!("{policy:?}") };
    let [PeerTerm::Endpoints(pods)] = &terms[..] else { panic!("{terms:?}") };
    assert_eq!(pods.requirements[1].key, LabelKey::k8s(format!("{NAMESPACE_LABELS}.team")));
}

#[test]
fn every_kind_of_peer() {
    let policy = accepts(&egress(
        "action: Deny, to: [{namespaces: {}}, {pods: {podSelector: {}}}, {nodes: {matchLabels: {kubernetes.io/os: linux}}},
         {networks: [10.0.0.0/8, 'fd00::/8']}]",
    ));
    let PeerSelector::AnyOf(terms) = &policy.egress.items[0].peers else { panic!("{policy:?}") };
    let [
        PeerTerm::Endpoints(_),
        PeerTerm::Endpoints(_),
        PeerTerm::Nodes(nodes),
        PeerTerm::Network(four),
        PeerTerm::Network(six),
    ] = &terms[..]
    else {
        panic!("{terms:?}")
    };
    assert_eq!(nodes.requirements[0].key.source.as_deref(), Some(NODE));
    assert_eq!((four.to_string(), six.to_string()), ("10.0.0.0/8".into(), "fd00::/8".into()));
}

#[test]
fn domain_names_are_quarantined_by_themselves() {
    let policy = accepts(&egress(
        "action: Accept, to: [{namespaces: {}}, {domainNames: [example.com, '*.a.example.com.']}]",
    ));
    let [pods, names] = &policy.egress.items[..] else { panic!("{policy:?}") };
    assert_eq!((pods.id.as_str(), &pods.unenforced), ("kcnp/p/egress/0", &None));
    assert_eq!(names.id.as_str(), "kcnp/p/egress/0/to/1");
    assert_eq!(names.peers, PeerSelector::AnyOf(vec![PeerTerm::Entity(Entity::World)]));
    let quarantined = policy.quarantined();
    assert_eq!((quarantined[0].0.as_str(), quarantined.len()), ("kcnp/p/egress/0/to/1", 1));
    for action in ["Deny", "Pass"] {
        let rule = format!("action: {action}, to: [{{domainNames: [example.com]}}]");
        refuses(&egress(&rule), "`domainNames` stands only where the action is Accept");
    }
    for name in ["com", "*", "a.*.com", "-a.com", "a..com", "a b.com", "*a.com"] {
        refuses(
            &egress(&format!("action: Accept, to: [{{domainNames: ['{name}']}}]")),
            "is not a domain name",
        );
    }
}

#[test]
fn protocols_name_one_thing_each() {
    let ports = |protocols: &str| {
        let policy = accepts(&egress(&format!("action: Accept, {TO_ALL}, protocols: [{protocols}]")));
        match &policy.egress.items[0].ports {
            PortSelector::AnyOf(rules) => rules[0].ports.clone(),
            PortSelector::Unnamed => panic!("{protocols}"),
        }
    };
    let numbers = |protocol, first, last| {
        PortSpec::Numbers(PortRange { protocol: ProtocolMatch::Only(protocol), first, last })
    };
    assert_eq!(
        ports(
            "{tcp: {destinationPort: {number: 80}}}, {udp: {destinationPort: {range: {start: 1, end: 9}}}}"
        ),
        [numbers(Protocol::Tcp, 80, 80), numbers(Protocol::Udp, 1, 9)]
    );
    assert_eq!(ports("{sctp: {destinationPort: {number: 9}}}"), [numbers(Protocol::Sctp, 9, 9)]);
    let named = PortSpec::Named { protocol: ProtocolMatch::Any, name: "web".to_owned() };
    assert_eq!(ports("{destinationNamedPort: web}"), [named]);

    for (protocols, expected) in [
        ("[]", "the list is empty"),
        ("[{}]", "the entry says nothing"),
        ("[{tcp: {}}]", "the protocol says nothing"),
        ("[{tcp: {destinationPort: {}}}]", "the port says nothing"),
        ("[{tcp: {destinationPort: {number: 0}}}]", "0 is not a port here"),
        ("[{tcp: {destinationPort: {number: '80'}}}]", "expected a number"),
        ("[{tcp: {destinationPort: {number: 1, range: {start: 1, end: 2}}}}]", "says 2 things at once"),
        (
            "[{tcp: {destinationPort: {range: {start: 9, end: 9}}}}]",
            "ends at 9, which is not after its start 9",
        ),
        ("[{tcp: {destinationPort: {number: 1}}, destinationNamedPort: a}]", "says 2 things at once"),
        ("[{icmp: {}}]", "no field `icmp`"),
        ("[{destinationNamedPort: '80'}]", "is not the name of a port"),
    ] {
        refuses(&egress(&format!("action: Accept, {TO_ALL}, protocols: {protocols}")), expected);
    }
    for peer in ["nodes: {}", "networks: [10.0.0.0/8]", "domainNames: [a.com]"] {
        let rule = format!("action: Accept, to: [{{{peer}}}], protocols: [{{destinationNamedPort: web}}]");
        refuses(&egress(&rule), "only pods name their ports");
    }
}

#[test]
fn what_is_not_known_is_refused() {
    for (spec, expected) in [
        (egress("action: Allow, to: [{namespaces: {}}]"), "here it is Accept"),
        (egress("action: deny, to: [{namespaces: {}}]"), "there is no action \"deny\""),
        (egress("to: [{namespaces: {}}]"), "`action` is missing"),
        (egress("action: Deny"), "`to` is missing"),
        (egress("action: Deny, to: []"), "the list is empty"),
        (egress("action: Deny, to: [{}]"), "the peer says nothing"),
        (egress("action: Deny, to: [{namespaces: {}, pods: {podSelector: {}}}]"), "says 2 things at once"),
        (egress("action: Deny, to: [{services: {}}]"), "no field `services`"),
        (egress("action: Deny, to: [{networks: []}]"), "the list is empty"),
        (egress("action: Deny, to: [{networks: [10.0.0.1]}]"), "is not an address with a prefix length"),
        (egress("action: Deny, to: [{namespaces: }]"), "`namespaces` has no value"),
        (egress("action: Deny, to: [{pods: {}}]"), "`podSelector` is missing"),
        (ingress("action: Deny, from: [{nodes: {}}]"), "no field `nodes`"),
        (ingress("action: Deny, from: [{networks: [10.0.0.0/8]}]"), "no field `networks`"),
        (ingress("action: Deny, to: [{namespaces: {}}], from: [{namespaces: {}}]"), "no field `to`"),
        ("{tier: Admin, priority: 1001, subject: {namespaces: {}}}".into(), "1001 is not a priority"),
        ("{tier: Admin, priority: -1, subject: {namespaces: {}}}".into(), "-1 is not a priority"),
        ("{tier: Admin, priority: '1', subject: {namespaces: {}}}".into(), "expected a number"),
        ("{tier: Admin, subject: {namespaces: {}}}".into(), "`priority` is missing"),
        ("{tier: Normal, priority: 1, subject: {namespaces: {}}}".into(), "there is no tier \"Normal\""),
        ("{tier: Admin, priority: 1, subject: {}}".into(), "the subject says nothing"),
        ("{tier: Admin, priority: 1, subject: {nodes: {}}}".into(), "no field `nodes`"),
        (format!("{{{ADMIN}, policyTypes: []}}"), "no field `policyTypes`"),
    ] {
        refuses(&spec, expected);
    }
    let long = "n".repeat(101);
    refuses(&egress(&format!("name: {long}, action: Deny, {TO_ALL}")), "the name has 101 characters");
    let many = vec!["{namespaces: {}}"; 26].join(",");
    refuses(&egress(&format!("action: Deny, to: [{many}]")), "26 entries in one list");
    let rule = format!("{{action: Deny, {TO_ALL}}}");
    refuses(&format!("{{{ADMIN}, egress: [{}]}}", vec![rule; 26].join(",")), "26 entries in one list");
}
