//! Protocols and port ranges.

use std::fmt;

/// What an IP packet carries. The ICMPs have a type where the others have a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// ICMP of IPv4.
    Icmp,
    /// ICMP of IPv6.
    IcmpV6,
}

impl Protocol {
    /// Its number in an IP header (IANA, "Assigned Internet Protocol Numbers").
    pub fn number(self) -> u8 {
        match self {
            Self::Icmp => 1,
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::IcmpV6 => 58,
            Self::Sctp => 132,
        }
    }

    /// Whether it has ports: what `ANY` in a policy means.
    pub fn has_ports(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp | Self::Sctp)
    }

    /// Reads the upper-case name that the policy schemas use for those with ports.
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
            Self::Icmp => "ICMP",
            Self::IcmpV6 => "ICMPv6",
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
            ProtocolMatch::Any => protocol.has_ports(),
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
