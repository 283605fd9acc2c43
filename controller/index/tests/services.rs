//! Services and the pods behind them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use postern_controller_index::{Change, Event, ObjectKey};
use serde_json::{Value, json};
use support::{Cluster, pod, pod_event};

fn service(spec: &Value) -> Event {
    let value = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec});
    Event::Service(Change::Applied(Box::new(serde_json::from_value(value).unwrap())))
}

fn backends(cluster: &Cluster) -> Vec<String> {
    let snapshot = cluster.snapshot("two");
    let ports = &snapshot.services["default/web"].value().ports;
    ports.iter().flat_map(|port| &port.backends).map(|it| format!("{}:{}", it.address, it.port)).collect()
}

#[test]
fn backends_are_the_ready_pods_of_the_selector() {
    let mut cluster = Cluster::tutorial();
    let spec = json!({"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "selector": {"id": "app1"},
                      "ports": [{"port": 80, "targetPort": "web"}]});
    let _ = cluster.apply([service(&spec)]);
    assert_eq!(backends(&cluster), ["10.0.1.1:8080"]);
    let mut second = pod("app1b", json!({"id": "app1"}), "two", "10.0.2.1");
    second["status"]["conditions"][0]["status"] = json!("False");
    let _ = cluster.apply([pod_event(second.clone())]);
    assert_eq!(backends(&cluster), ["10.0.1.1:8080"]);
    second["status"]["conditions"][0]["status"] = json!("True");
    let _ = cluster.apply([pod_event(second.clone())]);
    assert_eq!(backends(&cluster), ["10.0.1.1:8080", "10.0.2.1:8080"]);
    second["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let _ = cluster.apply([pod_event(second)]);
    assert_eq!(backends(&cluster), ["10.0.1.1:8080"]);
    let mut number = spec.clone();
    number["ports"][0]["targetPort"] = json!(9000);
    let _ = cluster.apply([service(&number)]);
    assert_eq!(backends(&cluster), ["10.0.1.1:9000"]);
    cluster.delete_pod("app1");
    assert!(backends(&cluster).is_empty());
    let _ = cluster.apply([Event::Service(Change::Deleted(ObjectKey::namespaced("default", "web")))]);
    assert!(cluster.snapshot("two").services.is_empty());
}

#[test]
fn a_headless_service_is_none_and_one_without_selector_selects_nobody() {
    let mut cluster = Cluster::tutorial();
    let _ = cluster.apply([service(&json!({"clusterIP": "None", "selector": {"id": "app1"}}))]);
    assert!(cluster.snapshot("two").services.is_empty());
    let _ = cluster.apply([service(&json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80}]}))]);
    assert!(backends(&cluster).is_empty());
    let changes = cluster
        .apply([service(&json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80, "protocol": "X"}]}))]);
    assert!(changes.refused[0].message.contains("there is no protocol \"X\""), "{changes:?}");
}
