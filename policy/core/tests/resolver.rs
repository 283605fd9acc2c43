//! However policies and world came to be what they are, the resolver says of them what resolving anew does,
//! and names everybody of whom another thing is said than before.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use postern_policy_core::endpoint::{EndpointPolicy, Peers};
use postern_policy_core::identity::Who;
use postern_policy_core::labels::{CLUSTER, LabelKey, NODE, RESERVED};
use postern_policy_core::peer::{CidrGroupTerm, CidrTerm, Entity, GroupRef, PeerTerm, ServiceTerm};
use postern_policy_core::policy::{
    Combination, Effect, Item, Mode, OrderedTier, PeerSelector, Policy, PortRule, PortSelector, RuleId,
    Section, Subject,
};
use postern_policy_core::port::{PortRange, PortSpec, Protocol, ProtocolMatch};
use postern_policy_core::resolve::{resolve, resolve_audited};
use postern_policy_core::resolver::{Numbering, Resolver};
use postern_policy_core::selector::{Operator, Requirement, Selector};
use postern_policy_core::world::{CidrGroup, NamedPort, Node, Service, Workload, WorkloadName};
use proptest::prelude::*;
use proptest::sample::select;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const SPACES: [&str; 2] = ["n", "m"];
const NODES: [&str; 2] = ["k1", "k2"];
const NETS: [&str; 7] = [
    "0.0.0.0/0",
    "10.0.0.0/23",
    "203.0.113.0/24",
    "203.0.113.0/25",
    "203.0.113.7/32",
    "198.51.100.0/24",
    "10.0.0.1/32",
];
/// None of these is anybody's but the last two.
const BACKENDS: [&str; 4] = ["203.0.113.7", "198.51.100.9", "10.0.0.1", "192.168.0.1"];

#[derive(Debug, Clone)]
enum Change {
    Policies(&'static str, Vec<Policy>),
    Workload(Workload),
    WorkloadGone(WorkloadName),
    Namespace(&'static str, BTreeMap<String, String>),
    NamespaceGone(&'static str),
    Node(Node),
    NodeGone(&'static str),
    Service(Service),
    ServiceGone(WorkloadName),
    Backends(WorkloadName, Vec<IpAddr>),
    Group(CidrGroup),
    GroupGone(&'static str),
    ApiServers(Vec<IpAddr>),
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    proptest::collection::btree_map(
        select(vec!["app", "tier"]).prop_map(str::to_owned),
        select(vec!["x", "y"]).prop_map(str::to_owned),
        0..3,
    )
}

fn workload_name() -> impl Strategy<Value = WorkloadName> {
    (select(&SPACES), select(&NAMES))
        .prop_map(|(namespace, name)| WorkloadName { namespace: namespace.to_owned(), name: name.to_owned() })
}

/// An address for each name, so that none has two owners.
fn workload() -> impl Strategy<Value = Workload> {
    let node = proptest::option::of(select(vec!["k1", "k2", "gone"]).prop_map(str::to_owned));
    let cluster = proptest::option::weighted(0.15, Just("other".to_owned()));
    let port =
        (select(vec!["web", "dns"]), select(vec![80_u16, 53]), select(vec![Protocol::Tcp, Protocol::Udp]))
            .prop_map(|(name, port, protocol)| NamedPort { name: name.to_owned(), protocol, port });
    let ports = proptest::collection::vec(port, 0..2);
    (workload_name(), labels(), node, cluster, ports, any::<bool>()).prop_map(
        |(name, labels, node, cluster, ports, addressed)| {
            let last = 1 + NAMES.iter().position(|known| *known == name.name).unwrap();
            let third = SPACES.iter().position(|known| *known == name.namespace).unwrap();
            let address = format!("10.0.{third}.{last}").parse().unwrap();
            let addresses = if addressed { vec![address] } else { Vec::new() };
            Workload {
                name,
                labels,
                addresses,
                node,
                service_account: None,
                cluster,
                ports,
                profiles: Vec::new(),
            }
        },
    )
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let key = select(vec![
        LabelKey::k8s("app"),
        LabelKey::parse("tier"),
        LabelKey::k8s("io.kubernetes.pod.namespace"),
        LabelKey::k8s("io.cilium.k8s.namespace.labels.app"),
        LabelKey::k8s(CLUSTER),
        LabelKey { source: Some(RESERVED.to_owned()), key: "world".to_owned() },
        LabelKey { source: Some(RESERVED.to_owned()), key: "host".to_owned() },
        LabelKey { source: Some(RESERVED.to_owned()), key: "remote-node".to_owned() },
        LabelKey { source: Some(RESERVED.to_owned()), key: "kube-apiserver".to_owned() },
        LabelKey { source: Some(NODE.to_owned()), key: "app".to_owned() },
    ]);
    let values = || {
        proptest::collection::vec(select(vec!["x", "y", "n", "m", "", "other"]).prop_map(str::to_owned), 1..3)
    };
    let operator = prop_oneof![
        4 => values().prop_map(Operator::In),
        1 => values().prop_map(Operator::NotIn),
        1 => Just(Operator::Exists),
        1 => Just(Operator::DoesNotExist),
    ];
    (key, operator).prop_map(|(key, operator)| Requirement { key, operator })
}

fn selector() -> impl Strategy<Value = Selector> {
    proptest::collection::vec(requirement(), 0..3).prop_map(|requirements| Selector { requirements })
}

fn net() -> impl Strategy<Value = IpNet> {
    select(&NETS).prop_map(|net| net.parse().unwrap())
}

fn term() -> impl Strategy<Value = PeerTerm> {
    let except = || proptest::collection::vec(net(), 0..2);
    let group = prop_oneof![
        select(vec!["g1", "g2"]).prop_map(|name| GroupRef::Named(name.to_owned())),
        selector().prop_map(GroupRef::Labels),
    ];
    let service = prop_oneof![
        workload_name().prop_map(ServiceTerm::Named),
        (selector(), proptest::option::of(select(&SPACES).prop_map(str::to_owned)))
            .prop_map(|(selector, namespace)| ServiceTerm::Labels { selector, namespace }),
    ];
    prop_oneof![
        4 => selector().prop_map(PeerTerm::Endpoints),
        1 => selector().prop_map(PeerTerm::Nodes),
        2 => (net(), except()).prop_map(|(net, except)| PeerTerm::Cidr(CidrTerm { net, except })),
        2 => net().prop_map(PeerTerm::Network),
        1 => (group, except()).prop_map(|(groups, except)| PeerTerm::CidrGroup(CidrGroupTerm { groups, except })),
        3 => select(&Entity::EVERY).prop_map(PeerTerm::Entity),
        2 => service.prop_map(PeerTerm::Service),
    ]
}

fn ports() -> impl Strategy<Value = PortSelector> {
    let number = PortRange { protocol: ProtocolMatch::Only(Protocol::Tcp), first: 80, last: 80 };
    let spec = prop_oneof![
        Just(PortSpec::Numbers(number)),
        select(vec!["web", "dns"])
            .prop_map(|name| PortSpec::Named { protocol: ProtocolMatch::Any, name: name.to_owned() }),
    ];
    let rule = proptest::collection::vec(spec, 0..3).prop_map(|ports| PortRule {
        id: RuleId::new("p"),
        ports,
        http: None,
        unenforced: None,
    });
    prop_oneof![
        Just(PortSelector::Unnamed),
        proptest::collection::vec(rule, 0..2).prop_map(PortSelector::AnyOf)
    ]
}

fn section() -> impl Strategy<Value = Section> {
    let peers = prop_oneof![
        1 => Just(PeerSelector::Unnamed),
        6 => proptest::collection::vec(term(), 0..3).prop_map(PeerSelector::AnyOf)
    ];
    let item = (select(vec![Effect::Allow, Effect::Deny, Effect::Pass]), peers, ports()).prop_map(
        |(effect, peers, ports)| Item { id: RuleId::new("i"), effect, peers, ports, unenforced: None },
    );
    (any::<bool>(), proptest::collection::vec(item, 0..3))
        .prop_map(|(default_deny, items)| Section { default_deny, items })
}

fn policy() -> impl Strategy<Value = Policy> {
    let subject = prop_oneof![
        6 => selector().prop_map(Subject::Endpoints),
        1 => selector().prop_map(Subject::Nodes),
    ];
    let ordered = (select(vec![OrderedTier::Admin, OrderedTier::Baseline]), 0..2_u16);
    let combination = prop_oneof![
        3 => Just(Combination::Union),
        1 => Just(Combination::Gates),
        1 => ordered.prop_map(|(tier, priority)| Combination::Ordered { tier, priority }),
    ];
    let mode = prop_oneof![5 => Just(Mode::Enforced), 1 => Just(Mode::Audit)];
    (subject, combination, mode, section(), section()).prop_map(
        |(subject, combination, mode, ingress, egress)| Policy {
            id: RuleId::new("set by the object"),
            subject,
            combination,
            mode,
            ingress,
            egress,
        },
    )
}

fn change() -> impl Strategy<Value = Change> {
    let policies = (select(vec!["p1", "p2", "p3", "p4"]), proptest::collection::vec(policy(), 0..3));
    let node = (select(&NODES), labels(), any::<bool>()).prop_map(|(name, labels, addressed)| {
        let address = if name == "k1" { "192.168.0.1" } else { "192.168.0.2" };
        let addresses = if addressed { vec![address.parse().unwrap()] } else { Vec::new() };
        Change::Node(Node { name: name.to_owned(), addresses, labels })
    });
    let service = (workload_name(), labels(), labels()).prop_map(|(name, selector, labels)| {
        Change::Service(Service { name, selector, addresses: Vec::new(), labels })
    });
    let addresses =
        || proptest::collection::vec(select(&BACKENDS).prop_map(|address| address.parse().unwrap()), 0..3);
    let group = (select(vec!["g1", "g2"]), labels(), proptest::collection::vec(net(), 0..3));
    prop_oneof![
        8 => policies.prop_map(|(object, policies)| {
            let named = |(index, policy)| Policy { id: RuleId::new(format!("{object}/{index}")), ..policy };
            Change::Policies(object, policies.into_iter().enumerate().map(named).collect())
        }),
        8 => workload().prop_map(Change::Workload),
        2 => workload_name().prop_map(Change::WorkloadGone),
        2 => (select(&SPACES), labels()).prop_map(|(name, labels)| Change::Namespace(name, labels)),
        1 => select(&SPACES).prop_map(Change::NamespaceGone),
        2 => node,
        1 => select(&NODES).prop_map(Change::NodeGone),
        2 => service,
        1 => workload_name().prop_map(Change::ServiceGone),
        2 => (workload_name(), addresses()).prop_map(|(name, addresses)| Change::Backends(name, addresses)),
        2 => group.prop_map(|(name, labels, prefixes)| {
            Change::Group(CidrGroup { name: name.to_owned(), labels, prefixes })
        }),
        1 => select(vec!["g1", "g2"]).prop_map(Change::GroupGone),
        1 => addresses().prop_map(Change::ApiServers),
    ]
}

fn apply(resolver: &mut Resolver, change: Change) {
    match change {
        Change::Policies(object, policies) => resolver.set_policies(&RuleId::new(object), policies),
        Change::Workload(workload) => resolver.set_workload(workload),
        Change::WorkloadGone(name) => resolver.remove_workload(&name),
        Change::Namespace(name, labels) => resolver.set_namespace(name, labels),
        Change::NamespaceGone(name) => resolver.remove_namespace(name),
        Change::Node(node) => resolver.set_node(node),
        Change::NodeGone(name) => resolver.remove_node(name),
        Change::Service(service) => resolver.set_service(service),
        Change::ServiceGone(name) => resolver.remove_service(&name),
        Change::Backends(name, addresses) => resolver.set_backends(&name, addresses),
        Change::Group(group) => resolver.set_cidr_group(group),
        Change::GroupGone(name) => resolver.remove_cidr_group(name),
        Change::ApiServers(addresses) => resolver.set_api_servers(addresses),
    }
}

type Said = BTreeMap<WorkloadName, (EndpointPolicy, Option<EndpointPolicy>)>;

fn anew(resolver: &Resolver) -> Said {
    let policies: Vec<Policy> = resolver.policies().cloned().collect();
    let identities = resolver.identities().unwrap();
    let world = resolver.world();
    let said = world.workloads().map(|workload| {
        let enforced = resolve(&policies, world, &identities, workload);
        let audited = resolve_audited(&policies, world, &identities, workload);
        (workload.name.clone(), (enforced, audited))
    });
    said.collect()
}

fn remembered(resolver: &mut Resolver) -> Said {
    let names: Vec<WorkloadName> =
        resolver.world().workloads().map(|workload| workload.name.clone()).collect();
    let said = names.into_iter().map(|name| {
        let said = (resolver.endpoint(&name).unwrap(), resolver.audited(&name));
        (name, said)
    });
    said.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, max_shrink_iters: 4_000, ..ProptestConfig::default() })]
    #[test]
    fn what_is_remembered_is_what_is_resolved_anew(changes in proptest::collection::vec(change(), 1..30)) {
        let mut resolver = Resolver::new(Numbering::Own);
        let mut before = Said::new();
        for change in changes {
            apply(&mut resolver, change);
            let changed = resolver.take_changed();
            let said = remembered(&mut resolver);
            prop_assert_eq!(&said, &anew(&resolver));
            let names: BTreeSet<&WorkloadName> = before.keys().chain(said.keys()).collect();
            for name in names {
                prop_assert!(before.get(name) == said.get(name) || changed.contains(name), "{} was not named", name);
            }
            before = said;
        }
        // Who has a number is who would have one in a world of its own.
        let policies: Vec<Policy> = resolver.policies().cloned().collect();
        let fresh = resolver.world().identities(&policies).unwrap();
        let who: Vec<_> = fresh.iter().map(|identity| identity.who).collect();
        prop_assert_eq!(who, resolver.identities().unwrap().iter().map(|it| it.who).collect::<Vec<_>>());
    }

    #[test]
    fn many_changes_at_once_are_one_change(changes in proptest::collection::vec(change(), 1..30)) {
        let mut resolver = Resolver::new(Numbering::Own);
        for change in changes {
            apply(&mut resolver, change);
        }
        let mut bulk = Resolver::new(Numbering::Own);
        bulk.set_policies(&RuleId::new("all"), resolver.policies().cloned().collect());
        bulk.set_world(resolver.world());
        prop_assert_eq!(remembered(&mut resolver), anew(&resolver));
        prop_assert_eq!(remembered(&mut bulk), anew(&bulk));
        prop_assert_eq!(bulk.take_changed(), bulk.world().workloads().map(|it| it.name.clone()).collect());
    }
}

#[test]
fn a_backend_is_whoever_takes_its_address() {
    let name = |name: &str| WorkloadName { namespace: "n".to_owned(), name: name.to_owned() };
    let workload = |name: WorkloadName, addresses: &[&str]| Workload {
        labels: BTreeMap::from([("app".to_owned(), name.name.clone())]),
        name,
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        node: None,
        service_account: None,
        cluster: None,
        ports: Vec::new(),
        profiles: Vec::new(),
    };
    let service = PeerTerm::Service(ServiceTerm::Named(name("s")));
    let item = Item {
        id: RuleId::new("i"),
        effect: Effect::Allow,
        peers: PeerSelector::AnyOf(vec![service]),
        ports: PortSelector::Unnamed,
        unenforced: None,
    };
    let policy = Policy {
        id: RuleId::new("p"),
        subject: Subject::Endpoints(Selector::default()),
        combination: Combination::Union,
        mode: Mode::Enforced,
        ingress: Section::default(),
        egress: Section { default_deny: true, items: vec![item] },
    };
    let mut resolver = Resolver::new(Numbering::Own);
    resolver.set_policies(&RuleId::new("p"), vec![policy]);
    let (addresses, labels) = (Vec::new(), BTreeMap::new());
    resolver.set_service(Service { name: name("s"), selector: BTreeMap::new(), addresses, labels });
    resolver.set_backends(&name("s"), ["10.0.0.9".parse().unwrap()]);
    resolver.set_workload(workload(name("a"), &["10.0.0.1"]));
    resolver.take_changed();
    // An address that nobody has is a prefix of its own.
    for addresses in [&["10.0.0.2"][..], &["10.0.0.9"], &["10.0.0.3", "10.0.0.9"]] {
        resolver.set_workload(workload(name("b"), addresses));
        assert!(resolver.take_changed().contains(&name("b")));
        let endpoint = resolver.endpoint(&name("a")).unwrap();
        let Peers::Only(ids) = &endpoint.egress.rules[0].peers else { panic!("not everybody") };
        assert_eq!(ids.len(), 1, "{addresses:?}");
        let labels = resolver.world().identity_labels(resolver.world().workload(&name("b")).unwrap());
        let own = resolver.number(&Who::Workloads(labels)).unwrap();
        assert_eq!(ids.contains(&own), addresses.contains(&"10.0.0.9"));
    }
    // One that two have may be either's: it allows neither.
    resolver.set_workload(workload(name("a"), &["10.0.0.9"]));
    assert!(resolver.take_changed().contains(&name("b")));
    let endpoint = resolver.endpoint(&name("b")).unwrap();
    assert_eq!(endpoint.egress.rules[0].peers, Peers::Only(Arc::default()), "disputed");
    assert!(resolver.identities().is_err());
}
