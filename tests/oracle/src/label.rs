//! Labels and selectors.

use std::collections::BTreeMap;

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// `k8s`, `reserved`, `node`.
    pub source: String,
    /// The key without its source.
    pub key: String,
    /// The value.
    pub value: String,
}

impl Label {
    /// `source:key=value`.
    pub fn new(source: &str, key: &str, value: &str) -> Self {
        Self { source: source.to_owned(), key: key.to_owned(), value: value.to_owned() }
    }

    /// `reserved:name`.
    pub fn reserved(name: &str) -> Self {
        Self::new("reserved", name, "")
    }
}

/// A label selector as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// `matchLabels`.
    pub labels: BTreeMap<String, String>,
    /// `matchExpressions`.
    pub expressions: Vec<Expression>,
}

/// One of `matchExpressions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// The key as written, maybe with a source.
    pub key: String,
    /// What must hold of it.
    pub operator: Operator,
}

/// The operator of an expression and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// The key has one of these.
    In(Vec<String>),
    /// The key has none of these, or is absent.
    NotIn(Vec<String>),
    /// The key is there.
    Exists,
    /// The key is absent.
    DoesNotExist,
}

impl Selector {
    /// The selector that wants one label.
    pub fn label(key: &str, value: &str) -> Self {
        Self { labels: BTreeMap::from([(key.to_owned(), value.to_owned())]), expressions: Vec::new() }
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.expressions.is_empty()
    }

    /// The keys it speaks of.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.labels
            .keys()
            .chain(self.expressions.iter().map(|expression| &expression.key))
            .map(String::as_str)
    }

    /// Whether everything that is asked for holds.
    pub fn matches(&self, labels: &[Label]) -> bool {
        let label = |(key, value): (&String, &String)| values(key, labels).contains(&value.as_str());
        self.labels.iter().all(label) && self.expressions.iter().all(|expression| expression.holds(labels))
    }

    /// The same with every key under a prefix, such as `k8s:`.
    pub fn under(&self, prefix: &str) -> Self {
        let key = |key: &String| format!("{prefix}{key}");
        let expression = |old: &Expression| Expression { key: key(&old.key), operator: old.operator.clone() };
        Self {
            labels: self.labels.iter().map(|(old, value)| (key(old), value.clone())).collect(),
            expressions: self.expressions.iter().map(expression).collect(),
        }
    }

    /// The same without what it says of some keys.
    pub fn without(&self, dropped: impl Fn(&str) -> bool) -> Self {
        let mut kept = self.clone();
        kept.labels.retain(|key, _| !dropped(key));
        kept.expressions.retain(|expression| !dropped(&expression.key));
        kept
    }
}

impl Expression {
    fn holds(&self, labels: &[Label]) -> bool {
        let values = values(&self.key, labels);
        let among = |listed: &[String]| values.iter().any(|value| listed.iter().any(|one| one == value));
        match &self.operator {
            Operator::In(listed) => among(listed),
            Operator::NotIn(listed) => !among(listed),
            Operator::Exists => !values.is_empty(),
            Operator::DoesNotExist => values.is_empty(),
        }
    }
}

/// A key as written: its source, unless any will do, and the rest.
pub fn split(key: &str) -> (Option<&str>, &str) {
    match key.split_once(':') {
        Some(("any", rest)) => (None, rest),
        Some((source, rest)) => (Some(source), rest),
        None => (None, key),
    }
}

fn values<'l>(key: &str, labels: &'l [Label]) -> Vec<&'l str> {
    let (source, key) = split(key);
    labels
        .iter()
        .filter(|label| label.key == key && source.is_none_or(|source| label.source == source))
        .map(|label| label.value.as_str())
        .collect()
}
