//! What the kernel is to hold, and how it is read from what the agent is told.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use postern_policy_core::identity::IdentityId;
use postern_policy_core::lower::{Lowered, lower};
use postern_policy_core::world::WorkloadName;
use postern_policy_wire::{Bundle, BundleError, Quarantined, decode_bundle};
use postern_xds::service::Service;

/// Everything that one node enforces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// The workloads of this node.
    pub endpoints: BTreeMap<WorkloadName, DesiredEndpoint>,
    /// Who has which address.
    pub identities: Vec<(IpNet, IdentityId)>,
    /// Services, whose addresses are translated before anything is judged.
    pub services: Vec<Service>,
    /// HTTP rules that do not compile: they match nothing.
    pub quarantined: Vec<Quarantined>,
}

/// One workload of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredEndpoint {
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its policy on addresses and ports.
    pub policy: Lowered,
}

impl Desired {
    /// Reads a bundle by the same code as the filter: what one of them takes, the other does.
    ///
    /// # Errors
    /// When the filter would refuse it.
    pub fn new(bundle: Bundle, services: Vec<Service>) -> Result<Self, BundleError> {
        let identities = bundle.identities.iter().flat_map(|identity| {
            identity.addresses.iter().map(move |prefix| (*prefix, IdentityId(identity.id)))
        });
        let identities = identities.collect();
        let (set, quarantined) = decode_bundle(bundle)?;
        let endpoints = set.endpoints().iter().map(|endpoint| {
            let desired = DesiredEndpoint { addresses: endpoint.addresses.clone(), policy: lower(endpoint) };
            (endpoint.name.clone(), desired)
        });
        Ok(Self { endpoints: endpoints.collect(), identities, services, quarantined })
    }
}
