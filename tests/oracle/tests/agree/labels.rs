//! Labels and selectors on them.

use std::collections::BTreeMap;

use postern_tests_oracle::label::{Expression, Operator, Selector};
use proptest::prelude::*;

use crate::features::{Feature, of, on};

/// Keys, the values that they have, and what must be on for them.
pub(crate) type Vocabulary = &'static [(&'static str, &'static [&'static str], Option<Feature>)];

/// What pods carry. The last two are no part of an identity.
const POD_LABELS: Vocabulary = &[
    ("app", &["a", "b"], None),
    ("app", &["a", "b", "c"], None),
    ("tier", &["front", "back"], None),
    ("app.kubernetes.io/name", &["a", "b"], None),
    ("pod-template-hash", &["a"], None),
    ("topology.kubernetes.io/zone", &["a"], None),
];
/// What selectors of Kubernetes' own policies ask pods for.
pub(crate) const PODS: Vocabulary = &[
    ("app", &["a", "b", "c"], None),
    ("tier", &["front", "back"], None),
    ("app.kubernetes.io/name", &["a"], None),
    ("pod-template-hash", &["a"], None),
];
/// And namespaces.
pub(crate) const NAMESPACES: Vocabulary = &[
    ("team", &["a", "b"], None),
    ("env", &["prod"], None),
    ("kubernetes.io/metadata.name", &["default", "team-a", "team-b"], None),
];
/// And nodes.
pub(crate) const NODES: Vocabulary = &[("role", &["worker", "edge"], None), ("zone", &["z1", "z2"], None)];
/// What Cilium's node selectors ask for.
pub(crate) const SOURCED_NODES: Vocabulary = &[
    ("role", &["worker", "edge"], None),
    ("node:zone", &["z1", "z2"], None),
    ("any:zone", &["z1"], None),
    ("reserved:kube-apiserver", &[""], Some(Feature::ApiServers)),
];
/// What Cilium's endpoint selectors ask for.
pub(crate) const ENDPOINTS: Vocabulary = &[
    ("app", &["a", "b", "c"], None),
    ("k8s:app", &["a", "b"], None),
    ("any:tier", &["front", "back"], None),
    ("tier", &["front", "back"], None),
    ("k8s:app.kubernetes.io/name", &["a", "b"], None),
    ("io.kubernetes.pod.namespace", &["default", "team-a", "team-b"], None),
    ("k8s:io.kubernetes.pod.namespace", &["default", "team-a"], None),
    ("io.cilium.k8s.namespace.labels.team", &["a", "b"], None),
    ("k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name", &["default", "team-a"], None),
    ("io.cilium.k8s.policy.serviceaccount", &["api", "job"], None),
    ("io.cilium.k8s.policy.cluster", &["east", "default"], Some(Feature::Clusters)),
    ("k8s:io.cilium.k8s.policy.cluster", &["east", "default"], Some(Feature::Clusters)),
    ("reserved:world", &[""], None),
    ("reserved:host", &[""], None),
    ("reserved:remote-node", &[""], None),
    ("reserved:kube-apiserver", &[""], Some(Feature::ApiServers)),
    ("pod-template-hash", &["a"], None),
    ("world", &[""], None),
    ("role", &["worker"], None),
];
/// Services' and groups' labels.
pub(crate) const KINDS: Vocabulary = &[("kind", &["x", "y"], None), ("set", &["one"], None)];

/// Some labels.
pub(crate) fn labels(of_these: Vocabulary) -> BoxedStrategy<BTreeMap<String, String>> {
    let pair = of(of_these).prop_flat_map(|(key, values, _)| {
        of(values).prop_map(move |value| (key.to_owned(), value.to_owned()))
    });
    proptest::collection::vec(pair, 0..=2).prop_map(|pairs| pairs.into_iter().collect()).boxed()
}

/// A pod's labels.
pub(crate) fn pod_labels() -> BoxedStrategy<BTreeMap<String, String>> {
    labels(POD_LABELS)
}

/// A selector; empty ones, which select a lot, are frequent.
pub(crate) fn selector(of_these: Vocabulary) -> BoxedStrategy<Selector> {
    let known: Vec<_> = of_these.iter().copied().filter(|(_, _, feature)| feature.is_none_or(on)).collect();
    let requirement = of(&known).prop_flat_map(|(key, values, _)| {
        (of(values), proptest::sample::subsequence(values.to_vec(), 1..=values.len()), 0..8_u8)
            .prop_map(move |(value, several, kind)| (key, value, several, kind))
    });
    let count = prop_oneof![2 => 0..=0_usize, 5 => 1..=1_usize, 2 => 2..=2_usize];
    count
        .prop_flat_map(move |count| proptest::collection::vec(requirement.clone(), count))
        .prop_map(|requirements| {
            let mut selector = Selector::default();
            for (key, value, several, kind) in requirements {
                let several = || several.iter().map(|value| (*value).to_owned()).collect();
                let operator = match kind {
                    0..=3 => {
                        selector.labels.insert(key.to_owned(), value.to_owned());
                        continue;
                    }
                    4 => Operator::In(several()),
                    5 => Operator::NotIn(several()),
                    6 => Operator::Exists,
                    _ => Operator::DoesNotExist,
                };
                selector.expressions.push(Expression { key: key.to_owned(), operator });
            }
            selector
        })
        .boxed()
}
