//! Everybody that a policy can mean, and what they are chosen by.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::identity::{IdentityId, Who};
use crate::labels::{CLUSTER, DEFAULT_CLUSTER, LabelKey, LabelSet, NODE, RESERVED};
use crate::peer::Entity;
use crate::policy::Effect;
use crate::selector::Selector;
use crate::selector::index::LabelIndex;
use crate::world::{Identities, NamedPort, World};

/// One identity, as policies see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) who: Who,
    /// Whether it is of the local cluster.
    pub(crate) local: bool,
    /// As it looks to workloads elsewhere.
    pub(crate) away: Seen,
    /// As a node looks to its own workloads: it is their host, and to all others a remote node.
    pub(crate) home: Option<Seen>,
    /// The named ports of its workloads.
    pub(crate) ports: BTreeSet<NamedPort>,
}

/// The labels of a peer, from one point of view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) labels: LabelSet,
    /// Those together with the labels of a node's own object.
    pub(crate) of_node: LabelSet,
}

impl Peer {
    pub(crate) fn new(who: &Who, world: &World, ports: BTreeSet<NamedPort>) -> Self {
        let is_api_server = |address: &IpAddr| world.api_servers().contains(&address.to_canonical());
        let serving = |mut labels: LabelSet, serves: bool| {
            if serves {
                labels.insert(RESERVED, "kube-apiserver", "");
            }
            labels
        };
        let plain = |labels: LabelSet| Seen { labels, of_node: LabelSet::default() };
        let (away, home) = match who {
            Who::World => (plain(LabelSet::reserved("world")), None),
            Who::Cidr(net) => {
                let serves = net.prefix_len() == net.max_prefix_len() && is_api_server(&net.addr());
                (plain(serving(LabelSet::reserved("world"), serves)), None)
            }
            Who::Node(name) => {
                let node = world.node(name);
                let serves = node.is_some_and(|node| node.addresses.iter().any(is_api_server));
                let seen = |role: &str| {
                    let labels = serving(LabelSet::reserved(role), serves);
                    let mut of_node = labels.clone();
                    for (key, value) in node.iter().flat_map(|node| &node.labels) {
                        of_node.insert(NODE, key, value);
                    }
                    Seen { labels, of_node }
                };
                (seen("remote-node"), Some(seen("host")))
            }
            Who::Workloads(labels) => (plain(labels.clone()), None),
        };
        let cluster = LabelKey::k8s(CLUSTER);
        let local = away.labels.values(&cluster).all(|cluster| cluster == DEFAULT_CLUSTER);
        Self { who: who.clone(), local, away, home, ports }
    }

    /// Each way in which it is seen.
    pub(crate) fn views(&self) -> impl Iterator<Item = &Seen> {
        std::iter::once(&self.away).chain(&self.home)
    }

    pub(crate) fn is_node(&self) -> bool {
        matches!(self.who, Who::Node(_))
    }

    pub(crate) fn is_in(&self, entity: Entity, seen: &Seen) -> bool {
        match entity {
            Entity::All => true,
            Entity::World => matches!(self.who, Who::World | Who::Cidr(_)),
            Entity::Cluster => match self.who {
                Who::Node(_) => true,
                Who::Workloads(_) => self.local,
                Who::World | Who::Cidr(_) => false,
            },
            Entity::ClusterMesh => matches!(self.who, Who::Node(_) | Who::Workloads(_)),
            Entity::Host | Entity::RemoteNode | Entity::KubeApiserver => {
                let key = LabelKey { source: Some(RESERVED.to_owned()), key: entity.as_str().to_owned() };
                seen.labels.values(&key).next().is_some()
            }
            Entity::Ingress | Entity::Health | Entity::Init | Entity::Unmanaged | Entity::None => false,
        }
    }
}

/// Everybody with a number.
#[derive(Debug, Default)]
pub(crate) struct Universe {
    peers: BTreeMap<IdentityId, Peer>,
    by_who: BTreeMap<Who, IdentityId>,
    labelled: LabelIndex<IdentityId>,
    /// Who has which address; more than one where that is disputed. A resolver keeps only those that are asked for.
    owners: BTreeMap<IpAddr, BTreeSet<IdentityId>>,
}

impl Universe {
    /// The identities of a world.
    pub(crate) fn of(world: &World, identities: &Identities) -> Self {
        let mut ports: BTreeMap<Who, BTreeSet<NamedPort>> = BTreeMap::new();
        for workload in world.workloads().filter(|workload| !workload.ports.is_empty()) {
            let who = Who::Workloads(world.identity_labels(workload));
            ports.entry(who).or_default().extend(workload.ports.iter().cloned());
        }
        let mut universe = Self::default();
        for identity in identities.iter() {
            let ports = ports.remove(&identity.who).unwrap_or_default();
            universe.insert(identity.id, Peer::new(&identity.who, world, ports));
        }
        for (address, id) in identities.addresses() {
            universe.owners.entry(address).or_default().insert(id);
        }
        universe
    }

    /// Adds a peer under a number that nobody has.
    pub(crate) fn insert(&mut self, id: IdentityId, peer: Peer) {
        for seen in peer.views() {
            self.labelled.insert(&seen.labels, &id);
        }
        self.by_who.insert(peer.who.clone(), id);
        self.peers.insert(id, peer);
    }

    pub(crate) fn remove(&mut self, id: IdentityId) -> Option<Peer> {
        let peer = self.peers.remove(&id)?;
        for seen in peer.views() {
            self.labelled.remove(&seen.labels, &id);
        }
        self.by_who.remove(&peer.who);
        Some(peer)
    }

    pub(crate) fn peer(&self, id: IdentityId) -> Option<&Peer> {
        self.peers.get(&id)
    }

    pub(crate) fn id(&self, who: &Who) -> Option<IdentityId> {
        self.by_who.get(who).copied()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = (&Who, IdentityId)> {
        self.by_who.iter().map(|(who, id)| (who, *id))
    }

    /// Those whose workloads give names to ports.
    pub(crate) fn with_ports(&self) -> impl Iterator<Item = IdentityId> {
        self.peers.iter().filter(|(_, peer)| !peer.ports.is_empty()).map(|(id, _)| *id)
    }

    /// Says whose addresses are; `owners` is all there are.
    pub(crate) fn set_owners(&mut self, owners: BTreeMap<IpAddr, BTreeSet<IdentityId>>) {
        self.owners = owners;
    }

    /// Those who claim an address, or else the prefix that is this address alone.
    pub(crate) fn owners(&self, address: IpAddr) -> BTreeSet<IdentityId> {
        match self.owners.get(&address) {
            Some(owners) => owners.clone(),
            None => self.id(&Who::Cidr(IpNet::from(address))).into_iter().collect(),
        }
    }

    /// Workloads and nodes with addresses in a prefix: all of theirs, or for a denial any.
    pub(crate) fn inside(&self, net: &IpNet, effect: Effect) -> BTreeSet<IdentityId> {
        let (inside, beyond): (Vec<_>, Vec<_>) =
            self.owners.iter().partition(|(address, _)| net.contains(*address));
        let mut ids: BTreeSet<IdentityId> = inside.into_iter().flat_map(|(_, ids)| ids).copied().collect();
        if effect != Effect::Deny {
            for id in beyond.into_iter().flat_map(|(_, ids)| ids) {
                ids.remove(id);
            }
        }
        ids
    }

    /// Those that a selector of labels could match.
    pub(crate) fn narrow(&self, selector: &Selector) -> BTreeSet<IdentityId> {
        self.labelled.narrow(selector).unwrap_or_else(|| self.all())
    }

    pub(crate) fn all(&self) -> BTreeSet<IdentityId> {
        self.peers.keys().copied().collect()
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = IdentityId> {
        let first = Who::Node(String::new());
        self.by_who.range(first..).take_while(|(who, _)| matches!(who, Who::Node(_))).map(|(_, id)| *id)
    }

    pub(crate) fn workloads(&self) -> impl Iterator<Item = IdentityId> {
        let first = Who::Workloads(LabelSet::default());
        self.by_who.range(first..).take_while(|(who, _)| matches!(who, Who::Workloads(_))).map(|(_, id)| *id)
    }

    /// The prefixes that lie within one.
    pub(crate) fn within(&self, net: &IpNet) -> impl Iterator<Item = IdentityId> {
        // In their order, a prefix comes before all that it contains, and these before what lies beyond it.
        let last = IpNet::from(net.broadcast());
        self.by_who.range(Who::Cidr(*net)..=Who::Cidr(last)).map(|(_, id)| *id)
    }

    /// Everything outside the cluster.
    pub(crate) fn outside(&self) -> impl Iterator<Item = IdentityId> {
        let world = self.id(&Who::World);
        let prefixes = self.by_who.iter().rev().take_while(|(who, _)| matches!(who, Who::Cidr(_)));
        world.into_iter().chain(prefixes.map(|(_, id)| *id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefixes_within_one_stand_beside_each_other() {
        let nets: Vec<IpNet> = [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "10.0.0.0/16",
            "10.0.0.0/32",
            "10.255.255.255/32",
            "11.0.0.0/8",
            "fd00::/8",
        ]
        .iter()
        .map(|net| net.parse().unwrap())
        .collect();
        let mut universe = Universe::default();
        for (id, net) in (1..).map(IdentityId).zip(&nets) {
            universe.insert(id, Peer::new(&Who::Cidr(*net), &World::default(), BTreeSet::new()));
        }
        let check = |net: &str, expected: &[u32]| {
            let net: IpNet = net.parse().unwrap();
            let found: Vec<u32> = universe.within(&net).map(|id| id.0).collect();
            assert_eq!(found, expected, "{net}");
        };
        check("10.0.0.0/8", &[2, 3, 4, 5]);
        check("10.0.0.0/16", &[3, 4]);
        check("0.0.0.0/0", &[1, 2, 3, 4, 5, 6]);
        check("::/0", &[7]);
        check("12.0.0.0/8", &[]);
    }

    #[test]
    fn every_kind_is_found_by_its_place_in_the_order() {
        let mut universe = Universe::default();
        let whos = [
            Who::World,
            Who::Node(String::new()),
            Who::Node("n".to_owned()),
            Who::Workloads(LabelSet::default()),
            Who::Workloads(LabelSet::reserved("x")),
            Who::Cidr("10.0.0.0/8".parse().unwrap()),
        ];
        for (id, who) in (1..).map(IdentityId).zip(&whos) {
            universe.insert(id, Peer::new(who, &World::default(), BTreeSet::new()));
        }
        let ids = |found: &mut dyn Iterator<Item = IdentityId>| found.map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(ids(&mut universe.nodes()), [2, 3]);
        assert_eq!(ids(&mut universe.workloads()), [4, 5]);
        assert_eq!(ids(&mut universe.outside()), [1, 6]);
    }
}
