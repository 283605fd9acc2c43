//! §1.3, §2.1, §2.5: who a peer is.

use postern_tests_oracle::label::{Expression, Operator, Selector};
use postern_tests_oracle::policy::Policy;
use postern_tests_oracle::policy::cilium::{
    Authentication, CidrSet, CidrSource, Entity, Item, Peers, Policy as Cilium, ServiceRef, Subject,
};

use crate::support::{
    A, B, EAST_A, HOST, OTHER_A, OUTSIDE, OUTSIDE_API, REMOTE_NODE, S, app, check_peers, clusterwide,
    connect, egress, endpoints, ingress, item, open, prefix, tcp,
};
use postern_tests_oracle::evaluate::Verdict;

/// Who may get a connection from S.
fn check(clause: &str, peers: Peers, expected: &[&str]) {
    check_peers(clause, egress(vec![item(Some(peers), &[])], Vec::new()), expected);
}

fn is(key: &str, operator: Operator) -> Selector {
    Selector { expressions: vec![Expression { key: key.to_owned(), operator }], ..Selector::default() }
}

#[test]
fn entities() {
    for (entity, expected) in [
        (Entity::All, &[A, B, OTHER_A, EAST_A, HOST, REMOTE_NODE, OUTSIDE, OUTSIDE_API][..]),
        (Entity::World, &[OUTSIDE, OUTSIDE_API]),
        (Entity::Cluster, &[A, B, OTHER_A, HOST, REMOTE_NODE]),
        (Entity::ClusterMesh, &[A, B, OTHER_A, EAST_A, HOST, REMOTE_NODE]),
        (Entity::Host, &[HOST]),
        (Entity::RemoteNode, &[REMOTE_NODE]),
        (Entity::KubeApiserver, &[REMOTE_NODE, OUTSIDE_API]),
        (Entity::Init, &[]),
        (Entity::None, &[]),
    ] {
        check(&format!("§1.3 {entity:?}"), Peers::Entities(vec![entity]), expected);
    }
}

#[test]
fn selectors() {
    let endpoints = |selector| Peers::Endpoints(vec![selector]);
    let cluster = "io.cilium.k8s.policy.cluster";
    let namespace = "io.kubernetes.pod.namespace";
    for (clause, selector, expected) in [
        ("§2.1: the policy's namespace, the local cluster", app("a"), &[A][..]),
        ("§2.1: a label of its own", Selector::label("k8s:app", "b"), &[B]),
        ("§2.1: another source", Selector::label("reserved:app", "b"), &[]),
        ("§2.1: noise is no identity", Selector::label("pod-template-hash", "x"), &[]),
        ("§2.1: a namespace", Selector::label(namespace, "other"), &[OTHER_A]),
        ("§2.1: any namespace", is(namespace, Operator::Exists), &[A, B, OTHER_A]),
        (
            "§2.1: a namespace's label",
            Selector::label("io.cilium.k8s.namespace.labels.team", "x"),
            &[OTHER_A],
        ),
        ("1.18: the cluster is named", is(cluster, Operator::Exists), &[A, B, EAST_A]),
        ("§2.1: reserved", Selector::label("reserved:remote-node", ""), &[REMOTE_NODE]),
        (
            "§2.1: reserved, not in a namespace",
            is("reserved:world", Operator::DoesNotExist),
            &[A, B, OTHER_A, HOST, REMOTE_NODE],
        ),
        ("§2.1: absent keys are not in", is("app", Operator::NotIn(vec!["a".to_owned()])), &[B]),
    ] {
        check(clause, endpoints(selector), expected);
    }
    let anywhere = item(Some(endpoints(is("app", Operator::DoesNotExist))), &[]);
    let expected = [HOST, REMOTE_NODE, OUTSIDE, OUTSIDE_API];
    check_peers("§2.1: CCNP, no pin", clusterwide(egress(vec![anywhere], Vec::new())), &expected);
}

#[test]
fn nodes() {
    let nodes = |selector| Peers::Nodes(vec![selector]);
    check("§2.1: remote ones only", nodes(Selector::default()), &[REMOTE_NODE]);
    check("§1.3: by their labels", nodes(Selector::label("role", "worker")), &[REMOTE_NODE]);
    check("§1.3: by other labels", nodes(Selector::label("node:role", "edge")), &[]);
    check("a node's labels are no endpoint's", Peers::Endpoints(vec![is("role", Operator::Exists)]), &[]);
}

#[test]
fn cidrs() {
    let set = |of, except: &[&str]| {
        Peers::CidrSets(vec![CidrSet { of, except: except.iter().map(|text| prefix(text)).collect() }])
    };
    let cidr = |text| CidrSource::Prefix(prefix(text));
    let group = |name: &str| CidrSource::Group(name.to_owned());
    let everything = cidr("0.0.0.0/0");
    check("§2.5: never pods or nodes", set(everything.clone(), &[]), &[OUTSIDE, OUTSIDE_API]);
    check("§1.3: except", set(everything, &["203.0.113.0/24"]), &[OUTSIDE_API]);
    check(
        "§2.5: never pods or nodes",
        Peers::Cidrs(vec![prefix("10.0.0.2/32"), prefix("192.168.0.0/16")]),
        &[],
    );
    check("§1.3: a group", set(group("g"), &[]), &[OUTSIDE]);
    check("§1.3: a group, except", set(group("g"), &["203.0.113.8/29"]), &[]);
    check("§1.3: groups by label", set(CidrSource::Groups(Selector::label("set", "one")), &[]), &[OUTSIDE]);
    check("no such group allows nobody", set(group("gone"), &[]), &[]);
    let rest = item(Some(Peers::Entities(vec![Entity::All])), &[]);
    let denied = item(Some(set(group("gone"), &[])), &[]);
    let inside = [A, B, OTHER_A, EAST_A, HOST, REMOTE_NODE];
    check_peers("no such group denies all outside", egress(vec![rest], vec![denied]), &inside);
}

#[test]
fn services() {
    let named = |name: &str| Peers::Services(vec![ServiceRef::Named("default".to_owned(), name.to_owned())]);
    check("§1.3: its pods", named("a"), &[A]);
    check("§1.3: its backends", named("ext"), &[B, OUTSIDE]);
    check("#20067: no such service is nobody", named("gone"), &[]);
    let labels = |namespace: Option<&str>| {
        Peers::Services(vec![ServiceRef::Labels(
            Selector::label("kind", "pods"),
            namespace.map(str::to_owned),
        )])
    };
    check("§1.3: by labels, in all namespaces", labels(None), &[A]);
    check("§1.3: by labels, elsewhere", labels(Some("other")), &[]);
}

/// What cannot be enforced allows nothing, and denies all that it may mean.
#[test]
fn quarantined() {
    check("names", Peers::Fqdns(vec!["*".to_owned()]), &[]);
    check("groups", Peers::Groups(vec!["web".to_owned()]), &[]);
    let rest = item(Some(Peers::Entities(vec![Entity::All])), &[]);
    let groups = item(Some(Peers::Groups(vec!["web".to_owned()])), &[]);
    let inside = [A, B, OTHER_A, EAST_A, HOST, REMOTE_NODE];
    check_peers("groups denied", egress(vec![rest], vec![groups]), &inside);
    for (mode, expected) in [
        (Authentication::Disabled, &[A][..]),
        (Authentication::Required, &[]),
        (Authentication::AlwaysFail, &[]),
    ] {
        let authenticated = Item { authentication: Some(mode), ..item(endpoints("a"), &[]) };
        check_peers(&format!("{mode:?}"), egress(vec![authenticated], Vec::new()), expected);
    }
}

/// §2.1, §2.3: whom a policy selects.
#[test]
fn subjects() {
    let verdict = |policy: Cilium, to| connect(&[Policy::Cilium(policy)], A, to, tcp(80));
    let on = |selector| {
        let mut policy = ingress(vec![Item::default()], Vec::new());
        policy.spec.as_mut().unwrap().subject = selector;
        policy
    };
    let elsewhere = Selector::label("io.kubernetes.pod.namespace", "other");
    let all = || Subject::Endpoints(Selector::default());
    for (clause, policy, to, expected) in [
        ("§2.1: {} in its namespace", on(all()), S, Verdict::Deny),
        ("§2.1: {} in its namespace", on(all()), OTHER_A, Verdict::Allow),
        (
            "§2.1: another namespace is overridden",
            on(Subject::Endpoints(elsewhere.clone())),
            S,
            Verdict::Deny,
        ),
        ("§2.1: a CCNP is not", clusterwide(on(Subject::Endpoints(elsewhere))), OTHER_A, Verdict::Deny),
        ("other clusters are not ours", clusterwide(on(all())), EAST_A, Verdict::Allow),
        ("nodes are not enforced", clusterwide(on(Subject::Nodes(Selector::default()))), S, Verdict::Allow),
        ("§2.3: default deny off", open(on(all())), S, Verdict::Allow),
        ("audit", Cilium { audit: true, ..on(all()) }, S, Verdict::Allow),
        ("§1.1: specs", specs(on(all())), S, Verdict::Deny),
    ] {
        assert_eq!(verdict(policy, to), expected, "{clause}");
    }
}

fn specs(mut policy: Cilium) -> Cilium {
    policy.specs.extend(policy.spec.take());
    policy
}
