//! The prefixes outside the cluster that anything names: each is an identity of its own, so that a set of
//! identities can say exactly what a policy means by a prefix without some parts of it.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::peer::PeerTerm;
use crate::policy::{PeerSelector, Policy};
use crate::world::{Service, World};

/// Every prefix that a policy, a CIDR group, the backends of a service or the address of an API server names.
pub fn prefixes(policies: &[Policy], world: &World) -> BTreeSet<IpNet> {
    let mut prefixes = of_world(world);
    for policy in policies {
        prefixes.extend(of_policy(policy));
    }
    prefixes
}

/// The prefixes that the world names.
pub fn of_world(world: &World) -> BTreeSet<IpNet> {
    let groups = world.cidr_groups().flat_map(|group| group.prefixes.iter().copied());
    let services = world.services().flat_map(|service| of_service(service, world));
    groups.chain(services).chain(world.api_servers().iter().copied().map(IpNet::from)).collect()
}

/// The prefixes that a service names: its backends, if it has no selector.
pub fn of_service(service: &Service, world: &World) -> impl Iterator<Item = IpNet> {
    let bare = service.selector.is_empty();
    world.backends(&service.name).filter(move |_| bare).map(IpNet::from)
}

/// The prefixes that a policy names.
pub fn of_policy(policy: &Policy) -> impl Iterator<Item = IpNet> {
    let items = policy.ingress.items.iter().chain(&policy.egress.items);
    let terms = items.flat_map(|item| match &item.peers {
        PeerSelector::Unnamed => &[],
        PeerSelector::AnyOf(terms) => terms.as_slice(),
    });
    terms.flat_map(|term| {
        let (net, except) = match term {
            PeerTerm::Cidr(cidr) => (Some(cidr.net), cidr.except.as_slice()),
            PeerTerm::Network(net) => (Some(*net), [].as_slice()),
            PeerTerm::CidrGroup(group) => (None, group.except.as_slice()),
            _ => (None, [].as_slice()),
        };
        net.into_iter().chain(except.iter().copied())
    })
}
