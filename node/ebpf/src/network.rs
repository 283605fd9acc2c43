//! IPv4 and IPv6. Lengths are held against what the packet claims and against what there is of it; what
//! does not fit is an error, never a guess.

use aya_ebpf::programs::TcContext;
use postern_node_abi::{Address, Reason};

use crate::packet::{Outcome, PASS, Packet, drop, load};

/// More headers than this between IPv6's own and the transport's are not gone through.
const MAX_EXTENSIONS: u32 = 8;
/// The longest packet whose length fits into its header; longer ones only come from the node's own
/// segmentation offload, and leave the field zero.
const LONGEST: u32 = 65_535;

mod next {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const DESTINATION: u8 = 60;
    pub(super) const MOBILITY: u8 = 135;
    pub(super) const HOST_IDENTITY: u8 = 139;
    pub(super) const SHIM6: u8 = 140;
}

#[repr(C)]
#[derive(Clone, Copy)]
struct V4 {
    version_and_length: u8,
    tos: u8,
    total: u16,
    id: u16,
    fragment: u16,
    ttl: u8,
    protocol: u8,
    checksum: u16,
    source: u32,
    destination: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct V6 {
    version: u8,
    class_and_flow: [u8; 3],
    payload: u16,
    next: u8,
    hops: u8,
    source: Address,
    destination: Address,
}

/// Reads an IPv4 header. A quoted packet, inside an ICMP error, may be cut short.
#[inline(never)]
pub(crate) fn v4(ctx: &TcContext, packet: &mut Packet, offset: u32, quoted: bool) -> Outcome {
    let Some(header) = load::<V4>(ctx, offset) else { return drop(Reason::TRUNCATED) };
    let length = u32::from(header.version_and_length & 0xf) * 4;
    if header.version_and_length >> 4 != 4 || length < 20 {
        return drop(Reason::UNPARSABLE);
    }
    let there = ctx.len().wrapping_sub(offset);
    let mut total = u32::from(u16::from_be(header.total));
    if total == 0 && there > LONGEST {
        total = there;
    }
    if total < length {
        return drop(Reason::UNPARSABLE);
    }
    if total > there {
        if !quoted {
            return drop(Reason::TRUNCATED);
        }
        total = there;
    }
    if unsupported(header.protocol) {
        return drop(Reason::UNPARSABLE);
    }
    let fragment = u16::from_be(header.fragment);
    packet.source = mapped(header.source);
    packet.destination = mapped(header.destination);
    packet.family = 4;
    packet.protocol = header.protocol;
    packet.transport = offset + length;
    packet.end = offset + total;
    packet.fragment_id = u32::from(header.id);
    packet.fragment_offset = (fragment & 0x1fff) << 3;
    packet.more_fragments = (fragment >> 13) & 1;
    PASS
}

/// Reads an IPv6 header and its extensions.
#[inline(never)]
pub(crate) fn v6(ctx: &TcContext, packet: &mut Packet, offset: u32, quoted: bool) -> Outcome {
    let Some(header) = load::<V6>(ctx, offset) else { return drop(Reason::TRUNCATED) };
    // A mapped address would be taken for the IPv4 address in it.
    if header.version >> 4 != 6 || is_mapped(&header.source) || is_mapped(&header.destination) {
        return drop(Reason::UNPARSABLE);
    }
    let there = ctx.len().wrapping_sub(offset);
    let mut total = u32::from(u16::from_be(header.payload)) + 40;
    if total == 40 && there > LONGEST {
        total = there;
    }
    if total > there {
        if !quoted {
            return drop(Reason::TRUNCATED);
        }
        total = there;
    }
    packet.source = header.source;
    packet.destination = header.destination;
    packet.family = 6;
    packet.hops = header.hops;
    packet.end = offset + total;
    extensions(ctx, packet, offset + 40, header.next)
}

/// Goes through the extension headers up to the transport's.
#[inline(always)]
fn extensions(ctx: &TcContext, packet: &mut Packet, mut offset: u32, mut next: u8) -> Outcome {
    for _ in 0..MAX_EXTENSIONS {
        match next {
            next::HOP_BY_HOP | next::DESTINATION | next::ROUTING | next::FRAGMENT => {}
            other if unsupported(other) => return drop(Reason::UNPARSABLE),
            transport => {
                packet.protocol = transport;
                packet.transport = offset;
                return PASS;
            }
        }
        if offset + 8 > packet.end {
            return drop(Reason::TRUNCATED);
        }
        let Some([following, length, third, fourth, id @ ..]) = load::<[u8; 8]>(ctx, offset) else {
            return drop(Reason::TRUNCATED);
        };
        let mut size = (u32::from(length) + 1) * 8;
        if next == next::FRAGMENT {
            let position = u16::from_be_bytes([third, fourth]);
            packet.fragment_id = u32::from_ne_bytes(id);
            packet.fragment_offset = position & !7;
            packet.more_fragments = position & 1;
            size = 8;
            if packet.fragment_offset != 0 {
                // What follows is data: the headers are in the first piece.
                packet.protocol = following;
                packet.transport = offset + 8;
                return if unsupported(following) { drop(Reason::UNPARSABLE) } else { PASS };
            }
        } else if next == next::ROUTING && fourth != 0 {
            // The destination would change on the way, behind the policy's back.
            return drop(Reason::UNPARSABLE);
        }
        next = following;
        offset += size;
    }
    drop(Reason::UNPARSABLE)
}

/// Headers behind which the transport hides. AH is none of them: as ESP, it is a protocol of its own to policies, which
/// never speak of what is inside.
#[inline(always)]
fn unsupported(protocol: u8) -> bool {
    matches!(protocol, next::MOBILITY | next::HOST_IDENTITY | next::SHIM6)
}

#[inline(always)]
fn mapped(address: u32) -> Address {
    let words = [0, 0, u32::from_ne_bytes([0, 0, 0xff, 0xff]), address];
    // SAFETY: both are 16 bytes, and every bit pattern is an address.
    unsafe { core::mem::transmute::<[u32; 4], Address>(words) }
}

#[inline(always)]
fn is_mapped(address: &Address) -> bool {
    // SAFETY: as above.
    let [a, b, c, _] = unsafe { core::mem::transmute::<Address, [u32; 4]>(*address) };
    a == 0 && b == 0 && c == u32::from_ne_bytes([0, 0, 0xff, 0xff])
}
