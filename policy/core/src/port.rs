//! Protocols and port ranges.

use std::fmt;

/// The transport of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// Reads the upper-case name that the policy schemas use.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            "SCTP" => Some(Self::Sctp),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// A protocol, or any of the three that have ports; ICMP is in neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolMatch {
    /// TCP, UDP and SCTP.
    Any,
    /// Only this one.
    Only(Protocol),
}

/// The ports of one protocol that a rule speaks of, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// The protocol.
    pub protocol: ProtocolMatch,
    /// The first port.
    pub first: u16,
    /// The last port, not below the first.
    pub last: u16,
}

impl PortRange {
    /// Every port of a protocol: what `port: "0"` means in a policy.
    pub fn whole(protocol: ProtocolMatch) -> Self {
        Self { protocol, first: 0, last: u16::MAX }
    }

    /// Whether a connection to `port` by `protocol` is within.
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        let of_protocol = match self.protocol {
            ProtocolMatch::Any => true,
            ProtocolMatch::Only(only) => only == protocol,
        };
        of_protocol && (self.first..=self.last).contains(&port)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (0, u16::MAX) => f.write_str("*")?,
            (first, last) if first == last => write!(f, "{first}")?,
            (first, last) => write!(f, "{first}-{last}")?,
        }
        match self.protocol {
            ProtocolMatch::Any => f.write_str("/ANY"),
            ProtocolMatch::Only(protocol) => write!(f, "/{protocol}"),
        }
    }
}
