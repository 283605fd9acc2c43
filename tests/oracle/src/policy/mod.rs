//! Policies, as users write them.

pub mod cilium;
pub mod kubernetes;
pub mod tiered;

/// One document.
#[derive(Debug, Clone)]
pub enum Policy {
    /// `CiliumNetworkPolicy` or `CiliumClusterwideNetworkPolicy`.
    Cilium(cilium::Policy),
    /// `NetworkPolicy`.
    Kubernetes(kubernetes::Policy),
    /// `ClusterNetworkPolicy`.
    Tiered(tiered::Policy),
}

/// Seen from the workload that a policy selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To it.
    Ingress,
    /// From it.
    Egress,
}

impl Policy {
    /// Whether it is only tried: audited, not enforced.
    pub fn is_audit(&self) -> bool {
        match self {
            Self::Cilium(policy) => policy.audit,
            Self::Kubernetes(policy) => policy.audit,
            Self::Tiered(policy) => policy.audit,
        }
    }
}
