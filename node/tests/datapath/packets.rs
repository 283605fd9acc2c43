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

/// The packet with all its checksums right. It is whole, without options or extension headers.
pub(crate) fn checksummed(mut packet: Vec<u8>) -> Vec<u8> {
    let transport = transport(&packet);
    if packet[14] >> 4 == 4 {
        packet[24..26].fill(0);
        let sum = !sum(&packet[14..34]);
        packet[24..26].copy_from_slice(&sum.to_be_bytes());
    }
    let place = transport + if protocol(&packet) == TCP { 16 } else { 6 };
    packet[place..place + 2].fill(0);
    let sum = !pseudo(&packet);
    packet[place..place + 2].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// Whether all its checksums are right.
pub(crate) fn is_right(packet: &[u8]) -> bool {
    let header = packet[14] >> 4 != 4 || sum(&packet[14..34]) == 0xffff;
    let none = protocol(packet) == UDP && packet[transport(packet) + 6..][..2] == [0, 0];
    header && (none || pseudo(packet) == 0xffff)
}

/// The ends of a whole packet.
pub(crate) fn ends(packet: &[u8]) -> Ends {
    let ip = |v4: usize, v6: usize| -> IpAddr {
        match packet[14] >> 4 {
            4 => <[u8; 4]>::try_from(&packet[v4..v4 + 4]).unwrap().into(),
            _ => <[u8; 16]>::try_from(&packet[v6..v6 + 16]).unwrap().into(),
        }
    };
    let port = |at: usize| u16::from_be_bytes(packet[transport(packet) + at..][..2].try_into().unwrap());
    Ends { from: (ip(26, 22), port(0)), to: (ip(30, 38), port(2)) }
}

fn transport(packet: &[u8]) -> usize {
    if packet[14] >> 4 == 4 { 34 } else { 54 }
}

fn protocol(packet: &[u8]) -> u8 {
    if packet[14] >> 4 == 4 { packet[23] } else { packet[20] }
}

/// The sum over the transport's part and what it covers of the network's header.
fn pseudo(packet: &[u8]) -> u16 {
    let body = &packet[transport(packet)..];
    let addresses = if packet[14] >> 4 == 4 { &packet[26..34] } else { &packet[22..54] };
    let mut bytes = addresses.to_vec();
    bytes.extend([0, protocol(packet)]);
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend(body);
    sum(&bytes)
}

fn sum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}
