//! Prefixes, CIDR groups and administrators' policies through a real API server, to a node and back into their status.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use anyhow::{Context as _, Result, ensure};
use kube::CustomResourceExt as _;
use postern_controller_api::upstream::ClusterNetworkPolicy;
use postern_tests_harness::eventually;
use postern_xds::client::Snapshot;
use support::{Answer, Cluster, Follower, SOON, text};

const POLICY: &str = "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: outside, namespace: default }
spec:
  endpointSelector: { matchLabels: { id: app1 } }
  ingress:
  - fromCIDRSet: [{ cidrGroupRef: partners }, { cidr: 198.51.100.0/24, except: [198.51.100.64/26] }]
  egress:
  - toFQDNs: [{ matchName: example.org }]
";

const GROUP: &str = "
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: { name: partners }
spec: { externalCIDRs: [203.0.113.0/24] }
";

const ORDERED: &str = "
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: admin }
spec:
  tier: Admin
  priority: 1
  subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { id: app1 } } } }
  ingress: [{ name: nobody, action: Deny, from: [{ namespaces: {} }] }]
";

/// The prefixes that app1 lets in.
fn let_in(snapshot: &Snapshot) -> Vec<String> {
    let Some(app1) = snapshot.endpoints.iter().find(|it| it.name == "default/app1") else {
        return Vec::new();
    };
    let rules = serde_json::to_value(&app1.ingress.rules).unwrap();
    let of_policy = |rule: &&serde_json::Value| text(rule, "/id").starts_with("cnp/default/outside/");
    let peers: Vec<u64> = rules
        .as_array()
        .unwrap()
        .iter()
        .filter(of_policy)
        .flat_map(|rule| rule["peers"]["only"].as_array().cloned().unwrap_or_default())
        .filter_map(|peer| peer.as_u64())
        .collect();
    let named = snapshot.identities.iter().filter(|identity| peers.contains(&u64::from(identity.id)));
    let mut prefixes: Vec<String> =
        named.flat_map(|identity| identity.addresses.iter().map(ToString::to_string)).collect();
    prefixes.sort();
    prefixes
}

#[test]
fn prefixes_groups_and_administrators() -> Result<()> {
    let cluster = Cluster::start()?;
    let mut controller = cluster.controller("controller-1")?;
    // Without the definition of ClusterNetworkPolicy, too.
    controller.wait_ready()?;
    ensure!(controller.process.log().contains("not served here"), "{}", controller.process.log());
    let ca = cluster.ca()?;
    let token = cluster.node_token("n1", "postern-node", "postern")?;
    let n1 = Follower::start(controller.xds, "n1", &ca, &token, Answer::Take)?;

    cluster.server.apply(POLICY)?;
    n1.wait("one prefix", |it| let_in(it) == ["198.51.100.0/24"])?;
    cluster.server.apply(GROUP)?;
    n1.wait("and the group's", |it| let_in(it) == ["198.51.100.0/24", "203.0.113.0/24"])?;
    cluster.expect_condition("outside", "Valid", "True", "")?;
    cluster.expect_condition("outside", "Enforced", "True", "1/1")?;
    cluster.expect_condition("outside", "Quarantined", "True", "cnp/default/outside/egress/0")?;
    cluster.server.kubectl_ok(&["delete", "ciliumcidrgroup", "partners"], "")?;
    n1.wait("and not", |it| let_in(it) == ["198.51.100.0/24"])?;

    // Once it is defined, it is found.
    let crd = serde_json::to_value(ClusterNetworkPolicy::crd())?;
    let mut crd = crd;
    crd["metadata"]["annotations"] =
        serde_json::json!({ "api-approved.kubernetes.io": "unapproved, for a test" });
    cluster.server.apply(&crd.to_string())?;
    let name = "crd/clusternetworkpolicies.policy.networking.k8s.io";
    cluster.server.kubectl_ok(&["wait", "--for=condition=established", name], "")?;
    eventually(SOON, || cluster.server.apply(ORDERED).map(drop))?;
    n1.wait("the administrators' rule comes first", |it| {
        let app1 = it.endpoints.iter().find(|it| it.name == "default/app1");
        app1.and_then(|it| it.ingress.rules.first()).is_some_and(|rule| rule.id.starts_with("kcnp/admin"))
    })?;
    let path = "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies/admin";
    eventually(SOON, || {
        let policy = cluster.get(path)?;
        let conditions = policy.pointer("/status/conditions").and_then(|it| it.as_array()).cloned();
        let all = conditions.context("no conditions yet")?;
        let enforced = all.iter().find(|it| it["type"] == "Enforced").context("not said yet")?;
        ensure!(enforced["status"] == "True", "{enforced}");
        Ok(())
    })?;
    ensure!(!controller.process.log().contains("forbidden"), "{}", controller.process.log());
    Ok(())
}
