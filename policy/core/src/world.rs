//! The world: the workloads, namespaces and nodes that policies are resolved against.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::identity::{AddressTable, Identity, IdentityId, Who};
use crate::labels::{self, K8S, LabelSet};
use crate::path::Profile;
use crate::policy::Policy;
use crate::port::{PortRange, Protocol};
use crate::prefixes::prefixes;

/// A workload's name within its namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadName {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl WorkloadName {
    /// Reads `namespace/name`, or a name in namespace `default`.
    pub fn parse(text: &str) -> Self {
        let (namespace, name) = text.split_once('/').unwrap_or(("default", text));
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A pod, or a process that stands for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Its name.
    pub name: WorkloadName,
    /// Its own labels, as its object has them.
    pub labels: BTreeMap<String, String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The node it runs on, where that is known.
    pub node: Option<String>,
    /// Its service account.
    pub service_account: Option<String>,
    /// Its cluster, where that is not the local one.
    pub cluster: Option<String>,
    /// The ports that it gives names to.
    pub ports: Vec<NamedPort>,
    /// How it reads the paths of requests to some of its ports.
    pub profiles: Vec<(PortRange, Profile)>,
}

/// A port that a workload gives a name to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedPort {
    /// The name.
    pub name: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
}

/// A node. Its addresses are the host of its own workloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A service. Policies speak of the pods behind it, never of its own addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: WorkloadName,
    /// The labels of its pods; empty where it has none of its own.
    pub selector: BTreeMap<String, String>,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
    /// Its own labels.
    pub labels: BTreeMap<String, String>,
}

/// A named set of prefixes, `CiliumCIDRGroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CidrGroup {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The prefixes, without host bits.
    pub prefixes: Vec<IpNet>,
}

impl Service {
    /// Whether it sends traffic to this workload.
    pub fn selects(&self, workload: &Workload) -> bool {
        !self.selector.is_empty()
            && self.name.namespace == workload.name.namespace
            && self.selector.iter().all(|(key, value)| workload.labels.get(key) == Some(value))
    }
}

/// What exists, as far as policies speak of it.
#[derive(Debug, Clone, Default)]
pub struct World {
    workloads: BTreeMap<WorkloadName, Workload>,
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    nodes: BTreeMap<String, Node>,
    services: BTreeMap<WorkloadName, Service>,
    backends: BTreeMap<WorkloadName, BTreeSet<IpAddr>>,
    cidr_groups: BTreeMap<String, CidrGroup>,
    api_servers: BTreeSet<IpAddr>,
}

/// Why something cannot be part of the world.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// Two things with one name.
    #[error("{0} is there twice: remove one of the two")]
    Duplicate(String),
    /// Two things with one address: whose traffic it is could not be told.
    #[error("address {address} belongs to {first} and to {second}: an address has one owner")]
    SharedAddress {
        /// The address.
        address: IpAddr,
        /// The first owner.
        first: String,
        /// The second owner.
        second: String,
    },
}

impl World {
    /// Adds a workload.
    pub fn add_workload(&mut self, workload: Workload) -> Result<(), WorldError> {
        let name = format!("workload {}", workload.name);
        match self.workloads.insert(workload.name.clone(), workload) {
            Some(_) => Err(WorldError::Duplicate(name)),
            None => Ok(()),
        }
    }

    /// Adds a namespace with its labels.
    pub fn add_namespace(&mut self, name: &str, labels: BTreeMap<String, String>) -> Result<(), WorldError> {
        match self.namespaces.insert(name.to_owned(), labels) {
            Some(_) => Err(WorldError::Duplicate(format!("namespace {name}"))),
            None => Ok(()),
        }
    }

    /// Sets the labels of a namespace, whether it was there or not, and returns those that it had.
    pub fn set_namespace(
        &mut self,
        name: &str,
        labels: BTreeMap<String, String>,
    ) -> Option<BTreeMap<String, String>> {
        self.namespaces.insert(name.to_owned(), labels)
    }

    /// Removes a namespace and returns the labels that it had.
    pub fn remove_namespace(&mut self, name: &str) -> Option<BTreeMap<String, String>> {
        self.namespaces.remove(name)
    }

    /// Sets a workload, whether it was there or not, and returns what it was.
    pub fn set_workload(&mut self, workload: Workload) -> Option<Workload> {
        self.workloads.insert(workload.name.clone(), workload)
    }

    /// Removes a workload and returns it.
    pub fn remove_workload(&mut self, name: &WorkloadName) -> Option<Workload> {
        self.workloads.remove(name)
    }

    /// Sets a node, whether it was there or not, and returns what it was.
    pub fn set_node(&mut self, node: Node) -> Option<Node> {
        self.nodes.insert(node.name.clone(), node)
    }

    /// Removes a node and returns it.
    pub fn remove_node(&mut self, name: &str) -> Option<Node> {
        self.nodes.remove(name)
    }

    /// Sets a service, whether it was there or not, and returns what it was.
    pub fn set_service(&mut self, service: Service) -> Option<Service> {
        self.services.insert(service.name.clone(), service)
    }

    /// Removes a service and returns it; its backends stay.
    pub fn remove_service(&mut self, name: &WorkloadName) -> Option<Service> {
        self.services.remove(name)
    }

    /// Says which backends a service has, all of them. Whether that is news.
    pub fn set_backends(
        &mut self,
        service: &WorkloadName,
        backends: impl IntoIterator<Item = IpAddr>,
    ) -> bool {
        let backends: BTreeSet<IpAddr> = backends.into_iter().map(|address| address.to_canonical()).collect();
        let before = match backends.is_empty() {
            true => self.backends.remove(service),
            false => self.backends.insert(service.clone(), backends),
        };
        before.unwrap_or_default().iter().ne(self.backends.get(service).into_iter().flatten())
    }

    /// Sets a CIDR group, whether it was there or not, and returns what it was.
    pub fn set_cidr_group(&mut self, group: CidrGroup) -> Option<CidrGroup> {
        self.cidr_groups.insert(group.name.clone(), group)
    }

    /// Removes a CIDR group and returns it.
    pub fn remove_cidr_group(&mut self, name: &str) -> Option<CidrGroup> {
        self.cidr_groups.remove(name)
    }

    /// Says where API servers answer, all of them, and returns where they did before.
    pub fn set_api_servers(&mut self, addresses: impl IntoIterator<Item = IpAddr>) -> BTreeSet<IpAddr> {
        let addresses = addresses.into_iter().map(|address| address.to_canonical()).collect();
        std::mem::replace(&mut self.api_servers, addresses)
    }

    /// Adds a node.
    pub fn add_node(&mut self, node: Node) -> Result<(), WorldError> {
        let name = format!("node {}", node.name);
        match self.nodes.insert(node.name.clone(), node) {
            Some(_) => Err(WorldError::Duplicate(name)),
            None => Ok(()),
        }
    }

    /// Adds a service.
    pub fn add_service(&mut self, service: Service) -> Result<(), WorldError> {
        let name = format!("service {}", service.name);
        match self.services.insert(service.name.clone(), service) {
            Some(_) => Err(WorldError::Duplicate(name)),
            None => Ok(()),
        }
    }

    /// Adds backends of a service, whether the service is known yet or not.
    pub fn add_backends(&mut self, service: &WorkloadName, backends: impl IntoIterator<Item = IpAddr>) {
        self.backends
            .entry(service.clone())
            .or_default()
            .extend(backends.into_iter().map(|address| address.to_canonical()));
    }

    /// The backends of a service, as far as they are known.
    pub fn backends(&self, service: &WorkloadName) -> impl Iterator<Item = IpAddr> {
        self.backends.get(service).into_iter().flatten().copied()
    }

    /// Adds a CIDR group.
    pub fn add_cidr_group(&mut self, group: CidrGroup) -> Result<(), WorldError> {
        let name = format!("CIDR group {}", group.name);
        match self.cidr_groups.insert(group.name.clone(), group) {
            Some(_) => Err(WorldError::Duplicate(name)),
            None => Ok(()),
        }
    }

    /// The CIDR groups, by name.
    pub fn cidr_groups(&self) -> impl Iterator<Item = &CidrGroup> {
        self.cidr_groups.values()
    }

    /// Adds an address at which an API server of the cluster answers.
    pub fn add_api_server(&mut self, address: IpAddr) {
        self.api_servers.insert(address.to_canonical());
    }

    /// Where API servers answer.
    pub fn api_servers(&self) -> &BTreeSet<IpAddr> {
        &self.api_servers
    }

    /// The nodes, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// The services, by name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// The service of this name.
    pub fn service(&self, name: &WorkloadName) -> Option<&Service> {
        self.services.get(name)
    }

    /// The CIDR group of this name.
    pub fn cidr_group(&self, name: &str) -> Option<&CidrGroup> {
        self.cidr_groups.get(name)
    }

    /// The services of a namespace, by name.
    pub fn services_of(&self, namespace: &str) -> impl Iterator<Item = &Service> {
        let first = WorkloadName { namespace: namespace.to_owned(), name: String::new() };
        let of_namespace = self.services.range(first..).map(|(_, service)| service);
        of_namespace.take_while(move |service| service.name.namespace == namespace)
    }

    /// Every address that is a backend of a service, whether the service is known or not.
    pub fn all_backends(&self) -> impl Iterator<Item = IpAddr> {
        self.backends.values().flatten().copied()
    }

    /// The services of which an address is a backend.
    pub fn services_with_backend(&self, address: IpAddr) -> impl Iterator<Item = &WorkloadName> {
        self.backends.iter().filter(move |(_, backends)| backends.contains(&address)).map(|(name, _)| name)
    }

    /// The namespaces that are known, and their labels.
    pub fn namespaces(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, String>)> {
        self.namespaces.iter().map(|(name, labels)| (name.as_str(), labels))
    }

    /// The workloads of a namespace, by name.
    pub fn workloads_of(&self, namespace: &str) -> impl Iterator<Item = &Workload> {
        let first = WorkloadName { namespace: namespace.to_owned(), name: String::new() };
        let of_namespace = self.workloads.range(first..).map(|(_, workload)| workload);
        of_namespace.take_while(move |workload| workload.name.namespace == namespace)
    }

    /// The workloads, by name.
    pub fn workloads(&self) -> impl Iterator<Item = &Workload> {
        self.workloads.values()
    }

    /// The workload of this name.
    pub fn workload(&self, name: &WorkloadName) -> Option<&Workload> {
        self.workloads.get(name)
    }

    /// Whether something else exists in another world, but for CIDR groups and for how paths are read.
    pub fn differs(&self, other: &Self) -> bool {
        let Self { workloads, namespaces, nodes, services, backends, cidr_groups: _, api_servers } = self;
        let unread = |workload: &Workload| Workload { profiles: Vec::new(), ..workload.clone() };
        workloads.len() != other.workloads.len()
            || workloads
                .values()
                .zip(other.workloads.values())
                .any(|(own, their)| unread(own) != unread(their))
            || *namespaces != other.namespaces
            || *nodes != other.nodes
            || *services != other.services
            || *backends != other.backends
            || *api_servers != other.api_servers
    }

    /// The labels of a workload's identity: its own, its namespace's and what it runs as.
    pub fn identity_labels(&self, workload: &Workload) -> LabelSet {
        let namespace = &workload.name.namespace;
        let mut set = LabelSet::default();
        for (key, value) in workload.labels.iter().filter(|(key, _)| labels::is_identity_label(key)) {
            set.insert(K8S, key, value);
        }
        set.insert(K8S, labels::NAMESPACE, namespace);
        let cluster = workload.cluster.as_deref().unwrap_or(labels::DEFAULT_CLUSTER);
        set.insert(K8S, labels::CLUSTER, cluster);
        // Kubernetes gives this label to every namespace, so a world without namespace objects has it too.
        let name_label = format!("{}.kubernetes.io/metadata.name", labels::NAMESPACE_LABELS);
        set.insert(K8S, name_label, namespace);
        for (key, value) in self.namespaces.get(namespace).into_iter().flatten() {
            set.insert(K8S, format!("{}.{key}", labels::NAMESPACE_LABELS), value);
        }
        if let Some(account) = &workload.service_account {
            set.insert(K8S, labels::SERVICE_ACCOUNT, account);
        }
        set
    }

    /// Numbers the identities that matter to these policies and finds whose each address is.
    ///
    /// The numbers depend on the world and the prefixes that are named alone: the same gives the same.
    pub fn identities(&self, policies: &[Policy]) -> Result<Identities, WorldError> {
        let nodes = self.nodes.values().map(|node| {
            (format!("node {}", node.name), Who::Node(node.name.clone()), node.addresses.as_slice())
        });
        let workloads = self.workloads.values().map(|workload| {
            let who = Who::Workloads(self.identity_labels(workload));
            (format!("workload {}", workload.name), who, workload.addresses.as_slice())
        });
        let owners: Vec<(String, Who, &[IpAddr])> = nodes.chain(workloads).collect();

        let distinct: BTreeSet<Who> = owners.iter().map(|(_, who, _)| who.clone()).collect();
        let mut by_who: BTreeMap<Who, IdentityId> =
            distinct.into_iter().zip((IdentityId::FIRST.0..).map(IdentityId)).collect();
        by_who.insert(Who::World, IdentityId::WORLD);
        let prefixes = prefixes(policies, self);
        by_who.extend(
            prefixes.iter().map(|net| Who::Cidr(*net)).zip((IdentityId::FIRST_CIDR.0..).map(IdentityId)),
        );

        let mut claimed: BTreeMap<IpAddr, (&str, IdentityId)> = BTreeMap::new();
        for (name, who, addresses) in &owners {
            let Some(id) = by_who.get(who) else { continue };
            for address in *addresses {
                let address = address.to_canonical();
                if let Some((first, _)) = claimed.insert(address, (name, *id)) {
                    let (first, second) = (first.to_owned(), name.clone());
                    return Err(WorldError::SharedAddress { address, first, second });
                }
            }
        }
        let addresses = claimed.into_iter().map(|(address, (_, id))| (address, id)).collect();
        Ok(Identities { by_who, addresses })
    }
}

/// The identities of a world.
#[derive(Debug, Clone, Default)]
pub struct Identities {
    by_who: BTreeMap<Who, IdentityId>,
    addresses: Vec<(IpAddr, IdentityId)>,
}

impl Identities {
    /// Identities whose numbers somebody else gives out and keeps; the world has its own.
    ///
    /// They need not have an address: a rule that already names an identity covers its first workload from the
    /// first packet on.
    pub fn numbered(
        numbers: impl IntoIterator<Item = (Who, IdentityId)>,
        addresses: impl IntoIterator<Item = (IpAddr, IdentityId)>,
    ) -> Self {
        let mut by_who: BTreeMap<Who, IdentityId> = numbers.into_iter().collect();
        by_who.insert(Who::World, IdentityId::WORLD);
        let addresses = addresses.into_iter().map(|(address, id)| (address.to_canonical(), id)).collect();
        Self { by_who, addresses }
    }

    /// All of them, the world included.
    pub fn iter(&self) -> impl Iterator<Item = Identity> {
        self.by_who.iter().map(|(who, id)| Identity { id: *id, who: who.clone() })
    }

    /// The number of an identity.
    pub fn id(&self, who: &Who) -> Option<IdentityId> {
        self.by_who.get(who).copied()
    }

    /// The address of every workload and node, and whose it is.
    pub fn addresses(&self) -> impl Iterator<Item = (IpAddr, IdentityId)> {
        self.addresses.iter().copied()
    }

    /// Every prefix that means an identity. One that is the address of a workload or a node means that.
    pub fn prefixes(&self) -> impl Iterator<Item = (IpNet, IdentityId)> {
        let owned: BTreeSet<IpNet> =
            self.addresses.iter().map(|(address, _)| IpNet::from(*address)).collect();
        let outside = self.by_who.iter().filter_map(move |(who, id)| match who {
            Who::Cidr(net) if !owned.contains(net) => Some((*net, *id)),
            _ => None,
        });
        outside.chain(self.addresses.iter().map(|(address, id)| (IpNet::from(*address), *id)))
    }

    /// The look-up table from address to identity.
    pub fn table(&self) -> AddressTable {
        self.prefixes().collect()
    }
}
