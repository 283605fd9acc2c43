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
    /// IGMP.
    Igmp,
    /// IPv4 in IP.
    Ipip,
    /// IPv6 in IP.
    Ipv6,
    /// GRE.
    Gre,
    /// ESP, of IPsec.
    Esp,
    /// AH, of IPsec.
    Ah,
    /// VRRP.
    Vrrp,
}

impl Protocol {
    /// Every protocol.
    pub const EVERY: [Self; 12] = [
        Self::Tcp,
        Self::Udp,
        Self::Sctp,
        Self::Icmp,
        Self::IcmpV6,
        Self::Igmp,
        Self::Ipip,
        Self::Ipv6,
        Self::Gre,
        Self::Esp,
        Self::Ah,
        Self::Vrrp,
    ];

    /// Its number in an IP header (IANA, "Assigned Internet Protocol Numbers").
    pub fn number(self) -> u8 {
        match self {
            Self::Icmp => 1,
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::IcmpV6 => 58,
            Self::Sctp => 132,
            Self::Igmp => 2,
            Self::Ipip => 4,
            Self::Ipv6 => 41,
            Self::Gre => 47,
            Self::Esp => 50,
            Self::Ah => 51,
            Self::Vrrp => 112,
        }
    }

    /// Whether it has ports: what `ANY` in a policy means.
    pub fn has_ports(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp | Self::Sctp)
    }

    /// Reads the upper-case name that the policy schemas use; the ICMPs have none there.
    pub fn parse(text: &str) -> Option<Self> {
        let named = |protocol: &Self| !matches!(protocol, Self::Icmp | Self::IcmpV6);
        Self::EVERY.into_iter().filter(named).find(|protocol| protocol.as_str() == text)
    }

    /// The name, as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
            Self::Icmp => "ICMP",
            Self::IcmpV6 => "ICMPv6",
            Self::Igmp => "IGMP",
            Self::Ipip => "IPIP",
            Self::Ipv6 => "IPV6",
            Self::Gre => "GRE",
            Self::Esp => "ESP",
            Self::Ah => "AH",
            Self::Vrrp => "VRRP",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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

impl ProtocolMatch {
    /// Whether this protocol is meant.
    pub fn means(self, protocol: Protocol) -> bool {
        match self {
            Self::Any => protocol.has_ports(),
            Self::Only(only) => only == protocol,
        }
    }
}

/// The ports that a `toPorts` entry lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortSpec {
    /// These numbers.
    Numbers(PortRange),
    /// Those that go by this name at the workload they belong to: none where it has no such port.
    Named {
        /// The protocol that the port must have there.
        protocol: ProtocolMatch,
        /// The name.
        name: String,
    },
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

    /// Whether this is all of a protocol.
    pub fn is_whole(&self) -> bool {
        (self.first, self.last) == (0, u16::MAX)
    }

    /// Whether a connection to `port` by `protocol` is within.
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        self.protocol.means(protocol) && (self.first..=self.last).contains(&port)
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
