//! Labels and selectors on them.

use std::collections::BTreeMap;

use postern_tests_oracle::label::{Expression, Operator, Selector};

use crate::reader::Reader;

/// Keys and the values that they have.
pub(crate) type Vocabulary = &'static [(&'static str, &'static [&'static str])];

/// What pods carry. The last is no part of an identity.
pub(crate) const POD_LABELS: Vocabulary = &[
    ("app", &["a", "b", "c"]),
    ("tier", &["front", "back"]),
    ("app.kubernetes.io/name", &["a", "b"]),
    ("pod-template-hash", &["a"]),
];
/// And namespaces.
pub(crate) const NAMESPACES: Vocabulary = &[("team", &["a", "b"]), ("env", &["prod"])];
/// What is asked of namespaces.
pub(crate) const OF_NAMESPACES: Vocabulary = &[
    ("team", &["a", "b"]),
    ("env", &["prod"]),
    ("kubernetes.io/metadata.name", &["default", "team-a", "team-b"]),
];
/// What nodes carry.
pub(crate) const NODES: Vocabulary = &[("role", &["worker", "edge"]), ("zone", &["z1", "z2"])];
/// What Cilium's node selectors ask for.
pub(crate) const SOURCED_NODES: Vocabulary = &[
    ("role", &["worker", "edge"]),
    ("node:zone", &["z1", "z2"]),
    ("any:zone", &["z1"]),
    ("reserved:kube-apiserver", &[""]),
];
/// What Cilium's endpoint selectors ask for.
pub(crate) const ENDPOINTS: Vocabulary = &[
    ("app", &["a", "b", "c"]),
    ("k8s:app", &["a", "b"]),
    ("any:tier", &["front", "back"]),
    ("k8s:app.kubernetes.io/name", &["a", "b"]),
    ("io.kubernetes.pod.namespace", &["default", "team-a", "team-b"]),
    ("k8s:io.kubernetes.pod.namespace", &["default", "team-a"]),
    ("io.cilium.k8s.namespace.labels.team", &["a", "b"]),
    ("io.cilium.k8s.policy.serviceaccount", &["api", "job"]),
    ("io.cilium.k8s.policy.cluster", &["east", "default"]),
    ("reserved:world", &[""]),
    ("reserved:host", &[""]),
    ("reserved:remote-node", &[""]),
    ("reserved:kube-apiserver", &[""]),
    ("pod-template-hash", &["a"]),
];
/// Services' and groups' labels.
pub(crate) const KINDS: Vocabulary = &[("kind", &["x", "y"]), ("set", &["one"])];

/// Some labels.
pub(crate) fn labels(reader: &mut Reader<'_>, of: Vocabulary) -> BTreeMap<String, String> {
    reader.several(0, 2, |reader| pair(reader, of)).into_iter().collect()
}

/// A selector; the empty one, which selects everything, is the plainest.
pub(crate) fn selector(reader: &mut Reader<'_>, of: Vocabulary) -> Selector {
    let mut selector = Selector::default();
    for _ in 0..reader.below(3) {
        let kind = reader.below(6);
        let (key, value) = pair(reader, of);
        let operator = match kind {
            0 | 1 => {
                selector.labels.insert(key, value);
                continue;
            }
            2 => Operator::In(values(reader, of, &key, value)),
            3 => Operator::NotIn(values(reader, of, &key, value)),
            4 => Operator::Exists,
            _ => Operator::DoesNotExist,
        };
        selector.expressions.push(Expression { key, operator });
    }
    selector
}

fn pair(reader: &mut Reader<'_>, of: Vocabulary) -> (String, String) {
    let (key, values) = reader.one(of).unwrap_or_default();
    (key.to_owned(), reader.word(values).to_owned())
}

fn values(reader: &mut Reader<'_>, of: Vocabulary, key: &str, first: String) -> Vec<String> {
    let known = of.iter().find(|(known, _)| *known == key).map_or(&[][..], |(_, values)| values);
    let other = reader.maybe(|reader| reader.word(known).to_owned()).filter(|other| *other != first);
    [first].into_iter().chain(other).collect()
}
