//! Endpoints and their policies. A policy is exchanged at once: its entries are written under a number
//! of its own, the endpoint's record is switched to that, and then the old entries go.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use aya::maps::MapError;
use postern_node_abi::{Address, Endpoint, EndpointFlags};
use postern_policy_core::lower::Lowered;

use super::Datapath;
use super::error::{DatapathError, system_error};
use super::table::{Table, flags};

/// An endpoint: a workload's network interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointState {
    /// The device on the host's side.
    pub ifindex: u32,
    /// The number that events show.
    pub id: u32,
    /// The only IPv4 address that it may send from.
    pub ipv4: Option<Ipv4Addr>,
    /// The only IPv6 address that it may send from.
    pub ipv6: Option<Ipv6Addr>,
}

/// What became of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// It was in force already; nothing was written.
    Unchanged,
    /// It is in force.
    Written {
        /// How many entries it has.
        entries: usize,
    },
    /// It does not fit into the map: everything to and from the endpoint is dropped until one does.
    Closed {
        /// How many entries it has.
        entries: usize,
    },
}

/// What is in the kernel for an endpoint.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) record: Endpoint,
    pub(super) table: Table,
}

impl Datapath {
    /// Puts an endpoint and its policy in force.
    pub fn set_endpoint(
        &mut self,
        endpoint: &EndpointState,
        policy: &Lowered,
    ) -> Result<Applied, DatapathError> {
        let table = Table::of(policy);
        let wanted = Endpoint {
            ipv6: endpoint.ipv6.map_or(Address::ZERO, Address::from),
            ipv4: endpoint.ipv4.map_or([0; 4], |address| address.octets()),
            policy: 0,
            flags: flags(policy),
            id: endpoint.id,
        };
        let known = self.endpoints.get(&endpoint.ifindex);
        let same_policy = known
            .filter(|known| known.record.flags == wanted.flags && known.table == table)
            .map(|k| k.record);
        if let Some(record) = same_policy {
            let wanted = Endpoint { policy: record.policy, ..wanted };
            if wanted == record {
                return Ok(Applied::Unchanged);
            }
            self.switch(endpoint.ifindex, wanted, table)?;
            let entries = self.endpoints.get(&endpoint.ifindex).map_or(0, |known| known.table.len());
            return Ok(Applied::Written { entries });
        }
        self.exchange_policy(endpoint.ifindex, wanted, table)
    }

    /// Takes an endpoint out of force: everything to and from its device is dropped while programs are
    /// attached to it.
    pub fn remove_endpoint(&mut self, ifindex: u32) -> Result<(), DatapathError> {
        let Some(known) = self.endpoints.remove(&ifindex) else { return Ok(()) };
        for address in addresses(&known.record) {
            self.forget_address(address, ifindex)?;
        }
        absent_is_fine(self.maps.endpoints.remove(&ifindex)).map_err(DatapathError::map("ENDPOINTS"))?;
        self.erase(known.record.policy, &known.table)
    }

    /// Writes the new entries, switches, and erases the old ones.
    fn exchange_policy(
        &mut self,
        ifindex: u32,
        record: Endpoint,
        table: Table,
    ) -> Result<Applied, DatapathError> {
        let entries = table.len();
        let record = Endpoint { policy: self.next_number()?, ..record };
        if self.write(record.policy, &table)? {
            self.switch(ifindex, record, table)?;
            return Ok(Applied::Written { entries });
        }
        // There is no room for both policies. While the endpoint is closed, the old one can make room.
        let closed = Endpoint { flags: record.flags | EndpointFlags::CLOSED, ..record };
        self.switch(ifindex, closed, Table::default())?;
        if self.write(record.policy, &table)? {
            self.switch(ifindex, record, table)?;
            return Ok(Applied::Written { entries });
        }
        Ok(Applied::Closed { entries })
    }

    /// Writes entries. Where they do not fit, none of them stays, and the answer is false.
    fn write(&mut self, policy: u32, table: &Table) -> Result<bool, DatapathError> {
        for (key, value) in table.under(policy) {
            let Err(error) = self.maps.policy.insert(&key, value, 0) else { continue };
            self.erase(policy, table)?;
            return match system_error(&error) {
                Some(libc::ENOSPC | libc::E2BIG | libc::ENOMEM) => Ok(false),
                _ => Err(DatapathError::map("POLICY")(error)),
            };
        }
        Ok(true)
    }

    /// Puts a record in force, and then removes what only the one before needed.
    fn switch(&mut self, ifindex: u32, record: Endpoint, table: Table) -> Result<(), DatapathError> {
        self.maps.endpoints.insert(ifindex, record, 0).map_err(DatapathError::map("ENDPOINTS"))?;
        for address in addresses(&record) {
            self.maps.local.insert(address, ifindex, 0).map_err(DatapathError::map("LOCAL"))?;
        }
        let Some(old) = self.endpoints.insert(ifindex, Known { record, table }) else { return Ok(()) };
        for address in addresses(&old.record).filter(|old| addresses(&record).all(|new| new != *old)) {
            self.forget_address(address, ifindex)?;
        }
        if old.record.policy == record.policy {
            return Ok(());
        }
        self.erase(old.record.policy, &old.table)
    }

    fn erase(&mut self, policy: u32, table: &Table) -> Result<(), DatapathError> {
        for (key, _) in table.under(policy) {
            absent_is_fine(self.maps.policy.remove(&key)).map_err(DatapathError::map("POLICY"))?;
        }
        Ok(())
    }

    /// Another endpoint may have the address by now, such as the workload's new device: then it is that one's.
    fn forget_address(&mut self, address: Address, ifindex: u32) -> Result<(), DatapathError> {
        if self.maps.local.get(&address, 0).ok() != Some(ifindex) {
            return Ok(());
        }
        let has = |(device, known): &(&u32, &Known)| {
            **device != ifindex && addresses(&known.record).any(|own| own == address)
        };
        // Of several, the youngest device.
        let heir = self.endpoints.iter().rfind(has).map(|(device, _)| *device);
        match heir {
            Some(heir) => self.maps.local.insert(address, heir, 0),
            None => absent_is_fine(self.maps.local.remove(&address)),
        }
        .map_err(DatapathError::map("LOCAL"))
    }

    /// A number that no policy and no service had. It is written down before it is used: flows may carry it for longer
    /// than the agent lives.
    pub(super) fn next_number(&mut self) -> Result<u32, DatapathError> {
        let mut config = self.config()?;
        let number = config.next_number;
        config.next_number = number.checked_add(1).ok_or(DatapathError::Numbers)?;
        self.set_config(config)?;
        Ok(number)
    }

    /// Reads what an earlier agent left, and removes what it did not get round to remove.
    pub(super) fn adopt_endpoints(&mut self) -> Result<(), DatapathError> {
        let records = self.maps.endpoints.iter().collect::<Result<BTreeMap<_, _>, _>>();
        let records = records.map_err(DatapathError::map("ENDPOINTS"))?;
        let mut tables: BTreeMap<u32, Table> =
            records.values().map(|record| (record.policy, Table::default())).collect();
        let mut orphans = Vec::new();
        for entry in &self.maps.policy {
            let (key, value) = entry.map_err(DatapathError::map("POLICY"))?;
            match tables.get_mut(&{ key.data().policy }) {
                Some(table) => table.adopt(&key, value),
                None => orphans.push(key),
            }
        }
        for key in orphans {
            absent_is_fine(self.maps.policy.remove(&key)).map_err(DatapathError::map("POLICY"))?;
        }
        self.adopt_addresses(&records)?;
        for (ifindex, record) in records {
            let table = tables.remove(&record.policy).unwrap_or_default();
            self.endpoints.insert(ifindex, Known { record, table });
        }
        Ok(())
    }

    fn adopt_addresses(&mut self, records: &BTreeMap<u32, Endpoint>) -> Result<(), DatapathError> {
        let found = self.maps.local.iter().collect::<Result<BTreeSet<_>, _>>();
        let found = found.map_err(DatapathError::map("LOCAL"))?;
        let has = |ifindex: &u32, address: &Address| {
            records.get(ifindex).is_some_and(|record| addresses(record).any(|own| own == *address))
        };
        for (address, _) in found.iter().filter(|(address, ifindex)| !has(ifindex, address)) {
            absent_is_fine(self.maps.local.remove(address)).map_err(DatapathError::map("LOCAL"))?;
        }
        for (ifindex, record) in records {
            for address in addresses(record) {
                let known = found.iter().any(|(other, device)| *other == address && has(device, other));
                if !known {
                    self.maps.local.insert(address, ifindex, 0).map_err(DatapathError::map("LOCAL"))?;
                }
            }
        }
        Ok(())
    }
}

/// The addresses of a record.
pub(super) fn addresses(record: &Endpoint) -> impl Iterator<Item = Address> {
    let v4 = (record.ipv4 != [0; 4]).then(|| Address::v4(record.ipv4));
    let v6 = (record.ipv6 != Address::ZERO).then_some(record.ipv6);
    v4.into_iter().chain(v6)
}

/// Removing what is not there is what was wanted.
pub(super) fn absent_is_fine(result: Result<(), MapError>) -> Result<(), MapError> {
    match result {
        Err(error)
            if system_error(&error) != Some(libc::ENOENT) && !matches!(error, MapError::KeyNotFound) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}
