//! The programs at the node's links to everywhere else.

use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use postern_node_abi::{Leg, Mark, Reason, direction};

use crate::conntrack::{self, side};
use crate::endpoint::{may_be_proxied, record};
use crate::maps::LOCAL;
use crate::packet::{ABSENT, Outcome, PASS, STEER, Scratch, drop, ifindex, kind, mark, protocol};
use crate::{events, parse, policy, steer};

/// What comes in. Only what the proxy has to get is picked out here; whether the rest may reach an
/// endpoint is judged at the endpoint's device.
#[classifier]
pub(crate) fn from_uplink(ctx: TcContext) -> i32 {
    let Some(scratch) = Scratch::take(ifindex(&ctx), direction::INGRESS) else { return events::fail(&ctx) };
    let mark = mark(&ctx);
    if mark & Mark::MASK != 0 {
        ctx.set_mark(mark & !Mark::MASK);
    }
    let outcome = incoming(&ctx, scratch);
    events::finish(&ctx, scratch, outcome)
}

/// What goes out. Only the proxy's connections are of interest here.
#[classifier]
pub(crate) fn to_uplink(ctx: TcContext) -> i32 {
    let Some(scratch) = Scratch::take(ifindex(&ctx), direction::EGRESS) else { return events::fail(&ctx) };
    let outcome = match mark(&ctx) & Mark::MASK {
        Mark::FROM_PROXY => from_proxy(&ctx, scratch),
        // Routing did not deliver it to the proxy.
        Mark::TO_PROXY => drop(Reason::NOT_STEERED),
        _ => PASS,
    };
    events::finish(&ctx, scratch, outcome)
}

#[inline(always)]
fn incoming(ctx: &TcContext, scratch: &mut Scratch) -> Outcome {
    // What cannot be read reaches no endpoint: the program at its device reads it again. The node's own
    // traffic is not judged.
    if parse::packet(ctx, scratch) != PASS || scratch.packet.family == 0 {
        return PASS;
    }
    // SAFETY: only a number is read.
    if unsafe { LOCAL.get(&scratch.packet.source) }.is_some() {
        return drop(Reason::SPOOFED);
    }
    // SAFETY: only a number is read.
    let Some(device) = (unsafe { LOCAL.get(&scratch.packet.destination) }) else { return PASS };
    let device = *device;
    let Some(endpoint) = &record(device) else { return PASS };
    if !may_be_proxied(scratch) {
        return PASS;
    }
    scratch.endpoint = endpoint.id;
    let outcome = conntrack::find(scratch, endpoint, device, Leg::UPSTREAM, side::RESPONDER);
    if outcome != ABSENT {
        return if outcome == PASS { STEER } else { outcome };
    }
    let outcome = conntrack::find(scratch, endpoint, device, Leg::ORDINARY, side::EITHER);
    if outcome != ABSENT {
        return outcome;
    }
    if scratch.packet.is(kind::ERROR) || scratch.packet.protocol != protocol::TCP {
        return PASS;
    }
    let packet = &scratch.packet;
    let peer = policy::identity(&packet.source, packet.family);
    let answer = policy::ask(endpoint, direction::INGRESS, peer, packet.protocol, packet.policy_port);
    if !policy::redirects(answer) {
        return PASS;
    }
    scratch.peer = peer;
    let outcome = steer::begin(&scratch.packet);
    if outcome != PASS {
        return outcome;
    }
    conntrack::open(scratch, endpoint, answer, true)
}

/// The proxy's connection to a server elsewhere, from the address of a client here: remembered, so that
/// the answers find the proxy.
#[inline(always)]
fn from_proxy(ctx: &TcContext, scratch: &mut Scratch) -> Outcome {
    let outcome = parse::packet(ctx, scratch);
    if outcome != PASS {
        return outcome;
    }
    // SAFETY: only a number is read.
    let Some(device) = (unsafe { LOCAL.get(&scratch.packet.source) }) else { return PASS };
    let device = *device;
    let Some(endpoint) = &record(device) else { return PASS };
    scratch.endpoint = endpoint.id;
    let outcome = conntrack::find(scratch, endpoint, device, Leg::UPSTREAM, side::INITIATOR);
    if outcome != ABSENT {
        return outcome;
    }
    let packet = &scratch.packet;
    let peer = policy::identity(&packet.destination, packet.family);
    let answer = policy::ask(endpoint, direction::EGRESS, peer, packet.protocol, packet.policy_port);
    scratch.peer = peer;
    if policy::denies(answer) {
        return drop(policy::denial(answer));
    }
    conntrack::open(scratch, endpoint, answer, false)
}
