//! Ports and what stands for them: TCP, UDP, SCTP, ICMP.

use aya_ebpf::programs::TcContext;
use postern_node_abi::Reason;

use crate::network;
use crate::packet::{Outcome, PASS, Packet, Scratch, drop, kind, load, protocol, tcp};

#[repr(C)]
#[derive(Clone, Copy)]
struct Tcp {
    source: u16,
    destination: u16,
    sequence: u32,
    acknowledged: u32,
    length: u8,
    flags: u8,
    window: u16,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Icmp {
    kind: u8,
    code: u8,
    checksum: u16,
    id: u16,
    sequence: u16,
}

/// Reads the transport's header of a packet that is whole or the first piece.
#[inline(never)]
pub(crate) fn read(ctx: &TcContext, scratch: &mut Scratch) -> Outcome {
    let packet = &mut scratch.packet;
    let outcome = match (packet.protocol, packet.family) {
        (protocol::TCP, _) => tcp(ctx, packet),
        (protocol::UDP, _) => ports(ctx, packet, 8),
        (protocol::SCTP, _) => ports(ctx, packet, 12),
        (protocol::ICMP, 4) | (protocol::ICMP_V6, 6) => icmp(ctx, packet),
        // The other family's. No policy means that, and rules on either ICMP are told by the number alone.
        (protocol::ICMP | protocol::ICMP_V6, _) => drop(Reason::UNPARSABLE),
        // Without ports: only rules on all protocols, or on this one, speak of it.
        _ => PASS,
    };
    if outcome == PASS && scratch.packet.is(kind::ERROR) {
        quoted(ctx, scratch);
    }
    outcome
}

/// The packet that an ICMP error speaks of; its family stays 0 where it cannot be read.
#[inline(always)]
fn quoted(ctx: &TcContext, scratch: &mut Scratch) {
    let offset = scratch.packet.transport + 8;
    let inner = &mut scratch.inner;
    inner.clear();
    let outcome = match scratch.packet.family {
        4 => network::v4(ctx, inner, offset, true),
        _ => network::v6(ctx, inner, offset, true),
    };
    let readable = outcome == PASS && inner.fragment_offset == 0 && {
        let outcome = match (inner.protocol, inner.family) {
            // Only the first eight bytes are sure to be quoted.
            (protocol::TCP | protocol::UDP | protocol::SCTP, _) => ports(ctx, inner, 8),
            (protocol::ICMP, 4) | (protocol::ICMP_V6, 6) => icmp(ctx, inner),
            _ => PASS,
        };
        outcome == PASS && !inner.is(kind::ERROR | kind::NEIGHBOUR)
    };
    if !readable {
        inner.family = 0;
    }
}

#[inline(always)]
fn tcp(ctx: &TcContext, packet: &mut Packet) -> Outcome {
    if packet.transport + 20 > packet.end {
        return drop(Reason::TRUNCATED);
    }
    let Some(header) = load::<Tcp>(ctx, packet.transport) else { return drop(Reason::TRUNCATED) };
    if header.length >> 4 < 5 {
        return drop(Reason::UNPARSABLE);
    }
    packet.source_port = u16::from_be(header.source);
    packet.destination_port = u16::from_be(header.destination);
    packet.policy_port = packet.destination_port;
    packet.tcp_flags = header.flags;
    if header.flags & (tcp::SYN | tcp::ACK) == tcp::SYN {
        packet.kind = kind::OPENS;
    }
    PASS
}

#[inline(always)]
fn ports(ctx: &TcContext, packet: &mut Packet, length: u32) -> Outcome {
    if packet.transport + length > packet.end {
        return drop(Reason::TRUNCATED);
    }
    let Some([source, destination]) = load::<[u16; 2]>(ctx, packet.transport) else {
        return drop(Reason::TRUNCATED);
    };
    packet.source_port = u16::from_be(source);
    packet.destination_port = u16::from_be(destination);
    packet.policy_port = packet.destination_port;
    PASS
}

/// An echo's identifier stands for the port of the side that asks; the request's type for the other.
#[inline(always)]
fn icmp(ctx: &TcContext, packet: &mut Packet) -> Outcome {
    if packet.transport + 8 > packet.end {
        return drop(Reason::TRUNCATED);
    }
    let Some(header) = load::<Icmp>(ctx, packet.transport) else { return drop(Reason::TRUNCATED) };
    let v6 = packet.family == 6;
    let (request, reply) = if v6 { (128, 129) } else { (8, 0) };
    let id = u16::from_be(header.id);
    packet.policy_port = u16::from(header.kind);
    packet.source_port = packet.policy_port;
    packet.destination_port = packet.policy_port;
    if header.kind == request {
        packet.source_port = id;
        packet.kind = kind::OPENS;
    } else if header.kind == reply {
        packet.source_port = request as u16;
        packet.destination_port = id;
    } else if is_error(v6, header.kind) {
        packet.kind = kind::ERROR;
    } else if is_neighbour(v6, header.kind, packet) {
        packet.kind = kind::NEIGHBOUR;
    } else {
        packet.kind = kind::OPENS;
    }
    PASS
}

#[inline(always)]
fn is_error(v6: bool, kind: u8) -> bool {
    if v6 { matches!(kind, 1..=4) } else { matches!(kind, 3 | 11 | 12) }
}

/// Hop limit 255 shows that no router forwarded it. It is never fragmented (RFC 6980).
#[inline(always)]
fn is_neighbour(v6: bool, kind: u8, packet: &Packet) -> bool {
    v6 && matches!(kind, 133..=137) && packet.hops == 255 && packet.more_fragments == 0
}
