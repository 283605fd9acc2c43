//! The files in `deploy/crds` are what the types say, and an API server from 1.20 on takes them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use postern_controller_api::crd::{Webhook, WebhookServer, crds, files};
use postern_controller_api::identity::PosternIdentity;
use postern_controller_api::{v1, v2};
use serde_json::{Value, json};

#[test]
fn the_files_are_what_the_types_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    for (name, generated) in files().unwrap() {
        let path = folder.join(&name);
        if std::env::var_os("POSTERN_UPDATE").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &generated).unwrap();
        }
        let published = std::fs::read_to_string(&path).unwrap_or_default();
        let how = "run `POSTERN_UPDATE=1 cargo test -p postern-controller-api` and commit it";
        assert!(published == generated, "deploy/crds/{name} is stale: {how}");
    }
    let mut on_disk: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        // It names the others, for `kubectl apply -k`.
        .filter(|name| name != "kustomization.yaml")
        .collect();
    let mut expected: Vec<String> = files().unwrap().into_iter().map(|(name, _)| name).collect();
    on_disk.sort();
    expected.sort();
    assert_eq!(on_disk, expected, "deploy/crds has files that nothing writes");
}

/// What makes a schema structural, as far as ours could break it.
fn assert_structural(schema: &Value, at: &str) {
    let fields = schema.as_object().unwrap_or_else(|| panic!("{at}: {schema}"));
    for never in ["$ref", "definitions", "additionalItems", "uniqueItems", "x-kubernetes-validations"] {
        assert!(!fields.contains_key(never), "{at} has {never}");
    }
    for junctor in ["allOf", "anyOf", "oneOf", "not"] {
        assert!(!fields.contains_key(junctor), "{at} has {junctor}");
    }
    assert!(fields.get("type").is_some_and(Value::is_string), "{at} has no type: {schema}");
    for (name, property) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
        assert_structural(property, &format!("{at}.{name}"));
    }
    if let Some(items) = fields.get("items") {
        assert_structural(items, &format!("{at}[]"));
    }
}

#[test]
fn every_schema_is_structural_and_without_expressions() {
    for crd in crds(&Webhook::default()).unwrap() {
        let crd = serde_json::to_value(crd).unwrap();
        for version in crd["spec"]["versions"].as_array().unwrap() {
            let at = format!("{}/{}", crd["metadata"]["name"], version["name"]);
            assert_structural(&version["schema"]["openAPIV3Schema"], &at);
        }
    }
}

#[test]
fn the_policy_has_two_served_versions_and_stores_the_second() {
    let crds = crds(&Webhook::default()).unwrap();
    let policy = serde_json::to_value(&crds[0]).unwrap();
    assert_eq!(policy["metadata"]["name"], "ciliumnetworkpolicies.cilium.io");
    assert_eq!(policy["spec"]["names"]["shortNames"], json!(["cnp", "ciliumnp"]));
    let versions: Vec<(&str, bool, bool)> = policy["spec"]["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| {
            (v["name"].as_str().unwrap(), v["served"].as_bool().unwrap(), v["storage"].as_bool().unwrap())
        })
        .collect();
    assert_eq!(versions, [("v2", true, true), ("v1", true, false)]);
    for version in policy["spec"]["versions"].as_array().unwrap() {
        let schema = &version["schema"]["openAPIV3Schema"];
        assert_eq!(schema["x-kubernetes-preserve-unknown-fields"], true, "{schema}");
        assert_eq!(schema["properties"]["spec"]["x-kubernetes-preserve-unknown-fields"], true);
        assert!(schema.get("required").is_none(), "specs may stand for spec: {schema}");
        assert_eq!(version["subresources"]["status"], json!({}));
    }
    assert_eq!(policy["spec"]["conversion"]["strategy"], "Webhook");
    let clusterwide = serde_json::to_value(&crds[1]).unwrap();
    assert_eq!(clusterwide["spec"]["scope"], "Cluster");
    assert_eq!(crds[3].metadata.name.as_deref(), Some("posternidentities.identities.postern.dev"));
}

#[test]
fn a_group_is_served_under_its_older_version_too() {
    let crds = crds(&Webhook::default()).unwrap();
    assert_eq!(crds[2].metadata.name.as_deref(), Some("ciliumcidrgroups.cilium.io"));
    let versions = crds[2].spec.versions.iter();
    let versions: Vec<_> = versions.map(|it| (it.name.as_str(), it.served, it.storage)).collect();
    assert_eq!(versions, [("v2", true, true), ("v2alpha1", true, false)]);
}

#[test]
fn the_webhook_is_where_it_is_said_to_be() {
    let webhook = Webhook {
        server: WebhookServer::Url("https://192.0.2.1:8443".to_owned()),
        ca_bundle: Some(b"pem".to_vec()),
    };
    let crd = serde_json::to_value(&crds(&webhook).unwrap()[0]).unwrap();
    let client = &crd["spec"]["conversion"]["webhook"]["clientConfig"];
    assert_eq!(*client, json!({"caBundle": "cGVt", "url": "https://192.0.2.1:8443/convert"}));
}

#[test]
fn objects_survive_the_types() {
    let policy = json!({
        "apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"endpointSelector": {}, "misspelt": [null, 1]}, "description": "no field of v2",
        "status": {"conditions": [{"type": "Valid", "status": "True", "reason": "Read", "message": "",
            "lastTransitionTime": "2026-01-02T03:04:05Z", "observedGeneration": 3}]},
    });
    let typed: v2::CiliumNetworkPolicy = serde_json::from_value(policy.clone()).unwrap();
    assert_eq!(serde_json::to_value(&typed).unwrap(), policy);
    let legacy = json!({"apiVersion": "cilium.io/v1", "kind": "CiliumNetworkPolicy", "metadata": {"name": "p"},
        "description": "d", "spec": {}, "other": 1});
    let typed: v1::CiliumNetworkPolicy = serde_json::from_value(legacy.clone()).unwrap();
    assert_eq!(serde_json::to_value(&typed).unwrap(), legacy);
    let identity = json!({"apiVersion": "identities.postern.dev/v1alpha1", "kind": "PosternIdentity",
        "metadata": {"name": "256"}, "spec": {"labels": ["k8s:id=app1"]}});
    let typed: PosternIdentity = serde_json::from_value(identity.clone()).unwrap();
    assert_eq!(serde_json::to_value(&typed).unwrap(), identity);
}
