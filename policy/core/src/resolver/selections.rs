//! What items select, each set once, and which of them a peer could be in.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ipnet::IpNet;

use super::policies::PolicyId;
use super::slab::Slab;
use crate::identity::{IdentityId, Who};
use crate::peer::{Entity, PeerTerm, ServiceTerm};
use crate::policy::Effect;
use crate::resolve::terms::{Selection, any_means, select};
use crate::resolve::universe::{Peer, Universe};
use crate::selector::index::{Place, SelectorIndex};
use crate::world::{WorkloadName, World};

/// The handle of a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SelectionId(u32);

/// What is selected: equal terms that are used alike are one selection.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Wanted {
    terms: Vec<PeerTerm>,
    effect: Effect,
}

#[derive(Debug)]
struct Entry {
    wanted: Arc<Wanted>,
    /// Those of its terms in the index by labels.
    places: Vec<Place>,
    selection: Selection,
    users: BTreeSet<PolicyId>,
}

/// The services behind which other peers stand than before.
#[derive(Debug)]
pub(super) enum Services {
    /// These.
    Some(BTreeSet<WorkloadName>),
    /// Any.
    Any,
}

impl Default for Services {
    fn default() -> Self {
        Self::Some(BTreeSet::new())
    }
}

impl Services {
    pub(super) fn extend(&mut self, names: impl IntoIterator<Item = WorkloadName>) {
        if let Self::Some(known) = self {
            known.extend(names);
        }
    }
}

/// All selections.
#[derive(Debug, Default)]
pub(super) struct Selections {
    ids: HashMap<Arc<Wanted>, SelectionId>,
    entries: Slab<Entry>,
    by_labels: SelectorIndex<SelectionId>,
    by_prefix: HashMap<IpNet, BTreeSet<SelectionId>>,
    of_nodes: BTreeSet<SelectionId>,
    of_workloads: BTreeSet<SelectionId>,
    of_outside: BTreeSet<SelectionId>,
    of_groups: BTreeSet<SelectionId>,
    of_networks: BTreeSet<SelectionId>,
    /// Those that speak of services by their names, and those that do so otherwise.
    of_named_services: HashMap<WorkloadName, BTreeSet<SelectionId>>,
    of_services: BTreeSet<SelectionId>,
    /// Those that must be made anew before they are used.
    stale: BTreeSet<SelectionId>,
}

impl Selections {
    /// The selection of these terms, for a policy.
    pub(super) fn acquire(&mut self, terms: &[PeerTerm], effect: Effect, user: PolicyId) -> SelectionId {
        let wanted = Wanted { terms: terms.to_vec(), effect };
        let id = match self.ids.get(&wanted) {
            Some(id) => *id,
            None => self.add(wanted),
        };
        if let Some(entry) = self.entries.get_mut(id.0) {
            entry.users.insert(user);
        }
        id
    }

    fn add(&mut self, wanted: Wanted) -> SelectionId {
        let id = SelectionId(self.entries.reserve());
        let wanted = Arc::new(wanted);
        let mut places = Vec::new();
        for term in &wanted.terms {
            if let PeerTerm::Endpoints(selector) = term {
                places.push(self.by_labels.insert(selector, &id));
            }
            if let PeerTerm::Cidr(cidr) = term {
                self.by_prefix.entry(cidr.net).or_default().insert(id);
            }
            if let PeerTerm::Service(ServiceTerm::Named(name)) = term {
                self.of_named_services.entry(name.clone()).or_default().insert(id);
            }
            for kind in self.kinds(term) {
                kind.insert(id);
            }
        }
        self.ids.insert(Arc::clone(&wanted), id);
        self.stale.insert(id);
        let (selection, users) = (Selection::default(), BTreeSet::new());
        self.entries.set(id.0, Entry { wanted, places, selection, users });
        id
    }

    /// A policy that had the selection is gone.
    pub(super) fn release(&mut self, id: SelectionId, user: PolicyId) {
        let Some(entry) = self.entries.get_mut(id.0) else { return };
        entry.users.remove(&user);
        if !entry.users.is_empty() {
            return;
        }
        let Some(Entry { wanted, places, .. }) = self.entries.remove(id.0) else { return };
        self.ids.remove(&wanted);
        self.stale.remove(&id);
        for place in &places {
            self.by_labels.remove(place, &id);
        }
        for term in &wanted.terms {
            match term {
                PeerTerm::Cidr(cidr) => forget(&mut self.by_prefix, &cidr.net, id),
                PeerTerm::Service(ServiceTerm::Named(name)) => {
                    forget(&mut self.of_named_services, name, id);
                }
                _ => {}
            }
            for kind in self.kinds(term) {
                kind.remove(&id);
            }
        }
    }

    /// The sets that a selection with this term belongs to, besides labels and prefixes.
    fn kinds(&mut self, term: &PeerTerm) -> Vec<&mut BTreeSet<SelectionId>> {
        match term {
            PeerTerm::Endpoints(_) | PeerTerm::Cidr(_) => Vec::new(),
            PeerTerm::Nodes(_) | PeerTerm::Entity(Entity::Host | Entity::RemoteNode) => {
                vec![&mut self.of_nodes]
            }
            PeerTerm::Network(_) => vec![&mut self.of_outside, &mut self.of_networks],
            PeerTerm::CidrGroup(_) => vec![&mut self.of_outside, &mut self.of_groups],
            PeerTerm::Entity(Entity::World) => vec![&mut self.of_outside],
            PeerTerm::Entity(Entity::Cluster | Entity::ClusterMesh) => {
                vec![&mut self.of_nodes, &mut self.of_workloads]
            }
            PeerTerm::Entity(Entity::KubeApiserver) => vec![&mut self.of_nodes, &mut self.of_outside],
            PeerTerm::Entity(Entity::All) => {
                vec![&mut self.of_nodes, &mut self.of_workloads, &mut self.of_outside]
            }
            PeerTerm::Entity(
                Entity::Ingress | Entity::Health | Entity::Init | Entity::Unmanaged | Entity::None,
            ) => Vec::new(),
            PeerTerm::Service(ServiceTerm::Named(_)) => Vec::new(),
            PeerTerm::Service(ServiceTerm::Labels { .. }) => vec![&mut self.of_services],
        }
    }

    /// A peer came, went or became another: those that mean it as it was or is are stale.
    pub(super) fn touch(&mut self, id: IdentityId, peer: &Peer, universe: &Universe, world: &World) {
        let mut touched: BTreeSet<SelectionId> =
            peer.views().flat_map(|seen| self.by_labels.candidates(&seen.labels)).copied().collect();
        match &peer.who {
            Who::Node(_) => touched.extend(&self.of_nodes),
            Who::Workloads(_) => touched.extend(&self.of_workloads),
            Who::World => touched.extend(&self.of_outside),
            Who::Cidr(net) => {
                touched.extend(&self.of_outside);
                let around = (0..=net.prefix_len()).filter_map(|length| IpNet::new(net.addr(), length).ok());
                touched.extend(around.filter_map(|net| self.by_prefix.get(&net.trunc())).flatten());
            }
        }
        for touched in touched.difference(&self.stale).copied().collect::<Vec<_>>() {
            let Some(entry) = self.entries.get(touched.0) else { continue };
            if any_means(&entry.wanted.terms, entry.wanted.effect, (id, peer), universe, world) {
                self.stale.insert(touched);
            }
        }
    }

    /// The CIDR groups are others.
    pub(super) fn groups_changed(&mut self) {
        self.stale.extend(&self.of_groups);
    }

    /// Whether any selection speaks of addresses wherever they are.
    pub(super) fn speak_of_networks(&self) -> bool {
        !self.of_networks.is_empty()
    }

    /// Addresses are others'.
    pub(super) fn networks_changed(&mut self) {
        self.stale.extend(&self.of_networks);
    }

    /// What stands behind these services is another, or behind any.
    pub(super) fn services_changed(&mut self, services: &Services) {
        match services {
            Services::Some(names) if names.is_empty() => return,
            Services::Some(names) => {
                let named = names.iter().filter_map(|name| self.of_named_services.get(name));
                self.stale.extend(named.flatten());
            }
            Services::Any => self.stale.extend(self.of_named_services.values().flatten()),
        }
        // Which service has which labels may be another too.
        self.stale.extend(&self.of_services);
    }

    /// Whether any selection speaks of services.
    pub(super) fn speak_of_services(&self) -> bool {
        !(self.of_services.is_empty() && self.of_named_services.is_empty())
    }

    /// Makes those anew that are stale, and names the policies that have one which became another.
    pub(super) fn settle(&mut self, universe: &Universe, world: &World) -> BTreeSet<PolicyId> {
        let mut changed = BTreeSet::new();
        for id in std::mem::take(&mut self.stale) {
            let Some(entry) = self.entries.get_mut(id.0) else { continue };
            let selection = select(&entry.wanted.terms, entry.wanted.effect, universe, world);
            if !selection.is(&entry.selection) {
                entry.selection = selection;
                changed.extend(&entry.users);
            }
        }
        changed
    }

    /// Whether all subjects see the same, whichever node they are on.
    pub(super) fn same_from_everywhere(&self, id: SelectionId) -> bool {
        self.entries.get(id.0).is_none_or(|entry| entry.selection.same_from_everywhere())
    }

    /// Who is selected, for subjects on a node. Nobody is by a selection that does not exist.
    pub(super) fn seen_from(&mut self, id: SelectionId, node: Option<&str>) -> Arc<BTreeSet<IdentityId>> {
        self.entries.get_mut(id.0).map(|entry| entry.selection.seen_from(node)).unwrap_or_default()
    }
}

fn forget<K: Eq + std::hash::Hash>(index: &mut HashMap<K, BTreeSet<SelectionId>>, key: &K, id: SelectionId) {
    let Some(ids) = index.get_mut(key) else { return };
    ids.remove(&id);
    if ids.is_empty() {
        index.remove(key);
    }
}
