//! Protocols and the ports that policies name.

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// ICMP of IPv4; a type stands for the port.
    Icmp,
    /// ICMP of IPv6; a type stands for the port.
    IcmpV6,
    /// VRRP.
    Vrrp,
    /// IGMP.
    Igmp,
    /// GRE.
    Gre,
    /// IPv4 in IPv4.
    Ipip,
    /// IPv6 in IPv4.
    Ipv6,
    /// ESP.
    Esp,
    /// AH.
    Ah,
}

/// Every protocol, the ones with ports first.
pub const PROTOCOLS: [Protocol; 12] = [
    Protocol::Tcp,
    Protocol::Udp,
    Protocol::Sctp,
    Protocol::Icmp,
    Protocol::IcmpV6,
    Protocol::Vrrp,
    Protocol::Igmp,
    Protocol::Gre,
    Protocol::Ipip,
    Protocol::Ipv6,
    Protocol::Esp,
    Protocol::Ah,
];

impl Protocol {
    /// Its number in an IP header.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
            Self::Icmp => 1,
            Self::IcmpV6 => 58,
            Self::Vrrp => 112,
            Self::Igmp => 2,
            Self::Gre => 47,
            Self::Ipip => 4,
            Self::Ipv6 => 41,
            Self::Esp => 50,
            Self::Ah => 51,
        }
    }

    /// Its name in a policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
            Self::Icmp => "ICMP",
            Self::IcmpV6 => "ICMPv6",
            Self::Vrrp => "VRRP",
            Self::Igmp => "IGMP",
            Self::Gre => "GRE",
            Self::Ipip => "IPIP",
            Self::Ipv6 => "IPV6",
            Self::Esp => "ESP",
            Self::Ah => "AH",
        }
    }

    /// Whether it has ports, and so is one of `ANY`.
    pub fn has_ports(self) -> bool {
        [Self::Tcp, Self::Udp, Self::Sctp].contains(&self)
    }
}

/// Where a packet wants to go on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The protocol.
    pub protocol: Protocol,
    /// The port, the type of an ICMP, else 0.
    pub port: u16,
}
