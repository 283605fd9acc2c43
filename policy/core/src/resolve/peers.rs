//! Who the peers of an item are, as one workload sees them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::IMPLICIT_HOST;
use crate::endpoint::{Action, Peers, Ports, Rule, Tier};
use crate::identity::{Identity, IdentityId, Who};
use crate::labels::{CLUSTER, DEFAULT_CLUSTER, K8S, LabelKey, LabelSet, NODE, RESERVED};
use crate::peer::{CidrGroupTerm, Entity, GroupRef, PeerTerm, ServiceTerm};
use crate::policy::{Effect, Item, PeerSelector, RuleId};
use crate::selector::Selector;
use crate::world::{Identities, Service, Workload, World};

/// Finds the identities that peers mean.
pub(super) struct PeerResolver<'w> {
    pub(super) world: &'w World,
    pub(super) identities: &'w Identities,
    pub(super) subject: &'w Workload,
    /// Labels are relative: a node is the host to its own workloads and a remote node to all others.
    candidates: Vec<Candidate>,
}

struct Candidate {
    identity: Identity,
    labels: LabelSet,
    /// Those of a node's own object.
    node_labels: LabelSet,
    local: bool,
}

impl<'w> PeerResolver<'w> {
    pub(super) fn new(world: &'w World, identities: &'w Identities, subject: &'w Workload) -> Self {
        let candidates = identities.iter().map(|identity| Candidate::new(identity, world, subject)).collect();
        Self { world, identities, subject, candidates }
    }

    pub(super) fn resolve(&self, item: &Item) -> Peers {
        match &item.peers {
            PeerSelector::Unnamed => Peers::Any,
            PeerSelector::AnyOf(terms) if terms.contains(&PeerTerm::Entity(Entity::All)) => Peers::Any,
            PeerSelector::AnyOf(terms) => Peers::Only(Arc::new(self.selected(terms, item.effect))),
        }
    }

    pub(super) fn selected(&self, terms: &[PeerTerm], effect: Effect) -> BTreeSet<IdentityId> {
        terms.iter().flat_map(|term| self.term(term, effect)).collect()
    }

    fn term(&self, term: &PeerTerm, effect: Effect) -> Vec<IdentityId> {
        match term {
            PeerTerm::Endpoints(selector) => {
                let meshed = names_cluster(selector);
                self.those(|peer| (peer.local || meshed) && selector.matches(&peer.labels))
            }
            PeerTerm::Nodes(selector) => {
                self.those(|peer| peer.is_node() && selector.matches(&peer.node_labels))
            }
            PeerTerm::Cidr(cidr) => {
                self.outside(|net| cidr.net.contains(net) && !within_any(net, &cidr.except))
            }
            PeerTerm::CidrGroup(group) => self.group(group, effect),
            PeerTerm::Entity(entity) => self.those(|peer| peer.is_in(*entity)),
            PeerTerm::Service(term) => self
                .world
                .services()
                .filter(|service| term.means(service))
                .flat_map(|service| self.behind(service))
                .collect(),
        }
    }

    fn those(&self, wanted: impl Fn(&Candidate) -> bool) -> Vec<IdentityId> {
        self.candidates.iter().filter(|peer| wanted(peer)).map(|peer| peer.identity.id).collect()
    }

    fn outside(&self, wanted: impl Fn(&IpNet) -> bool) -> Vec<IdentityId> {
        self.those(|peer| matches!(&peer.identity.who, Who::Cidr(net) if wanted(net)))
    }

    /// A group that does not exist allows nobody, but what is denied to it is denied to all that it might hold.
    fn group(&self, term: &CidrGroupTerm, effect: Effect) -> Vec<IdentityId> {
        let mut groups = self.world.cidr_groups().filter(|group| term.groups.means(group)).peekable();
        if groups.peek().is_none() && effect == Effect::Deny {
            return self.those(|peer| peer.is_in(Entity::World));
        }
        let prefixes: Vec<IpNet> = groups.flat_map(|group| group.prefixes.iter().copied()).collect();
        self.outside(|net| within_any(net, &prefixes) && !within_any(net, &term.except))
    }

    fn behind(&self, service: &Service) -> Vec<IdentityId> {
        if service.selector.is_empty() {
            let backends = self.world.backends(&service.name);
            return backends.filter_map(|address| self.owner(address)).collect();
        }
        let selected = self.world.workloads().filter(|workload| {
            workload.cluster.is_none() && service.selects(workload) && !workload.addresses.is_empty()
        });
        let identity = |workload| self.identities.id(&Who::Workloads(self.world.identity_labels(workload)));
        selected.filter_map(identity).collect()
    }

    /// Who has an address: its workload or node, or else the prefix that is this address alone.
    fn owner(&self, address: IpAddr) -> Option<IdentityId> {
        let mut owned = self.identities.addresses().filter(|(known, _)| *known == address);
        owned.next().map(|(_, id)| id).or_else(|| self.identities.id(&Who::Cidr(IpNet::from(address))))
    }

    pub(super) fn implicit_host(&self) -> Option<Rule> {
        let host = self.candidates.iter().find(|peer| peer.is_in(Entity::Host))?.identity.id;
        Some(Rule {
            id: RuleId::new(IMPLICIT_HOST),
            tier: Tier::Default,
            peers: Peers::Only(Arc::new(BTreeSet::from([host]))),
            ports: Ports::All,
            action: Action::Allow,
        })
    }
}

impl Candidate {
    fn new(identity: Identity, world: &World, subject: &Workload) -> Self {
        let is_api_server = |address: &IpAddr| world.api_servers().contains(&address.to_canonical());
        let mut node_labels = LabelSet::default();
        let (mut labels, serves) = match &identity.who {
            Who::World => (LabelSet::reserved("world"), false),
            Who::Cidr(net) => {
                let single = net.prefix_len() == net.max_prefix_len();
                (LabelSet::reserved("world"), single && is_api_server(&net.addr()))
            }
            Who::Node(name) => {
                let host = subject.node.as_ref() == Some(name);
                let labels = LabelSet::reserved(if host { "host" } else { "remote-node" });
                (labels, world.node(name).is_some_and(|node| node.addresses.iter().any(is_api_server)))
            }
            Who::Workloads(labels) => (labels.clone(), false),
        };
        if serves {
            labels.insert(RESERVED, "kube-apiserver", "");
        }
        if let Who::Node(name) = &identity.who {
            node_labels = labels.clone();
            for (key, value) in world.node(name).iter().flat_map(|node| &node.labels) {
                node_labels.insert(NODE, key, value);
            }
        }
        let cluster = LabelKey { source: Some(K8S.to_owned()), key: CLUSTER.to_owned() };
        let local = labels.values(&cluster).all(|cluster| cluster == DEFAULT_CLUSTER);
        Self { identity, labels, node_labels, local }
    }

    fn is_node(&self) -> bool {
        matches!(self.identity.who, Who::Node(_))
    }

    fn is_in(&self, entity: Entity) -> bool {
        let reserved = |name: &str| {
            let key = LabelKey { source: Some(RESERVED.to_owned()), key: name.to_owned() };
            self.labels.values(&key).next().is_some()
        };
        match entity {
            Entity::All => true,
            Entity::World => matches!(self.identity.who, Who::World | Who::Cidr(_)),
            Entity::Cluster => match self.identity.who {
                Who::Node(_) => true,
                Who::Workloads(_) => self.local,
                Who::World | Who::Cidr(_) => false,
            },
            Entity::ClusterMesh => matches!(self.identity.who, Who::Node(_) | Who::Workloads(_)),
            Entity::Host | Entity::RemoteNode | Entity::KubeApiserver => reserved(entity.as_str()),
            Entity::Ingress | Entity::Health | Entity::Init | Entity::Unmanaged | Entity::None => false,
        }
    }
}

fn names_cluster(selector: &Selector) -> bool {
    selector.requirements.iter().any(|requirement| requirement.key.key == CLUSTER)
}

fn within_any(net: &IpNet, prefixes: &[IpNet]) -> bool {
    prefixes.iter().any(|prefix| prefix.contains(net))
}

/// The labels of an object as a selector of Kubernetes sees them.
fn object_labels(labels: &std::collections::BTreeMap<String, String>) -> LabelSet {
    let mut set = LabelSet::default();
    for (key, value) in labels {
        set.insert(K8S, key, value);
    }
    set
}

impl GroupRef {
    /// Whether a group is one of those.
    pub fn means(&self, group: &crate::world::CidrGroup) -> bool {
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
