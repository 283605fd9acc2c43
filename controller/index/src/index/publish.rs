//! What follows from the state, published.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use postern_policy_core::identity::{IdentityId, Who};
use postern_policy_core::world::{Identities, WorkloadName};
use postern_policy_wire::{Endpoint, Identity};
use postern_xds::resource::Versioned;
use postern_xds::snapshot::NodeSnapshot;

use super::{Changes, Index};
use crate::addresses::Owner;
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
        if !renumbered.is_empty() || self.identities.iter().next().is_none() {
            let numbers = self.numbers.iter().map(|(who, id)| (who.clone(), id));
            self.identities = Identities::numbered(numbers, []);
            self.groups.peers_changed(&renumbered, &self.policies);
            self.dirty.addresses = true;
        }
        // What a first snapshot has needs no waiting: whoever gets it has no policies yet.
        let fresh: BTreeSet<u32> = match self.revision {
            0 => BTreeSet::new(),
            _ => renumbered.iter().filter_map(|who| self.numbers.id(who)).map(|id| id.0).collect(),
        };
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

    fn refresh_endpoints(&mut self, revision: u64, changes: &mut Changes) {
        let pods = &self.pods;
        let workload = |name: &WorkloadName| pods.get(name).map(|entry| &entry.pod.workload);
        let resolved = self.groups.refresh(&self.world, &self.identities, &self.policies, workload);
        let with_node = |name: WorkloadName| (workload(&name).and_then(|it| it.node.clone()), name);
        self.dirty.endpoints.extend(resolved.into_iter().map(with_node));
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
        let (ingress, egress) = self.groups.get(entry.group.as_ref()?)?.policy.clone()?;
        let addresses = self.addresses.undisputed(&entry.pod.workload.addresses);
        (!addresses.is_empty()).then(|| Endpoint { name: name.to_string(), addresses, ingress, egress })
    }

    fn refresh_identities(&mut self, changes: &mut Changes) -> bool {
        if !std::mem::take(&mut self.dirty.addresses) {
            return false;
        }
        let mut table: BTreeMap<IdentityId, (Who, Vec<IpAddr>)> = BTreeMap::new();
        for (address, owner) in self.addresses.iter() {
            let numbered = owner.and_then(|owner| {
                let who = match owner {
                    Owner::Node(name) => Who::Node(name.clone()),
                    Owner::Pod(name) => self.groups.get(self.pods.get(name)?.group.as_ref()?)?.who.clone(),
                };
                self.numbers.id(&who).map(|id| (id, who))
            });
            let (id, who) = numbered.unwrap_or_else(|| (INIT, init()));
            table.entry(id).or_insert_with(|| (who, Vec::new())).1.push(address);
        }
        let mut identities = BTreeMap::new();
        for (id, (who, addresses)) in table {
            let addresses = addresses.into_iter().map(Into::into).collect();
            let identity = Identity { id: id.0, labels: describe(&who), addresses };
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
        let workloads = self.groups.iter().map(|(_, group)| group.who.clone());
        let nodes = self.nodes.keys().map(|name| Who::Node(name.clone()));
        let owners: BTreeSet<Who> = workloads.chain(nodes).collect();
        publish(&self.publisher.identity_requests, Arc::new(self.numbers.propose(&owners)));
        publish(&self.publisher.unused_identities, Arc::new(self.numbers.unused(&owners)));
    }

    /// Counts for each policy the endpoints that it selects and those that have it.
    pub(super) fn publish_statuses(&self) {
        if !self.is_synced() {
            return;
        }
        let mut counts: BTreeMap<_, (usize, usize)> = BTreeMap::new();
        for (key, group) in self.groups.iter() {
            let Some(state) = key.node.as_ref().and_then(|node| self.states.get(node)) else { continue };
            let names: Vec<String> = group.members.iter().map(ToString::to_string).collect();
            let selected = names.iter().filter(|name| state.has(name)).count();
            let enforced = names.iter().filter(|name| state.enforces(name)).count();
            for policy in &group.selected {
                let count = counts.entry(policy).or_default();
                *count = (count.0 + selected, count.1 + enforced);
            }
        }
        let status = |(key, entry): (&crate::PolicyKey, &crate::policies::Entry)| {
            let (selected, enforced) = counts.get(key).copied().unwrap_or_default();
            let status = PolicyStatus {
                key: key.clone(),
                uid: entry.uid.clone(),
                generation: entry.generation,
                valid: entry.valid.clone(),
                in_force: entry.in_force,
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
            waiting_identities: self.publisher.identity_requests.borrow().len(),
            endpoints: self.states.values().map(|state| state.endpoints().len()).sum(),
            contested_addresses: self.addresses.iter().filter(|(_, owner)| owner.is_none()).count(),
            revision: self.revision,
        }
    }
}

/// The table in which the addresses of some numbers are still nobody's.
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
    let nobodys = all.get(&INIT.0).into_iter().chain(held);
    let addresses = nobodys.flat_map(|identity| identity.value().addresses.iter().copied()).collect();
    match Versioned::new(Identity { id: INIT.0, labels: describe(&init()), addresses }) {
        Ok(identity) => drop(table.insert(INIT.0, Arc::new(identity))),
        Err(error) => changes.failed.push(error),
    }
    Arc::new(table)
}
