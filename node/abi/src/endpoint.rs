//! Endpoints, by the device on the host's side, and the settings of all programs.

use crate::Address;

/// One endpoint: a workload's network interface on this node.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Endpoint {
    /// Its IPv6 address; zero where it has none.
    pub ipv6: Address,
    /// Its IPv4 address; zero where it has none.
    pub ipv4: [u8; 4],
    /// Which entries of the policy map are its own.
    pub policy: u32,
    /// [`EndpointFlags`].
    pub flags: u32,
    /// The number that events show.
    pub id: u32,
}

/// Bits of [`Endpoint::flags`].
#[derive(Debug)]
pub struct EndpointFlags;

impl EndpointFlags {
    /// What no rule allows to the endpoint is dropped.
    pub const INGRESS_DEFAULT_DENY: u32 = 1;
    /// What no rule allows from the endpoint is dropped.
    pub const EGRESS_DEFAULT_DENY: u32 = 2;
    /// Its policy did not fit into the map: everything is dropped.
    pub const CLOSED: u32 = 4;
    /// Of traffic to the endpoint, what is said of a peer is all there is to say: what is said of anyone is not asked.
    pub const INGRESS_COMPLETE: u32 = 8;
    /// The same of traffic from the endpoint.
    pub const EGRESS_COMPLETE: u32 = 16;
}

/// The one record of settings.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Config {
    /// [`ABI_VERSION`](crate::ABI_VERSION) of whoever wrote it.
    pub abi: u32,
    /// Moves whenever an address changes its identity: every flow is then judged again.
    pub identity_version: u32,
    /// The next number to give to a policy or to a service's backends. Numbers are never used twice,
    /// because a flow may still carry an old one.
    pub next_number: u32,
    /// How many services there are.
    pub services: u32,
}

const _: () = assert!(size_of::<Endpoint>() == 32);
const _: () = assert!(size_of::<Config>() == 16);
