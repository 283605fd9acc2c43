//! What is seen of a cluster.

use std::fmt;

use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use postern_controller_api::identity::PosternIdentity;
use postern_policy_core::world::WorkloadName;

/// Something that was seen.
#[derive(Debug, Clone)]
pub enum Event {
    /// A pod.
    Pod(Change<Pod>),
    /// A namespace.
    Namespace(Change<Namespace>),
    /// A node.
    Node(Change<Node>),
    /// A service.
    Service(Change<Service>),
    /// Where some of a service's backends are.
    EndpointSlice(Change<EndpointSlice>),
    /// A CIDR group.
    CidrGroup(Change<CidrGroupObject>),
    /// A policy of any kind.
    Policy(PolicyChange),
    /// The number of an identity.
    Identity(Change<PosternIdentity>),
    /// The objects of this kind are listed from the beginning: what is not seen again until [`Event::Synced`] is gone.
    Relist(Kind),
    /// Every object of this kind has been seen.
    Synced(Kind),
}

/// What happened to an object.
#[derive(Debug, Clone)]
pub enum Change<T> {
    /// It is there, new or changed.
    Applied(Box<T>),
    /// It is gone.
    Deleted(ObjectKey),
}

/// What happened to a policy.
#[derive(Debug, Clone)]
pub enum PolicyChange {
    /// It is there, new or changed.
    Applied(Box<PolicyObject>),
    /// It is gone.
    Deleted(PolicyKey),
}

/// The kinds of objects that are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Pods.
    Pod,
    /// Namespaces.
    Namespace,
    /// Nodes.
    Node,
    /// Services.
    Service,
    /// Endpoint slices.
    EndpointSlice,
    /// `CiliumCIDRGroup`.
    CidrGroup,
    /// Policies of one kind.
    Policy(PolicyKind),
    /// `PosternIdentity`.
    Identity,
}

impl Kind {
    /// All of them: nothing is published before each was listed.
    pub const ALL: [Self; 11] = [
        Self::Pod,
        Self::Namespace,
        Self::Node,
        Self::Service,
        Self::EndpointSlice,
        Self::CidrGroup,
        Self::Policy(PolicyKind::Cnp),
        Self::Policy(PolicyKind::Ccnp),
        Self::Policy(PolicyKind::NetworkPolicy),
        Self::Policy(PolicyKind::ClusterNetworkPolicy),
        Self::Identity,
    ];

    /// The kind as Kubernetes names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Namespace => "Namespace",
            Self::Node => "Node",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::CidrGroup => "CiliumCIDRGroup",
            Self::Policy(kind) => kind.name(),
            Self::Identity => "PosternIdentity",
        }
    }
}

/// The kinds of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyKind {
    /// `CiliumNetworkPolicy`.
    Cnp,
    /// `CiliumClusterwideNetworkPolicy`.
    Ccnp,
    /// `NetworkPolicy`.
    NetworkPolicy,
    /// `ClusterNetworkPolicy`.
    ClusterNetworkPolicy,
}

impl PolicyKind {
    /// The kind as Kubernetes names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cnp => "CiliumNetworkPolicy",
            Self::Ccnp => "CiliumClusterwideNetworkPolicy",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Cnp => "cnp",
            Self::Ccnp => "ccnp",
            Self::NetworkPolicy => "netpol",
            Self::ClusterNetworkPolicy => "kcnp",
        }
    }
}

/// The name of an object within its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// The namespace; empty for what is in none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ObjectKey {
    /// The name of an object in a namespace.
    pub fn namespaced(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The name of an object of the whole cluster.
    pub fn cluster(name: impl Into<String>) -> Self {
        Self { namespace: String::new(), name: name.into() }
    }

    pub(crate) fn workload(&self) -> WorkloadName {
        WorkloadName { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

/// The name of a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyKey {
    /// Its kind.
    pub kind: PolicyKind,
    /// The namespace; empty for what is in none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl fmt::Display for PolicyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.prefix())?;
        if !self.namespace.is_empty() {
            write!(f, "/{}", self.namespace)?;
        }
        write!(f, "/{}", self.name)
    }
}

/// A policy as the API server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyObject {
    /// Its name.
    pub key: PolicyKey,
    /// Its uid: another object under the same name has another.
    pub uid: String,
    /// Its generation: the same one is not read again. 0 where that is not known.
    pub generation: i64,
    /// The object as JSON, whole.
    pub text: String,
}

/// A CIDR group as the API server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CidrGroupObject {
    /// Its name.
    pub name: String,
    /// Its uid: another object under the same name has another.
    pub uid: String,
    /// The object as JSON, whole.
    pub text: String,
}

/// Which object something is said of, as a Kubernetes Event names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub key: ObjectKey,
    /// Its uid, where it is known.
    pub uid: Option<String>,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if !self.key.namespace.is_empty() {
            write!(f, " {}/{}", self.key.namespace, self.key.name)
        } else {
            write!(f, " {}", self.key.name)
        }
    }
}
