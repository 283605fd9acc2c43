//! Which addresses of a connection matter to a policy set.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use postern_policy_core::endpoint::{
    Action, Audit, DirectionPolicy, EndpointPolicy, Peers, Ports, Rule, Tier,
};
use postern_policy_core::identity::{AddressTable, IdentityId};
use postern_policy_core::policy::{Direction, RuleId};
use postern_policy_core::port::{PortRange, ProtocolMatch};
use postern_policy_core::set::{Attached, Attachment, Connection, Needs, PolicySet};
use postern_policy_core::world::WorkloadName;

const ADDRESSES: [[u8; 4]; 4] = [[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 3], [0, 0, 0, 0]];
const PORTS: [u16; 2] = [80, 81];

/// Two workloads, 10.0.0.1 and 10.0.0.2, each of which talks with the other on port 80 and with nobody else.
fn endpoints() -> Vec<EndpointPolicy> {
    let only = |peer| DirectionPolicy {
        default_deny: true,
        rules: vec![Arc::new(Rule {
            id: RuleId::new("r"),
            tier: Tier::Normal,
            peers: Peers::Only(Arc::new(BTreeSet::from([IdentityId(peer)]))),
            ports: Ports::Only(vec![PortRange { protocol: ProtocolMatch::Any, first: 80, last: 80 }]),
            action: Action::Allow,
        })],
        ..DirectionPolicy::default()
    };
    let endpoint = |(number, peer): (usize, u32)| EndpointPolicy {
        name: WorkloadName::parse(&format!("default/w{number}")),
        addresses: vec![ADDRESSES[number - 1].into()],
        ingress: only(peer),
        egress: only(peer),
        audit: Audit::default(),
    };
    [(1, 2), (2, 1)].map(endpoint).into()
}

fn sets() -> Vec<PolicySet> {
    let mut sets = Vec::new();
    let directions = [
        None,
        Some(Attached::Both),
        Some(Attached::To(Direction::Ingress)),
        Some(Attached::To(Direction::Egress)),
    ];
    for direction in directions {
        for endpoint in [None, Some(WorkloadName::parse("default/w1"))] {
            for port in [None, Some(80), Some(81)] {
                for peer in [None, Some(IpAddr::from(ADDRESSES[1]))] {
                    let table = [1, 2]
                        .map(|n| (IpAddr::from(ADDRESSES[n - 1]).into(), IdentityId(n.try_into().unwrap())));
                    let endpoint = endpoint.clone();
                    let attachment = Attachment { direction, endpoint, port, peer, ..Attachment::default() };
                    // One endpoint and both ends contradict each other.
                    sets.extend(PolicySet::new(endpoints(), AddressTable::from_iter(table), attachment).ok());
                }
            }
        }
    }
    sets
}

#[test]
fn an_address_that_is_not_needed_changes_nothing_and_one_that_is_does() {
    let addresses: Vec<SocketAddr> =
        ADDRESSES.iter().flat_map(|ip| PORTS.map(|port| SocketAddr::from((*ip, port)))).collect();
    let sets = sets();
    assert_eq!(sets.len(), 42);
    for set in sets {
        let Needs { source, destination } = set.needs();
        let judge = |source, destination| {
            let judged = [Direction::Ingress, Direction::Egress]
                .map(|direction| set.connection(&Connection { source, destination, direction }));
            format!("{judged:?}")
        };
        let (mut sources, mut destinations) = (0, 0);
        for one in &addresses {
            for other in &addresses {
                sources =
                    sources.max(addresses.iter().map(|it| judge(*it, *one)).collect::<BTreeSet<_>>().len());
                destinations = destinations
                    .max(addresses.iter().map(|it| judge(*other, *it)).collect::<BTreeSet<_>>().len());
            }
        }
        let found = (sources > 1, destinations > 1);
        assert_eq!(found, (source, destination), "{:?}", set.attachment());
    }
}
