//! Whom the terms of an item select.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;

use super::universe::{Peer, Seen, Universe};
use crate::identity::{IdentityId, Who};
use crate::labels::{CLUSTER, K8S, LabelSet};
use crate::peer::{CidrGroupTerm, Entity, GroupRef, PeerTerm, ServiceTerm};
use crate::policy::Effect;
use crate::selector::Selector;
use crate::world::{CidrGroup, Service, World};

/// The identities that some terms select, for subjects on every node.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// As seen by workloads of no node.
    away: Arc<BTreeSet<IdentityId>>,
    /// The nodes that are another matter to their own workloads, and whether these select them.
    home: BTreeMap<String, (IdentityId, bool)>,
    /// The whole set, for subjects on those nodes, as far as it was asked for.
    by_node: BTreeMap<String, Arc<BTreeSet<IdentityId>>>,
}

impl Selection {
    /// Whether both select the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.away == other.away && self.home == other.home
    }

    /// Whether it is the same for subjects on every node.
    pub(crate) fn same_from_everywhere(&self) -> bool {
        self.home.is_empty()
    }

    /// For subjects on this node. What is the same for all is one set in memory.
    pub(crate) fn seen_from(&mut self, node: Option<&str>) -> Arc<BTreeSet<IdentityId>> {
        let Some((name, (id, selected))) = node.and_then(|node| self.home.get_key_value(node)) else {
            return Arc::clone(&self.away);
        };
        let own = || {
            let mut own = (*self.away).clone();
            if *selected {
                own.insert(*id)
            } else {
                own.remove(id)
            };
            Arc::new(own)
        };
        Arc::clone(self.by_node.entry(name.clone()).or_insert_with(own))
    }
}

/// Selects: `effect` matters where it cannot be told who is meant.
pub(crate) fn select(terms: &[PeerTerm], effect: Effect, universe: &Universe, world: &World) -> Selection {
    let mut away = BTreeSet::new();
    let mut home: BTreeMap<&str, (IdentityId, bool)> = BTreeMap::new();
    for term in terms {
        let bound = Bound::new(term, effect, universe, world);
        for id in bound.candidates(universe) {
            let Some(peer) = universe.peer(id) else { continue };
            if bound.means(id, peer, &peer.away) {
                away.insert(id);
            }
            if let (Who::Node(name), Some(seen)) = (&peer.who, &peer.home)
                && bound.means(id, peer, seen)
            {
                home.insert(name, (id, true));
            }
        }
    }
    // Nodes that are selected from elsewhere, and not at home.
    for id in universe.nodes().filter(|id| away.contains(id)) {
        if let Some(Peer { who: Who::Node(name), .. }) = universe.peer(id) {
            home.entry(name).or_insert((id, false));
        }
    }
    let home = home.into_iter().filter(|(_, (id, selected))| away.contains(id) != *selected);
    let home = home.map(|(name, own)| (name.to_owned(), own)).collect();
    Selection { away: Arc::new(away), home, by_node: BTreeMap::new() }
}

/// Whether one of the terms means a peer from any point of view. For terms that speak of services this says
/// nothing: who stands behind one is no matter of the peer alone.
pub(crate) fn any_means(
    terms: &[PeerTerm],
    effect: Effect,
    (id, peer): (IdentityId, &Peer),
    universe: &Universe,
    world: &World,
) -> bool {
    terms.iter().filter(|term| !matches!(term, PeerTerm::Service(_))).any(|term| {
        let bound = Bound::new(term, effect, universe, world);
        peer.views().any(|seen| bound.means(id, peer, seen))
    })
}

/// A term after everything was looked up in the world that is not the peer itself.
enum Bound<'t> {
    Endpoints {
        selector: &'t Selector,
        meshed: bool,
    },
    Nodes(&'t Selector),
    Prefixes {
        nets: Vec<IpNet>,
        except: &'t [IpNet],
    },
    /// Prefixes within one, and who has addresses in it.
    Network {
        net: IpNet,
        owners: BTreeSet<IdentityId>,
    },
    Entity(Entity),
    These(BTreeSet<IdentityId>),
}

impl<'t> Bound<'t> {
    fn new(term: &'t PeerTerm, effect: Effect, universe: &Universe, world: &World) -> Self {
        match term {
            PeerTerm::Endpoints(selector) => Self::Endpoints { selector, meshed: names_cluster(selector) },
            PeerTerm::Nodes(selector) => Self::Nodes(selector),
            PeerTerm::Cidr(cidr) => Self::Prefixes { nets: vec![cidr.net], except: &cidr.except },
            PeerTerm::Network(net) => Self::Network { net: *net, owners: universe.inside(net, effect) },
            PeerTerm::CidrGroup(group) => Self::group(group, effect, world),
            PeerTerm::Entity(entity) => Self::Entity(*entity),
            PeerTerm::Service(term) => {
                let behind = |service| behind(service, effect, universe, world);
                Self::These(services(term, world).flat_map(behind).collect())
            }
        }
    }

    /// A group that does not exist allows nobody, but what is denied to it is denied to all that it might hold.
    fn group(term: &'t CidrGroupTerm, effect: Effect, world: &World) -> Self {
        let mut groups = world.cidr_groups().filter(|group| term.groups.means(group)).peekable();
        if groups.peek().is_none() && effect == Effect::Deny {
            return Self::Entity(Entity::World);
        }
        let nets = groups.flat_map(|group| group.prefixes.iter().copied()).collect();
        Self::Prefixes { nets, except: &term.except }
    }

    /// Who could be meant: everybody who is, and not many more.
    fn candidates(&self, universe: &Universe) -> BTreeSet<IdentityId> {
        match self {
            Self::Endpoints { selector, .. } => universe.narrow(selector),
            Self::Nodes(_) => universe.nodes().collect(),
            Self::Prefixes { nets, .. } => nets.iter().flat_map(|net| universe.within(net)).collect(),
            Self::Network { net, owners } => universe.within(net).chain(owners.iter().copied()).collect(),
            Self::Entity(Entity::World) => universe.outside().collect(),
            Self::Entity(Entity::Cluster | Entity::ClusterMesh) => {
                universe.nodes().chain(universe.workloads()).collect()
            }
            Self::Entity(Entity::Host | Entity::RemoteNode) => universe.nodes().collect(),
            Self::Entity(Entity::All | Entity::KubeApiserver) => universe.all(),
            Self::Entity(
                Entity::Ingress | Entity::Health | Entity::Init | Entity::Unmanaged | Entity::None,
            ) => BTreeSet::new(),
            Self::These(ids) => ids.clone(),
        }
    }

    fn means(&self, id: IdentityId, peer: &Peer, seen: &Seen) -> bool {
        match self {
            Self::Endpoints { selector, meshed } => (peer.local || *meshed) && selector.matches(&seen.labels),
            Self::Nodes(selector) => peer.is_node() && selector.matches(&seen.of_node),
            Self::Prefixes { nets, except } => {
                matches!(&peer.who, Who::Cidr(net) if within_any(net, nets) && !within_any(net, except))
            }
            Self::Network { net, owners } => {
                owners.contains(&id) || matches!(&peer.who, Who::Cidr(within) if net.contains(within))
            }
            Self::Entity(entity) => peer.is_in(*entity, seen),
            Self::These(ids) => ids.contains(&id),
        }
    }
}

fn services<'w>(term: &'w ServiceTerm, world: &'w World) -> impl Iterator<Item = &'w Service> {
    let (named, others) = match term {
        ServiceTerm::Named(name) => (world.service(name), None),
        ServiceTerm::Labels { .. } => (None, Some(world.services())),
    };
    named.into_iter().chain(others.into_iter().flatten()).filter(|service| term.means(service))
}

/// Who stands behind a service. An address that several claim may be any of theirs: it allows nobody, and
/// what is denied to it is denied to all of them.
fn behind(service: &Service, effect: Effect, universe: &Universe, world: &World) -> Vec<IdentityId> {
    if service.selector.is_empty() {
        let owners = world.backends(&service.name).map(|address| universe.owners(address));
        let certain = |owners: &BTreeSet<IdentityId>| owners.len() == 1 || effect == Effect::Deny;
        return owners.filter(certain).flatten().collect();
    }
    let selected = world.workloads_of(&service.name.namespace).filter(|workload| {
        workload.cluster.is_none() && service.selects(workload) && !workload.addresses.is_empty()
    });
    selected.filter_map(|workload| universe.id(&Who::Workloads(world.identity_labels(workload)))).collect()
}

fn names_cluster(selector: &Selector) -> bool {
    selector.requirements.iter().any(|requirement| requirement.key.key == CLUSTER)
}

fn within_any(net: &IpNet, prefixes: &[IpNet]) -> bool {
    prefixes.iter().any(|prefix| prefix.contains(net))
}

/// The labels of an object as a selector of Kubernetes sees them.
fn object_labels(labels: &BTreeMap<String, String>) -> LabelSet {
    let mut set = LabelSet::default();
    for (key, value) in labels {
        set.insert(K8S, key, value);
    }
    set
}

impl GroupRef {
    /// Whether a group is one of those.
    pub fn means(&self, group: &CidrGroup) -> bool {
        match self {
            Self::Named(name) => *name == group.name,
            Self::Labels(selector) => selector.matches(&object_labels(&group.labels)),
        }
    }
}

impl ServiceTerm {
    /// Whether a service is one of those.
    pub fn means(&self, service: &Service) -> bool {
        match self {
            Self::Named(name) => *name == service.name,
            Self::Labels { selector, namespace } => {
                namespace.as_ref().is_none_or(|namespace| *namespace == service.name.namespace)
                    && selector.matches(&object_labels(&service.labels))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{LabelKey, RESERVED};
    use crate::peer::CidrTerm;
    use crate::selector::{Operator, Requirement};
    use crate::world::{Node, Workload, WorkloadName};

    /// One of everything that can be meant.
    fn world() -> World {
        let mut world = World::default();
        for (name, cluster, address) in [("a", None, "10.0.0.1"), ("b", Some("other".to_owned()), "10.0.0.2")]
        {
            world.set_workload(Workload {
                name: WorkloadName::parse(name),
                labels: BTreeMap::from([("app".to_owned(), name.to_owned())]),
                addresses: vec![address.parse().unwrap()],
                node: None,
                service_account: None,
                cluster,
                ports: Vec::new(),
                profiles: Vec::new(),
            });
        }
        for (name, address) in [("k1", "192.168.0.1"), ("k2", "192.168.0.2")] {
            let addresses = vec![address.parse().unwrap()];
            let labels = BTreeMap::from([("zone".to_owned(), name.to_owned())]);
            world.set_node(Node { name: name.to_owned(), addresses, labels });
        }
        world.set_api_servers(["192.168.0.1", "203.0.113.7"].map(|address| address.parse().unwrap()));
        let prefixes = ["0.0.0.0/0", "203.0.113.0/24", "::/0"].map(|net| net.parse().unwrap()).to_vec();
        world.set_cidr_group(CidrGroup { name: "g".to_owned(), labels: BTreeMap::new(), prefixes });
        world
    }

    fn terms() -> Vec<PeerTerm> {
        let reserved = |name: &str| LabelKey { source: Some(RESERVED.to_owned()), key: name.to_owned() };
        let keys = [
            LabelKey::k8s("app"),
            LabelKey::parse("app"),
            LabelKey::k8s(CLUSTER),
            LabelKey { source: Some("node".to_owned()), key: "zone".to_owned() },
            reserved("world"),
            reserved("host"),
            reserved("remote-node"),
            reserved("kube-apiserver"),
        ];
        let values = || ["a", "b", "k1", "other", ""].map(str::to_owned).to_vec();
        let mut selectors = vec![Selector::default()];
        for key in &keys {
            let operators =
                [Operator::In(values()), Operator::NotIn(values()), Operator::Exists, Operator::DoesNotExist];
            for operator in operators {
                let requirement = Requirement { key: key.clone(), operator };
                let also = Requirement::equals(LabelKey::k8s("app"), "a");
                selectors.push(Selector { requirements: vec![requirement.clone()] });
                selectors.push(Selector { requirements: vec![requirement, also] });
            }
        }
        let mut terms: Vec<PeerTerm> = Entity::EVERY.into_iter().map(PeerTerm::Entity).collect();
        terms.extend(selectors.iter().cloned().map(PeerTerm::Endpoints));
        terms.extend(selectors.into_iter().map(PeerTerm::Nodes));
        for net in ["0.0.0.0/0", "203.0.113.0/24", "203.0.113.0/25", "::/0", "10.0.0.0/8"] {
            let net = net.parse().unwrap();
            terms.push(PeerTerm::Cidr(CidrTerm { net, except: vec!["203.0.113.7/32".parse().unwrap()] }));
            terms.push(PeerTerm::Cidr(CidrTerm { net, except: Vec::new() }));
        }
        for name in ["g", "gone"] {
            let groups = GroupRef::Named(name.to_owned());
            terms.push(PeerTerm::CidrGroup(CidrGroupTerm { groups, except: Vec::new() }));
        }
        terms
    }

    #[test]
    fn whoever_is_meant_is_a_candidate() {
        let world = world();
        let universe = Universe::of(&world, &world.identities(&[]).unwrap());
        for term in terms() {
            for effect in [Effect::Allow, Effect::Deny] {
                let bound = Bound::new(&term, effect, &universe, &world);
                let candidates = bound.candidates(&universe);
                for id in universe.all() {
                    let peer = universe.peer(id).unwrap();
                    let meant = peer.views().any(|seen| bound.means(id, peer, seen));
                    assert!(!meant || candidates.contains(&id), "{term:?} means {:?}", peer.who);
                }
            }
        }
    }
}
