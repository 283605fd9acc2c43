//! From what is desired to what is in the kernel.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use postern_policy_core::port::Protocol;
use postern_policy_core::world::WorkloadName;
use postern_xds::service as xds;
use tokio::sync::watch;

use super::desired::{Desired, DesiredEndpoint};
use super::places::Places;
use super::status::{EndpointStatus, NodeStatus};
use crate::datapath::{Applied, Datapath, DatapathError, EndpointState, Service};
use crate::devices::{DeviceError, Devices};

/// What the agent is told at start.
#[derive(Debug, Clone, Default)]
pub struct AgentConfig {
    /// Devices that lead to workloads, where routes do not tell.
    pub devices: BTreeMap<WorkloadName, String>,
    /// Devices that lead to other nodes and to the world; those of the default routes where none are named.
    pub uplinks: Vec<String>,
    /// Whether endpoints that nothing here leads to are other nodes', and no problem.
    pub others_elsewhere: bool,
}

/// One thing that is not as desired. What it concerns is closed or waits; everything else is in force.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The kernel did not take an endpoint's policy.
    #[error("endpoint {endpoint}: {cause}")]
    Endpoint {
        /// Whose policy.
        endpoint: WorkloadName,
        /// Why.
        cause: DatapathError,
    },
    /// A policy that the kernel has no room for: the endpoint is closed until it has.
    #[error(
        "endpoint {endpoint}: its policy has {entries} entries, which do not fit into the kernel's table: everything to and from it is dropped; write fewer rules, or make the table larger"
    )]
    Closed {
        /// Whose policy.
        endpoint: WorkloadName,
        /// How many entries it has.
        entries: usize,
    },
    /// Nothing leads to an endpoint yet.
    #[error(
        "endpoint {endpoint}: no device leads to it: expected a route to its address alone, or a device named for it"
    )]
    NoDevice {
        /// Which.
        endpoint: WorkloadName,
    },
    /// More addresses than a kernel's record has room for.
    #[error(
        "endpoint {endpoint}: {address} is a second address of its family: what it sends from there is dropped as spoofed"
    )]
    Addresses {
        /// Which.
        endpoint: WorkloadName,
        /// The one too many.
        address: IpAddr,
    },
    /// Devices or routes could not be read.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The kernel refused something that concerns all.
    #[error(transparent)]
    Datapath(#[from] DatapathError),
}

/// Not everything is as desired.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ApplyError(pub Vec<Problem>);

/// The one writer of the kernel's tables.
#[derive(Debug)]
pub struct Agent {
    config: AgentConfig,
    datapath: Datapath,
    devices: Devices,
    places: Places,
    status: watch::Sender<NodeStatus>,
}

impl Agent {
    /// An agent over a datapath that is open.
    pub fn new(config: AgentConfig, datapath: Datapath, devices: Devices) -> Self {
        Self { config, datapath, devices, places: Places::default(), status: watch::Sender::default() }
    }

    /// What the agent says of itself, as it changes.
    pub fn status(&self) -> watch::Receiver<NodeStatus> {
        self.status.subscribe()
    }

    /// The kernel's side.
    pub fn datapath(&mut self) -> &mut Datapath {
        &mut self.datapath
    }

    /// Brings the kernel to what is desired. Identities and services come first, so that no policy meets an
    /// address that it should know; an endpoint's policy is there before its device is guarded by it.
    ///
    /// # Errors
    /// All that is not as desired afterwards; the rest is in force.
    pub async fn apply(&mut self, desired: &Desired) -> Result<(), ApplyError> {
        let places = match self.places.find(&self.config, &self.datapath, &self.devices, desired).await {
            Ok(places) => places,
            // Without them nobody can tell which endpoints are gone: everything stays as it is.
            Err(problem) => {
                self.status.send_modify(|status| status.problems = vec![problem.to_string()]);
                return Err(ApplyError(vec![problem]));
            }
        };
        let mut problems: Vec<Problem> = places.failed.into_iter().map(Problem::from).collect();
        problems.extend(self.tables(desired).await.err());
        let found = places.devices;
        let mut statuses = Vec::new();
        for (name, endpoint) in &desired.endpoints {
            let device = found.get(name).copied();
            let applied = self.endpoint(name, endpoint, device);
            let entries = endpoint.policy.ingress.entries.len() + endpoint.policy.egress.entries.len();
            statuses.push(EndpointStatus {
                name: name.to_string(),
                device,
                entries,
                enforced: applied.is_ok(),
            });
            problems.extend(applied.err().filter(|problem| !self.is_elsewhere(problem)));
        }
        problems.extend(self.remove_gone(&found).err().map(Problem::from));
        self.places.keep(found);
        self.status.send_replace(NodeStatus {
            applied: true,
            endpoints: statuses,
            identities: desired.identities.len(),
            services: desired.services.len(),
            quarantined: desired.quarantined.iter().map(|rule| rule.rule.to_string()).collect(),
            problems: problems.iter().map(ToString::to_string).collect(),
        });
        if problems.is_empty() { Ok(()) } else { Err(ApplyError(problems)) }
    }

    /// Takes away the records of devices that no endpoint has any more. The programs stay on a device while it lives:
    /// without a record they let nothing pass.
    fn remove_gone(&mut self, found: &HashMap<WorkloadName, u32>) -> Result<(), DatapathError> {
        let known: Vec<u32> =
            self.datapath.status()?.endpoints.iter().map(|endpoint| endpoint.state.ifindex).collect();
        let gone = |device: &u32| !found.values().any(|known| known == device);
        known.into_iter().filter(gone).try_for_each(|device| self.datapath.remove_endpoint(device))
    }

    fn is_elsewhere(&self, problem: &Problem) -> bool {
        self.config.others_elsewhere && matches!(problem, Problem::NoDevice { .. })
    }

    async fn tables(&mut self, desired: &Desired) -> Result<(), Problem> {
        self.datapath.set_identities(desired.identities.iter().copied())?;
        self.datapath.set_services(desired.services.iter().flat_map(services))?;
        for uplink in self.uplinks().await? {
            self.datapath.attach_uplink(uplink)?;
        }
        Ok(())
    }

    async fn uplinks(&self) -> Result<Vec<u32>, DeviceError> {
        if self.config.uplinks.is_empty() {
            return self.devices.default_routes().await;
        }
        let mut found = Vec::new();
        for name in &self.config.uplinks {
            found.push(self.devices.index(name).await?);
        }
        Ok(found)
    }

    fn endpoint(
        &mut self,
        name: &WorkloadName,
        endpoint: &DesiredEndpoint,
        device: Option<u32>,
    ) -> Result<(), Problem> {
        let device = device.ok_or_else(|| Problem::NoDevice { endpoint: name.clone() })?;
        let (state, second) = state(endpoint, device);
        let failed = |cause| Problem::Endpoint { endpoint: name.clone(), cause };
        let applied = self.datapath.set_endpoint(&state, &endpoint.policy).map_err(failed)?;
        self.datapath.attach_endpoint(device).map_err(failed)?;
        if let Applied::Closed { entries } = applied {
            return Err(Problem::Closed { endpoint: name.clone(), entries });
        }
        match second {
            Some(address) => Err(Problem::Addresses { endpoint: name.clone(), address }),
            None => Ok(()),
        }
    }
}

/// What the kernel translates for a service: each of its addresses and ports, to the workloads of the same family.
fn services(service: &xds::Service) -> impl Iterator<Item = Service> {
    let pairs =
        service.ports.iter().flat_map(|port| service.addresses.iter().map(move |address| (port, *address)));
    pairs.filter_map(|(port, address)| {
        let protocol = match port.protocol {
            xds::TransportProtocol::Tcp => Protocol::Tcp.number(),
            xds::TransportProtocol::Udp => Protocol::Udp.number(),
            // It is not translated: its packets go on as they are.
            xds::TransportProtocol::Sctp => return None,
        };
        let same_family =
            port.backends.iter().filter(|backend| backend.address.is_ipv4() == address.is_ipv4());
        let backends = same_family.map(|backend| (backend.address, backend.port).into()).collect();
        Some(Service { address, port: port.port, protocol, backends })
    })
}

/// The kernel's record, and an address that it has no room for.
pub(super) fn state(endpoint: &DesiredEndpoint, device: u32) -> (EndpointState, Option<IpAddr>) {
    let mut state = EndpointState { ifindex: device, id: device, ipv4: None, ipv6: None };
    let mut second = None;
    for address in &endpoint.addresses {
        match address.to_canonical() {
            IpAddr::V4(v4) if state.ipv4.is_none() => state.ipv4 = Some(v4),
            IpAddr::V6(v6) if state.ipv6.is_none() => state.ipv6 = Some(v6),
            _ => second = second.or(Some(*address)),
        }
    }
    (state, second)
}
