//! Which numbers the ports of an item are: names mean what the workload they belong to calls so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::universe::Universe;
use crate::endpoint::Peers;
use crate::identity::IdentityId;
use crate::policy::Direction;
use crate::port::{PortRange, PortSpec, ProtocolMatch};
use crate::world::{NamedPort, Workload};

/// Says the ports of each set of peers that has the same. A name that its workload does not know means nothing there.
pub(super) fn resolve(
    ports: &[PortSpec],
    peers: &Peers,
    direction: Direction,
    subject: &Workload,
    universe: &Universe,
    mut say: impl FnMut(Peers, Vec<PortRange>),
) {
    if !names_any(ports) || direction == Direction::Ingress {
        return say(peers.clone(), numbers(ports, &subject.ports));
    }
    let plain = numbers::<[NamedPort]>(ports, &[]);
    let mut same: BTreeMap<Vec<PortRange>, BTreeSet<IdentityId>> = BTreeMap::new();
    let mut with = |id: IdentityId| {
        let Some(peer) = universe.peer(id) else { return };
        let numbers = numbers(ports, &peer.ports);
        if numbers != plain {
            same.entry(numbers).or_default().insert(id);
        }
    };
    match peers {
        Peers::Any => universe.with_ports().for_each(&mut with),
        Peers::Only(ids) => ids.iter().copied().for_each(&mut with),
    }
    for (ports, ids) in same {
        say(Peers::Only(Arc::new(ids)), ports);
    }
    // The numbers that are written mean the same for everyone.
    say(peers.clone(), plain);
}

/// Whether a port is named there.
pub(crate) fn names_any(ports: &[PortSpec]) -> bool {
    ports.iter().any(|port| matches!(port, PortSpec::Named { .. }))
}

fn numbers<'p, K: ?Sized>(ports: &[PortSpec], known: &'p K) -> Vec<PortRange>
where
    &'p K: IntoIterator<Item = &'p NamedPort>,
{
    let mut numbers: Vec<PortRange> = Vec::with_capacity(ports.len());
    for port in ports {
        match port {
            PortSpec::Numbers(range) => numbers.push(*range),
            PortSpec::Named { protocol, name } => {
                let named = known.into_iter();
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
