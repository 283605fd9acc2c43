//! What items select, each set once, and which of them a peer could be in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ipnet::IpNet;

use super::policies::PolicyId;
use crate::identity::{IdentityId, Who};
use crate::peer::{Entity, PeerTerm};
use crate::policy::Effect;
use crate::resolve::terms::{Selection, any_means, select};
use crate::resolve::universe::{Peer, Universe};
use crate::selector::index::{Place, SelectorIndex};
use crate::world::World;

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

/// All selections.
#[derive(Debug, Default)]
pub(super) struct Selections {
    ids: HashMap<Arc<Wanted>, SelectionId>,
    entries: BTreeMap<SelectionId, Entry>,
    next: u32,
    by_labels: SelectorIndex<SelectionId>,
    by_prefix: HashMap<IpNet, BTreeSet<SelectionId>>,
    of_nodes: BTreeSet<SelectionId>,
    of_workloads: BTreeSet<SelectionId>,
    of_outside: BTreeSet<SelectionId>,
    of_groups: BTreeSet<SelectionId>,
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
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.users.insert(user);
        }
        id
    }

    fn add(&mut self, wanted: Wanted) -> SelectionId {
        let id = SelectionId(self.next);
        self.next = self.next.wrapping_add(1);
        let wanted = Arc::new(wanted);
        let mut places = Vec::new();
        for term in &wanted.terms {
            if let PeerTerm::Endpoints(selector) = term {
                places.push(self.by_labels.insert(selector, &id));
            }
            if let PeerTerm::Cidr(cidr) = term {
                self.by_prefix.entry(cidr.net).or_default().insert(id);
            }
            for kind in self.kinds(term) {
                kind.insert(id);
            }
        }
        self.ids.insert(Arc::clone(&wanted), id);
        self.stale.insert(id);
        let (selection, users) = (Selection::default(), BTreeSet::new());
        self.entries.insert(id, Entry { wanted, places, selection, users });
        id
    }

    /// A policy that had the selection is gone.
    pub(super) fn release(&mut self, id: SelectionId, user: PolicyId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.users.remove(&user);
        if !entry.users.is_empty() {
            return;
        }
        let Some(Entry { wanted, places, .. }) = self.entries.remove(&id) else { return };
        self.ids.remove(&wanted);
        self.stale.remove(&id);
        for place in &places {
            self.by_labels.remove(place, &id);
        }
        for term in &wanted.terms {
            if let PeerTerm::Cidr(cidr) = term
                && let Some(ids) = self.by_prefix.get_mut(&cidr.net)
            {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_prefix.remove(&cidr.net);
                }
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
            PeerTerm::Service(_) => vec![&mut self.of_services],
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
            let Some(entry) = self.entries.get(&touched) else { continue };
            if any_means(&entry.wanted.terms, entry.wanted.effect, (id, peer), universe, world) {
                self.stale.insert(touched);
            }
        }
    }

    /// The CIDR groups are others.
    pub(super) fn groups_changed(&mut self) {
        self.stale.extend(&self.of_groups);
    }

    /// What stands behind services is another.
    pub(super) fn services_changed(&mut self) {
        self.stale.extend(&self.of_services);
    }

    /// Whether any selection speaks of services.
    pub(super) fn speak_of_services(&self) -> bool {
        !self.of_services.is_empty()
    }

    /// Makes those anew that are stale, and names the policies that have one which became another.
    pub(super) fn settle(&mut self, universe: &Universe, world: &World) -> BTreeSet<PolicyId> {
        let mut changed = BTreeSet::new();
        for id in std::mem::take(&mut self.stale) {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let selection = select(&entry.wanted.terms, entry.wanted.effect, universe, world);
            if !selection.is(&entry.selection) {
                entry.selection = selection;
                changed.extend(&entry.users);
            }
        }
        changed
    }

    /// Who is selected, for subjects on a node. Nobody is by a selection that does not exist.
    pub(super) fn seen_from(&mut self, id: SelectionId, node: Option<&str>) -> Arc<BTreeSet<IdentityId>> {
        self.entries.get_mut(&id).map(|entry| entry.selection.seen_from(node)).unwrap_or_default()
    }
}
