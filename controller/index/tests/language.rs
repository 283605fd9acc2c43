//! What policies may name besides labels: prefixes, groups, services, API servers, named ports; tiers, audit, quarantine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use postern_controller_index::{
    Change, CidrGroupObject, Event, ObjectKey, PolicyKey, PolicyKind, PolicyStatus,
};
use serde_json::{Value, json};
use support::{Cluster, cnp, cnp_text};

const APP1: &str = "10.0.1.1";

/// What may reach app1.
fn to_app1(ingress: &Value) -> Value {
    json!({"endpointSelector": {"matchLabels": {"id": "app1"}}, "ingress": ingress})
}

fn from_app1(egress: &Value) -> Value {
    json!({"endpointSelector": {"matchLabels": {"id": "app1"}}, "egress": egress})
}

fn group(name: &str, prefixes: &Value) -> Event {
    let text = json!({"apiVersion": "cilium.io/v2", "kind": "CiliumCIDRGroup", "metadata": {"name": name},
                      "spec": {"externalCIDRs": prefixes}});
    let object = CidrGroupObject { name: name.to_owned(), uid: "u".to_owned(), text: text.to_string() };
    Event::CidrGroup(Change::Applied(Box::new(object)))
}

fn slice(name: &str, service: &str, addresses: &[&str]) -> Event {
    let value = json!({"metadata": {"name": name, "namespace": "default",
                                    "labels": {"kubernetes.io/service-name": service}},
                       "addressType": "IPv4", "endpoints": [{"addresses": addresses}], "ports": []});
    Event::EndpointSlice(Change::Applied(Box::new(serde_json::from_value(value).unwrap())))
}

fn service(name: &str, selector: &Value) -> Event {
    let value = json!({"metadata": {"name": name, "namespace": "default"},
                       "spec": {"clusterIP": "None", "selector": selector}});
    Event::Service(Change::Applied(Box::new(serde_json::from_value(value).unwrap())))
}

/// Applies an administrators' policy on app1 with these rules of ingress.
fn ordered(cluster: &mut Cluster, tier: &str, rules: &Value) {
    let text = json!({"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
        "metadata": {"name": tier.to_lowercase()},
        "spec": {"tier": tier, "priority": 10, "subject": {"pods": {
            "namespaceSelector": {}, "podSelector": {"matchLabels": {"id": "app1"}}}}, "ingress": rules}});
    let kind = PolicyKind::ClusterNetworkPolicy;
    let key = PolicyKey { kind, namespace: String::new(), name: tier.to_lowercase() };
    let changes = cluster.policy_text(key, text.to_string());
    assert!(changes.refused.is_empty(), "{changes:?}");
}

impl Cluster {
    /// What app1's ingress says of these sources.
    fn expect(&self, why: &str, expected: &[(&str, &str)]) {
        for (from, verdict) in expected {
            assert_eq!(self.get("one", from, APP1, "/"), *verdict, "{from}: {why}");
        }
    }

    fn status_of_app1(&self) -> PolicyStatus {
        self.status("rule1")
    }
}

#[test]
fn prefixes_reach_the_node() {
    let mut cluster = Cluster::tutorial();
    let check = |cluster: &mut Cluster, ingress: &Value, expected: [&str; 3]| {
        let changes = cluster.policy("rule1", &to_app1(ingress));
        assert!(changes.refused.is_empty(), "{changes:?}");
        let from = ["203.0.113.5", "203.0.113.70", "8.8.8.8"];
        cluster.expect(&ingress.to_string(), &std::array::from_fn::<_, 3, _>(|n| (from[n], expected[n])));
        // Pods and nodes are not outside, whatever a prefix holds.
        cluster.expect(&ingress.to_string(), &[("10.0.1.2", "drop")]);
    };
    let (pass, drop) = ("allow", "drop");
    check(&mut cluster, &json!([{"fromCIDR": ["203.0.113.0/24"]}]), [pass, pass, drop]);
    let without = json!([{"fromCIDRSet": [{"cidr": "203.0.113.0/24", "except": ["203.0.113.64/26"]}]}]);
    check(&mut cluster, &without, [pass, drop, drop]);
    check(&mut cluster, &json!([{"fromCIDR": ["0.0.0.0/0"]}]), [pass, pass, pass]);
    check(&mut cluster, &json!([{"fromEntities": ["world"]}]), [pass, pass, pass]);
    // The address of a pod is the pod's, even where a policy names it.
    check(&mut cluster, &json!([{"fromCIDR": ["10.0.1.2/32", "203.0.113.5/32"]}]), [pass, drop, drop]);
    assert_eq!(cluster.number_of("one", "10.0.1.2"), cluster.number_of("two", "10.0.1.2"));
}

#[test]
fn a_number_of_a_prefix_survives_a_restart() {
    let spec = to_app1(&json!([{"fromCIDR": ["203.0.113.0/24"]}]));
    let mut cluster = Cluster::tutorial();
    let _ = cluster.policy("other", &to_app1(&json!([{"fromCIDR": ["198.51.100.0/24"]}])));
    let _ = cluster.policy("rule1", &spec);
    let number = cluster.number_of("one", "203.0.113.1");
    assert!(number >= 1 << 24);
    let mut restarted = Cluster::tutorial();
    let _ = restarted.policy("rule1", &spec);
    assert_eq!(restarted.number_of("one", "203.0.113.1"), number);
}

#[test]
fn a_prefix_is_split_and_joined_without_a_gap() {
    let mut cluster = Cluster::tutorial();
    let deny = |prefix: &str| {
        json!({"endpointSelector": {"matchLabels": {"id": "app1"}}, "enableDefaultDeny": {"ingress": false},
               "ingressDeny": [{"fromCIDR": [prefix]}]})
    };
    let _ = cluster.policy("rule1", &deny("203.0.113.0/24"));
    let taken = |cluster: &mut Cluster| {
        let revision = cluster.snapshot("one").revision;
        cluster.index.acknowledge("one", revision);
    };
    taken(&mut cluster);
    let whole = cluster.number_of("one", "203.0.113.5");
    // The part is not known to the node before the denial that covers it too.
    let _ = cluster.policy("part", &deny("203.0.113.0/28"));
    assert_eq!(cluster.number_of("one", "203.0.113.5"), whole);
    taken(&mut cluster);
    let part = cluster.number_of("one", "203.0.113.5");
    assert_ne!(part, whole);
    // Nor is it forgotten before the node has policies that do without it.
    taken(&mut cluster);
    cluster.delete_policy("part");
    assert_eq!(cluster.number_of("one", "203.0.113.5"), part);
    cluster.expect("denied by the wider one", &[("203.0.113.5", "drop"), ("203.0.113.99", "drop")]);
    taken(&mut cluster);
    assert_eq!(cluster.number_of("one", "203.0.113.5"), whole);
    assert_eq!(cluster.outputs.sizes.borrow().prefixes, 1);
}

#[test]
fn groups_change() {
    let mut cluster = Cluster::tutorial();
    let _ = cluster.policy("rule1", &to_app1(&json!([{"fromCIDRSet": [{"cidrGroupRef": "partners"}]}])));
    let sources = |first, second| [("203.0.113.5", first), ("198.51.100.5", second)];
    cluster.expect("no such group", &sources("drop", "drop"));
    let _ = cluster.apply([group("partners", &json!(["203.0.113.0/24"]))]);
    cluster.expect("it is there", &sources("allow", "drop"));
    let _ = cluster.apply([group("partners", &json!(["198.51.100.0/24"]))]);
    cluster.expect("it is another", &sources("drop", "allow"));
    let changes = cluster.apply([group("partners", &json!(["198.51.100.0"]))]);
    assert!(changes.refused[0].message.contains("last good version"), "{changes:?}");
    cluster.expect("it cannot be read", &sources("drop", "allow"));
    let _ = cluster.apply([Event::CidrGroup(Change::Deleted(ObjectKey::cluster("partners")))]);
    cluster.expect("it is gone", &sources("drop", "drop"));
}

#[test]
fn a_denial_of_a_group_that_is_not_there_denies_the_outside() {
    let mut cluster = Cluster::tutorial();
    let spec = json!({"endpointSelector": {"matchLabels": {"id": "app1"}}, "ingress": [{"fromEntities": ["all"]}],
                      "ingressDeny": [{"fromCIDRSet": [{"cidrGroupRef": "bad"}]}]});
    let _ = cluster.policy("rule1", &spec);
    cluster.expect("it may hold anybody", &[("8.8.8.8", "drop"), ("10.0.2.3", "allow")]);
    let quarantined = cluster.status_of_app1().quarantined.unwrap();
    assert!(quarantined.contains("ingressDeny/0: the CIDR group does not exist"), "{quarantined}");
    let _ = cluster.apply([group("bad", &json!(["203.0.113.0/24"]))]);
    cluster.expect("it holds some", &[("8.8.8.8", "allow"), ("203.0.113.5", "drop")]);
    assert_eq!(cluster.status_of_app1().quarantined, None);
}

#[test]
fn services_and_api_servers() {
    let mut cluster = Cluster::tutorial();
    let egress = json!([{"toServices": [{"k8sService": {"serviceName": "outside", "namespace": "default"}}]},
                        {"toEntities": ["kube-apiserver"]}]);
    let _ = cluster.policy("rule1", &from_app1(&egress));
    let allowed = |cluster: &Cluster, address: &str| {
        let number = cluster.number_of("one", address);
        let snapshot = cluster.snapshot("one");
        let rules = &snapshot.endpoints["default/app1"].value().egress.rules;
        let text = serde_json::to_value(rules).unwrap();
        text.as_array()
            .unwrap()
            .iter()
            .any(|rule| rule["peers"]["only"].as_array().is_some_and(|peers| peers.contains(&json!(number))))
    };
    let check = |cluster: &Cluster, outside: bool, pod: bool, api: bool| {
        let found = ["203.0.113.5", "10.0.2.3", "192.0.2.2"].map(|address| allowed(cluster, address));
        assert_eq!(found, [outside, pod, api]);
    };
    check(&cluster, false, false, false);
    // In either order: the slice, then the service.
    let _ = cluster.apply([slice("outside-1", "outside", &["203.0.113.5"])]);
    let _ = cluster.apply([service("outside", &json!(null))]);
    check(&cluster, true, false, false);
    let _ = cluster.apply([service("outside", &json!({"id": "app3"}))]);
    check(&cluster, false, true, false);
    let _ = cluster.apply([slice("kubernetes", "kubernetes", &["192.0.2.2"])]);
    check(&cluster, false, true, true);
    let key = ObjectKey::namespaced("default", "kubernetes");
    let _ = cluster.apply([Event::EndpointSlice(Change::Deleted(key))]);
    let _ = cluster.apply([Event::Service(Change::Deleted(ObjectKey::namespaced("default", "outside")))]);
    check(&cluster, false, false, false);
}

#[test]
fn named_ports_are_those_of_the_pod() {
    let mut cluster = Cluster::tutorial();
    let named = |name: &str| json!([{"toPorts": [{"ports": [{"port": name, "protocol": "TCP"}]}]}]);
    let ports = |cluster: &Cluster| {
        let snapshot = cluster.snapshot("one");
        let rules = serde_json::to_value(&snapshot.endpoints["default/app1"].value().ingress.rules).unwrap();
        rules[0]["ports"].clone()
    };
    let _ = cluster.policy("rule1", &to_app1(&named("web")));
    assert!(ports(&cluster).to_string().contains("8080"), "{}", ports(&cluster));
    let _ = cluster.policy("rule1", &to_app1(&named("other")));
    assert!(!ports(&cluster).to_string().contains("8080"), "{}", ports(&cluster));
}

#[test]
fn tiers_are_asked_in_their_order() {
    let mut cluster = Cluster::tutorial();
    let peers =
        |id: &str| json!([{"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"id": id}}}}]);
    let rule = |action: &str, id: &str| json!({"name": "r", "action": action, "from": peers(id)});
    let from = |app2, app3| [("10.0.1.2", app2), ("10.0.2.3", app3)];
    ordered(&mut cluster, "Baseline", &json!([rule("Deny", "app2"), rule("Deny", "app3")]));
    cluster.expect("nothing else speaks", &from("drop", "drop"));
    let _ = cluster.policy("rule1", &to_app1(&json!([{"fromEndpoints": [{"matchLabels": {"id": "app2"}}]}])));
    cluster.expect("the baseline is for those without policies", &from("allow", "drop"));
    ordered(&mut cluster, "Admin", &json!([rule("Deny", "app2"), rule("Accept", "app3")]));
    cluster.expect("the administrators come first", &from("drop", "allow"));
    ordered(&mut cluster, "Admin", &json!([rule("Pass", "app2"), rule("Deny", "app2")]));
    cluster.expect("a pass leaves it to the others", &from("allow", "drop"));
}

#[test]
fn what_is_audited_or_quarantined_is_said() {
    let mut cluster = Cluster::tutorial();
    let mut text: Value = serde_json::from_str(&cnp_text("rule1", &to_app1(&json!([{}])))).unwrap();
    text["metadata"]["annotations"] = json!({"postern.dev/audit": "true"});
    let _ = cluster.policy_text(cnp("rule1"), text.to_string());
    cluster.expect("it is only audited", &[("10.0.2.3", "allow")]);
    let status = cluster.status_of_app1();
    assert!(status.audited && status.valid.is_ok() && status.selected == 1, "{status:?}");
    let _ = cluster.policy("rule1", &from_app1(&json!([{"toFQDNs": [{"matchName": "example.org"}]}])));
    let status = cluster.status_of_app1();
    assert!(!status.audited && status.valid.is_ok(), "{status:?}");
    let quarantined = status.quarantined.unwrap();
    assert!(quarantined.starts_with("cnp/default/rule1/egress/0: "), "{quarantined}");
    let _ = cluster.policy("rule1", &to_app1(&json!([{}])));
    assert_eq!(cluster.status_of_app1().quarantined, None);
}
