//! Workloads with the same labels on the same node: what policies say of one they say of all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use postern_policy_core::endpoint::{Action, DirectionPolicy, EndpointPolicy, Peers};
use postern_policy_core::identity::Who;
use postern_policy_core::labels::LabelSet;
use postern_policy_core::policy::Policy;
use postern_policy_core::resolve::resolve;
use postern_policy_core::set::Attachment;
use postern_policy_core::world::{Identities, Workload, WorkloadName, World};
use postern_policy_wire as wire;

use crate::event::PolicyKey;
use crate::numbers::INIT;
use crate::policies::Policies;

/// What makes workloads the same to policies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupKey {
    pub(crate) labels: LabelSet,
    /// Its node is a workload's host.
    pub(crate) node: Option<String>,
}

/// The workloads of one key, and what policies say of each.
#[derive(Debug)]
pub(crate) struct Group {
    /// As an identity.
    pub(crate) who: Who,
    pub(crate) members: BTreeSet<WorkloadName>,
    /// The policies that select them.
    pub(crate) selected: BTreeSet<PolicyKey>,
    /// As it was last resolved.
    pub(crate) policy: Option<(wire::DirectionPolicy, wire::DirectionPolicy)>,
}

/// All groups.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: BTreeMap<GroupKey, Group>,
    dirty: BTreeSet<GroupKey>,
}

impl Groups {
    pub(crate) fn join(&mut self, key: &GroupKey, name: &WorkloadName, policies: &Policies) {
        if !self.groups.contains_key(key) {
            let group = Group {
                who: Who::Workloads(key.labels.clone()),
                members: BTreeSet::new(),
                selected: policies.selecting(&key.labels).cloned().collect(),
                policy: None,
            };
            self.groups.insert(key.clone(), group);
            self.dirty.insert(key.clone());
        }
        if let Some(group) = self.groups.get_mut(key) {
            group.members.insert(name.clone());
        }
    }

    pub(crate) fn leave(&mut self, key: &GroupKey, name: &WorkloadName) {
        let Some(group) = self.groups.get_mut(key) else { return };
        group.members.remove(name);
        if group.members.is_empty() {
            self.groups.remove(key);
            self.dirty.remove(key);
        }
    }

    pub(crate) fn get(&self, key: &GroupKey) -> Option<&Group> {
        self.groups.get(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&GroupKey, &Group)> {
        self.groups.iter()
    }

    /// A policy is new, another, or gone; `selected` says of which labels it spoke before.
    pub(crate) fn policy_changed(
        &mut self,
        policy: &PolicyKey,
        policies: &Policies,
        selected: impl Fn(&LabelSet) -> bool,
    ) {
        for (key, group) in &mut self.groups {
            let selects = policies.selects(policy, &key.labels);
            if selects {
                group.selected.insert(policy.clone());
            } else {
                group.selected.remove(policy);
            }
            if selects || selected(&key.labels) {
                self.dirty.insert(key.clone());
            }
        }
    }

    /// Peers have another number than before, or none.
    pub(crate) fn peers_changed(&mut self, peers: &BTreeSet<Who>, policies: &Policies) {
        let mut mentioning: BTreeSet<&PolicyKey> = BTreeSet::new();
        let mut nodes: BTreeSet<&str> = BTreeSet::new();
        for who in peers {
            match who {
                Who::World | Who::Cidr(_) => {}
                Who::Workloads(labels) => mentioning.extend(policies.mentioning(labels)),
                Who::Node(name) => {
                    nodes.insert(name);
                    for role in ["host", "remote-node"] {
                        mentioning.extend(policies.mentioning(&LabelSet::reserved(role)));
                    }
                }
            }
        }
        for (key, group) in &self.groups {
            let is_host = key.node.as_deref().is_some_and(|node| nodes.contains(node));
            if is_host || group.selected.iter().any(|policy| mentioning.contains(policy)) {
                self.dirty.insert(key.clone());
            }
        }
    }

    /// Resolves what has to be, and returns the members of the groups of which another thing is said now.
    pub(crate) fn refresh<'p>(
        &mut self,
        world: &World,
        identities: &Identities,
        policies: &Policies,
        workload: impl Fn(&WorkloadName) -> Option<&'p Workload>,
    ) -> BTreeSet<WorkloadName> {
        let mut changed = BTreeSet::new();
        for key in std::mem::take(&mut self.dirty) {
            let Some(group) = self.groups.get_mut(&key) else { continue };
            let Some(member) = group.members.first().and_then(&workload) else { continue };
            let selected = group.selected.iter().filter_map(|policy| policies.get(policy));
            let rules: Vec<Policy> =
                selected.flat_map(|entry| entry.selecting(&key.labels)).cloned().collect();
            let policy = encode(resolved(&rules, world, identities, member));
            if group.policy != policy {
                group.policy = policy;
                changed.extend(group.members.iter().cloned());
            }
        }
        changed
    }
}

fn resolved(rules: &[Policy], world: &World, identities: &Identities, workload: &Workload) -> EndpointPolicy {
    if rules.is_empty() {
        // Nothing selects it: there is no need to look at its peers.
        let (ingress, egress) = (DirectionPolicy::default(), DirectionPolicy::default());
        return EndpointPolicy { name: workload.name.clone(), addresses: Vec::new(), ingress, egress };
    }
    let mut policy = resolve(rules, world, identities, workload);
    for direction in [&mut policy.ingress, &mut policy.egress] {
        for rule in direction.rules.iter_mut().filter(|rule| rule.action == Action::Deny) {
            if let Peers::Only(peers) = &mut rule.peers {
                // Who has no number yet may be whoever is denied.
                Arc::make_mut(peers).insert(INIT);
            }
        }
    }
    policy
}

fn encode(policy: EndpointPolicy) -> Option<(wire::DirectionPolicy, wire::DirectionPolicy)> {
    let bundle = wire::encode(&[policy], &Identities::default(), &Attachment::default());
    bundle.endpoints.into_iter().next().map(|endpoint| (endpoint.ingress, endpoint.egress))
}
