//! The policies, each with what its items select.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::selections::{SelectionId, Selections};
use super::slab::Slab;
use super::subjects::Subjects;
use crate::endpoint::{Peers, Rule};
use crate::policy::{Combination, Direction, Item, Mode, Policy, PortSelector, RuleId, Subject};
use crate::resolve::{Side, named_terms, names_any};
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
    pub(super) ingress: Said,
    pub(super) egress: Said,
    /// Where its subject stands among those of all policies; policies for nodes have no subjects.
    subject: Option<Place>,
}

/// What a policy says of one direction.
#[derive(Debug)]
pub(super) struct Said {
    /// What each item selects; `None` is everybody.
    pub(super) selected: Vec<Option<SelectionId>>,
    /// Its rules, where they are the same for every workload that it selects; since somebody asked, and until what
    /// its items select is another.
    pub(super) rules: OnceLock<Option<Vec<Arc<Rule>>>>,
}

impl Loaded {
    /// What it says of one direction.
    fn said(&self, direction: Direction) -> &Said {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// Its rules for a workload that it selects.
    pub(super) fn rules(&self, side: &Side<'_>, selections: &mut Selections) -> Cow<'_, [Arc<Rule>]> {
        let said = self.said(side.direction);
        let node = side.workload.node.as_deref();
        let rules = |selections: &mut Selections| {
            let peers = |id: &Option<SelectionId>| match id {
                None => Peers::Any,
                Some(id) => Peers::Only(selections.seen_from(*id, node)),
            };
            side.rules(&self.policy, &said.selected.iter().map(peers).collect::<Vec<_>>())
        };
        let same = said
            .rules
            .get_or_init(|| self.says_the_same_to_all(side.direction, selections).then(|| rules(selections)));
        same.as_deref().map_or_else(|| Cow::Owned(rules(selections)), Cow::Borrowed)
    }

    /// Whether its rules are the same for every workload that it selects, wherever that is.
    fn says_the_same_to_all(&self, direction: Direction, selections: &Selections) -> bool {
        let mut selected = self.said(direction).selected.iter().flatten();
        self.policy.combination != Combination::Gates
            && !self.names_ports(direction)
            && selected.all(|id| selections.same_from_everywhere(*id))
    }

    /// Whether it can be another because the named ports of its peers are.
    pub(super) fn names_ports_of_peers(&self) -> bool {
        self.names_ports(Direction::Egress)
    }

    fn names_ports(&self, direction: Direction) -> bool {
        self.policy.section(direction).items.iter().any(|item| match &item.ports {
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
    loaded: Slab<Loaded>,
}

impl Policies {
    pub(super) fn get(&self, id: PolicyId) -> Option<&Loaded> {
        self.loaded.get(id.0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PolicyId, &Loaded)> {
        self.loaded.iter().map(|(id, loaded)| (PolicyId(id), loaded))
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
            let id = PolicyId(self.loaded.reserve());
            let mut select =
                |item: &Item| named_terms(item).map(|terms| selections.acquire(terms, item.effect, id));
            let mut said = |direction| Said {
                selected: policy.section(direction).items.iter().map(&mut select).collect(),
                rules: OnceLock::new(),
            };
            let (ingress, egress) = (said(Direction::Ingress), said(Direction::Egress));
            let subject = match &policy.subject {
                Subject::Endpoints(selector) => Some(subjects.add_policy(id, selector)),
                Subject::Nodes(_) => None,
            };
            let place = (object.clone(), index);
            self.loaded.set(id.0, Loaded { place, policy, ingress, egress, subject });
            new.push(id);
        }
        let old = match new.is_empty() {
            true => self.objects.remove(object),
            false => self.objects.insert(object.clone(), new.clone()),
        };
        (new, old.unwrap_or_default())
    }

    /// What the items of a policy select is another.
    pub(super) fn selects_otherwise(&mut self, id: PolicyId) {
        if let Some(loaded) = self.loaded.get_mut(id.0) {
            loaded.ingress.rules.take();
            loaded.egress.rules.take();
        }
    }

    /// Drops a policy that was exchanged.
    pub(super) fn drop(
        &mut self,
        id: PolicyId,
        selections: &mut Selections,
        subjects: &mut Subjects,
    ) -> Option<Policy> {
        let loaded = self.loaded.remove(id.0)?;
        if let Some(place) = &loaded.subject {
            subjects.remove_policy(id, place);
        }
        for selection in loaded.ingress.selected.iter().chain(&loaded.egress.selected).flatten() {
            selections.release(*selection, id);
        }
        Some(loaded.policy)
    }
}
