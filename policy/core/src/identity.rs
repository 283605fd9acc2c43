//! Identities: who a peer is, as a number that an address resolves to.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::labels::LabelSet;

/// An identity's number. Two workloads with the same labels have the same identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityId(pub u32);

impl IdentityId {
    /// Everything that is neither a workload nor a node.
    pub const WORLD: Self = Self(2);
    /// The first number that is not reserved.
    pub const FIRST: Self = Self(256);
    /// The first number of those that stand for prefixes.
    pub const FIRST_CIDR: Self = Self(1 << 24);
}

impl fmt::Display for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An identity and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its number.
    pub id: IdentityId,
    /// Who it stands for.
    pub who: Who,
}

/// Who an identity stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// Every address that nothing else claims.
    World,
    /// The node of this name: the host of its own workloads, a remote node to all others.
    Node(String),
    /// Every workload with exactly these labels.
    Workloads(LabelSet),
    /// The addresses outside the cluster of which this is the longest prefix that anything names.
    Cidr(IpNet),
}

/// Addresses to identities, the longest prefix first; what is in no prefix is the world.
#[derive(Debug, Clone, Default)]
pub struct AddressTable {
    /// One map a prefix length, the longest first: a look-up costs one probe a length in use.
    v4: Vec<(u8, HashMap<IpNet, IdentityId>)>,
    v6: Vec<(u8, HashMap<IpNet, IdentityId>)>,
}

impl AddressTable {
    /// Adds a prefix; host bits are ignored. The identity that the prefix had before is returned.
    pub fn insert(&mut self, prefix: IpNet, identity: IdentityId) -> Option<IdentityId> {
        let prefix = canonical(prefix).trunc();
        let length = prefix.prefix_len();
        let family = match prefix {
            IpNet::V4(_) => &mut self.v4,
            IpNet::V6(_) => &mut self.v6,
        };
        let place = family.partition_point(|(known, _)| *known > length);
        if family.get(place).is_none_or(|(known, _)| *known != length) {
            family.insert(place, (length, HashMap::new()));
        }
        family.get_mut(place).and_then(|(_, prefixes)| prefixes.insert(prefix, identity))
    }

    /// The identity of an address. An IPv4 address that comes mapped into IPv6 is an IPv4 address.
    pub fn identity(&self, address: IpAddr) -> IdentityId {
        let address = address.to_canonical();
        let family = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        family
            .iter()
            .find_map(|(length, prefixes)| {
                let prefix = IpNet::new(address, *length).ok()?.trunc();
                prefixes.get(&prefix).copied()
            })
            .unwrap_or(IdentityId::WORLD)
    }
}

/// An IPv4 prefix that comes mapped into IPv6 is an IPv4 prefix: addresses are looked up so.
fn canonical(prefix: IpNet) -> IpNet {
    let unmapped = match prefix {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    unmapped.and_then(|(address, length)| IpNet::new(address.into(), length).ok()).unwrap_or(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins_and_the_rest_is_the_world() {
        let mut table = AddressTable::default();
        let entries = [("10.0.0.0/8", 300), ("10.1.0.0/16", 301), ("10.1.2.3/32", 302), ("fd00::/8", 303)];
        for (prefix, id) in entries {
            assert_eq!(table.insert(prefix.parse().unwrap(), IdentityId(id)), None);
        }
        let check = |address: &str, id: u32| {
            assert_eq!(table.identity(address.parse().unwrap()), IdentityId(id), "{address}");
        };
        check("10.1.2.3", 302);
        check("10.1.2.4", 301);
        check("10.2.0.0", 300);
        check("11.0.0.0", 2);
        check("fd12::1", 303);
        check("fe80::1", 2);
        check("::ffff:10.1.2.3", 302);
        table.insert("::ffff:10.9.0.0/112".parse().unwrap(), IdentityId(304));
        assert_eq!(table.identity("10.9.1.1".parse().unwrap()), IdentityId(304));
    }

    #[test]
    fn a_prefix_has_one_identity() {
        let mut table = AddressTable::default();
        table.insert("10.1.2.3/24".parse().unwrap(), IdentityId(300));
        assert_eq!(table.insert("10.1.2.0/24".parse().unwrap(), IdentityId(301)), Some(IdentityId(300)));
    }
}
