//! A box with the project's daemons: that each can be asked, killed and started again, and that pins go too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use anyhow::{Context as _, ensure};
use postern_tests_cluster::traces::Traces;
use postern_tests_cluster::{Cluster, Options};
use postern_tests_harness::eventually;

const PROGRAM: &str = env!("CARGO_BIN_EXE_postern-cluster");
const DEMO: &str = include_str!("../../../deploy/tutorial/demo.yaml");
const POLICY: &str = include_str!("../../../deploy/tutorial/policy-v2.yaml");
const SOON: Duration = Duration::from_secs(60);

/// The HTTP status that a pod gets from the service, or how `curl` failed.
fn status(cluster: &Cluster, pod: &str, path: &str) -> Result<u16, i32> {
    let address =
        cluster.kubectl(&["get", "service/app1-service", "-o", "jsonpath={.spec.clusterIP}"]).unwrap();
    let url = format!("http://{address}{path}");
    let curl = ["curl", "-s", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}", &url];
    let output = cluster.exec(pod, &curl).unwrap();
    if !output.status.success() {
        return Err(output.status.code().unwrap());
    }
    Ok(String::from_utf8(output.stdout).unwrap().parse().unwrap())
}

fn wait_for_status(cluster: &Cluster, pod: &str, path: &str, wanted: Result<u16, i32>) {
    let attempt = |cluster: &Cluster| {
        let got = status(cluster, pod, path);
        ensure!(got == wanted, "{pod} {path}: {got:?}, not {wanted:?}");
        Ok(())
    };
    cluster.wait_for(SOON, attempt).unwrap();
}

/// What `curl` says when nothing comes back.
const TIMED_OUT: i32 = 28;

#[test]
fn daemons_enforce_can_be_killed_and_leave_nothing() {
    let mut cluster = Cluster::start(&Options::new(PROGRAM)).unwrap();
    let run = cluster.run();
    cluster.create(DEMO).unwrap();
    for app in ["id=app1", "id=app2", "id=app3"] {
        cluster.wait_for_pods(app, 1, SOON).unwrap();
    }
    wait_for_status(&cluster, "app3", "/private", Ok(200));
    cluster.create(POLICY).unwrap();
    wait_for_status(&cluster, "app3", "/public", Err(TIMED_OUT));
    wait_for_status(&cluster, "app2", "/public", Ok(200));
    wait_for_status(&cluster, "app2", "/private", Ok(403));
    let valid = |cluster: &Cluster| {
        let conditions = cluster.policy_conditions("rule1")?;
        let valid = conditions.iter().find(|condition| condition.kind == "Valid").context("no condition")?;
        ensure!(valid.status == "True", "{conditions:?}");
        Ok(())
    };
    cluster.wait_for(SOON, valid).unwrap();

    for number in [1, 2] {
        let node = cluster.node(number).unwrap();
        let before = node.agent().unwrap().id().unwrap();
        node.agent().unwrap().kill().unwrap();
        assert!(node.agent_get("/readyz").is_err());
        node.agent().unwrap().restart().unwrap();
        node.proxy().unwrap().restart().unwrap();
        node.wait_until_ready(SOON).unwrap();
        assert_ne!(node.agent().unwrap().id().unwrap(), before);
    }
    cluster.controller().unwrap().kill().unwrap();
    assert_eq!(status(&cluster, "app3", "/public"), Err(TIMED_OUT));
    cluster.controller().unwrap().restart().unwrap();
    cluster.wait_for_controller(SOON).unwrap();
    wait_for_status(&cluster, "app2", "/private", Ok(403));
    let denied = eventually(SOON, || {
        let flows = [1, 2].map(|number| cluster.node(number).unwrap().flows().unwrap()).concat();
        let denied =
            |flow: &&serde_json::Value| flow["verdict"] == "dropped" && flow["reason"] == "policy-denied";
        flows.iter().find(denied).cloned().context("no flow was dropped by policy")
    });
    let endpoint = denied.unwrap()["endpoint"].as_str().unwrap().to_owned();
    assert!(endpoint.starts_with("default/app1-"), "{endpoint}");

    assert_eq!(Traces::of(run).unwrap().pins.len(), 2);
    drop(cluster);
    assert_eq!(Traces::of(run).unwrap(), Traces::default());
}
