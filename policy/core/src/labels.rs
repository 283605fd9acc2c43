//! Labels: what identities are made of.

use std::collections::BTreeMap;
use std::fmt;

/// The source of labels that come from Kubernetes objects.
pub const K8S: &str = "k8s";
/// The source of the labels that name things which are not workloads: `reserved:world`, `reserved:host`.
pub const RESERVED: &str = "reserved";
/// The source of the labels of node objects.
pub const NODE: &str = "node";
/// The label that carries a workload's namespace.
pub const NAMESPACE: &str = "io.kubernetes.pod.namespace";
/// The prefix under which a namespace's own labels appear on its workloads.
pub const NAMESPACE_LABELS: &str = "io.cilium.k8s.namespace.labels";
/// How the labels start that are derived from what surrounds a workload.
const DERIVED: &str = "io.cilium.k8s.";
/// The label that carries the name of a workload's cluster.
pub const CLUSTER: &str = "io.cilium.k8s.policy.cluster";
/// The name of a cluster that has been given none.
pub const DEFAULT_CLUSTER: &str = "default";
/// The label that carries a workload's service account.
pub const SERVICE_ACCOUNT: &str = "io.cilium.k8s.policy.serviceaccount";

/// A label's key as a selector writes it: `k8s:app`, `reserved:world`, or `app` for any source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelKey {
    /// The source, or `None` where any source will do.
    pub source: Option<String>,
    /// The key without its source.
    pub key: String,
}

impl LabelKey {
    /// Reads `source:key`, or a bare key that matches every source. `any:` is the explicit form of that.
    pub fn parse(text: &str) -> Self {
        match text.split_once(':') {
            Some(("any", key)) => Self { source: None, key: key.to_owned() },
            Some((source, key)) => Self { source: Some(source.to_owned()), key: key.to_owned() },
            None => Self { source: None, key: text.to_owned() },
        }
    }

    /// A key of the Kubernetes source.
    pub fn k8s(key: impl Into<String>) -> Self {
        Self { source: Some(K8S.to_owned()), key: key.into() }
    }
}

impl fmt::Display for LabelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{source}:{}", self.key),
            None => f.write_str(&self.key),
        }
    }
}

/// The labels of one identity, each with its source.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelSet(BTreeMap<String, BTreeMap<String, String>>);

impl LabelSet {
    /// The label set of a reserved identity, `reserved:<name>`.
    pub fn reserved(name: &str) -> Self {
        let mut labels = Self::default();
        labels.insert(RESERVED, name, "");
        labels
    }

    /// Adds a label, replacing the value of the same source and key.
    pub fn insert(&mut self, source: &str, key: impl Into<String>, value: impl Into<String>) {
        self.0.entry(source.to_owned()).or_default().insert(key.into(), value.into());
    }

    /// The values that `key` has here: one at most for each source.
    pub fn values<'a>(&'a self, key: &'a LabelKey) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(source, _)| key.source.as_ref().is_none_or(|wanted| wanted == *source))
            .filter_map(move |(_, labels)| labels.get(&key.key))
            .map(String::as_str)
    }

    /// Every label as its source, its key and its value, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.iter().flat_map(|(source, labels)| {
            labels.iter().map(move |(key, value)| (source.as_str(), key.as_str(), value.as_str()))
        })
    }

    /// Every label as `source:key=value`, in order.
    pub fn iter(&self) -> impl Iterator<Item = String> {
        self.entries().map(|(source, key, value)| match value {
            "" => format!("{source}:{key}"),
            value => format!("{source}:{key}={value}"),
        })
    }
}

/// Whether a pod's own label takes part in its identity.
///
/// Labels that an orchestrator writes anew for each rollout would give every pod an identity of its own;
/// they are left out, so a selector on one of them matches nothing.
pub fn is_identity_label(key: &str) -> bool {
    const NOISE: [&str; 6] = [
        "pod-template-hash",
        "pod-template-generation",
        "controller-revision-hash",
        "controller-uid",
        "statefulset.kubernetes.io/pod-name",
        "etcd_node",
    ];
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    if prefix == "app.kubernetes.io" {
        return true;
    }
    // These are derived from what the pod is; a pod that carries them itself would pass for another.
    if key.starts_with(DERIVED) || key == NAMESPACE {
        return false;
    }
    let of_kubernetes = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
    !NOISE.contains(&key) && !of_kubernetes("kubernetes.io") && !of_kubernetes("k8s.io")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_source_sees_every_source() {
        let mut labels = LabelSet::default();
        labels.insert(K8S, "id", "app1");
        labels.insert("cni", "id", "x");
        assert_eq!(labels.values(&LabelKey::parse("id")).collect::<Vec<_>>(), ["x", "app1"]);
        assert_eq!(labels.values(&LabelKey::parse("any:id")).count(), 2);
        assert_eq!(labels.values(&LabelKey::parse("k8s:id")).collect::<Vec<_>>(), ["app1"]);
        assert_eq!(labels.values(&LabelKey::parse("reserved:id")).count(), 0);
    }

    #[test]
    fn orchestration_noise_is_not_identity() {
        for key in [
            "pod-template-hash",
            "io.cilium.k8s.policy.serviceaccount",
            "io.kubernetes.pod.namespace",
            "topology.kubernetes.io/zone",
            "x.k8s.io/y",
            "batch.kubernetes.io/job",
        ] {
            assert!(!is_identity_label(key), "{key}");
        }
        for key in ["id", "app.kubernetes.io/name", "example.com/team", "notkubernetes.io/x"] {
            assert!(is_identity_label(key), "{key}");
        }
    }
}
