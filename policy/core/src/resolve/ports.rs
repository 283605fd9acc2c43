//! Which numbers the ports of an item are: names mean what the workload they belong to calls so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::universe::Universe;
use crate::endpoint::Peers;
use crate::identity::IdentityId;
use crate::policy::Direction;
use crate::port::{PortRange, PortSpec, ProtocolMatch};
use crate::world::{NamedPort, Workload};

/// The ports for each set of peers that has the same. A name that its workload does not know means nothing there.
pub(super) fn resolve(
    ports: &[PortSpec],
    peers: &Peers,
    direction: Direction,
    subject: &Workload,
    universe: &Universe,
) -> Vec<(Peers, Vec<PortRange>)> {
    if !names_any(ports) || direction == Direction::Ingress {
        return vec![(peers.clone(), numbers(ports, &subject.ports))];
    }
    let plain = numbers(ports, &[]);
    let mut same: BTreeMap<Vec<PortRange>, BTreeSet<IdentityId>> = BTreeMap::new();
    let mut with = |id: IdentityId| {
        let known = universe.peer(id).map(|peer| &peer.ports);
        let numbers = numbers(ports, known.into_iter().flatten());
        if numbers != plain {
            same.entry(numbers).or_default().insert(id);
        }
    };
    match peers {
        Peers::Any => universe.with_ports().for_each(&mut with),
        Peers::Only(ids) => ids.iter().copied().for_each(&mut with),
    }
    let split = same.into_iter().map(|(ports, ids)| (Peers::Only(Arc::new(ids)), ports));
    // The numbers that are written mean the same for everyone.
    let mut split: Vec<(Peers, Vec<PortRange>)> = split.collect();
    split.push((peers.clone(), plain));
    split
}

/// Whether a port is named there.
pub(crate) fn names_any(ports: &[PortSpec]) -> bool {
    ports.iter().any(|port| matches!(port, PortSpec::Named { .. }))
}

fn numbers<'p>(ports: &[PortSpec], known: impl IntoIterator<Item = &'p NamedPort> + Clone) -> Vec<PortRange> {
    let mut numbers: Vec<PortRange> = Vec::with_capacity(ports.len());
    for port in ports {
        match port {
            PortSpec::Numbers(range) => numbers.push(*range),
            PortSpec::Named { protocol, name } => {
                let named = known.clone().into_iter();
                let named = named.filter(|known| known.name == *name && protocol.means(known.protocol));
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
