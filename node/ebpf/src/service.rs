//! Services: which backend a client's flow goes to, and whose name the answers bear. The client's policy
//! is asked about the backend, and the node's own translation would come too late for that.

use aya_ebpf::bindings::BPF_ANY;
use aya_ebpf::helpers::bpf_get_prandom_u32;
use aya_ebpf::programs::TcContext;
use postern_node_abi::{BackendKey, Reason, ServiceKey, ServiceValue, Translated, TranslationKey};

use crate::maps::{BACKENDS, CONFIG, SERVICES, TO_BACKEND, TO_SERVICE};
use crate::packet::{Outcome, PASS, Scratch, drop, kind, protocol};
use crate::rewrite;

/// Sends a client's packet to a service on to the flow's backend.
#[inline(never)]
pub(crate) fn to_backend(ctx: &TcContext, scratch: &mut Scratch) -> Outcome {
    if !is_translatable(scratch) {
        return PASS;
    }
    let packet = &scratch.packet;
    let key = ServiceKey {
        address: packet.destination,
        port: packet.destination_port,
        protocol: packet.protocol,
        reserved: [0; 5],
    };
    // SAFETY: the two numbers are copied at once; a mixture of two records would at worst name a slot
    // that does not exist, which is no backend.
    let service = unsafe { SERVICES.get(&key).copied() };
    let Some(service) = service else {
        forget(scratch);
        return PASS;
    };
    let client = TranslationKey {
        peer: packet.destination,
        ifindex: scratch.ifindex,
        local_port: packet.source_port,
        peer_port: packet.destination_port,
        protocol: packet.protocol,
        reserved: [0; 7],
    };
    // SAFETY: the record is copied at once.
    let known = unsafe { TO_BACKEND.get(&client).copied() };
    let backend = match known {
        Some(known) if goes_on(scratch, &known, &service) => known,
        _ => match choose(&service) {
            Some(backend) => {
                if !remember(&client, &backend) {
                    return drop(Reason::INTERNAL);
                }
                backend
            }
            None => return drop(Reason::NO_BACKEND),
        },
    };
    if !rewrite::destination(ctx, &scratch.packet, &backend.address, backend.port) {
        return drop(Reason::INTERNAL);
    }
    scratch.packet.destination = backend.address;
    scratch.packet.destination_port = backend.port;
    scratch.packet.policy_port = backend.port;
    PASS
}

/// Gives a backend's answer the name of the service that the client spoke to.
#[inline(never)]
pub(crate) fn to_service(ctx: &TcContext, scratch: &mut Scratch) -> Outcome {
    if !is_translatable(scratch) {
        return PASS;
    }
    let packet = &scratch.packet;
    let key = TranslationKey {
        peer: packet.source,
        ifindex: scratch.ifindex,
        local_port: packet.destination_port,
        peer_port: packet.source_port,
        protocol: packet.protocol,
        reserved: [0; 7],
    };
    // SAFETY: the record is copied at once.
    let Some(service) = (unsafe { TO_SERVICE.get(&key).copied() }) else { return PASS };
    // A connection that the other side begins is not an answer.
    if packet.protocol == protocol::TCP && packet.is(kind::OPENS) {
        return PASS;
    }
    if rewrite::source(ctx, packet, &service.address, service.port) { PASS } else { drop(Reason::INTERNAL) }
}

/// A flow stays with its backend; only what begins anew, or has no connection to lose, follows a change.
#[inline(always)]
fn goes_on(scratch: &Scratch, known: &Translated, service: &ServiceValue) -> bool {
    let tcp = scratch.packet.protocol == protocol::TCP;
    (tcp && !scratch.packet.is(kind::OPENS)) || known.number == service.number
}

#[inline(always)]
fn choose(service: &ServiceValue) -> Option<Translated> {
    if service.backends == 0 {
        return None;
    }
    // SAFETY: the helper has no preconditions.
    let slot = unsafe { bpf_get_prandom_u32() } % service.backends;
    let key = BackendKey { number: service.number, slot };
    // SAFETY: the record is copied at once.
    unsafe { BACKENDS.get(&key).copied() }
}

#[inline(always)]
fn remember(client: &TranslationKey, backend: &Translated) -> bool {
    let service =
        Translated { address: client.peer, number: backend.number, port: client.peer_port, reserved: [0; 2] };
    let answer = TranslationKey { peer: backend.address, peer_port: backend.port, ..*client };
    TO_BACKEND.insert(client, backend, u64::from(BPF_ANY)).is_ok()
        && TO_SERVICE.insert(&answer, &service, u64::from(BPF_ANY)).is_ok()
}

/// A connection to the backend itself, from a port that spoke to the service before: its answers are
/// the backend's own.
#[inline(always)]
fn forget(scratch: &Scratch) {
    let packet = &scratch.packet;
    if packet.protocol == protocol::TCP && !packet.is(kind::OPENS) {
        return;
    }
    let answer = TranslationKey {
        peer: packet.destination,
        ifindex: scratch.ifindex,
        local_port: packet.source_port,
        peer_port: packet.destination_port,
        protocol: packet.protocol,
        reserved: [0; 7],
    };
    let _ = TO_SERVICE.remove(&answer);
}

/// Whether there are services, and the packet has ports whose checksum can be mended.
#[inline(always)]
fn is_translatable(scratch: &Scratch) -> bool {
    let Some(config) = CONFIG.get(0) else { return false };
    config.services != 0 && matches!(scratch.packet.protocol, protocol::TCP | protocol::UDP)
}
