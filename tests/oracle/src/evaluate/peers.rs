//! Who the other end is, as the subject sees it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::View;
use crate::address::Prefix;
use crate::label::{Label, Operator, Selector, split};
use crate::policy::cilium::{CidrSet, CidrSource, Entity, ServiceRef};
use crate::world::{Backends, CLUSTER_KEY, CidrGroup, NAMESPACE_KEY, NAMESPACE_LABELS, Owner, Service};

impl View<'_> {
    /// Whether the peer is the node of the subject.
    pub(super) fn peer_is_host(&self) -> bool {
        matches!(self.peer, Owner::Node(node) if self.subject.node.as_ref() == Some(&node.name))
    }

    /// The peer's address, if it is outside.
    fn outside(&self) -> Option<IpAddr> {
        match self.peer {
            Owner::Outside(address) => Some(address),
            Owner::Workload(_) | Owner::Node(_) => None,
        }
    }

    /// The labels of the peer. A node's own are not among them.
    fn labels(&self) -> Vec<Label> {
        let serves_api = |addresses: &[IpAddr]| {
            let serves = addresses.iter().any(|address| self.world.api_servers.contains(address));
            serves.then(|| Label::reserved("kube-apiserver"))
        };
        match self.peer {
            Owner::Workload(workload) => self.world.labels(workload),
            Owner::Node(node) => {
                let place = Label::reserved(if self.peer_is_host() { "host" } else { "remote-node" });
                std::iter::once(place).chain(serves_api(&node.addresses)).collect()
            }
            Owner::Outside(address) => {
                std::iter::once(Label::reserved("world")).chain(serves_api(&[address])).collect()
            }
        }
    }

    /// An endpoint selector, which says itself where to look. Other clusters are seen only if it names clusters.
    pub(super) fn endpoints(&self, selector: &Selector) -> bool {
        let foreign = matches!(self.peer, Owner::Workload(workload) if !workload.is_local());
        let names_cluster = selector.keys().any(|key| split(key).1 == CLUSTER_KEY);
        (!foreign || names_cluster) && selector.matches(&self.labels())
    }

    /// A node selector: every node has its own labels and those of its place.
    pub(super) fn nodes(&self, selector: &Selector) -> bool {
        let Owner::Node(node) = self.peer else { return false };
        let own = node.labels.iter().map(|(key, value)| Label::new("node", key, value));
        let labels: Vec<Label> = self.labels().into_iter().chain(own).collect();
        selector.matches(&labels)
    }

    /// §2.5: only what is outside, never pods or nodes.
    pub(super) fn cidr(&self, prefixes: &[Prefix], except: &[Prefix]) -> bool {
        let within = |prefixes: &[Prefix], address| prefixes.iter().any(|prefix| prefix.contains(address));
        self.outside().is_some_and(|address| within(prefixes, address) && !within(except, address))
    }

    /// `networks` of a ClusterNetworkPolicy: addresses wherever they are. Workloads with the same labels are one identity:
    /// what is denied to one of its addresses is denied to it, what is allowed must be allowed to all of them.
    pub(super) fn networks(&self, prefixes: &[Prefix], deny: bool) -> bool {
        let addresses: Vec<IpAddr> = match self.peer {
            Owner::Outside(address) => vec![address],
            Owner::Node(node) => node.addresses.clone(),
            Owner::Workload(peer) => {
                let alike =
                    |other: &&crate::world::Workload| self.world.labels(other) == self.world.labels(peer);
                self.world.workloads.iter().filter(alike).flat_map(|other| other.addresses.clone()).collect()
            }
        };
        prefixes.iter().any(|prefix| match deny {
            true => addresses.iter().any(|address| prefix.contains(*address)),
            false => addresses.iter().all(|address| prefix.contains(*address)),
        })
    }

    /// One of a CIDR set. What is denied to groups that do not exist is denied to everything outside.
    pub(super) fn cidr_set(&self, set: &CidrSet, deny: bool) -> bool {
        let meant = |group: &&CidrGroup| match &set.of {
            CidrSource::Prefix(_) => false,
            CidrSource::Group(name) => group.name == *name,
            CidrSource::Groups(selector) => selector.matches(&object_labels(&group.labels)),
        };
        if let CidrSource::Prefix(prefix) = &set.of {
            return self.cidr(&[*prefix], &set.except);
        }
        let groups: Vec<&CidrGroup> = self.world.groups.iter().filter(meant).collect();
        match groups.is_empty() {
            true => deny && self.outside().is_some(),
            false => groups.iter().any(|group| self.cidr(&group.prefixes, &set.except)),
        }
    }

    /// §1.3.
    pub(super) fn entity(&self, entity: Entity) -> bool {
        let is = |name: &str| self.labels().contains(&Label::reserved(name));
        match entity {
            Entity::All => true,
            Entity::World => self.outside().is_some(),
            Entity::Cluster => match self.peer {
                Owner::Workload(workload) => workload.is_local(),
                Owner::Node(_) => true,
                Owner::Outside(_) => false,
            },
            Entity::ClusterMesh => self.outside().is_none(),
            Entity::Host => is("host"),
            Entity::RemoteNode => is("remote-node"),
            Entity::KubeApiserver => is("kube-apiserver"),
            Entity::Ingress | Entity::Health | Entity::Init | Entity::Unmanaged | Entity::None => false,
        }
    }

    /// The services that are meant, and whoever is behind them. No service is nobody.
    pub(super) fn service(&self, reference: &ServiceRef) -> bool {
        let meant = |service: &&Service| match reference {
            ServiceRef::Named(namespace, name) => service.namespace == *namespace && service.name == *name,
            ServiceRef::Labels(selector, namespace) => {
                let labels = object_labels(&service.labels);
                namespace.as_ref().is_none_or(|namespace| service.namespace == *namespace)
                    && selector.matches(&labels)
            }
        };
        self.world.services.iter().filter(meant).any(|service| self.is_behind(service))
    }

    fn is_behind(&self, service: &Service) -> bool {
        match &service.backends {
            Backends::Selector(wanted) => {
                let Owner::Workload(workload) = self.peer else { return false };
                let labels = self.labels();
                workload.is_local()
                    && workload.namespace == service.namespace
                    && wanted.iter().all(|(key, value)| labels.contains(&Label::new("k8s", key, value)))
            }
            Backends::Addresses(addresses, _) => addresses.iter().any(|address| {
                match (self.peer, self.world.owner(*address)) {
                    // Workloads with the same labels are one identity: who allows the one allows the other.
                    (Owner::Workload(peer), Owner::Workload(backend)) => {
                        self.world.labels(backend) == self.world.labels(peer)
                    }
                    (Owner::Node(peer), Owner::Node(backend)) => peer.name == backend.name,
                    (Owner::Outside(peer), _) => peer == *address,
                    _ => false,
                }
            }),
        }
    }
}

/// The labels of an object that is no peer.
fn object_labels(labels: &BTreeMap<String, String>) -> Vec<Label> {
    labels.iter().map(|(key, value)| Label::new("k8s", key, value)).collect()
}

/// §2.1: what the endpoint selectors of a peer list mean in a policy of this namespace, or of none.
pub(super) fn placed(selector: &Selector, namespace: Option<&str>) -> Selector {
    let names_place = selector.keys().any(|key| {
        let (source, key) = split(key);
        key == NAMESPACE_KEY || key.starts_with(NAMESPACE_LABELS) || source == Some("reserved")
    });
    match namespace {
        Some(namespace) if !names_place => within(selector, namespace),
        None if selector.is_empty() => in_some_namespace(selector),
        _ => selector.clone(),
    }
}

/// §2.1: a subject is always in its policy's own namespace.
pub(super) fn pinned(selector: &Selector, namespace: &str) -> Selector {
    within(&selector.without(|key| split(key).1 == NAMESPACE_KEY), namespace)
}

/// The same in one namespace.
pub(super) fn within(selector: &Selector, namespace: &str) -> Selector {
    with(selector, Operator::In(vec![namespace.to_owned()]))
}

/// The same of pods only.
pub(super) fn in_some_namespace(selector: &Selector) -> Selector {
    with(selector, Operator::Exists)
}

fn with(selector: &Selector, operator: Operator) -> Selector {
    let mut selector = selector.clone();
    selector.expressions.push(crate::label::Expression { key: format!("k8s:{NAMESPACE_KEY}"), operator });
    selector
}
