//! Peers: which identities are in which of the sets that rules name.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::hash::{Table, index, number};
use crate::endpoint::{Peers, Rule};
use crate::identity::IdentityId;

/// The peers of one direction. Identities that are in the same sets are of one class, and rules cannot tell them
/// apart; those in no set are class 0.
pub(super) struct Classes {
    by_identity: Table<u32>,
    /// The sets that each class is in, in order.
    sets: Vec<Box<[u32]>>,
    /// The set of each rule.
    of_rule: Vec<Option<u32>>,
}

impl Classes {
    pub(super) fn new(rules: &[Arc<Rule>]) -> Self {
        let mut numbers: HashMap<&Arc<BTreeSet<IdentityId>>, u32> = HashMap::new();
        let mut members: Vec<&BTreeSet<IdentityId>> = Vec::new();
        let mut of_rule = Vec::with_capacity(rules.len());
        for rule in rules {
            let set = match &rule.peers {
                Peers::Any => None,
                Peers::Only(identities) => Some(*numbers.entry(identities).or_insert_with(|| {
                    members.push(identities);
                    number(members.len() - 1)
                })),
            };
            of_rule.push(set);
        }
        let mut sets_of: HashMap<IdentityId, Vec<u32>> = HashMap::new();
        for (set, identities) in members.iter().enumerate() {
            for identity in *identities {
                sets_of.entry(*identity).or_default().push(number(set));
            }
        }
        let mut classes: HashMap<Vec<u32>, u32> = HashMap::from([(Vec::new(), 0)]);
        let mut by_identity = Table::with_capacity_and_hasher(sets_of.len(), Default::default());
        let mut sets: Vec<Box<[u32]>> = vec![Box::default()];
        for (identity, of_identity) in sets_of {
            let class = *classes.entry(of_identity).or_insert_with_key(|key| {
                sets.push(key.as_slice().into());
                number(sets.len() - 1)
            });
            by_identity.insert(u64::from(identity.0), class);
        }
        Self { by_identity, sets, of_rule }
    }

    /// How many classes there are.
    pub(super) fn count(&self) -> usize {
        self.sets.len()
    }

    /// The class of an identity.
    pub(super) fn class(&self, identity: IdentityId) -> u32 {
        self.by_identity.get(&u64::from(identity.0)).copied().unwrap_or(0)
    }

    /// The set of a rule's peers; `None` is everyone.
    pub(super) fn set(&self, rule: u32) -> Option<u32> {
        self.of_rule.get(index(rule)).copied().flatten()
    }

    /// Whether a rule speaks of the identities of a class.
    pub(super) fn covers(&self, rule: u32, class: u32) -> bool {
        let Some(set) = self.set(rule) else { return true };
        self.sets.get(index(class)).is_some_and(|sets| sets.binary_search(&set).is_ok())
    }

    pub(super) fn memory(&self) -> usize {
        let sets: usize = self.sets.iter().map(|sets| size_of_val(&**sets) + 16).sum();
        self.by_identity.capacity() * 17 + sets + size_of_val(&*self.of_rule)
    }
}
