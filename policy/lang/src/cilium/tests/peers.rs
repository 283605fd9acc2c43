use postern_policy_core::labels::{LabelKey, RESERVED};
use postern_policy_core::peer::{CidrGroupTerm, CidrTerm, Entity, GroupRef, PeerTerm, ServiceTerm};
use postern_policy_core::policy::PeerSelector;
use postern_policy_core::selector::{Operator, Requirement, Selector};
use postern_policy_core::world::WorkloadName;

use super::reads;

/// The terms of an egress item, and of the ingress item with `from` for `to`, which must be the same.
fn terms(field: &str) -> Vec<PeerTerm> {
    let egress = reads(&format!("egress: [{{to{field}}}]")).egress;
    if !field.starts_with("Services") {
        let ingress = reads(&format!("ingress: [{{from{field}}}]")).ingress;
        assert_eq!(ingress.items[0].peers, egress.items[0].peers, "{field}");
    }
    match &egress.items[0].peers {
        PeerSelector::AnyOf(terms) => terms.clone(),
        PeerSelector::Unnamed => panic!("{field} names no peers"),
    }
}

fn cidr(net: &str, except: &[&str]) -> PeerTerm {
    let except = except.iter().map(|text| text.parse().unwrap()).collect();
    PeerTerm::Cidr(CidrTerm { net: net.parse().unwrap(), except })
}

#[test]
fn prefixes() {
    assert_eq!(terms("CIDR: [10.0.0.0/8, 'fd00::/8']"), [cidr("10.0.0.0/8", &[]), cidr("fd00::/8", &[])]);
    assert_eq!(terms("CIDR: [10.1.2.3/8]"), [cidr("10.0.0.0/8", &[])]);
    assert_eq!(
        terms("CIDRSet: [{cidr: 10.0.0.0/8, except: [10.96.0.1/12, 10.1.1.1/32]}, {cidr: 0.0.0.0/0}]"),
        [cidr("10.0.0.0/8", &["10.96.0.0/12", "10.1.1.1/32"]), cidr("0.0.0.0/0", &[])]
    );
}

#[test]
fn groups_of_prefixes() {
    let labels = Selector { requirements: vec![Requirement::equals(LabelKey::k8s("a"), "b")] };
    let group = |groups, except: &[&str]| {
        let except = except.iter().map(|text| text.parse().unwrap()).collect();
        PeerTerm::CidrGroup(CidrGroupTerm { groups, except })
    };
    assert_eq!(
        terms(
            "CIDRSet: [{cidrGroupRef: g, except: [10.0.0.0/8]}, {cidrGroupSelector: {matchLabels: {a: b}}}]"
        ),
        [group(GroupRef::Named("g".to_owned()), &["10.0.0.0/8"]), group(GroupRef::Labels(labels), &[])]
    );
}

#[test]
fn entities_and_nodes() {
    for entity in Entity::EVERY {
        assert_eq!(terms(&format!("Entities: [{}]", entity.as_str())), [PeerTerm::Entity(entity)]);
    }
    let remote = LabelKey { source: Some(RESERVED.to_owned()), key: "remote-node".to_owned() };
    let remote = Requirement { key: remote, operator: Operator::Exists };
    let wanted = Requirement::equals(LabelKey::parse("role"), "db");
    assert_eq!(
        terms("Nodes: [{matchLabels: {role: db}}]"),
        [PeerTerm::Nodes(Selector { requirements: vec![wanted, remote] })]
    );
}

#[test]
fn services() {
    let name = WorkloadName { namespace: "n".to_owned(), name: "s".to_owned() };
    let selector = Selector { requirements: vec![Requirement::equals(LabelKey::parse("a"), "b")] };
    let labels = |namespace: Option<&str>| {
        let namespace = namespace.map(str::to_owned);
        PeerTerm::Service(ServiceTerm::Labels { selector: selector.clone(), namespace })
    };
    let by_labels = "selector: {matchLabels: {a: b}}";
    assert_eq!(
        terms(&format!(
            "Services: [{{k8sService: {{serviceName: s, namespace: n}}, k8sServiceSelector: {{{by_labels}}}}}, {{k8sServiceSelector: {{{by_labels}, namespace: m}}}}]"
        )),
        [PeerTerm::Service(ServiceTerm::Named(name)), labels(None), labels(Some("m"))]
    );
}

/// In a deny list peers are the same, and groups that nobody follows are all that they might hold.
#[test]
fn what_is_denied() {
    let policy = reads(
        "egressDeny: [{toServices: [{k8sService: {serviceName: s, namespace: n}}]}, {toGroups: [{aws: {region: r}}]}]",
    );
    let [services, groups] = &policy.egress.items[..] else { panic!("{policy:?}") };
    assert!(services.unenforced.is_none());
    assert_eq!(groups.peers, PeerSelector::AnyOf(vec![PeerTerm::Entity(Entity::World)]));
    assert_eq!(groups.unenforced.as_deref(), Some("toGroups is not enforced yet"));
}
