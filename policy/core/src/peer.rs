//! Peers: the ways in which an item names who is at the other end.

use ipnet::IpNet;

use crate::selector::Selector;
use crate::world::WorkloadName;

/// One way of naming peers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PeerTerm {
    /// By labels, as identities have them. Workloads of other clusters are selected only if the cluster's
    /// label is among the requirements.
    Endpoints(Selector),
    /// Nodes, by their own labels and the reserved ones that they have as seen from the subject.
    Nodes(Selector),
    /// Addresses outside the cluster.
    Cidr(CidrTerm),
    /// Addresses wherever they are, those of workloads and nodes included. An identity of which some addresses lie
    /// within is denied what is denied to these, and not allowed what is allowed to them.
    Network(IpNet),
    /// Addresses outside the cluster that groups list.
    CidrGroup(CidrGroupTerm),
    /// A well-known set.
    Entity(Entity),
    /// What stands behind services.
    Service(ServiceTerm),
}

/// A prefix without some parts of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CidrTerm {
    /// The prefix, without host bits.
    pub net: IpNet,
    /// What is left out of it.
    pub except: Vec<IpNet>,
}

/// The prefixes of groups without some parts of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CidrGroupTerm {
    /// Which groups.
    pub groups: GroupRef,
    /// What is left out of each of their prefixes.
    pub except: Vec<IpNet>,
}

/// Which CIDR groups are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GroupRef {
    /// The one of this name.
    Named(String),
    /// Those with these labels.
    Labels(Selector),
}

/// Which services are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServiceTerm {
    /// The one of this name.
    Named(WorkloadName),
    /// Those with these labels of their own.
    Labels {
        /// The labels.
        selector: Selector,
        /// The namespace, or all of them.
        namespace: Option<String>,
    },
}

/// A well-known set of peers, as Cilium calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// Everyone.
    All,
    /// Everything outside the cluster.
    World,
    /// The nodes and workloads of the local cluster.
    Cluster,
    /// The nodes and the workloads of every cluster.
    ClusterMesh,
    /// The subject's own node.
    Host,
    /// The other nodes.
    RemoteNode,
    /// The API servers.
    KubeApiserver,
    /// A load balancer of the network itself: nothing in this world has it, nor any of the following.
    Ingress,
    /// The network's own health checks.
    Health,
    /// Workloads that have no labels yet.
    Init,
    /// Workloads that are not managed.
    Unmanaged,
    /// Nobody, by definition.
    None,
}

impl Entity {
    /// Every entity.
    pub const EVERY: [Self; 12] = [
        Self::All,
        Self::World,
        Self::Cluster,
        Self::ClusterMesh,
        Self::Host,
        Self::RemoteNode,
        Self::KubeApiserver,
        Self::Ingress,
        Self::Health,
        Self::Init,
        Self::Unmanaged,
        Self::None,
    ];

    /// The name, as policies write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::World => "world",
            Self::Cluster => "cluster",
            Self::ClusterMesh => "cluster-mesh",
            Self::Host => "host",
            Self::RemoteNode => "remote-node",
            Self::KubeApiserver => "kube-apiserver",
            Self::Ingress => "ingress",
            Self::Health => "health",
            Self::Init => "init",
            Self::Unmanaged => "unmanaged",
            Self::None => "none",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|entity| entity.as_str() == text)
    }
}
