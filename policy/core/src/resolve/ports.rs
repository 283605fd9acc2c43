//! Which numbers the ports of an item are: names mean what the workload they belong to calls so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::peers::PeerResolver;
use crate::endpoint::Peers;
use crate::identity::{IdentityId, Who};
use crate::policy::Direction;
use crate::port::{PortRange, PortSpec, ProtocolMatch};
use crate::world::NamedPort;

/// The ports for each set of peers that has the same. A name that its workload does not know means nothing there.
pub(super) fn resolve(
    ports: &[PortSpec],
    peers: &Peers,
    direction: Direction,
    resolver: &PeerResolver<'_>,
) -> Vec<(Peers, Vec<PortRange>)> {
    let named = ports.iter().any(|port| matches!(port, PortSpec::Named { .. }));
    if !named || direction == Direction::Ingress {
        return vec![(peers.clone(), numbers(ports, &resolver.subject.ports))];
    }
    let mut known: BTreeMap<IdentityId, Vec<NamedPort>> = BTreeMap::new();
    for workload in resolver.world.workloads() {
        let who = Who::Workloads(resolver.world.identity_labels(workload));
        if let Some(id) = resolver.identities.id(&who).filter(|id| peers.contains(*id)) {
            known.entry(id).or_default().extend(workload.ports.iter().cloned());
        }
    }
    let mut same: BTreeMap<Vec<PortRange>, BTreeSet<IdentityId>> = BTreeMap::new();
    for (id, known) in &known {
        same.entry(numbers(ports, known)).or_default().insert(*id);
    }
    let plain = numbers(ports, &[]);
    let differing = same.into_iter().filter(|(ports, _)| *ports != plain);
    let mut split: Vec<(Peers, Vec<PortRange>)> =
        differing.map(|(ports, ids)| (Peers::Only(Arc::new(ids)), ports)).collect();
    // The numbers that are written mean the same for everyone.
    split.push((peers.clone(), plain));
    split
}

fn numbers(ports: &[PortSpec], known: &[NamedPort]) -> Vec<PortRange> {
    let mut numbers: Vec<PortRange> = Vec::new();
    for port in ports {
        match port {
            PortSpec::Numbers(range) => numbers.push(*range),
            PortSpec::Named { protocol, name } => {
                let named =
                    known.iter().filter(|known| known.name == *name && protocol.means(known.protocol));
                numbers.extend(named.map(|known| PortRange {
                    protocol: ProtocolMatch::Only(known.protocol),
                    first: known.port,
                    last: known.port,
                }));
            }
        }
    }
    numbers
}
