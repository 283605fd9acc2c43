//! Made-up packets.

use std::net::SocketAddrV4;

/// Bits of TCP's flags.
pub(crate) mod flag {
    pub(crate) const SYN: u8 = 2;
    pub(crate) const ACK: u8 = 16;
}

const HEADERS: u8 = 40;

/// An Ethernet frame with a TCP segment that carries nothing. Nobody looks at the checksums.
pub(crate) fn tcp(from: SocketAddrV4, to: SocketAddrV4, flags: u8) -> Vec<u8> {
    let mut packet = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    packet.extend([0x45, 0, 0, HEADERS, 0x12, 0x34, 0, 0, 64, 6, 0, 0]);
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    packet.extend(from.port().to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    packet
}

/// A `__sk_buff` that was seen at this device.
pub(crate) fn context(ifindex: u32) -> [u8; 192] {
    let mut context = [0; 192];
    for (place, byte) in context.iter_mut().skip(40).zip(ifindex.to_ne_bytes()) {
        *place = byte;
    }
    context
}
