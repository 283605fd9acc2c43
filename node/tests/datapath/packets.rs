//! Made-up packets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) const SYN: u8 = 2;
pub(crate) const ACK: u8 = 16;
pub(crate) const SYN_ACK: u8 = 18;
pub(crate) const FIN_ACK: u8 = 17;
pub(crate) const RST: u8 = 4;

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const SCTP: u8 = 132;

/// Source and destination: addresses and ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) from: (IpAddr, u16),
    pub(crate) to: (IpAddr, u16),
}

impl Ends {
    pub(crate) fn new(from: &str, to: &str) -> Self {
        let read = |text: &str| {
            let address: std::net::SocketAddr = text.parse().unwrap();
            (address.ip(), address.port())
        };
        Self { from: read(from), to: read(to) }
    }

    pub(crate) fn reply(self) -> Self {
        Self { from: self.to, to: self.from }
    }

    fn is_v4(&self) -> bool {
        self.from.0.is_ipv4()
    }

    pub(crate) fn tcp(&self, flags: u8) -> Vec<u8> {
        self.ip(TCP, &tcp(self.from.1, self.to.1, flags))
    }

    pub(crate) fn udp(&self) -> Vec<u8> {
        self.ip(UDP, &udp(self.from.1, self.to.1))
    }

    pub(crate) fn sctp(&self) -> Vec<u8> {
        let mut body = ports(self.from.1, self.to.1);
        body.extend([0; 12]);
        self.ip(SCTP, &body)
    }

    /// An echo request; its identifier is the source's port.
    pub(crate) fn ping(&self) -> Vec<u8> {
        let (protocol, kind) = if self.is_v4() { (1, 8) } else { (58, 128) };
        self.ip(protocol, &icmp(kind, self.from.1))
    }

    /// The answer to `reply().ping()`.
    pub(crate) fn pong(&self) -> Vec<u8> {
        let (protocol, kind) = if self.is_v4() { (1, 0) } else { (58, 129) };
        self.ip(protocol, &icmp(kind, self.to.1))
    }

    /// "Destination unreachable", about a packet (with its Ethernet header).
    pub(crate) fn unreachable(&self, about: &[u8]) -> Vec<u8> {
        let (protocol, kind) = if self.is_v4() { (1, 3) } else { (58, 1) };
        let mut body = vec![kind, 1, 0, 0, 0, 0, 0, 0];
        body.extend(about[14..].iter().take(48));
        self.ip(protocol, &body)
    }

    pub(crate) fn icmp(&self, kind: u8) -> Vec<u8> {
        self.ip(if self.is_v4() { 1 } else { 58 }, &icmp(kind, 0))
    }

    pub(crate) fn ip(&self, protocol: u8, body: &[u8]) -> Vec<u8> {
        match (self.from.0, self.to.0) {
            (IpAddr::V4(from), IpAddr::V4(to)) => ethernet(0x0800, &v4(from, to, protocol, 0, body)),
            (IpAddr::V6(from), IpAddr::V6(to)) => ethernet(0x86dd, &v6(from, to, protocol, 64, body)),
            _ => panic!("two families in one packet"),
        }
    }
}

pub(crate) fn ethernet(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    packet.extend(kind.to_be_bytes());
    packet.extend(body);
    packet
}

/// `fragment` is the field of flags and offset.
pub(crate) fn v4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, fragment: u16, body: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + body.len()).unwrap();
    let mut packet = vec![0x45, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0x12, 0x34]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(body);
    packet
}

pub(crate) fn v6(from: Ipv6Addr, to: Ipv6Addr, next: u8, hops: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    packet.extend([next, hops]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(body);
    packet
}

pub(crate) fn ports(from: u16, to: u16) -> Vec<u8> {
    [from.to_be_bytes(), to.to_be_bytes()].concat()
}

pub(crate) fn tcp(from: u16, to: u16, flags: u8) -> Vec<u8> {
    let mut body = ports(from, to);
    body.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    body
}

pub(crate) fn udp(from: u16, to: u16) -> Vec<u8> {
    let mut body = ports(from, to);
    body.extend([0, 12, 0, 0, b'd', b'a', b't', b'a']);
    body
}

pub(crate) fn icmp(kind: u8, id: u16) -> Vec<u8> {
    let mut body = vec![kind, 0, 0, 0];
    body.extend(id.to_be_bytes());
    body.extend([0, 1]);
    body
}
