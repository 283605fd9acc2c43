//! The policies, each with what its items select.

use std::collections::BTreeMap;

use super::selections::{SelectionId, Selections};
use super::subjects::Subjects;
use crate::policy::{Direction, Item, Mode, Policy, PortSelector, RuleId, Subject};
use crate::resolve::{named_terms, names_any};
use crate::selector::index::Place;

/// The handle of a policy as it was set: a new version is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PolicyId(u32);

/// A policy.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The object that it came with, and where it stands there.
    pub(super) place: (RuleId, usize),
    pub(super) policy: Policy,
    /// What each item selects; `None` is everybody.
    pub(super) ingress: Vec<Option<SelectionId>>,
    pub(super) egress: Vec<Option<SelectionId>>,
    /// Where its subject stands among those of all policies; policies for nodes have no subjects.
    subject: Option<Place>,
}

impl Loaded {
    /// Whether it can be another because the named ports of its peers are.
    pub(super) fn names_ports_of_peers(&self) -> bool {
        self.policy.egress.items.iter().any(|item| match &item.ports {
            PortSelector::Unnamed => false,
            PortSelector::AnyOf(rules) => rules.iter().any(|rule| names_any(&rule.ports)),
        })
    }

    pub(super) fn audited(&self) -> bool {
        self.policy.mode == Mode::Audit
    }
}

/// All policies.
#[derive(Debug, Default)]
pub(super) struct Policies {
    objects: BTreeMap<RuleId, Vec<PolicyId>>,
    loaded: BTreeMap<PolicyId, Loaded>,
    next: u32,
}

impl Policies {
    pub(super) fn get(&self, id: PolicyId) -> Option<&Loaded> {
        self.loaded.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PolicyId, &Loaded)> {
        self.loaded.iter().map(|(id, loaded)| (*id, loaded))
    }

    /// Every policy, by object.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Policy> {
        self.objects.values().flatten().filter_map(|id| self.get(*id)).map(|loaded| &loaded.policy)
    }

    /// The policies of an object.
    pub(super) fn of<'a>(&'a self, object: &RuleId) -> impl Iterator<Item = &'a Policy> {
        self.objects.get(object).into_iter().flatten().filter_map(|id| self.get(*id)).map(|it| &it.policy)
    }

    /// Exchanges the policies of an object; those that were are still there, for the caller to drop.
    pub(super) fn exchange(
        &mut self,
        object: &RuleId,
        policies: Vec<Policy>,
        selections: &mut Selections,
        subjects: &mut Subjects,
    ) -> (Vec<PolicyId>, Vec<PolicyId>) {
        let mut new = Vec::with_capacity(policies.len());
        for (index, policy) in policies.into_iter().enumerate() {
            let id = PolicyId(self.next);
            self.next = self.next.wrapping_add(1);
            let mut select =
                |item: &Item| named_terms(item).map(|terms| selections.acquire(terms, item.effect, id));
            let ingress = policy.section(Direction::Ingress).items.iter().map(&mut select).collect();
            let egress = policy.section(Direction::Egress).items.iter().map(&mut select).collect();
            let subject = match &policy.subject {
                Subject::Endpoints(selector) => Some(subjects.add_policy(id, selector)),
                Subject::Nodes(_) => None,
            };
            let place = (object.clone(), index);
            self.loaded.insert(id, Loaded { place, policy, ingress, egress, subject });
            new.push(id);
        }
        let old = match new.is_empty() {
            true => self.objects.remove(object),
            false => self.objects.insert(object.clone(), new.clone()),
        };
        (new, old.unwrap_or_default())
    }

    /// Drops a policy that was exchanged.
    pub(super) fn drop(
        &mut self,
        id: PolicyId,
        selections: &mut Selections,
        subjects: &mut Subjects,
    ) -> Option<Policy> {
        let loaded = self.loaded.remove(&id)?;
        if let Some(place) = &loaded.subject {
            subjects.remove_policy(id, place);
        }
        for selection in loaded.ingress.iter().chain(&loaded.egress).flatten() {
            selections.release(*selection, id);
        }
        Some(loaded.policy)
    }
}
