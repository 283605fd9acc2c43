//! Addresses to identities.

use std::collections::BTreeMap;

use aya::maps::lpm_trie::Key;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use postern_node_abi::Address;
use postern_policy_core::identity::IdentityId;

use super::Datapath;
use super::endpoints::absent_is_fine;
use super::error::DatapathError;

const V4: &str = "IDENTITIES_V4";
const V6: &str = "IDENTITIES_V6";

impl Datapath {
    /// Makes this the whole table; what is in no prefix is the world. Only differences are written, and
    /// if there are any, every flow is judged again. Of a prefix that comes twice, the last counts.
    pub fn set_identities(
        &mut self,
        table: impl IntoIterator<Item = (IpNet, IdentityId)>,
    ) -> Result<(), DatapathError> {
        let wanted: BTreeMap<IpNet, u32> =
            table.into_iter().map(|(prefix, identity)| (canonical(prefix), identity.0)).collect();
        self.has_room(&wanted)?;
        let stale: Vec<IpNet> =
            self.identities.keys().filter(|prefix| !wanted.contains_key(prefix)).copied().collect();
        let differs = |(prefix, identity): &(&IpNet, &u32)| self.identities.get(prefix) != Some(identity);
        let changed: Vec<(IpNet, u32)> =
            wanted.iter().filter(differs).map(|(prefix, identity)| (*prefix, *identity)).collect();
        if stale.is_empty() && changed.is_empty() {
            return Ok(());
        }
        let written = self.write_identities(&stale, &changed);
        // Even if not everything could be written, nothing that was may go unnoticed by flows.
        let mut config = self.config()?;
        config.identity_version = config.identity_version.wrapping_add(1);
        self.set_config(config)?;
        written
    }

    fn write_identities(&mut self, stale: &[IpNet], changed: &[(IpNet, u32)]) -> Result<(), DatapathError> {
        // Removals come first, so that a full map has room; an address without its prefix is the world's
        // or that of a wider prefix for the moment.
        for prefix in stale {
            self.remove_prefix(prefix)?;
            self.identities.remove(prefix);
        }
        for (prefix, identity) in changed {
            self.insert_prefix(prefix, *identity)?;
            self.identities.insert(*prefix, *identity);
        }
        Ok(())
    }

    fn insert_prefix(&mut self, prefix: &IpNet, identity: u32) -> Result<(), DatapathError> {
        match prefix {
            IpNet::V4(v4) => self.maps.identities_v4.insert(&key_v4(v4), identity, 0),
            IpNet::V6(v6) => self.maps.identities_v6.insert(&key_v6(v6), identity, 0),
        }
        .map_err(DatapathError::map(name(prefix)))
    }

    fn remove_prefix(&mut self, prefix: &IpNet) -> Result<(), DatapathError> {
        absent_is_fine(match prefix {
            IpNet::V4(v4) => self.maps.identities_v4.remove(&key_v4(v4)),
            IpNet::V6(v6) => self.maps.identities_v6.remove(&key_v6(v6)),
        })
        .map_err(DatapathError::map(name(prefix)))
    }

    /// A table of which a part is missing would be a wrong table: better the one before.
    fn has_room(&self, wanted: &BTreeMap<IpNet, u32>) -> Result<(), DatapathError> {
        for map in [V4, V6] {
            let wanted = wanted.keys().filter(|prefix| name(prefix) == map).count();
            let capacity = self.capacity(map)?;
            if wanted > capacity {
                return Err(DatapathError::Full { map, wanted, capacity });
            }
        }
        Ok(())
    }

    fn capacity(&self, map: &'static str) -> Result<usize, DatapathError> {
        let info = aya::maps::MapInfo::from_pin(self.folder.maps().join(map));
        Ok(info.map_err(DatapathError::map(map))?.max_entries() as usize)
    }

    pub(super) fn adopt_identities(&mut self) -> Result<(), DatapathError> {
        for entry in &self.maps.identities_v4 {
            let (key, identity) = entry.map_err(DatapathError::map(V4))?;
            if let Ok(prefix) = Ipv4Net::new(key.data().into(), bits(key.prefix_len())) {
                self.identities.insert(prefix.into(), identity);
            }
        }
        for entry in &self.maps.identities_v6 {
            let (key, identity) = entry.map_err(DatapathError::map(V6))?;
            if let Ok(prefix) = Ipv6Net::new(key.data().0.into(), bits(key.prefix_len())) {
                self.identities.insert(prefix.into(), identity);
            }
        }
        Ok(())
    }
}

/// Without host bits, and an IPv4 prefix that comes mapped into IPv6 as what it is.
fn canonical(prefix: IpNet) -> IpNet {
    let unmapped = match prefix {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    unmapped.and_then(|(address, bits)| IpNet::new(address.into(), bits).ok()).unwrap_or(prefix).trunc()
}

fn name(prefix: &IpNet) -> &'static str {
    match prefix {
        IpNet::V4(_) => V4,
        IpNet::V6(_) => V6,
    }
}

fn key_v4(prefix: &Ipv4Net) -> Key<[u8; 4]> {
    Key::new(prefix.prefix_len().into(), prefix.addr().octets())
}

fn key_v6(prefix: &Ipv6Net) -> Key<Address> {
    Key::new(prefix.prefix_len().into(), prefix.addr().into())
}

/// The kernel gives out no longer prefix than the key has bits.
fn bits(prefix: u32) -> u8 {
    u8::try_from(prefix).unwrap_or(u8::MAX)
}
