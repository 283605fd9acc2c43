//! The programs at an endpoint's device, on the host's side.

use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use postern_node_abi::{Address, Endpoint, EndpointFlags, Leg, Mark, Reason, direction};

use crate::conntrack::{self, side};
use crate::maps::{ENDPOINTS, LOCAL};
use crate::packet::{ABSENT, Outcome, PASS, STEER, Scratch, drop, ifindex, kind, mark, protocol};
use crate::policy::{self, Answer};
use crate::{events, parse, service, steer};

/// What the endpoint sends.
#[classifier]
pub(crate) fn from_endpoint(ctx: TcContext) -> i32 {
    let Some(scratch) = Scratch::take(ifindex(&ctx), direction::EGRESS) else { return events::fail(&ctx) };
    let mark = mark(&ctx);
    if mark & Mark::MASK != 0 {
        // These bits are the node's own; whatever came with them did not get them from it.
        ctx.set_mark(mark & !Mark::MASK);
    }
    let outcome = sent(&ctx, scratch);
    events::finish(&ctx, scratch, outcome)
}

/// What the endpoint gets.
#[classifier]
pub(crate) fn to_endpoint(ctx: TcContext) -> i32 {
    let Some(scratch) = Scratch::take(ifindex(&ctx), direction::INGRESS) else { return events::fail(&ctx) };
    let mut outcome = received(&ctx, scratch);
    if outcome == PASS {
        outcome = service::to_service(&ctx, scratch);
    }
    events::finish(&ctx, scratch, outcome)
}

#[inline(always)]
fn sent(ctx: &TcContext, scratch: &mut Scratch) -> Outcome {
    let Some(endpoint) = &record(scratch.ifindex) else { return drop(Reason::UNKNOWN_ENDPOINT) };
    scratch.endpoint = endpoint.id;
    let outcome = parse::packet(ctx, scratch);
    if outcome != PASS {
        return outcome;
    }
    if scratch.packet.is(kind::ARP | kind::FOREIGN) {
        return not_ip(scratch, endpoint, EndpointFlags::EGRESS_DEFAULT_DENY);
    }
    if !is_own(scratch, endpoint) {
        return drop(Reason::SPOOFED);
    }
    if scratch.packet.is(kind::NEIGHBOUR) {
        // Beyond the link it serves nobody, but it could carry data past a policy.
        let denies = endpoint.flags & EndpointFlags::EGRESS_DEFAULT_DENY != 0;
        let stays = scratch.packet.destination.is_on_link();
        return if denies && !stays { drop(Reason::POLICY_DENIED) } else { PASS };
    }
    if endpoint.flags & EndpointFlags::CLOSED != 0 {
        return drop(Reason::POLICY_MAP_FULL);
    }
    let outcome = service::to_backend(ctx, scratch);
    if outcome != PASS {
        return outcome;
    }
    let at = scratch.ifindex;
    // The answers to the proxy's own connection go to the proxy, not to the client whose address it used.
    if may_be_proxied(scratch) {
        let outcome = conntrack::find(scratch, endpoint, at, Leg::UPSTREAM, side::RESPONDER);
        if outcome != ABSENT {
            return if outcome == PASS { STEER } else { outcome };
        }
    }
    let outcome = conntrack::find(scratch, endpoint, at, Leg::ORDINARY, side::EITHER);
    if outcome != ABSENT {
        return outcome;
    }
    let peer = policy::identity(&scratch.packet.destination, scratch.packet.family);
    let answer = ask(scratch, endpoint, peer);
    if policy::denies(answer) {
        return drop(policy::denial(answer));
    }
    if scratch.packet.is(kind::ERROR) {
        return PASS;
    }
    let tcp = scratch.packet.protocol == protocol::TCP;
    if !tcp && policy::redirects(answer) && !policy::is_plain(answer) {
        return drop(Reason::NOT_STEERED);
    }
    let steered = tcp && (policy::redirects(answer) || receiver_redirects(scratch));
    if steered {
        let outcome = steer::begin(&scratch.packet);
        if outcome != PASS {
            return outcome;
        }
    }
    conntrack::open(scratch, endpoint, answer, steered)
}

#[inline(always)]
fn received(ctx: &TcContext, scratch: &mut Scratch) -> Outcome {
    let Some(endpoint) = &record(scratch.ifindex) else { return drop(Reason::UNKNOWN_ENDPOINT) };
    scratch.endpoint = endpoint.id;
    let outcome = parse::packet(ctx, scratch);
    if outcome != PASS {
        return outcome;
    }
    if scratch.packet.is(kind::ARP | kind::FOREIGN) {
        return not_ip(scratch, endpoint, EndpointFlags::INGRESS_DEFAULT_DENY);
    }
    if scratch.packet.is(kind::NEIGHBOUR) {
        return PASS;
    }
    if endpoint.flags & EndpointFlags::CLOSED != 0 {
        return drop(Reason::POLICY_MAP_FULL);
    }
    let mark = mark(ctx) & Mark::MASK;
    if mark == Mark::TO_PROXY {
        // Routing did not deliver it to the proxy.
        return drop(Reason::NOT_STEERED);
    }
    let at = scratch.ifindex;
    let proxied = mark == Mark::FROM_PROXY;
    let outcome = if proxied {
        conntrack::find(scratch, endpoint, at, Leg::UPSTREAM, side::INITIATOR)
    } else {
        conntrack::find(scratch, endpoint, at, Leg::ORDINARY, side::EITHER)
    };
    if outcome == STEER {
        return drop(Reason::NOT_STEERED);
    }
    if outcome != ABSENT {
        return outcome;
    }
    let peer = policy::identity(&scratch.packet.source, scratch.packet.family);
    let answer = ask(scratch, endpoint, peer);
    if policy::denies(answer) {
        return drop(policy::denial(answer));
    }
    if policy::redirects(answer) && !policy::is_plain(answer) && !proxied {
        return drop(Reason::NOT_STEERED);
    }
    if scratch.packet.is(kind::ERROR) {
        return PASS;
    }
    conntrack::open(scratch, endpoint, answer, false)
}

/// Asks the policy of the endpoint at hand, and keeps the peer for events and the flow's entry.
#[inline(always)]
fn ask(scratch: &mut Scratch, endpoint: &Endpoint, peer: u32) -> Answer {
    scratch.peer = peer;
    let packet = &scratch.packet;
    policy::ask(endpoint, scratch.direction, peer, packet.protocol, packet.policy_port)
}

/// Whether the destination is an endpoint of this node whose policy wants the proxy. What else that
/// policy says is left to the program at its device.
#[inline(always)]
fn receiver_redirects(scratch: &Scratch) -> bool {
    // SAFETY: only a number is read.
    let Some(device) = (unsafe { LOCAL.get(&scratch.packet.destination) }) else { return false };
    let Some(receiver) = &record(*device) else { return false };
    let packet = &scratch.packet;
    let peer = policy::identity(&packet.source, packet.family);
    policy::redirects(policy::ask(receiver, direction::INGRESS, peer, packet.protocol, packet.policy_port))
}

/// Whether the packet may belong to a connection of the proxy.
#[inline(always)]
pub(crate) fn may_be_proxied(scratch: &Scratch) -> bool {
    scratch.packet.protocol == protocol::TCP
        || (scratch.packet.is(kind::ERROR) && scratch.inner.protocol == protocol::TCP)
}

/// The record of the endpoint at a device, copied at once: the agent may replace it, and the kernel use
/// its memory for another one, while the program runs.
#[inline(always)]
pub(crate) fn record(device: u32) -> Option<Endpoint> {
    let record = ENDPOINTS.get_ptr(device)?;
    // SAFETY: the kernel keeps the memory for records of endpoints; every bit pattern is one.
    Some(unsafe { record.read_volatile() })
}

#[inline(always)]
fn not_ip(scratch: &Scratch, endpoint: &Endpoint, default_deny: u32) -> Outcome {
    if scratch.packet.is(kind::FOREIGN) && endpoint.flags & (default_deny | EndpointFlags::CLOSED) != 0 {
        return drop(Reason::UNSUPPORTED);
    }
    PASS
}

/// Whether the source is the endpoint's. Neighbour discovery also speaks from link-local addresses, and
/// from none before there is one.
#[inline(always)]
fn is_own(scratch: &Scratch, endpoint: &Endpoint) -> bool {
    let source = &scratch.packet.source;
    if scratch.packet.family == 4 {
        return source.tail() == endpoint.ipv4 && endpoint.ipv4 != [0; 4];
    }
    if scratch.packet.is(kind::NEIGHBOUR) {
        let [first, second, ..] = source.0;
        if *source == Address::ZERO || (first == 0xfe && second & 0xc0 == 0x80) {
            return true;
        }
    }
    *source == endpoint.ipv6 && endpoint.ipv6 != Address::ZERO
}
