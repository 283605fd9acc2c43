//! What is in force, for an agent that takes over and for people who look.

use std::net::{Ipv4Addr, Ipv6Addr};

use postern_node_abi::{Address, EndpointFlags};

use super::endpoints::{EndpointState, Known};
use super::error::DatapathError;
use super::{Datapath, Hook};

/// What is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Endpoints, by their devices.
    pub endpoints: Vec<EndpointStatus>,
    /// How many prefixes have an identity.
    pub identities: usize,
    /// Moves when identities change.
    pub identity_version: u32,
    /// The devices of endpoints that programs are attached to.
    pub attached: Vec<u32>,
    /// The links to other nodes that programs are attached to.
    pub uplinks: Vec<u32>,
    /// Whether connections can be handed to the proxy.
    pub steering: bool,
}

/// One endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Its device, number and addresses.
    pub state: EndpointState,
    /// The number of its policy, which changes with every change of it.
    pub policy: u32,
    /// How many entries its policy has.
    pub entries: usize,
    /// Whether everything is dropped because its policy did not fit.
    pub closed: bool,
}

impl Datapath {
    /// What is in force.
    pub fn status(&self) -> Result<Status, DatapathError> {
        let steering = self.folder.links().join(Hook::Steer.pin(0)).exists();
        Ok(Status {
            endpoints: self.endpoints.iter().map(|(ifindex, known)| endpoint(*ifindex, known)).collect(),
            identities: self.identities.len(),
            identity_version: self.config()?.identity_version,
            attached: self.attached()?,
            uplinks: self.uplinks()?,
            steering,
        })
    }
}

fn endpoint(ifindex: u32, known: &Known) -> EndpointStatus {
    let record = &known.record;
    EndpointStatus {
        state: EndpointState {
            ifindex,
            id: record.id,
            ipv4: (record.ipv4 != [0; 4]).then(|| Ipv4Addr::from(record.ipv4)),
            ipv6: (record.ipv6 != Address::ZERO).then(|| Ipv6Addr::from(record.ipv6.0)),
        },
        policy: record.policy,
        entries: known.table.len(),
        closed: record.flags & EndpointFlags::CLOSED != 0,
    }
}
