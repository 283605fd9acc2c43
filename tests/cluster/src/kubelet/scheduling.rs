//! Which node a pod goes to.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

/// A node as the choice sees it.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    /// How many pods it has.
    pub(super) pods: usize,
}

/// The emptiest node that the pod's selector takes, the first of several.
pub(super) fn choose<'a>(pod: &Pod, nodes: &'a mut [Candidate]) -> Option<&'a mut Candidate> {
    let selector = pod.spec.as_ref().and_then(|spec| spec.node_selector.as_ref());
    let fits = |node: &Candidate| {
        selector.into_iter().flatten().all(|(key, value)| node.labels.get(key) == Some(value))
    };
    nodes.iter_mut().filter(|node| fits(node)).min_by_key(|node| node.pods)
}

/// Tells the API server.
pub(super) async fn bind(client: &Client, pod: &Pod, node: &str) -> Result<()> {
    let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding",
        "metadata": {"name": name, "namespace": namespace, "uid": pod.uid()},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    });
    let api: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let bound: Result<Value, _> =
        api.create_subresource("binding", &name, &PostParams::default(), &binding).await;
    bound.with_context(|| format!("cannot put pod {namespace}/{name} on {node}")).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes() -> Vec<Candidate> {
        let node = |name: &str, pods| Candidate {
            name: name.to_owned(),
            labels: BTreeMap::from([("kubernetes.io/hostname".to_owned(), name.to_owned())]),
            pods,
        };
        vec![node("node1", 2), node("node2", 1), node("node3", 1)]
    }

    fn chosen(spec: &Value) -> Option<String> {
        let pod = serde_json::from_value(json!({"spec": spec})).unwrap();
        choose(&pod, &mut nodes()).map(|node| node.name.clone())
    }

    #[test]
    fn the_emptiest_node_is_chosen() {
        assert_eq!(chosen(&json!({"containers": []})).unwrap(), "node2");
    }

    #[test]
    fn a_selector_is_honoured() {
        let on = |name: &str| json!({"containers": [], "nodeSelector": {"kubernetes.io/hostname": name}});
        assert_eq!(chosen(&on("node1")).unwrap(), "node1");
        assert_eq!(chosen(&on("elsewhere")), None);
    }
}
