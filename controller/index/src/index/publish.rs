//! What follows from the state, published.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use postern_policy_core::endpoint::{Action, EndpointPolicy, Peers};
use postern_policy_core::identity::{IdentityId, Who};
use postern_policy_core::policy::RuleId;
use postern_policy_core::set::Attachment;
use postern_policy_core::world::{Identities, WorkloadName};
use postern_policy_wire::{DirectionPolicy, Endpoint, Identity, encode};
use postern_xds::resource::Versioned;
use postern_xds::snapshot::NodeSnapshot;

use super::{Changes, Index, rule_id};
use crate::addresses::Owner;
use crate::nodes::NodeState;
use crate::numbers::{INIT, describe, init};
use crate::objects::Pod;
use crate::outputs::{Sizes, publish};
use crate::status::PolicyStatus;

/// Identities by number.
type Table = BTreeMap<u32, Arc<Versioned<Identity>>>;

impl Index {
    /// Brings everything that is published up to date.
    pub(super) fn publish(&mut self, changes: &mut Changes) {
        if !self.is_synced() {
            return;
        }
        let next = self.revision + 1;
        let renumbered = std::mem::take(&mut self.dirty.numbers);
        for who in &renumbered {
            self.resolver.set_number(who, self.numbers.id(who));
        }
        self.dirty.addresses |= !renumbered.is_empty() || self.revision == 0;
        let mut fresh: BTreeSet<u32> =
            renumbered.iter().filter_map(|who| self.numbers.id(who)).map(|id| id.0).collect();
        fresh.extend(self.number_prefixes());
        if self.revision == 0 {
            // What a first snapshot has needs no waiting: whoever gets it has no policies yet.
            fresh.clear();
        }
        self.refresh_endpoints(next, changes);
        let identities = self.refresh_identities(changes);
        let services = self.refresh_services(changes);
        if self.refresh_nodes(next, identities || services, &fresh, changes) {
            self.revision = next;
            changes.revision = Some(next);
        }
        if std::mem::take(&mut self.dirty.owners) {
            self.publish_requests();
        }
        self.publish_statuses();
    }

    /// Numbers the prefixes that are named, and forgets those that were not when every node last took everything.
    fn number_prefixes(&mut self) -> BTreeSet<u32> {
        let named: BTreeSet<IpNet> = self.resolver.claimed().filter_map(prefix).collect();
        let all_up_to_date = self.states.values().all(NodeState::is_up_to_date);
        let changed = self.prefixes.update(&named, all_up_to_date);
        self.dirty.addresses |= !changed.new.is_empty() || !changed.gone.is_empty();
        for net in changed.gone {
            self.resolver.set_number(&Who::Cidr(net), None);
        }
        for (net, number) in &changed.new {
            self.resolver.set_number(&Who::Cidr(*net), Some(*number));
        }
        changed.new.into_iter().map(|(_, number)| number.0).collect()
    }

    fn refresh_endpoints(&mut self, revision: u64, changes: &mut Changes) {
        for name in self.resolver.take_changed() {
            let tried = self.resolver.audited(&name);
            let policy = self.resolver.endpoint(&name).and_then(|policy| written(policy.auditing(tried)));
            let Some(entry) = self.pods.get_mut(&name).filter(|entry| entry.policy != policy) else {
                continue;
            };
            entry.policy = policy;
            let node = entry.pod.workload.node.clone();
            self.dirty.endpoints.insert((node, name));
        }
        for (node, name) in std::mem::take(&mut self.dirty.endpoints) {
            // A pod on no node has nobody to enforce its policy, and cannot send.
            let Some(node) = node else { continue };
            let endpoint = self.endpoint(&node, &name);
            if endpoint.is_none() && !self.states.contains_key(&node) {
                continue;
            }
            self.dirty.nodes |= !self.nodes.contains_key(&node);
            let state = self.states.entry(node).or_default();
            changes.failed.extend(state.set(&name.to_string(), endpoint, revision).err());
        }
    }

    /// The endpoint of this name on this node, if it is there and can be told from all others.
    fn endpoint(&self, node: &str, name: &WorkloadName) -> Option<Endpoint> {
        let entry = self.pods.get(name).filter(|entry| entry.pod.workload.node.as_deref() == Some(node))?;
        let (ingress, egress) = entry.who.as_ref().and(entry.policy.clone())?;
        let addresses = self.addresses.undisputed(&entry.pod.workload.addresses);
        (!addresses.is_empty()).then(|| Endpoint { name: name.to_string(), addresses, ingress, egress })
    }

    fn refresh_identities(&mut self, changes: &mut Changes) -> bool {
        if !std::mem::take(&mut self.dirty.addresses) {
            return false;
        }
        let mut table: BTreeMap<IdentityId, (Who, Vec<IpNet>)> = BTreeMap::new();
        for (address, owner) in self.addresses.iter() {
            let numbered = owner.and_then(|owner| {
                let who = match owner {
                    Owner::Node(name) => Who::Node(name.clone()),
                    Owner::Pod(name) => self.pods.get(name)?.who.clone()?,
                };
                self.numbers.id(&who).map(|id| (id, who))
            });
            let (id, who) = numbered.unwrap_or_else(|| (INIT, init()));
            table.entry(id).or_insert_with(|| (who, Vec::new())).1.push(address.into());
        }
        // The address of a pod or a node is theirs, whatever else names it.
        let owned = |net: &IpNet| {
            net.prefix_len() == net.max_prefix_len() && self.addresses.owners(&net.addr()).next().is_some()
        };
        for (net, id) in self.prefixes.iter().filter(|(net, _)| !owned(net)) {
            table.insert(id, (Who::Cidr(net), vec![net]));
        }
        let mut identities = BTreeMap::new();
        for (id, (who, addresses)) in table {
            let identity = Identity { id: id.0, labels: describe(&who), addresses, spiffe: Vec::new() };
            match self.published_identities.get(&id.0).filter(|kept| *kept.value() == identity) {
                Some(kept) => drop(identities.insert(id.0, Arc::clone(kept))),
                None => match Versioned::new(identity) {
                    Ok(identity) => drop(identities.insert(id.0, Arc::new(identity))),
                    Err(error) => changes.failed.push(error),
                },
            }
        }
        let before = &self.published_identities;
        let same = before.len() == identities.len()
            && before.values().zip(identities.values()).all(|(a, b)| Arc::ptr_eq(a, b));
        if !same {
            self.published_identities = Arc::new(identities);
        }
        !same
    }

    fn refresh_services(&mut self, changes: &mut Changes) -> bool {
        let pods = &self.pods;
        let pods_of = |namespace: &str| -> Box<dyn Iterator<Item = &Pod>> {
            let first = WorkloadName { namespace: namespace.to_owned(), name: String::new() };
            let namespace = namespace.to_owned();
            let of_namespace = pods.range(first..).take_while(move |(name, _)| name.namespace == namespace);
            Box::new(of_namespace.map(|(_, entry)| &entry.pod))
        };
        self.services.refresh(pods_of, &self.addresses).unwrap_or_else(|error| {
            changes.failed.push(error);
            false
        })
    }

    /// Gives every node what has changed for it. Whether anything has.
    fn refresh_nodes(
        &mut self,
        revision: u64,
        all: bool,
        fresh: &BTreeSet<u32>,
        changes: &mut Changes,
    ) -> bool {
        let mut new = BTreeSet::new();
        if std::mem::take(&mut self.dirty.nodes) || self.revision == 0 {
            for name in self.nodes.keys().filter(|name| !self.states.contains_key(*name)) {
                new.insert(name.clone());
            }
            self.states.extend(new.iter().map(|name| (name.clone(), Default::default())));
            let nodes = &self.nodes;
            let publisher = &self.publisher;
            self.states.retain(|name, state| {
                let stays = nodes.contains_key(name) || !state.endpoints().is_empty();
                if !stays {
                    publisher.forget(name);
                }
                stays
            });
        }
        let mut any = false;
        let mut tables: BTreeMap<BTreeSet<u32>, Arc<Table>> = BTreeMap::new();
        for (name, state) in &mut self.states {
            let dirty = state.take_dirty();
            if !(dirty || all || new.contains(name)) {
                continue;
            }
            any = true;
            state.published(revision);
            if dirty {
                state.withhold(fresh, revision);
            }
            let table = tables
                .entry(state.withheld())
                .or_insert_with_key(|withheld| without(&self.published_identities, withheld, changes));
            let snapshot = NodeSnapshot {
                revision,
                identities: Arc::clone(table),
                services: Arc::clone(self.services.published()),
                endpoints: state.endpoints().clone(),
            };
            self.publisher.snapshot(name, Arc::new(snapshot));
        }
        any
    }

    fn publish_requests(&mut self) {
        let kept = self.resolver.claimed().filter(|who| prefix(who).is_none());
        let owners: BTreeSet<Who> = kept.cloned().collect();
        publish(&self.publisher.identity_requests, Arc::new(self.numbers.propose(&owners)));
        publish(&self.publisher.unused_identities, Arc::new(self.numbers.unused(&owners)));
    }

    /// Counts for each policy the endpoints that it selects and those that have it.
    pub(super) fn publish_statuses(&self) {
        if !self.is_synced() {
            return;
        }
        let mut counts: BTreeMap<&RuleId, (usize, usize)> = BTreeMap::new();
        for (name, entry) in &self.pods {
            let node = entry.pod.workload.node.as_ref();
            let Some(state) = node.and_then(|node| self.states.get(node)) else { continue };
            let endpoint = name.to_string();
            if !state.has(&endpoint) {
                continue;
            }
            let enforced = usize::from(state.enforces(&endpoint));
            for policy in self.resolver.selecting(name) {
                let count = counts.entry(policy).or_default();
                *count = (count.0 + 1, count.1 + enforced);
            }
        }
        let limit = self.config.message_limit;
        let status = |(key, entry): (&crate::PolicyKey, &crate::policies::Entry)| {
            let (selected, enforced) = counts.get(&rule_id(key)).copied().unwrap_or_default();
            let status = PolicyStatus {
                key: key.clone(),
                uid: entry.uid.clone(),
                generation: entry.generation,
                valid: entry.valid.clone(),
                in_force: entry.in_force,
                quarantined: entry.quarantined(self.resolver.world(), limit),
                audited: entry.audited(),
                selected,
                enforced,
            };
            (key.clone(), status)
        };
        let statuses: BTreeMap<_, _> = self.policies.iter().map(status).collect();
        let sizes = self.sizes(&statuses);
        publish(&self.publisher.statuses, Arc::new(statuses));
        publish(&self.publisher.sizes, sizes);
    }

    fn sizes(&self, statuses: &BTreeMap<crate::PolicyKey, PolicyStatus>) -> Sizes {
        Sizes {
            pods: self.pods.len(),
            namespaces: self.namespaces.len(),
            nodes: self.nodes.len(),
            services: self.services.len(),
            policies: statuses.len(),
            invalid_policies: statuses.values().filter(|status| status.valid.is_err()).count(),
            identities: self.numbers.len(),
            prefixes: self.prefixes.len(),
            waiting_identities: self.publisher.identity_requests.borrow().len(),
            endpoints: self.states.values().map(|state| state.endpoints().len()).sum(),
            contested_addresses: self.addresses.iter().filter(|(_, owner)| owner.is_none()).count(),
            revision: self.revision,
        }
    }
}

fn prefix(who: &Who) -> Option<IpNet> {
    match who {
        Who::Cidr(net) => Some(*net),
        Who::World | Who::Node(_) | Who::Workloads(_) => None,
    }
}

/// A policy as nodes get it. Who has no number yet may be whoever is denied.
fn written(mut policy: EndpointPolicy) -> Option<(DirectionPolicy, DirectionPolicy)> {
    let EndpointPolicy { ingress, egress, audit, .. } = &mut policy;
    let tried = [&mut audit.ingress, &mut audit.egress].into_iter().flatten();
    for direction in [ingress, egress].into_iter().chain(tried) {
        for rule in direction.rules.iter_mut().filter(|rule| rule.action == Action::Deny) {
            if let Peers::Only(peers) = &mut Arc::make_mut(rule).peers {
                Arc::make_mut(peers).insert(INIT);
            }
        }
    }
    let bundle = encode(&[policy], &Identities::default(), &Attachment::default());
    bundle.endpoints.into_iter().next().map(|endpoint| (endpoint.ingress, endpoint.egress))
}

/// The table in which the addresses of some numbers are still nobody's, and those of prefixes whose they were.
fn without(all: &Arc<Table>, withheld: &BTreeSet<u32>, changes: &mut Changes) -> Arc<Table> {
    let held: Vec<_> = withheld.iter().filter_map(|number| all.get(number)).collect();
    if held.is_empty() {
        return Arc::clone(all);
    }
    let mut table: Table = all
        .iter()
        .filter(|(number, _)| !withheld.contains(number) && **number != INIT.0)
        .map(|(number, identity)| (*number, Arc::clone(identity)))
        .collect();
    let of_owners = held.into_iter().filter(|identity| identity.value().id < IdentityId::FIRST_CIDR.0);
    let nobodys = all.get(&INIT.0).into_iter().chain(of_owners);
    let addresses: Vec<IpNet> =
        nobodys.flat_map(|identity| identity.value().addresses.iter().copied()).collect();
    if addresses.is_empty() {
        return Arc::new(table);
    }
    match Versioned::new(Identity { id: INIT.0, labels: describe(&init()), addresses, spiffe: Vec::new() }) {
        Ok(identity) => drop(table.insert(INIT.0, Arc::new(identity))),
        Err(error) => changes.failed.push(error),
    }
    Arc::new(table)
}
