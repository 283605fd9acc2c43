//! Steering: which connections the proxy's listener is given.

use aya_ebpf::bindings::{BPF_ANY, sk_action};
use aya_ebpf::helpers::{bpf_map_lookup_elem, bpf_sk_release};
use aya_ebpf::macros::sk_lookup;
use aya_ebpf::programs::SkLookupContext;
use postern_node_abi::{Address, Reason, SteeredKey, listener};

use crate::maps::{LISTENERS, STEERED};
use crate::packet::{Outcome, PASS, Packet, drop, kind, protocol};

const INET: u32 = 2;

/// Hands the connection that this packet begins to the proxy; a reason to drop it where no proxy listens.
/// A packet from the middle of a connection is handed over too: the proxy's own socket gets it, or the
/// kernel answers with a reset, as for any connection it does not know.
#[inline(always)]
pub(crate) fn begin(packet: &Packet) -> Outcome {
    let index = if packet.family == 4 { listener::V4 } else { listener::V6 };
    if !listens(index) {
        return drop(Reason::NO_PROXY);
    }
    if packet.is(kind::OPENS) && STEERED.insert(key(packet), 1, u64::from(BPF_ANY)).is_err() {
        return drop(Reason::NO_PROXY);
    }
    PASS
}

/// Takes the connection back.
#[inline(always)]
pub(crate) fn forget(packet: &Packet) {
    let _ = STEERED.remove(key(packet));
}

#[inline(always)]
fn key(packet: &Packet) -> SteeredKey {
    SteeredKey {
        remote: packet.source,
        local: packet.destination,
        remote_port: packet.source_port,
        local_port: packet.destination_port,
        reserved: [0; 4],
    }
}

#[inline(always)]
fn listens(index: u32) -> bool {
    let map = (&raw const LISTENERS).cast_mut();
    // SAFETY: the map is a map of sockets and the key is its key's size; the socket that is found is
    // released at once, as the verifier demands.
    unsafe {
        let socket = bpf_map_lookup_elem(map.cast(), (&raw const index).cast());
        if socket.is_null() {
            return false;
        }
        bpf_sk_release(socket);
    }
    true
}

/// Runs for every connection to the node that no socket has yet.
#[sk_lookup]
pub(crate) fn steer(ctx: SkLookupContext) -> u32 {
    // SAFETY: the context is valid as long as the program runs.
    let lookup = unsafe { &*ctx.lookup };
    if lookup.protocol != u32::from(protocol::TCP) {
        return sk_action::SK_PASS;
    }
    let v4 = lookup.family == INET;
    let (remote, local) = if v4 {
        (Address::v4(lookup.remote_ip4.to_ne_bytes()), Address::v4(lookup.local_ip4.to_ne_bytes()))
    } else {
        (words(lookup.remote_ip6), words(lookup.local_ip6))
    };
    let key = SteeredKey {
        remote,
        local,
        remote_port: u16::from_be(lookup.remote_port),
        local_port: lookup.local_port as u16,
        reserved: [0; 4],
    };
    // SAFETY: only whether there is an entry counts.
    if unsafe { STEERED.get(&key) }.is_none() {
        return sk_action::SK_PASS;
    }
    let index = if v4 { listener::V4 } else { listener::V6 };
    match LISTENERS.redirect_sk_lookup(&ctx, index, 0) {
        Ok(()) => sk_action::SK_PASS,
        // No other socket of the node may get what was meant for the proxy.
        Err(_) => sk_action::SK_DROP,
    }
}

#[inline(always)]
fn words(address: [u32; 4]) -> Address {
    // SAFETY: both are 16 bytes, and every bit pattern is an address.
    unsafe { core::mem::transmute::<[u32; 4], Address>(address) }
}
