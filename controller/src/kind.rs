//! One value for each kind of object that is watched.

use postern_controller_index::{Kind, PolicyKind};

/// How many kinds there are.
const KINDS: usize = Kind::ALL.len();

/// A value for each kind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PerKind<T>([T; KINDS]);

impl<T> PerKind<T> {
    /// From values in the order of [`Kind::ALL`].
    #[must_use]
    pub(crate) fn new(values: [T; KINDS]) -> Self {
        Self(values)
    }

    /// The value of a kind.
    #[must_use]
    pub(crate) fn get(&self, kind: Kind) -> &T {
        let [pod, namespace, node, service, slice, group, cnp, ccnp, policy, ordered, identity] = &self.0;
        match kind {
            Kind::Pod => pod,
            Kind::Namespace => namespace,
            Kind::Node => node,
            Kind::Service => service,
            Kind::EndpointSlice => slice,
            Kind::CidrGroup => group,
            Kind::Policy(PolicyKind::Cnp) => cnp,
            Kind::Policy(PolicyKind::Ccnp) => ccnp,
            Kind::Policy(PolicyKind::NetworkPolicy) => policy,
            Kind::Policy(PolicyKind::ClusterNetworkPolicy) => ordered,
            Kind::Identity => identity,
        }
    }

    /// The value of a kind, to change it.
    pub(crate) fn get_mut(&mut self, kind: Kind) -> &mut T {
        let [pod, namespace, node, service, slice, group, cnp, ccnp, policy, ordered, identity] = &mut self.0;
        match kind {
            Kind::Pod => pod,
            Kind::Namespace => namespace,
            Kind::Node => node,
            Kind::Service => service,
            Kind::EndpointSlice => slice,
            Kind::CidrGroup => group,
            Kind::Policy(PolicyKind::Cnp) => cnp,
            Kind::Policy(PolicyKind::Ccnp) => ccnp,
            Kind::Policy(PolicyKind::NetworkPolicy) => policy,
            Kind::Policy(PolicyKind::ClusterNetworkPolicy) => ordered,
            Kind::Identity => identity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_the_order_of_the_kinds() {
        let names = PerKind::new(Kind::ALL.map(Kind::name));
        for kind in Kind::ALL {
            assert_eq!(*names.get(kind), kind.name());
        }
    }
}
