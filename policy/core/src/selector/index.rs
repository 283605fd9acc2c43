//! What could match, found without asking everything: labels by selector, and selectors by labels.
//!
//! Both indexes narrow and never decide: whoever asks them still asks the selector.

use std::collections::{BTreeSet, HashMap};

use crate::labels::LabelSet;
use crate::selector::{Operator, Selector};

/// Sets by the key and the value of a label, whatever its source.
#[derive(Debug, Clone)]
struct ByLabel<T>(HashMap<String, HashMap<String, BTreeSet<T>>>);

impl<T: Ord + Clone> ByLabel<T> {
    fn insert(&mut self, key: &str, value: &str, item: &T) {
        if !self.0.contains_key(key) {
            self.0.insert(key.to_owned(), HashMap::new());
        }
        let Some(values) = self.0.get_mut(key) else { return };
        match values.get_mut(value) {
            Some(items) => drop(items.insert(item.clone())),
            None => drop(values.insert(value.to_owned(), BTreeSet::from([item.clone()]))),
        }
    }

    fn remove(&mut self, key: &str, value: &str, item: &T) {
        let Some(values) = self.0.get_mut(key) else { return };
        let Some(items) = values.get_mut(value) else { return };
        items.remove(item);
        if items.is_empty() {
            values.remove(value);
        }
        if values.is_empty() {
            self.0.remove(key);
        }
    }

    fn get(&self, key: &str, value: &str) -> Option<&BTreeSet<T>> {
        self.0.get(key)?.get(value)
    }

    fn count(&self, key: &str, values: &[String]) -> usize {
        values.iter().filter_map(|value| self.get(key, value)).map(BTreeSet::len).sum()
    }
}

/// The requirements that name the values they take.
fn naming(selector: &Selector) -> impl Iterator<Item = (&str, &[String])> {
    selector.requirements.iter().filter_map(|requirement| match &requirement.operator {
        Operator::In(values) => Some((requirement.key.key.as_str(), values.as_slice())),
        Operator::NotIn(_) | Operator::Exists | Operator::DoesNotExist => None,
    })
}

/// Sets of labels, for selectors to look in.
#[derive(Debug, Clone)]
pub(crate) struct LabelIndex<T>(ByLabel<T>);

impl<T> Default for LabelIndex<T> {
    fn default() -> Self {
        Self(ByLabel(HashMap::new()))
    }
}

impl<T: Ord + Clone> LabelIndex<T> {
    pub(crate) fn insert(&mut self, labels: &LabelSet, item: &T) {
        for (_, key, value) in labels.entries() {
            self.0.insert(key, value, item);
        }
    }

    pub(crate) fn remove(&mut self, labels: &LabelSet, item: &T) {
        for (_, key, value) in labels.entries() {
            self.0.remove(key, value, item);
        }
    }

    /// Those that the selector could match; `None` where that is anything.
    pub(crate) fn narrow(&self, selector: &Selector) -> Option<BTreeSet<T>> {
        let (key, values) = naming(selector).min_by_key(|(key, values)| self.0.count(key, values))?;
        Some(values.iter().filter_map(|value| self.0.get(key, value)).flatten().cloned().collect())
    }
}

/// Selectors, for labels to look in. Each item is found by one requirement of its selector.
#[derive(Debug, Clone)]
pub(crate) struct SelectorIndex<T> {
    named: ByLabel<T>,
    /// Those that name no value.
    others: BTreeSet<T>,
}

/// Where an item stands in a [`SelectorIndex`]: `None` where it names no value.
pub(crate) type Place = Option<(String, Vec<String>)>;

impl<T> Default for SelectorIndex<T> {
    fn default() -> Self {
        Self { named: ByLabel(HashMap::new()), others: BTreeSet::new() }
    }
}

impl<T: Ord + Clone> SelectorIndex<T> {
    /// Puts an item where the fewest others are; the place is for [`Self::remove`].
    pub(crate) fn insert(&mut self, selector: &Selector, item: &T) -> Place {
        let rarest = naming(selector).min_by_key(|(key, values)| self.named.count(key, values));
        let place = rarest.map(|(key, values)| (key.to_owned(), values.to_vec()));
        match &place {
            None => drop(self.others.insert(item.clone())),
            Some((key, values)) => {
                for value in values {
                    self.named.insert(key, value, item);
                }
            }
        }
        place
    }

    pub(crate) fn remove(&mut self, place: &Place, item: &T) {
        match place {
            None => drop(self.others.remove(item)),
            Some((key, values)) => {
                for value in values {
                    self.named.remove(key, value, item);
                }
            }
        }
    }

    /// Those whose selectors could match; some of them more than once.
    pub(crate) fn candidates<'a>(&'a self, labels: &'a LabelSet) -> impl Iterator<Item = &'a T> {
        let named = labels.entries().filter_map(|(_, key, value)| self.named.get(key, value)).flatten();
        self.others.iter().chain(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{K8S, LabelKey};
    use crate::selector::Requirement;

    fn selector(requirements: &[(&str, &str)]) -> Selector {
        let requirement =
            |(key, value): &(&str, &str)| Requirement::equals(LabelKey::parse(key), value.to_owned());
        Selector { requirements: requirements.iter().map(requirement).collect() }
    }

    fn labels(of: &[(&str, &str)]) -> LabelSet {
        let mut labels = LabelSet::default();
        for (key, value) in of {
            labels.insert(K8S, *key, *value);
        }
        labels
    }

    #[test]
    fn a_selector_is_asked_only_by_labels_that_it_names() {
        let mut index = SelectorIndex::default();
        index.insert(&selector(&[]), &0);
        index.insert(&selector(&[("ns", "a")]), &1);
        let place = index.insert(&selector(&[("ns", "a"), ("k8s:id", "x")]), &2);
        let check = |index: &SelectorIndex<i32>, of: &[(&str, &str)], expected: &[i32]| {
            assert_eq!(index.candidates(&labels(of)).copied().collect::<Vec<_>>(), expected, "{of:?}");
        };
        check(&index, &[("ns", "a")], &[0, 1]);
        check(&index, &[("ns", "b"), ("id", "x")], &[0, 2]);
        index.remove(&place, &2);
        check(&index, &[("ns", "b"), ("id", "x")], &[0]);
    }

    #[test]
    fn labels_are_found_by_the_rarest_requirement() {
        let mut index = LabelIndex::default();
        for (id, of) in [(1, labels(&[("ns", "a"), ("id", "x")])), (2, labels(&[("ns", "a"), ("id", "y")]))] {
            index.insert(&of, &id);
        }
        assert_eq!(index.narrow(&selector(&[("ns", "a")])), Some(BTreeSet::from([1, 2])));
        assert_eq!(index.narrow(&selector(&[("ns", "a"), ("id", "y")])), Some(BTreeSet::from([2])));
        assert_eq!(index.narrow(&selector(&[("ns", "b")])), Some(BTreeSet::new()));
        assert_eq!(index.narrow(&selector(&[])), None);
        index.remove(&labels(&[("ns", "a"), ("id", "y")]), &2);
        assert_eq!(index.narrow(&selector(&[("ns", "a")])), Some(BTreeSet::from([1])));
    }
}
