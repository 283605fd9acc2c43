//! Selectors: which identities a rule speaks of.

pub(crate) mod index;

use crate::labels::{LabelKey, LabelSet};

/// A conjunction of requirements on labels. Without any, it selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Selector {
    /// What must all hold.
    pub requirements: Vec<Requirement>,
}

/// One requirement on one label key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// The key that is looked at.
    pub key: LabelKey,
    /// What must hold of its value.
    pub operator: Operator,
}

/// The operators of a label selector, as Kubernetes defines them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operator {
    /// The key is there with one of these values.
    In(Vec<String>),
    /// The key is absent, or has none of these values.
    NotIn(Vec<String>),
    /// The key is there.
    Exists,
    /// The key is absent.
    DoesNotExist,
}

impl Requirement {
    /// The requirement that `key` has exactly this value.
    pub fn equals(key: LabelKey, value: impl Into<String>) -> Self {
        Self { key, operator: Operator::In(vec![value.into()]) }
    }

    fn holds(&self, labels: &LabelSet) -> bool {
        let mut values = labels.values(&self.key);
        match &self.operator {
            Operator::In(wanted) => values.any(|value| wanted.iter().any(|w| w == value)),
            Operator::NotIn(unwanted) => !values.any(|value| unwanted.iter().any(|u| u == value)),
            Operator::Exists => values.next().is_some(),
            Operator::DoesNotExist => values.next().is_none(),
        }
    }
}

impl Selector {
    /// Whether these labels satisfy every requirement.
    pub fn matches(&self, labels: &LabelSet) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::K8S;

    fn check(key: &str, operator: Operator, expected: bool) {
        let mut labels = LabelSet::default();
        labels.insert(K8S, "id", "app2");
        let requirement = Requirement { key: LabelKey::parse(key), operator };
        let selector = Selector { requirements: vec![requirement] };
        assert_eq!(selector.matches(&labels), expected, "{selector:?}");
    }

    #[test]
    fn operators() {
        let some = || vec!["app1".to_owned(), "app2".to_owned()];
        let other = || vec!["app3".to_owned()];
        check("id", Operator::In(some()), true);
        check("id", Operator::In(other()), false);
        check("gone", Operator::In(some()), false);
        check("id", Operator::NotIn(some()), false);
        check("id", Operator::NotIn(other()), true);
        check("gone", Operator::NotIn(some()), true);
        check("id", Operator::Exists, true);
        check("gone", Operator::Exists, false);
        check("id", Operator::DoesNotExist, false);
        check("gone", Operator::DoesNotExist, true);
    }

    #[test]
    fn no_requirement_selects_everything() {
        assert!(Selector::default().matches(&LabelSet::default()));
    }
}
