//! Addresses for identities that are prefixes: one that no longer prefix claims, if there is one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use postern_policy_core::identity::{AddressTable, IdentityId};
use postern_policy_core::world::Identities;

/// Finds addresses.
pub(crate) struct Addresses {
    table: AddressTable,
    prefixes: Vec<IpNet>,
}

impl Addresses {
    pub(crate) fn new(identities: &Identities) -> Self {
        let mut prefixes: Vec<IpNet> = identities.prefixes().map(|(net, _)| net).collect();
        prefixes.sort_by_key(|net| (net.network(), net.prefix_len()));
        Self { table: identities.table(), prefixes }
    }

    /// An address of a prefix that has this identity.
    pub(crate) fn within(&self, net: IpNet, identity: IdentityId) -> Option<IpAddr> {
        let has = |address: &IpAddr| self.table.identity(*address) == identity;
        let (first, last) = (bits(net.network()), bits(net.broadcast()));
        let second = first.checked_add(1).filter(|second| *second < last).map(|second| address(second, &net));
        second.filter(has).or_else(|| self.gap(&net, first, last).filter(has))
    }

    /// An address of the rest of the world, of each family that has one.
    pub(crate) fn of_world(&self) -> Vec<IpAddr> {
        // Addresses that documentation is written with.
        let usual = [
            IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)),
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7)),
        ];
        let whole = [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())];
        let found = usual.into_iter().zip(whole).map(|(usual, whole)| {
            let usual = Some(usual).filter(|usual| self.table.identity(*usual) == IdentityId::WORLD);
            usual.or_else(|| self.within(whole, IdentityId::WORLD))
        });
        found.flatten().collect()
    }

    /// The first address that is in no longer prefix.
    fn gap(&self, net: &IpNet, first: u128, last: u128) -> Option<IpAddr> {
        let mut at = first;
        for longer in self.prefixes.iter().filter(|longer| *longer != net && net.contains(*longer)) {
            if bits(longer.network()) > at {
                break;
            }
            at = at.max(bits(longer.broadcast()).checked_add(1)?);
        }
        (at <= last).then(|| address(at, net))
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// An address of the family of a prefix.
fn address(bits: u128, like: &IpNet) -> IpAddr {
    match like {
        IpNet::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX))),
        IpNet::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}
