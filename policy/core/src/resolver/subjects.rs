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

    fn add(
        &mut self,
        labels: &Arc<LabelSet>,
        selects: impl Fn(PolicyId, &LabelSet) -> bool,
    ) -> SubjectId {
        let id = SubjectId(self.next);
        self.next = self.next.wrapping_add(1);
        let candidates = self.selectors.candidates(labels).copied();
        let policies: BTreeSet<PolicyId> = candidates.filter(|policy| selects(*policy, labels)).collect();
        for policy in &policies {
            self.selected.entry(*policy).or_default().insert(id);
        }
        self.labelled.insert(labels, &id);
        self.ids.insert(Arc::clone(labels), id);
        self.entries.insert(id, Subject { labels: Arc::clone(labels), members: BTreeSet::new(), policies });
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
            }
        }
    }

    /// The policies that select a set of subjects.
    pub(super) fn policies(&self, id: SubjectId) -> impl Iterator<Item = PolicyId> {
        self.entries.get(&id).into_iter().flat_map(|subject| subject.policies.iter().copied())
    }

    /// The workloads that a policy selects.
    pub(super) fn members_of(&self, policy: PolicyId) -> impl Iterator<Item = &WorkloadName> {
        let selected = self.selected.get(&policy).into_iter().flatten();
        selected.filter_map(|id| self.entries.get(id)).flat_map(|subject| &subject.members)
    }
}
