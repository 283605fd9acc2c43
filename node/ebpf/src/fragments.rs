//! Datagrams in pieces: later pieces are judged by the ports of the first.

use aya_ebpf::bindings::BPF_ANY;
use postern_node_abi::{FragmentValue, Reason};

use crate::maps::FRAGMENTS;
use crate::packet::{Outcome, PASS, Scratch, drop, kind, protocol, tcp};

/// Remembers the first piece. Where that fails, the later ones are dropped.
#[inline(always)]
pub(crate) fn first(scratch: &mut Scratch) {
    // Errors are short; one in pieces is nothing to pass on unread.
    if scratch.packet.is(kind::ERROR) {
        return;
    }
    key(scratch);
    let packet = &scratch.packet;
    let value = FragmentValue {
        source_port: packet.source_port,
        destination_port: packet.destination_port,
        policy_port: packet.policy_port,
        kind: packet.kind,
    };
    let _ = FRAGMENTS.insert(&scratch.fragment, &value, u64::from(BPF_ANY));
}

/// Completes a later piece.
#[inline(always)]
pub(crate) fn later(scratch: &mut Scratch) -> Outcome {
    let tcp = scratch.packet.protocol == protocol::TCP;
    // Such a piece would overwrite flags that were already judged.
    if tcp && scratch.packet.fragment_offset < 20 {
        return drop(Reason::UNPARSABLE);
    }
    key(scratch);
    // SAFETY: nothing deletes and reuses the entry while the program runs; were it overwritten, the
    // ports would still be those of a first piece of the same datagram.
    let Some(value) = (unsafe { FRAGMENTS.get(&scratch.fragment) }) else {
        return drop(Reason::UNKNOWN_FRAGMENT);
    };
    let packet = &mut scratch.packet;
    packet.source_port = value.source_port;
    packet.destination_port = value.destination_port;
    packet.policy_port = value.policy_port;
    packet.kind = value.kind;
    if tcp {
        packet.kind = 0;
        packet.tcp_flags = tcp::ACK;
    }
    PASS
}

#[inline(always)]
fn key(scratch: &mut Scratch) {
    let packet = &scratch.packet;
    let key = &mut scratch.fragment;
    key.source = packet.source;
    key.destination = packet.destination;
    key.id = packet.fragment_id;
    key.ifindex = scratch.ifindex;
    key.protocol = packet.protocol;
    key.reserved = [0; 7];
}
