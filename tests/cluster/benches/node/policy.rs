//! The same policy for everyone: so many peers may connect to so many ports of the server.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Result, ensure};
use postern_policy_core::endpoint::{Action, DirectionPolicy, Peers, Ports, Rule, Tier};
use postern_policy_core::identity::IdentityId;
use postern_policy_core::lower::{Lowered, LoweredDirection, lower_direction};
use postern_policy_core::policy::RuleId;
use postern_policy_core::port::{PortRange, Protocol, ProtocolMatch};

/// Where the server listens, for TCP and UDP.
pub(crate) const PORT: u16 = 5201;
/// The client's identity; those of the other peers follow.
const CLIENT: u32 = 256;
/// The other peers are in the network for benchmarks, and send nothing.
const OTHERS: [u8; 2] = [198, 18];

/// How large a policy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    peers: u16,
    ports: u16,
}

/// What is compared.
pub(crate) const SIZES: [Size; 3] =
    [Size { peers: 5, ports: 2 }, Size { peers: 40, ports: 25 }, Size { peers: 240, ports: 250 }];

impl Size {
    /// How many entries there are, in a set of nftables or in the kernel's table of ours.
    pub(crate) fn entries(self) -> u32 {
        u32::from(self.peers) * u32::from(self.ports)
    }

    /// The peers' addresses. The first is the client's.
    fn addresses(self, client: Ipv4Addr) -> impl Iterator<Item = Ipv4Addr> {
        let [first, second] = OTHERS;
        let other = move |number: u16| {
            let [third, fourth] = number.to_be_bytes();
            Ipv4Addr::new(first, second, third, fourth)
        };
        std::iter::once(client).chain((1..self.peers).map(other))
    }

    /// The addresses with their identities.
    pub(crate) fn identities(self, client: Ipv4Addr) -> impl Iterator<Item = (Ipv4Addr, IdentityId)> {
        self.addresses(client).zip((CLIENT..).map(IdentityId))
    }

    /// The policy of the server, lowered as the agent does it. One of its ports is for UDP.
    pub(crate) fn lowered(self) -> Result<Lowered> {
        let peers: BTreeSet<_> = (CLIENT..).take(self.peers.into()).map(IdentityId).collect();
        let allow = |protocol, port| Rule {
            id: RuleId::new("bench"),
            tier: Tier::Normal,
            peers: Peers::Only(Arc::new(peers.clone())),
            ports: Ports::Only(vec![PortRange {
                protocol: ProtocolMatch::Only(protocol),
                first: port,
                last: port,
            }]),
            action: Action::Allow,
        };
        let tcp = (0..self.ports - 1).map(|number| allow(Protocol::Tcp, PORT + 2 * number));
        let rules = tcp.chain([allow(Protocol::Udp, PORT)]).map(Arc::new).collect();
        let ingress =
            lower_direction(&DirectionPolicy { default_deny: true, rules, ..DirectionPolicy::default() });
        let (found, wanted) = (ingress.entries.len(), self.entries());
        ensure!(u32::try_from(found) == Ok(wanted), "lowered to {found} entries instead of {wanted}");
        Ok(Lowered { ingress, egress: LoweredDirection::default() })
    }

    /// The elements of a set of source, destination and TCP port.
    pub(crate) fn elements(self, client: Ipv4Addr, server: Ipv4Addr) -> String {
        let mut text = String::new();
        for peer in self.addresses(client) {
            for number in 0..self.ports {
                // Writing to a string does not fail.
                let _ = write!(text, "{peer} . {server} . {}, ", PORT + 2 * number);
            }
        }
        text
    }
}
