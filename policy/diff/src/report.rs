//! Reports: the difference between two sets of policies, as values.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use postern_policy_core::path::Profile;
use postern_policy_core::policy::{Direction, RuleId};
use postern_policy_core::port::Protocol;
use postern_policy_core::world::WorkloadName;

pub use crate::budget::Open;
pub use crate::witness::Sample;

/// The difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What is gained and lost, gains first.
    pub changes: Vec<Change>,
    /// What could not be decided: there may be a change, or none.
    pub undecided: Vec<Undecided>,
    /// How many workloads of the local cluster were looked at: all of the inventory.
    pub workloads: usize,
    /// How many ordered pairs of two ends were looked at.
    pub pairs: usize,
}

impl Report {
    /// Whether it is proven that nothing changes.
    pub fn is_unchanged(&self) -> bool {
        self.changes.is_empty() && self.undecided.is_empty()
    }
}

/// Which way something changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It passes now, and did not.
    Gained,
    /// It passed, and does not any more.
    Lost,
}

/// One difference, for everyone whom it concerns alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which way.
    pub effect: Effect,
    /// What it is about.
    pub what: What,
    /// On which ports.
    pub ports: Vec<PortSpan>,
    /// From whom to whom.
    pub between: Vec<Between>,
    /// How many ordered pairs that are.
    pub pairs: usize,
    /// One of it that the core's decision confirms.
    pub witness: Witness,
}

/// What could not be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// Which way it would change.
    pub effect: Effect,
    /// Why it is not known.
    pub why: Open,
    /// On which ports.
    pub ports: Vec<PortSpan>,
    /// From whom to whom.
    pub between: Vec<Between>,
    /// How many ordered pairs that are.
    pub pairs: usize,
}

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// Everything: nothing of it passes on the other side.
    Everything,
    /// What is not HTTP.
    NotHttp,
    /// Requests such as this one. `more` if there are further kinds of requests that are not listed.
    Requests {
        /// One of them.
        sample: Sample,
        /// Whether the list was cut.
        more: bool,
    },
}

/// Every one of some ends and every one of some others, but nobody with itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Between {
    /// Who connects.
    pub from: Vec<End>,
    /// To whom.
    pub to: Vec<End>,
}

/// One end of traffic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// A workload.
    Workload(WorkloadName),
    /// A node.
    Node(String),
    /// Addresses outside the cluster.
    Outside {
        /// The prefix, without longer ones that are named too; none for the rest of the world.
        net: Option<IpNet>,
        /// One of them.
        address: IpAddr,
    },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload(name) => name.fmt(f),
            Self::Node(name) => write!(f, "node {name}"),
            Self::Outside { net: Some(net), .. } if net.prefix_len() == net.max_prefix_len() => {
                write!(f, "{}", net.addr())
            }
            Self::Outside { net: Some(net), .. } => net.fmt(f),
            Self::Outside { net: None, address: IpAddr::V4(_) } => f.write_str("world (IPv4)"),
            Self::Outside { net: None, address: IpAddr::V6(_) } => f.write_str("world (IPv6)"),
        }
    }
}

/// Ports of one protocol, both ends included; types for the ICMPs; 0 for protocols that have neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortSpan {
    /// The protocol.
    pub protocol: Protocol,
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

/// The ports, types or numbers that a protocol has.
pub fn whole(protocol: Protocol) -> PortSpan {
    let (first, last) = match protocol {
        Protocol::Icmp | Protocol::IcmpV6 => (0, 255),
        _ if protocol.has_ports() => (1, u16::MAX),
        _ => (0, 0),
    };
    PortSpan { protocol, first, last }
}

impl fmt::Display for PortSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            _ if *self == whole(self.protocol) => self.protocol.fmt(f),
            (first, last) if first == last => write!(f, "{} {first}", self.protocol),
            (first, last) => write!(f, "{} {first}-{last}", self.protocol),
        }
    }
}

/// A connection or request that shows a change, and what is said of it on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Who connects.
    pub from: End,
    /// To whom.
    pub to: End,
    /// By which protocol.
    pub protocol: Protocol,
    /// To which port.
    pub port: u16,
    /// The request, where it is about HTTP.
    pub request: Option<Sample>,
    /// What the old policies say, each end that is a workload in turn.
    pub old: Vec<Said>,
    /// What the new ones say.
    pub new: Vec<Said>,
}

/// What the policy of one end says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Which end.
    pub direction: Direction,
    /// Whether it lets it pass.
    pub passes: bool,
    /// How it reads the paths of requests to this port, where it looks at them.
    pub profile: Option<Profile>,
    /// The rule that decided, where one did.
    pub rule: Option<RuleId>,
    /// Why, in words.
    pub why: String,
}
