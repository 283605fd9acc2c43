//! Who has which number, and what is safe while nobody knows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;

use postern_controller_api::identity::PosternIdentity;
use postern_controller_api::identity::PosternIdentitySpec;
use postern_controller_index::{Change, Event, ObjectKey};
use serde_json::{Value, json};
use support::{Cluster, identity_event, node_event, pod, pod_event, tutorial};

/// Everybody but those labelled `evil` may reach app1.
fn deny_evil() -> Value {
    json!({"endpointSelector": {"matchLabels": {"id": "app1"}},
           "ingress": [{"toPorts": [{"ports": [{"port": "80"}]}]}],
           "ingressDeny": [{"fromEndpoints": [{"matchLabels": {"evil": "yes"}}]}]})
}

#[test]
fn a_pod_that_is_too_new_is_let_in_by_no_label_and_kept_out_by_any() {
    let mut cluster = Cluster::tutorial();
    let _ = cluster.policy("rule1", &tutorial());
    let _ = cluster.apply([pod_event(pod("new", json!({"id": "app2", "v": "2"}), "two", "10.0.2.9"))]);
    assert_eq!(cluster.number_of("one", "10.0.2.9"), 5);
    assert_eq!(cluster.get("one", "10.0.2.9", "10.0.1.1", "/public"), "drop");
    assert!(cluster.snapshot("two").endpoints.contains_key("default/new"), "it is enforced itself");
    cluster.delete_policy("rule1");
    let _ = cluster.policy("evil", &deny_evil());
    assert_eq!(cluster.get("one", "10.0.2.9", "10.0.1.1", "/"), "drop");
    assert_eq!(cluster.get("one", "10.0.2.3", "10.0.1.1", "/"), "allow");
    cluster.number();
    assert_eq!(cluster.get("one", "10.0.2.9", "10.0.1.1", "/"), "allow");
}

#[test]
fn a_new_number_waits_for_the_policies_that_name_it() {
    let mut cluster = Cluster::tutorial();
    let _ = cluster.policy("evil", &deny_evil());
    cluster.index.acknowledge("one", cluster.snapshot("one").revision);
    let _ = cluster.apply([pod_event(pod("new", json!({"evil": "yes"}), "two", "10.0.2.9"))]);
    let number: u32 = cluster.number()[0].metadata.name.clone().unwrap().parse().unwrap();
    // The agent takes identities before policies: it must never see the number before the denial of it.
    assert_eq!(cluster.number_of("one", "10.0.2.9"), 5);
    assert_eq!(cluster.number_of("two", "10.0.2.9"), number, "nothing there names it, and nobody follows");
    let revision = cluster.snapshot("one").revision;
    cluster.index.acknowledge("one", revision - 1);
    assert_eq!(cluster.number_of("one", "10.0.2.9"), 5);
    cluster.index.acknowledge("one", revision);
    assert_eq!(cluster.number_of("one", "10.0.2.9"), number);
    assert!(cluster.snapshot("one").revision > revision);
    assert_eq!(cluster.get("one", "10.0.2.9", "10.0.1.1", "/"), "drop");
}

#[test]
fn an_agent_that_is_gone_is_not_waited_for() {
    let mut cluster = Cluster::tutorial();
    let _ = cluster.policy("evil", &deny_evil());
    cluster.index.acknowledge("one", cluster.snapshot("one").revision);
    let _ = cluster.apply([pod_event(pod("new", json!({"evil": "yes"}), "two", "10.0.2.9"))]);
    cluster.number();
    assert_eq!(cluster.number_of("one", "10.0.2.9"), 5);
    cluster.index.disconnected("one");
    assert!(cluster.number_of("one", "10.0.2.9") >= 256);
}

#[test]
fn an_address_that_two_claim_is_nobodys() {
    let mut cluster = Cluster::tutorial();
    let _ = cluster.policy("rule1", &tutorial());
    let changes = cluster.apply([pod_event(pod("thief", json!({"id": "app3"}), "two", "10.0.1.2"))]);
    assert!(
        changes.refused[0].message.contains("claimed by pod default/app2 and by pod default/thief"),
        "{changes:?}"
    );
    assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/public"), "drop");
    assert_eq!(cluster.number_of("one", "10.0.1.2"), 5);
    assert!(!cluster.snapshot("one").endpoints.contains_key("default/app2"));
    assert!(!cluster.snapshot("two").endpoints.contains_key("default/thief"));
    assert_eq!(cluster.outputs.sizes.borrow().contested_addresses, 1);
    cluster.delete_pod("thief");
    assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/public"), "200");
    let changes = cluster.apply([node_event("three", "10.0.1.2")]);
    assert_eq!(changes.refused.len(), 1);
    assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/public"), "drop");
}

#[test]
fn a_pod_counts_until_it_is_gone_and_not_after_it_has_ended() {
    let mut cluster = Cluster::tutorial();
    let _ = cluster.policy("rule1", &tutorial());
    let mut leaving = pod("app2", json!({"id": "app2"}), "one", "10.0.1.2");
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let _ = cluster.apply([pod_event(leaving.clone())]);
    assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/public"), "200");
    leaving["status"]["phase"] = json!("Succeeded");
    let _ = cluster.apply([pod_event(leaving)]);
    assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/public"), "drop");
    let mut host = pod("agent", json!({"id": "app2"}), "two", "192.0.2.2");
    host["spec"]["hostNetwork"] = json!(true);
    let before = cluster.number_of("one", "192.0.2.2");
    assert_eq!(cluster.apply([pod_event(host)]).revision, None, "it is its node");
    assert_eq!(cluster.number_of("one", "192.0.2.2"), before);
}

#[test]
fn unused_numbers_are_told_and_taken_by_nobody() {
    let mut cluster = Cluster::tutorial();
    let _ = cluster.policy("rule1", &tutorial());
    let number = cluster.number_of("one", "10.0.1.2");
    let app1 = cluster.snapshot("one").endpoints["default/app1"].clone();
    cluster.delete_pod("app2");
    assert_eq!(**cluster.outputs.unused_identities.borrow(), BTreeSet::from([number]));
    let _ = cluster.apply([pod_event(pod("other", json!({"id": "other"}), "one", "10.0.1.7"))]);
    cluster.number();
    assert_ne!(cluster.number_of("one", "10.0.1.7"), number);
    assert_eq!(cluster.snapshot("one").endpoints["default/app1"].value(), app1.value());
    let _ = cluster.apply([Event::Identity(Change::Deleted(ObjectKey::cluster(number.to_string())))]);
    assert!(cluster.outputs.unused_identities.borrow().is_empty());
    assert_ne!(
        cluster.snapshot("one").endpoints["default/app1"].value(),
        app1.value(),
        "app2 has no number now"
    );
    let _ = cluster.apply([pod_event(pod("app2", json!({"id": "app2"}), "one", "10.0.1.2"))]);
    assert_ne!(cluster.outputs.identity_requests.borrow()[0].number, number);
    cluster.number();
    assert_eq!(cluster.get("one", "10.0.1.2", "10.0.1.1", "/public"), "200");
}

#[test]
fn an_object_that_is_no_number_is_refused() {
    let mut cluster = Cluster::tutorial();
    let object = |name: &str, spec| identity_event(PosternIdentity::new(name, spec));
    let empty = PosternIdentitySpec::default;
    let changes = cluster.apply([object("x", empty()), object("7", empty()), object("261", empty())]);
    assert_eq!(changes.refused.len(), 3, "{changes:?}");
    let _ = cluster.apply([pod_event(pod("new", json!({"id": "new"}), "two", "10.0.2.9"))]);
    assert_eq!(cluster.outputs.identity_requests.borrow()[0].number, 262, "261 is taken, whatever it is");
}

#[test]
fn a_pod_with_an_address_that_is_none_is_left_out_and_named() {
    let mut cluster = Cluster::tutorial();
    let changes = cluster.apply([pod_event(pod("odd", json!({}), "two", "10.0.2.300"))]);
    assert!(changes.refused[0].message.contains("\"10.0.2.300\" is not an IP address"), "{changes:?}");
    assert_eq!(changes.revision, None);
}
