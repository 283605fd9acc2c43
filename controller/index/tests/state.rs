//! The tutorial, and what happens to it as the cluster changes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use postern_controller_index::{Change, Event, InForce, Kind, ObjectKey, PolicyKey, PolicyKind};
use serde_json::json;
use support::{Cluster, cnp, identity_event, namespace_event, pod, pod_event, three_pods, tutorial};

#[test]
fn the_tutorial() {
    let mut cluster = Cluster::tutorial();
    assert_eq!(cluster.get("one", "10.0.2.3", "10.0.1.1", "/private"), "allow");
    let changes = cluster.policy("rule1", &tutorial());
    assert!(changes.refused.is_empty() && changes.revision.is_some());
    assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/public"), "200");
    assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/private"), "403");
    assert_eq!(cluster.get("one", "10.0.2.3", "10.0.1.1", "/public"), "drop");
    assert_eq!(cluster.get("one", "192.0.2.1", "10.0.1.1", "/x"), "allow", "its own node's health checks");
    assert_eq!(cluster.get("one", "192.0.2.2", "10.0.1.1", "/x"), "drop", "another node");
    // Changed, then deleted.
    let mut changed = tutorial();
    changed["ingress"][0]["toPorts"][0]["rules"]["http"][0]["path"] = json!("/private");
    let _ = cluster.policy("rule1", &changed);
    assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/private"), "200");
    assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/public"), "403");
    cluster.delete_policy("rule1");
    assert_eq!(cluster.get("one", "10.0.2.3", "10.0.1.1", "/private"), "allow");
    assert!(cluster.statuses().is_empty());
}

#[test]
fn nothing_is_published_before_everything_is_listed() {
    let mut cluster = Cluster::unsynced();
    let _ = cluster.apply(three_pods());
    let _ = cluster.policy("rule1", &tutorial());
    for kind in Kind::ALL {
        assert!(!cluster.index.is_synced());
        assert_eq!(cluster.snapshot("one").revision, 0);
        assert!(cluster.statuses().is_empty() && cluster.outputs.identity_requests.borrow().is_empty());
        let _ = cluster.apply([Event::Synced(kind)]);
    }
    assert!(cluster.snapshot("one").revision > 0);
    assert_eq!(cluster.enforced("rule1"), (0, 1));
    assert_eq!(cluster.outputs.identity_requests.borrow().len(), 5);
}

#[test]
fn a_node_gets_its_own_endpoints_and_all_identities() {
    let cluster = Cluster::tutorial();
    let names = |node: &str| cluster.snapshot(node).endpoints.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names("one"), ["default/app1", "default/app2"]);
    assert_eq!(names("two"), ["default/app3"]);
    let (one, two) = (cluster.snapshot("one"), cluster.snapshot("two"));
    assert!(Arc::ptr_eq(&one.identities, &two.identities));
    assert_eq!(one.identities.len(), 5);
    assert_eq!(cluster.snapshot("three").revision, 0);
}

#[test]
fn what_does_not_change_is_the_same_value() {
    let mut cluster = Cluster::tutorial();
    let before = cluster.snapshot("one");
    let two = cluster.snapshot("two");
    let _ = cluster.policy("rule1", &tutorial());
    let after = cluster.snapshot("one");
    assert!(!Arc::ptr_eq(&before.endpoints["default/app1"], &after.endpoints["default/app1"]));
    assert!(Arc::ptr_eq(&before.endpoints["default/app2"], &after.endpoints["default/app2"]));
    assert!(Arc::ptr_eq(&before.identities, &after.identities));
    assert_eq!(cluster.snapshot("two").revision, two.revision, "the other node has nothing new");
    let same = cluster.apply(three_pods());
    assert_eq!(same.revision, None);
}

#[test]
fn a_pod_moves() {
    let mut cluster = Cluster::tutorial();
    let _ = cluster.policy("rule1", &tutorial());
    let app1 = cluster.snapshot("one").endpoints["default/app1"].clone();
    cluster.delete_pod("app2");
    let _ = cluster.apply([pod_event(pod("app2", json!({"id": "app2"}), "two", "10.0.2.2"))]);
    assert_eq!(cluster.get("one", "10.0.2.2", "10.0.1.1", "/public"), "200");
    assert_eq!(
        cluster.get("one", "10.0.1.2", "10.0.1.1", "/public"),
        "drop",
        "its old address is the world's"
    );
    assert!(cluster.snapshot("two").endpoints.contains_key("default/app2"));
    assert!(!cluster.snapshot("one").endpoints.contains_key("default/app2"));
    assert!(
        Arc::ptr_eq(&app1, &cluster.snapshot("one").endpoints["default/app1"]),
        "who reaches app1 is as it was"
    );
}

#[test]
fn labels_change() {
    let mut cluster = Cluster::tutorial();
    let _ = cluster.policy("rule1", &tutorial());
    let _ = cluster.apply([pod_event(pod("app3", json!({"id": "app2"}), "two", "10.0.2.3"))]);
    assert_eq!(cluster.get("one", "10.0.2.3", "10.0.1.1", "/public"), "200");
    let _ = cluster.apply([pod_event(pod("app1", json!({"id": "other"}), "one", "10.0.1.1"))]);
    assert_eq!(
        cluster.get("one", "10.0.1.2", "10.0.1.1", "/private"),
        "allow",
        "nothing selects it any more"
    );
    assert_eq!(cluster.enforced("rule1"), (0, 0));
}

#[test]
fn labels_of_a_namespace_change() {
    let mut cluster = Cluster::tutorial();
    let spec = json!({"endpointSelector": {"matchLabels": {"id": "app1"}}, "ingress": [{"fromEndpoints": [
        {"matchLabels": {"k8s:io.cilium.k8s.namespace.labels.team": "a"}}]}]});
    let _ = cluster.policy("team", &spec);
    assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/"), "drop");
    let _ = cluster.apply([namespace_event("default", json!({"team": "a"}))]);
    cluster.number();
    assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/"), "allow");
    let _ = cluster.apply([Event::Namespace(Change::Deleted(ObjectKey::cluster("default")))]);
    assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/"), "drop");
}

#[test]
fn a_bad_update_keeps_the_last_good_version() {
    let mut cluster = Cluster::tutorial();
    let _ = cluster.policy("rule1", &tutorial());
    let mut bad = tutorial();
    bad["ingress"][0]["fromEndpoint"] = json!([]);
    for first in [true, false] {
        let changes = cluster.policy("rule1", &bad);
        assert_eq!(changes.refused.len(), usize::from(first), "it is news once");
        assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/public"), "200");
        assert_eq!(cluster.get("one", "10.0.2.3", "10.0.1.1", "/public"), "drop");
    }
    let status = cluster.status("rule1");
    assert_eq!((status.generation, status.in_force, status.selected), (3, InForce::LastGood, 1));
    let message = status.valid.unwrap_err();
    assert!(message.starts_with("spec.ingress[0].fromEndpoint: there is no field"), "{message}");
    let _ = cluster.policy("rule1", &tutorial());
    assert_eq!(cluster.status("rule1").valid, Ok(()));
}

#[test]
fn a_bad_policy_that_was_never_good_closes_whom_it_selects() {
    let mut cluster = Cluster::tutorial();
    let _ = cluster.policy(
        "other",
        &json!({"endpointSelector": {"matchLabels": {"id": "app2"}},
        "ingress": [{"fromEndpoints": [{}]}]}),
    );
    let changes = cluster.policy(
        "bad",
        &json!({"endpointSelector": {"matchLabels": {"id": "app1"}},
        "ingress": [{"fromEndpoints": "app2"}]}),
    );
    assert!(changes.refused[0].message.ends_with("are closed in the directions it speaks of"), "{changes:?}");
    assert_eq!(changes.refused[0].object.to_string(), "CiliumNetworkPolicy default/bad");
    assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/"), "drop");
    assert_eq!(cluster.get("one", "192.0.2.1", "10.0.1.1", "/"), "allow", "its own node");
    assert_eq!(cluster.get("one", "10.0.1.1", "10.0.1.2", "/"), "allow", "the other policy is as it was");
    assert_eq!(cluster.status("bad").in_force, InForce::Closed);
    assert_eq!(cluster.status("other").valid, Ok(()));
    // One whose subject cannot be told is only reported.
    let changes = cluster.policy("worse", &json!({"endpointSelector": {"matchLabel": {}}, "ingress": [{}]}));
    assert_eq!((changes.refused.len(), changes.revision), (1, None));
    assert_eq!(cluster.status("worse").in_force, InForce::Nothing);
    // And so is text that is no policy at all.
    for text in ["", "{", "[]", "{\"kind\": 1}", "\u{0}"] {
        let key = PolicyKey { kind: PolicyKind::NetworkPolicy, ..cnp("text") };
        let _ = cluster.policy_text(key.clone(), text.to_owned());
        assert!(cluster.statuses()[&key].valid.is_err(), "{text:?}");
    }
}

#[test]
fn another_object_under_the_same_name_has_no_last_good_version() {
    let mut cluster = Cluster::tutorial();
    let _ = cluster.policy("rule1", &tutorial());
    cluster.delete_policy("rule1");
    let _ =
        cluster.policy("rule1", &json!({"endpointSelector": {"matchLabels": {"id": "app1"}}, "ingress": 1}));
    assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/public"), "drop");
}

#[test]
fn enforced_is_what_nodes_have_acknowledged() {
    let mut cluster = Cluster::tutorial();
    let all = json!({"endpointSelector": {}, "ingress": [{"fromEndpoints": [{}]}]});
    let _ = cluster.policy("all", &all);
    assert_eq!(cluster.enforced("all"), (0, 3));
    let (one, two) = (cluster.snapshot("one").revision, cluster.snapshot("two").revision);
    cluster.index.acknowledge("one", one - 1);
    assert_eq!(cluster.enforced("all"), (0, 3));
    cluster.index.acknowledge("one", one);
    assert_eq!(cluster.enforced("all"), (2, 3));
    cluster.index.acknowledge_except("two", two, ["default/app3".to_owned()]);
    assert_eq!(cluster.enforced("all"), (2, 3));
    cluster.index.acknowledge("two", two);
    cluster.index.acknowledge("nowhere", two);
    assert_eq!(cluster.enforced("all"), (3, 3));
    // A policy that changes nothing for an endpoint is in force there at once.
    let _ = cluster
        .policy("same", &json!({"endpointSelector": {"matchLabels": {"id": "nobody"}}, "ingress": [{}]}));
    assert_eq!(cluster.enforced("same"), (0, 0));
    let _ = cluster.policy("rule1", &tutorial());
    assert_eq!((cluster.enforced("rule1"), cluster.enforced("all")), ((0, 1), (2, 3)));
}

#[test]
fn what_is_not_listed_again_is_gone() {
    let mut cluster = Cluster::tutorial();
    let _ = cluster.policy("rule1", &tutorial());
    let _ = cluster.apply([Event::Relist(Kind::Pod), Event::Relist(Kind::Policy(PolicyKind::Cnp))]);
    assert_eq!(cluster.get("one", "10.0.2.3", "10.0.1.1", "/public"), "drop", "until the list is complete");
    let _ = cluster.apply([pod_event(pod("app1", json!({"id": "app1"}), "one", "10.0.1.1"))]);
    let _ = cluster.apply([Event::Synced(Kind::Pod), Event::Synced(Kind::Policy(PolicyKind::Cnp))]);
    assert_eq!(cluster.snapshot("one").endpoints.len(), 1);
    assert_eq!(cluster.snapshot("two").endpoints.len(), 0);
    assert!(cluster.statuses().is_empty());
}

#[test]
fn numbers_survive_a_restart() {
    let mut first = Cluster::unsynced();
    let _ = first.apply(three_pods());
    first.sync();
    let mut objects = first.number();
    objects.reverse();
    let mut second = Cluster::unsynced();
    let _ = second.apply(objects.into_iter().map(identity_event));
    let mut pods = three_pods();
    pods.push(pod_event(pod("app0", json!({"id": "app0"}), "two", "10.0.2.4")));
    pods.reverse();
    let _ = second.apply(pods);
    second.sync();
    for address in ["10.0.1.1", "10.0.1.2", "10.0.2.3", "192.0.2.1"] {
        assert!(first.number_of("one", address) >= 256);
        assert_eq!(first.number_of("one", address), second.number_of("one", address), "{address}");
    }
    let requests: Vec<u32> = second.outputs.identity_requests.borrow().iter().map(|it| it.number).collect();
    assert_eq!(requests, [261]);
}
