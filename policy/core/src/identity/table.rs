//! Addresses to identities, by the longest prefix.
//!
//! Prefixes only nest or lie apart, so together they cut the addresses of a family into stretches of which each has
//! one identity: at most two a prefix, and one more. The table is the sorted list of where a stretch begins. A look-up
//! is one binary search, whatever the lengths in use.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::IdentityId;

/// Addresses to identities, the longest prefix first; what is in no prefix is the world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressTable {
    v4: Stretches<u32>,
    v6: Stretches<u128>,
}

/// The prefixes that a table is made of.
#[derive(Debug, Clone, Default)]
pub struct TableBuilder {
    /// In the order of addresses, a prefix before those within it.
    prefixes: BTreeMap<IpNet, IdentityId>,
}

impl TableBuilder {
    /// Adds a prefix; host bits are ignored. The identity that the prefix had before is returned.
    pub fn insert(&mut self, prefix: IpNet, identity: IdentityId) -> Option<IdentityId> {
        self.prefixes.insert(canonical(prefix).trunc(), identity)
    }

    /// The table.
    pub fn build(self) -> AddressTable {
        let (mut v4, mut v6) = (Cutter::default(), Cutter::default());
        for (prefix, identity) in self.prefixes {
            match prefix {
                IpNet::V4(net) => v4.prefix(net.network().to_bits(), net.broadcast().to_bits(), identity),
                IpNet::V6(net) => v6.prefix(net.network().to_bits(), net.broadcast().to_bits(), identity),
            }
        }
        AddressTable { v4: v4.finish(), v6: v6.finish() }
    }
}

impl FromIterator<(IpNet, IdentityId)> for AddressTable {
    /// Of two identities for one prefix the later one counts.
    fn from_iter<T: IntoIterator<Item = (IpNet, IdentityId)>>(prefixes: T) -> Self {
        let mut builder = TableBuilder::default();
        for (prefix, identity) in prefixes {
            builder.insert(prefix, identity);
        }
        builder.build()
    }
}

impl AddressTable {
    /// The identity of an address. An IPv4 address that comes mapped into IPv6 is an IPv4 address.
    pub fn identity(&self, address: IpAddr) -> IdentityId {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.identity(address.to_bits()),
            IpAddr::V6(address) => self.v6.identity(address.to_bits()),
        }
    }

    /// What it takes of memory beside itself.
    pub fn bytes(&self) -> usize {
        self.v4.bytes() + self.v6.bytes()
    }
}

/// Where each stretch begins, in order, and whose it is. What is before the first is the world's. Two lists: the
/// search reads the starts alone, and together they have no padding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Stretches<A> {
    starts: Box<[A]>,
    identities: Box<[IdentityId]>,
}

impl<A: Copy + Ord> Stretches<A> {
    fn identity(&self, address: A) -> IdentityId {
        let after = self.starts.partition_point(|start| *start <= address);
        let stretch = after.checked_sub(1).and_then(|last| self.identities.get(last));
        stretch.copied().unwrap_or(IdentityId::WORLD)
    }

    fn bytes(&self) -> usize {
        size_of_val::<[A]>(&self.starts) + size_of_val::<[IdentityId]>(&self.identities)
    }
}

/// Addresses as numbers.
trait Address: Copy + Ord {
    /// The address after this one, if there is one.
    fn next(self) -> Option<Self>;
}

impl Address for u32 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Address for u128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// Cuts a family's addresses into stretches, prefix after prefix.
#[derive(Default)]
struct Cutter<A> {
    starts: Vec<A>,
    identities: Vec<IdentityId>,
    /// The last address and the identity of each prefix that the place we are at is within, the shortest first.
    /// There are at most as many as there are lengths.
    open: Vec<(A, IdentityId)>,
}

impl<A: Address> Cutter<A> {
    fn prefix(&mut self, first: A, last: A, identity: IdentityId) {
        self.close(|end| end < first);
        self.cut(first, identity);
        self.open.push((last, identity));
    }

    /// Ends the innermost prefixes whose last address says so: what follows belongs to the one around.
    fn close(&mut self, ended: impl Fn(A) -> bool) {
        while let Some((last, _)) = self.open.pop_if(|(last, _)| ended(*last)) {
            let around = self.open.last().map_or(IdentityId::WORLD, |(_, identity)| *identity);
            if let Some(start) = last.next() {
                self.cut(start, around);
            }
        }
    }

    fn cut(&mut self, start: A, identity: IdentityId) {
        // What begins at the same place is shorter, and has nothing of its own there.
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.identities.pop();
        }
        if self.identities.last() != Some(&identity) {
            self.starts.push(start);
            self.identities.push(identity);
        }
    }

    fn finish(mut self) -> Stretches<A> {
        self.close(|_| true);
        Stretches { starts: self.starts.into(), identities: self.identities.into() }
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
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_prefix_wins_and_the_rest_is_the_world() {
        let entries = [
            ("10.0.0.0/8", 300),
            ("10.1.0.0/16", 301),
            ("10.1.2.3/32", 302),
            ("fd00::/8", 303),
            ("::ffff:10.9.0.0/112", 304),
            ("255.255.255.255/32", 305),
        ];
        let mut builder = TableBuilder::default();
        for (prefix, id) in entries {
            assert_eq!(builder.insert(prefix.parse().unwrap(), IdentityId(id)), None);
        }
        let table = builder.build();
        let check = |address: &str, id: u32| {
            assert_eq!(table.identity(address.parse().unwrap()), IdentityId(id), "{address}");
        };
        check("10.1.2.3", 302);
        check("10.1.2.4", 301);
        check("10.2.0.0", 300);
        check("9.255.255.255", 2);
        check("11.0.0.0", 2);
        check("fd12::1", 303);
        check("fe80::1", 2);
        check("::ffff:10.1.2.3", 302);
        check("10.9.1.1", 304);
        check("255.255.255.255", 305);
        check("255.255.255.254", 2);
    }

    #[test]
    fn a_prefix_has_one_identity() {
        let mut table = TableBuilder::default();
        table.insert("10.1.2.3/24".parse().unwrap(), IdentityId(300));
        assert_eq!(table.insert("10.1.2.0/24".parse().unwrap(), IdentityId(301)), Some(IdentityId(300)));
    }

    /// The naive way: every prefix, and the longest that contains the address.
    fn scan(prefixes: &[(IpNet, IdentityId)], address: IpAddr) -> IdentityId {
        // The last address of ::/80 is one of IPv4.
        let address = address.to_canonical();
        let within = prefixes.iter().filter(|(prefix, _)| prefix.contains(&address));
        // Of two that are the same the later one counts, and `max_by_key` takes the last.
        within.max_by_key(|(prefix, _)| prefix.prefix_len()).map_or(IdentityId::WORLD, |(_, id)| *id)
    }

    /// Few bits that differ, so that prefixes nest, touch, and end where the addresses do.
    fn bits() -> impl Strategy<Value = u8> {
        prop_oneof![Just(0x00), Just(0x01), Just(0x7f), Just(0x80), Just(0xff), any::<u8>()]
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        let v4 =
            (bits(), bits(), bits(), bits()).prop_map(|(a, b, c, d)| IpAddr::V4(Ipv4Addr::new(a, b, c, d)));
        let v6 = (bits(), bits(), bits()).prop_map(|(a, b, c)| {
            let mut octets = [0; 16];
            (octets[0], octets[7], octets[15]) = (a, b, c);
            IpAddr::V6(Ipv6Addr::from(octets))
        });
        prop_oneof![v4, v6]
    }

    fn prefix() -> impl Strategy<Value = IpNet> {
        (address(), 0u8..=128).prop_map(|(address, length)| {
            let most = if address.is_ipv4() { 32 } else { 128 };
            IpNet::new(address, length % (most + 1)).unwrap().trunc()
        })
    }

    proptest! {
        #[test]
        fn a_look_up_is_the_longest_prefix_of_a_scan(
            prefixes in prop::collection::vec((prefix(), (2u32..8).prop_map(IdentityId)), 0..40),
            addresses in prop::collection::vec(address(), 1..40),
        ) {
            let table: AddressTable = prefixes.iter().copied().collect();
            let ends = prefixes.iter().flat_map(|(prefix, _)| [prefix.network(), prefix.broadcast()]);
            for address in addresses.into_iter().chain(ends) {
                prop_assert_eq!(table.identity(address), scan(&prefixes, address), "{}", address);
            }
        }
    }

    /// Prefixes that lie apart, of different identities: nothing can be joined.
    fn apart(count: u32, of: impl Fn(u32) -> IpNet) -> AddressTable {
        (0..count).map(|index| (of(index), IdentityId(1000 + index))).collect()
    }

    #[test]
    fn a_hundred_thousand_prefixes_are_within_eight_megabytes() {
        const COUNT: u32 = 100_000;
        let v4 = |index: u32| IpNet::new(Ipv4Addr::from_bits(index << 12).into(), 24).unwrap();
        let v6 = |index: u32| IpNet::new(Ipv6Addr::from_bits(u128::from(index) << 80).into(), 64).unwrap();
        let mixed = |index: u32| if index.is_multiple_of(2) { v4(index) } else { v6(index) };
        for (table, most) in
            [(apart(COUNT, v4), 1_600_000), (apart(COUNT, v6), 4_000_000), (apart(COUNT, mixed), 2_800_000)]
        {
            assert!(table.bytes() <= most, "{} bytes, expected {most} at most", table.bytes());
        }
    }
}
