//! Changing a packet's address and port, with all checksums.

use aya_ebpf::bindings::{BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR};
use aya_ebpf::helpers::bpf_csum_diff;
use aya_ebpf::programs::TcContext;
use postern_node_abi::Address;

use crate::packet::{Packet, protocol};

const ETHERNET: u32 = 14;

/// Where a header has the address that is to be changed, and the transport's header its port.
struct Place {
    v4: u32,
    v6: u32,
    port: u32,
}

/// Sends the packet elsewhere.
#[inline(always)]
pub(crate) fn destination(ctx: &TcContext, packet: &Packet, address: &Address, port: u16) -> bool {
    let place = Place { v4: 16, v6: 24, port: 2 };
    write(ctx, packet, &place, (&packet.destination, packet.destination_port), (address, port))
}

/// Lets the packet come from elsewhere.
#[inline(always)]
pub(crate) fn source(ctx: &TcContext, packet: &Packet, address: &Address, port: u16) -> bool {
    let place = Place { v4: 12, v6: 8, port: 0 };
    write(ctx, packet, &place, (&packet.source, packet.source_port), (address, port))
}

#[inline(always)]
fn write(
    ctx: &TcContext,
    packet: &Packet,
    place: &Place,
    old: (&Address, u16),
    new: (&Address, u16),
) -> bool {
    // Later pieces have neither ports nor a checksum of the transport.
    let whole = packet.fragment_offset == 0;
    if whole && !transport(ctx, packet, place.port, old, new) {
        return false;
    }
    if packet.family == 4 {
        let (old, new) = (u32::from_ne_bytes(old.0.tail()), u32::from_ne_bytes(new.0.tail()));
        ctx.l3_csum_replace((ETHERNET + 10) as usize, u64::from(old), u64::from(new), 4).is_ok()
            && ctx.store((ETHERNET + place.v4) as usize, &new, 0).is_ok()
    } else {
        ctx.store((ETHERNET + place.v6) as usize, new.0, 0).is_ok()
    }
}

/// The port, and the transport's checksum, which covers the addresses too.
#[inline(always)]
fn transport(ctx: &TcContext, packet: &Packet, at: u32, old: (&Address, u16), new: (&Address, u16)) -> bool {
    // A UDP checksum of zero means that there is none, and has to stay.
    let (checksum, flags) = match packet.protocol {
        protocol::TCP => (packet.transport + 16, 0),
        _ => (packet.transport + 6, u64::from(BPF_F_MARK_MANGLED_0)),
    };
    let checksum = checksum as usize;
    // An IPv4 address differs from another in its last four bytes only, mapped or not.
    // SAFETY: both pointers are to 16 bytes that live until the helper returns.
    let difference = unsafe {
        bpf_csum_diff(
            (&raw const old.0.0).cast_mut().cast(),
            16,
            (&raw const new.0.0).cast_mut().cast(),
            16,
            0,
        )
    };
    if difference < 0 {
        return false;
    }
    let (old_port, new_port) = (old.1.to_be(), new.1.to_be());
    let pseudo = u64::from(BPF_F_PSEUDO_HDR);
    ctx.l4_csum_replace(checksum, 0, difference as u64, flags | pseudo).is_ok()
        && ctx.l4_csum_replace(checksum, u64::from(old_port), u64::from(new_port), flags | 2).is_ok()
        && ctx.store((packet.transport + at) as usize, &new_port, 0).is_ok()
}
