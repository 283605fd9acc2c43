//! The world: what exists, and who is at an address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::address::Prefix;
use crate::label::Label;
use crate::port::Protocol;

/// What exists.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Workloads.
    pub workloads: Vec<Workload>,
    /// Namespaces that have an object.
    pub namespaces: Vec<Namespace>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Services.
    pub services: Vec<Service>,
    /// CIDR groups.
    pub groups: Vec<CidrGroup>,
    /// The addresses of the API servers.
    pub api_servers: Vec<IpAddr>,
}

/// A pod, or something that stands for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its own labels.
    pub labels: BTreeMap<String, String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its node.
    pub node: Option<String>,
    /// Its service account.
    pub service_account: Option<String>,
    /// Its cluster; none is the local one.
    pub cluster: Option<String>,
    /// Its ports' names.
    pub ports: Vec<ContainerPort>,
    /// Whether it is written as a Pod. Workloads of other clusters cannot be.
    pub as_pod: bool,
}

/// A named port of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerPort {
    /// The name.
    pub name: String,
    /// The number.
    pub port: u16,
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Where its traffic goes.
    pub backends: Backends,
}

/// Where a service's traffic goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backends {
    /// To the workloads of its namespace with these labels.
    Selector(BTreeMap<String, String>),
    /// To these addresses; they are written as `EndpointSlice`s, or as `Endpoints`.
    Addresses(Vec<IpAddr>, BackendForm),
}

/// How backends are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendForm {
    /// `EndpointSlice`.
    Slices,
    /// `Endpoints`.
    Endpoints,
}

/// A `CiliumCIDRGroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CidrGroup {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its prefixes.
    pub prefixes: Vec<Prefix>,
    /// Whether it is written into the policies' file.
    pub among_policies: bool,
}

/// Who is at an address.
#[derive(Debug, Clone, Copy)]
pub enum Owner<'w> {
    /// A workload.
    Workload(&'w Workload),
    /// A node.
    Node(&'w Node),
    /// Nothing that is known.
    Outside(IpAddr),
}

/// The name of the local cluster.
pub const LOCAL_CLUSTER: &str = "default";
/// The label of a workload's cluster.
pub const CLUSTER_KEY: &str = "io.cilium.k8s.policy.cluster";
/// The label of a workload's namespace.
pub const NAMESPACE_KEY: &str = "io.kubernetes.pod.namespace";
/// Before the labels of a workload's namespace.
pub const NAMESPACE_LABELS: &str = "io.cilium.k8s.namespace.labels.";

impl Workload {
    /// Whether it is of the local cluster.
    pub fn is_local(&self) -> bool {
        self.cluster.as_deref().is_none_or(|cluster| cluster == LOCAL_CLUSTER)
    }
}

impl World {
    /// Who is at an address.
    pub fn owner(&self, address: IpAddr) -> Owner<'_> {
        let workload = self.workloads.iter().find(|workload| workload.addresses.contains(&address));
        let node = self.nodes.iter().find(|node| node.addresses.contains(&address));
        match (workload, node) {
            (Some(workload), _) => Owner::Workload(workload),
            (None, Some(node)) => Owner::Node(node),
            (None, None) => Owner::Outside(address),
        }
    }

    /// The labels of a workload's identity (§2.1).
    pub fn labels(&self, workload: &Workload) -> Vec<Label> {
        let mut labels: Vec<Label> = workload
            .labels
            .iter()
            .filter(|(key, _)| counts(key))
            .map(|(key, value)| Label::new("k8s", key, value))
            .collect();
        labels.push(Label::new("k8s", NAMESPACE_KEY, &workload.namespace));
        labels.push(Label::new("k8s", CLUSTER_KEY, workload.cluster.as_deref().unwrap_or(LOCAL_CLUSTER)));
        if let Some(account) = &workload.service_account {
            labels.push(Label::new("k8s", "io.cilium.k8s.policy.serviceaccount", account));
        }
        let name_key = format!("{NAMESPACE_LABELS}kubernetes.io/metadata.name");
        labels.push(Label::new("k8s", &name_key, &workload.namespace));
        for namespace in self.namespaces.iter().filter(|namespace| namespace.name == workload.namespace) {
            for (key, value) in &namespace.labels {
                labels.push(Label::new("k8s", &format!("{NAMESPACE_LABELS}{key}"), value));
            }
        }
        labels.sort();
        labels
    }
}

/// Whether a pod's own label is part of its identity (§2.1, the default filter), and is none of the derived ones.
fn counts(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let of = |parent: &str| domain == parent || domain.ends_with(&format!(".{parent}"));
    let noise = key == "pod-template-hash"
        || key == "controller-revision-hash"
        || of("kubernetes.io")
        || of("k8s.io");
    let derived = key == NAMESPACE_KEY || key.starts_with("io.cilium.k8s.");
    domain == "app.kubernetes.io" || (!noise && !derived)
}
