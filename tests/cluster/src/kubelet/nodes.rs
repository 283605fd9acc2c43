//! The nodes' objects.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::pass::MANAGER;
use crate::net::{Network, NodeNet};
use crate::subnets::MAX_PODS;

/// Makes the objects, or brings them up to date.
pub(super) async fn register(client: &Client, network: &Network) -> Result<()> {
    let api: Api<Node> = Api::all(client.clone());
    for node in network.nodes() {
        let name = node.name();
        let apply = PatchParams::apply(MANAGER).force();
        api.patch(&name, &apply, &Patch::Apply(object(node)))
            .await
            .with_context(|| format!("cannot register {name}"))?;
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(status(node)))
            .await
            .with_context(|| format!("cannot write the status of {name}"))?;
    }
    Ok(())
}

/// The labels of a node, which selectors look at.
pub(super) fn labels(node: &NodeNet) -> BTreeMap<String, String> {
    [
        ("kubernetes.io/hostname", node.name()),
        ("kubernetes.io/os", "linux".to_owned()),
        ("kubernetes.io/arch", "amd64".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

fn object(node: &NodeNet) -> Value {
    let (v4, v6) = crate::subnets::Subnets::of(node.run()).pods(node.number());
    let (v4, v6) = (v4.to_string(), v6.to_string());
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": node.name(), "labels": labels(node)},
        "spec": {"podCIDR": v4, "podCIDRs": [v4, v6]},
    })
}

fn status(node: &NodeNet) -> Value {
    let [v4, v6] = node.addresses().both();
    let room = json!({"cpu": "2", "memory": "8Gi", "pods": MAX_PODS.to_string()});
    json!({"status": {
        "addresses": [
            {"type": "InternalIP", "address": v4},
            {"type": "InternalIP", "address": v6},
            {"type": "Hostname", "address": node.name()},
        ],
        "capacity": room, "allocatable": room,
        "conditions": [{"type": "Ready", "status": "True", "reason": "BoxReady", "message": "the node is a namespace"}],
        "nodeInfo": {
            "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "", "osImage": "network namespace",
            "containerRuntimeVersion": "none://", "kubeletVersion": "v0.0.0", "kubeProxyVersion": "v0.0.0",
            "operatingSystem": "linux", "architecture": "amd64",
        },
    }})
}
