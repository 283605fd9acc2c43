//! Services and their backends. Backends are exchanged at once: they are written under a number of their
//! own, the service is switched to it, and then the old ones go.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use postern_node_abi::{Address, BackendKey, ServiceKey, ServiceValue, Translated};

use super::Datapath;
use super::endpoints::absent_is_fine;
use super::error::DatapathError;

/// An address that stands for several backends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The address that clients use.
    pub address: IpAddr,
    /// The port that clients use.
    pub port: u16,
    /// IANA number; only TCP (6) and UDP (17) are translated.
    pub protocol: u8,
    /// Where connections go. Where there are none, they are dropped.
    pub backends: Vec<SocketAddr>,
}

/// What is in the kernel for a service.
#[derive(Debug)]
pub(super) struct Backends {
    number: u32,
    /// In the order of their slots.
    addresses: Vec<(Address, u16)>,
}

impl Datapath {
    /// Makes these all services there are. Connections stay with their backend; new ones, and datagrams,
    /// go to the backends that are named here.
    pub fn set_services(&mut self, services: impl IntoIterator<Item = Service>) -> Result<(), DatapathError> {
        let wanted = services
            .into_iter()
            .map(|service| Ok((key(&service), addresses(&service)?)))
            .collect::<Result<BTreeMap<_, _>, DatapathError>>()?;
        let stale: Vec<ServiceKey> =
            self.services.keys().filter(|key| !wanted.contains_key(key)).copied().collect();
        for key in stale {
            self.remove_service(&key)?;
        }
        for (key, addresses) in wanted {
            if self.services.get(&key).is_none_or(|known| known.addresses != addresses) {
                self.exchange_backends(key, addresses)?;
            }
        }
        let mut config = self.config()?;
        let services = u32::try_from(self.services.len()).unwrap_or(u32::MAX);
        if config.services == services {
            return Ok(());
        }
        config.services = services;
        self.set_config(config)
    }

    fn exchange_backends(
        &mut self,
        key: ServiceKey,
        addresses: Vec<(Address, u16)>,
    ) -> Result<(), DatapathError> {
        let number = self.next_number()?;
        for (key, backend) in slots(number, &addresses) {
            self.maps.backends.insert(key, backend, 0).map_err(DatapathError::map("BACKENDS"))?;
        }
        let backends = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let value = ServiceValue { number, backends };
        self.maps.services.insert(key, value, 0).map_err(DatapathError::map("SERVICES"))?;
        match self.services.insert(key, Backends { number, addresses }) {
            Some(old) => self.erase_backends(&old),
            None => Ok(()),
        }
    }

    fn remove_service(&mut self, key: &ServiceKey) -> Result<(), DatapathError> {
        absent_is_fine(self.maps.services.remove(key)).map_err(DatapathError::map("SERVICES"))?;
        match self.services.remove(key) {
            Some(old) => self.erase_backends(&old),
            None => Ok(()),
        }
    }

    fn erase_backends(&mut self, old: &Backends) -> Result<(), DatapathError> {
        for (key, _) in slots(old.number, &old.addresses) {
            absent_is_fine(self.maps.backends.remove(&key)).map_err(DatapathError::map("BACKENDS"))?;
        }
        Ok(())
    }

    /// Reads what an earlier agent left, and removes backends that belong to no service.
    pub(super) fn adopt_services(&mut self) -> Result<(), DatapathError> {
        let services = self.maps.services.iter().collect::<Result<Vec<_>, _>>();
        let services = services.map_err(DatapathError::map("SERVICES"))?;
        let numbers: BTreeSet<u32> = services.iter().map(|(_, value)| value.number).collect();
        let backends = self.maps.backends.iter().collect::<Result<BTreeMap<_, _>, _>>();
        let backends = backends.map_err(DatapathError::map("BACKENDS"))?;
        for key in backends.keys().filter(|key| !numbers.contains(&key.number)) {
            absent_is_fine(self.maps.backends.remove(key)).map_err(DatapathError::map("BACKENDS"))?;
        }
        for (key, ServiceValue { number, .. }) in services {
            // In the order of the slots, as the map is ordered.
            let first = BackendKey { number, slot: 0 };
            let own = backends.range(first..=BackendKey { number, slot: u32::MAX });
            let addresses = own.map(|(_, backend)| (backend.address, backend.port)).collect();
            self.services.insert(key, Backends { number, addresses });
        }
        Ok(())
    }
}

fn key(service: &Service) -> ServiceKey {
    ServiceKey {
        address: service.address.to_canonical().into(),
        port: service.port,
        protocol: service.protocol,
        reserved: [0; 5],
    }
}

fn addresses(service: &Service) -> Result<Vec<(Address, u16)>, DatapathError> {
    let family = service.address.to_canonical().is_ipv4();
    let address = |backend: &SocketAddr| {
        let ip = backend.ip().to_canonical();
        if ip.is_ipv4() == family {
            return Ok((ip.into(), backend.port()));
        }
        Err(DatapathError::Family { service: service.address, backend: ip })
    };
    service.backends.iter().map(address).collect()
}

fn slots(number: u32, addresses: &[(Address, u16)]) -> impl Iterator<Item = (BackendKey, Translated)> {
    let backend = move |(address, port): &(Address, u16)| Translated {
        address: *address,
        number,
        port: *port,
        reserved: [0; 2],
    };
    (0..).zip(addresses).map(move |(slot, address)| (BackendKey { number, slot }, backend(address)))
}
