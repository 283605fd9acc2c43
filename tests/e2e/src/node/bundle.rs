//! What the node is to enforce: policies and an inventory, compiled by `postern bundle`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use postern_tests_cluster::subnets::Subnets;
use serde_json::Value;

use crate::postern::postern;

/// The text of policies.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a>(pub &'a str);

/// A policy for nobody: all may reach all.
#[must_use]
pub fn no_policy() -> Policy<'static> {
    Policy(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: none}\n\
         spec: {endpointSelector: {matchLabels: {id: nobody}}, ingress: [{}]}\n",
    )
}

/// Pods of the tested node, the node itself, and `db` on another node.
pub(super) fn inventory(subnets: Subnets) -> String {
    let pod = |name: &str, node: u8, number: u8| {
        let [v4, v6] = subnets.pod(node, number).both();
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{id: {name}}}}}\n\
             spec: {{nodeName: node{node}}}\nstatus: {{podIPs: [{{ip: {v4}}}, {{ip: '{v6}'}}]}}\n---\n"
        )
    };
    let [v4, v6] = subnets.link(1).0.both();
    let node = format!(
        "apiVersion: v1\nkind: Node\nmetadata: {{name: node1}}\n\
         status: {{addresses: [{{type: InternalIP, address: {v4}}}, {{type: InternalIP, address: '{v6}'}}]}}\n"
    );
    [pod("app1", 1, 1), pod("app2", 1, 2), pod("app3", 1, 3), pod("db", 2, 1), node].concat()
}

impl Policy<'_> {
    /// What `postern bundle` makes of it, with `folder` for its input.
    pub(super) fn compile(self, folder: &Path, subnets: Subnets) -> Result<String> {
        let (policy, inventory_file) = (folder.join("policy.yaml"), folder.join("inventory.yaml"));
        fs::write(&policy, self.0).context("cannot write the policy")?;
        fs::write(&inventory_file, inventory(subnets)).context("cannot write the inventory")?;
        let args = ["bundle", "--direction", "both", "--policy"].map(Into::into);
        let files = [policy.into_os_string(), "--inventory".into(), inventory_file.into_os_string()];
        let ran = postern(args.into_iter().chain(files))?;
        ensure!(ran.code == Some(0), "postern bundle fails: {ran:#?}");
        Ok(ran.stdout)
    }
}

/// The bundle with something done to it by hand.
pub(super) fn edited(bundle: &str, edit: impl FnOnce(&mut Value)) -> Result<String> {
    let mut value: Value = serde_json::from_str(bundle).context("a bundle is JSON")?;
    edit(&mut value);
    Ok(serde_json::to_string_pretty(&value)?)
}
