//! Identities: who a peer is, as a number that an address resolves to.

mod caller;
mod forwarded;
mod table;

use std::fmt;

use ipnet::IpNet;

use crate::labels::LabelSet;

pub use caller::{Caller, Evidence, Known, PeerSource, SPIFFE, UnreadablePeer};
pub use table::{AddressTable, TableBuilder};

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
