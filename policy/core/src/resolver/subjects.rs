//! Workloads with the same labels, which the same policies select.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::policies::PolicyId;
use crate::labels::LabelSet;
use crate::selector::Selector;
use crate::selector::index::{LabelIndex, Place, SelectorIndex};
use crate::world::WorkloadName;

/// The handle of a set of subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SubjectId(u32);

#[derive(Debug)]
struct Subject {
    labels: Arc<LabelSet>,
    members: BTreeSet<WorkloadName>,
    policies: BTreeSet<PolicyId>,
    /// The same in the order in which their rules stand, since somebody asked.
    ordered: Option<Arc<[PolicyId]>>,
}

/// All subjects, and the policies that could select them.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    ids: HashMap<Arc<LabelSet>, SubjectId>,
    entries: BTreeMap<SubjectId, Subject>,
    next: u32,
    labelled: LabelIndex<SubjectId>,
    selectors: SelectorIndex<PolicyId>,
    selected: HashMap<PolicyId, BTreeSet<SubjectId>>,
}

impl Subjects {
    /// Takes a workload in; `selects` says whether a policy selects these labels.
    pub(super) fn join(
        &mut self,
        labels: &Arc<LabelSet>,
        name: &WorkloadName,
        selects: impl Fn(PolicyId, &LabelSet) -> bool,
    ) -> SubjectId {
        let id = match self.ids.get(labels) {
            Some(id) => *id,
            None => self.add(labels, selects),
        };
        if let Some(subject) = self.entries.get_mut(&id) {
            subject.members.insert(name.clone());
        }
        id
    }

    fn add(&mut self, labels: &Arc<LabelSet>, selects: impl Fn(PolicyId, &LabelSet) -> bool) -> SubjectId {
        let id = SubjectId(self.next);
        self.next = self.next.wrapping_add(1);
        let candidates = self.selectors.candidates(labels).copied();
        let policies: BTreeSet<PolicyId> = candidates.filter(|policy| selects(*policy, labels)).collect();
        for policy in &policies {
            self.selected.entry(*policy).or_default().insert(id);
        }
        self.labelled.insert(labels, &id);
        self.ids.insert(Arc::clone(labels), id);
        let (labels, members) = (Arc::clone(labels), BTreeSet::new());
        self.entries.insert(id, Subject { labels, members, policies, ordered: None });
        id
    }

    /// Lets a workload go.
    pub(super) fn leave(&mut self, id: SubjectId, name: &WorkloadName) {
        let Some(subject) = self.entries.get_mut(&id) else { return };
        subject.members.remove(name);
        if !subject.members.is_empty() {
            return;
        }
        let Some(subject) = self.entries.remove(&id) else { return };
        self.ids.remove(&subject.labels);
        self.labelled.remove(&subject.labels, &id);
        for policy in subject.policies {
            if let Some(selected) = self.selected.get_mut(&policy) {
                selected.remove(&id);
            }
        }
    }

    /// Takes a policy in that selects by this selector.
    pub(super) fn add_policy(&mut self, policy: PolicyId, selector: &Selector) -> Place {
        let all = || self.entries.keys().copied().collect();
        let mut selected = self.labelled.narrow(selector).unwrap_or_else(all);
        selected.retain(|id| self.entries.get(id).is_some_and(|subject| selector.matches(&subject.labels)));
        for id in &selected {
            if let Some(subject) = self.entries.get_mut(id) {
                subject.policies.insert(policy);
                subject.ordered = None;
            }
        }
        self.selected.insert(policy, selected);
        self.selectors.insert(selector, &policy)
    }

    /// Lets a policy go.
    pub(super) fn remove_policy(&mut self, policy: PolicyId, place: &Place) {
        self.selectors.remove(place, &policy);
        for id in self.selected.remove(&policy).unwrap_or_default() {
            if let Some(subject) = self.entries.get_mut(&id) {
                subject.policies.remove(&policy);
                subject.ordered = None;
            }
        }
    }

    /// The policies that select a set of subjects.
    pub(super) fn policies(&self, id: SubjectId) -> impl Iterator<Item = PolicyId> {
        self.entries.get(&id).into_iter().flat_map(|subject| subject.policies.iter().copied())
    }

    /// The same, sorted by their places, which never change.
    pub(super) fn in_order<P: Ord>(
        &mut self,
        id: SubjectId,
        place: impl Fn(PolicyId) -> P,
    ) -> Arc<[PolicyId]> {
        let Some(subject) = self.entries.get_mut(&id) else { return Arc::default() };
        let sorted = || {
            let mut policies: Vec<PolicyId> = subject.policies.iter().copied().collect();
            policies.sort_by_key(|id| place(*id));
            policies.into()
        };
        Arc::clone(subject.ordered.get_or_insert_with(sorted))
    }

    /// The workloads that any of these policies selects.
    pub(super) fn members_of(
        &self,
        policies: impl IntoIterator<Item = PolicyId>,
    ) -> impl Iterator<Item = &WorkloadName> {
        let selected = policies.into_iter().filter_map(|policy| self.selected.get(&policy)).flatten();
        let selected: BTreeSet<SubjectId> = selected.copied().collect();
        selected.into_iter().filter_map(|id| self.entries.get(&id)).flat_map(|subject| &subject.members)
    }
}
