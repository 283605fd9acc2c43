//! The tutorial's policy through a real API server, to the clients of two nodes and back into its status.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use anyhow::{Result, ensure};
use postern_tests_harness::eventually;
use postern_xds::client::{Connection, Snapshot};
use support::{Answer, Cluster, Follower, NAMESPACE, SOON, read, text};

const INVALID: &str = r#"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: broken, namespace: default }
spec:
  endpointSelector: { matchLabels: { id: app3 } }
  ingress:
  - toPorts:
    - ports: [{ port: "80", protocol: TCP }]
      rules: { http: [{ path: "/a(" }] }
"#;

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect()
}

fn rules(snapshot: &Snapshot, endpoint: &str) -> usize {
    let found = snapshot.endpoints.iter().find(|it| it.name == endpoint);
    found.map_or(0, |endpoint| endpoint.ingress.rules.len())
}

#[test]
fn a_policy_of_2017_is_accepted_distributed_and_reported() -> Result<()> {
    let cluster = Cluster::start()?;
    let mut controller = cluster.controller("controller-1")?;
    controller.wait_ready()?;
    let ca = cluster.ca()?;

    // Each node is given its own endpoints.
    let [token1, token2] =
        ["n1", "n2"].map(|node| cluster.node_token(node, "postern-node", "postern").unwrap());
    let n1 = Follower::start(controller.xds, "n1", &ca, &token1, Answer::Take)?;
    let n2 = Follower::start(controller.xds, "n2", &ca, &token2, Answer::Take)?;
    let first = n1.wait("n1 has app1", |it| names(it) == ["default/app1"])?;
    n2.wait("n2 has app2 and app3", |it| names(it) == ["default/app2", "default/app3"])?;
    ensure!(rules(&first, "default/app1") == 0 || !first.endpoints[0].ingress.default_deny);

    // Whatever a client says of itself, its token tells the node.
    let liar = Follower::start(controller.xds, "n1", &ca, &token2, Answer::Take)?;
    liar.wait_refused("the credentials are those of node")?;
    ensure!(liar.latest().is_none());
    drop(liar);

    // The tutorial's own file; what is stored is v2, and v1 comes back as it was.
    let v1 = read("deploy/tutorial/policy.yaml");
    cluster.server.kubectl_ok(&["create", "-f", "-"], &v1)?;
    let stored = cluster.get("/apis/cilium.io/v2/namespaces/default/ciliumnetworkpolicies/rule1")?;
    ensure!(stored["apiVersion"] == "cilium.io/v2", "{stored}");
    let items = stored["spec"]["ingress"].as_array().unwrap();
    ensure!(
        items.len() == 1 && !items[0]["fromEndpoints"].is_null() && !items[0]["toPorts"].is_null(),
        "{stored}"
    );
    let again = cluster.get("/apis/cilium.io/v1/namespaces/default/ciliumnetworkpolicies/rule1")?;
    ensure!(text(&again, "/description").starts_with("L7 policy"), "{again}");
    ensure!(again["spec"]["ingress"].as_array().unwrap().len() == 2, "{again}");

    cluster.expect_condition("rule1", "Valid", "True", "")?;
    n1.wait("app1 is closed but for a rule", |it| {
        it.endpoints
            .iter()
            .any(|it| it.name == "default/app1" && it.ingress.default_deny && !it.ingress.rules.is_empty())
    })?;
    cluster.expect_condition("rule1", "Enforced", "True", "1/1")?;

    // One that does not compile is kept, reported, and nobody else's concern.
    cluster.server.apply(INVALID)?;
    cluster.expect_condition("broken", "Valid", "False", "unclosed group")?;
    let event = eventually(SOON, || {
        let list = cluster.get("/apis/events.k8s.io/v1/namespaces/default/events")?;
        let events = list["items"].as_array().unwrap().clone();
        let about = events.into_iter().find(|it| it["regarding"]["name"] == "broken");
        about.ok_or_else(|| anyhow::anyhow!("no event: {list}"))
    })?;
    ensure!(event["reason"] == "Refused" && event["type"] == "Warning", "{event}");
    ensure!(text(&event, "/note").contains("unclosed group"), "{event}");
    cluster.expect_condition("rule1", "Valid", "True", "")?;

    // Deleted: open again.
    cluster.server.kubectl_ok(&["delete", "-f", "-"], &v1)?;
    n1.wait("app1 is open", |it| it.endpoints.iter().all(|it| !it.ingress.default_deny))?;

    ensure!(controller.metric("postern_controller_leader")? == "1");
    ensure!(controller.metric("postern_controller_index_size{of=\"pods\"}")? == "3");
    ensure!(controller.metric("postern_controller_xds_clients{kind=\"node\"}")? == "2");
    ensure!(controller.metric("postern_controller_conversions_total{outcome=\"converted\"}")? != "0");
    ensure!(!controller.process.log().contains("forbidden"), "{}", controller.process.log());
    Ok(())
}

#[test]
fn who_proves_no_node_is_refused() -> Result<()> {
    let cluster = Cluster::start()?;
    let mut controller = cluster.controller("controller-1")?;
    controller.wait_ready()?;
    let ca = cluster.ca()?;

    let audience = cluster.node_token("n1", "postern-node", "other")?;
    let refused = Follower::start(controller.xds, "n1", &ca, &audience, Answer::Take)?;
    refused.wait_refused("vouch")?;
    ensure!(refused.latest().is_none());

    let account = cluster.node_token("n1", "postern-controller", "postern")?;
    let refused = Follower::start(controller.xds, "n1", &ca, &account, Answer::Take)?;
    refused.wait_refused("none of the service accounts of nodes")?;
    ensure!(refused.latest().is_none());

    let garbage = cluster.dir.path().join("garbage");
    std::fs::write(&garbage, "no.token.atall")?;
    let refused = Follower::start(controller.xds, "n1", &ca, &garbage, Answer::Take)?;
    refused.wait_refused("vouch")?;

    // The pod whose token it is must still be there.
    let token = cluster.node_token("n2", "postern-node", "postern")?;
    let pod = "postern-node-n2-postern";
    cluster.server.kubectl_ok(&["delete", "pod", pod, "-n", NAMESPACE, "--grace-period=0", "--force"], "")?;
    let gone = Follower::start(controller.xds, "n2", &ca, &token, Answer::Take)?;
    gone.wait_refused("token")?;
    ensure!(gone.latest().is_none());
    Ok(())
}

#[test]
fn what_a_node_refuses_is_not_enforced_and_is_reported() -> Result<()> {
    let cluster = Cluster::start()?;
    let mut controller = cluster.controller("controller-1")?;
    controller.wait_ready()?;
    let ca = cluster.ca()?;
    cluster.server.kubectl_ok(&["create", "-f", "-"], &read("deploy/tutorial/policy-v2.yaml"))?;
    let token = cluster.node_token("n1", "postern-node", "postern")?;
    let n1 = Follower::start(controller.xds, "n1", &ca, &token, Answer::Refuse)?;
    let event = eventually(SOON, || {
        let list = cluster.get("/apis/events.k8s.io/v1/events")?;
        let events = list["items"].as_array().unwrap().clone();
        let about = events.into_iter().find(|it| it["reason"] == "RefusedByNode");
        about.ok_or_else(|| anyhow::anyhow!("no event: {list} {:?}", n1.connection()))
    })?;
    ensure!(text(&event, "/note").contains("this node is full"), "{event}");
    cluster.expect_condition("rule1", "Valid", "True", "")?;
    cluster.expect_condition("rule1", "Enforced", "False", "0/1")?;
    ensure!(n1.connection() == Connection::Connected);
    ensure!(controller.metric("postern_controller_xds_answers_total{answer=\"nack\"}")? != "0");
    Ok(())
}
