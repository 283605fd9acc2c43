//! What the agent gets to know: counters and flow events, and the end of every program.

use aya_ebpf::bindings::{
    BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, TC_ACT_SHOT, TC_ACT_UNSPEC,
};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::programs::TcContext;
use postern_node_abi::{Event, Mark, Reason, Verdict};

use crate::maps::{COUNTERS, EVENTS};
use crate::packet::{Outcome, STEER, Scratch, mark};

/// Acts on the outcome. Other programs at the same hook still see what passes.
#[inline(always)]
pub(crate) fn finish(ctx: &TcContext, scratch: &mut Scratch, outcome: Outcome) -> i32 {
    let reason = Reason((outcome & 0xff) as u8);
    count(reason, u64::from(ctx.len()));
    if reason != Reason::FORWARDED {
        emit(scratch, Verdict::DENY, reason);
        return TC_ACT_SHOT;
    }
    if outcome & STEER != 0 {
        ctx.set_mark(mark(ctx) & !Mark::MASK | Mark::TO_PROXY);
    }
    TC_ACT_UNSPEC
}

/// Without scratch space nothing can be judged.
#[inline(always)]
pub(crate) fn fail(ctx: &TcContext) -> i32 {
    count(Reason::INTERNAL, u64::from(ctx.len()));
    TC_ACT_SHOT
}

#[inline(always)]
fn count(reason: Reason, bytes: u64) {
    if let Some(counter) = COUNTERS.get_ptr_mut(u32::from(reason.0)) {
        // SAFETY: the counter is this processor's own.
        unsafe {
            (*counter).packets += 1;
            (*counter).bytes += bytes;
        }
    }
}

/// To wake the agent costs more than to judge a packet. It looks at the ring by itself, some times a second, and is woken
/// only when much waits for it.
#[inline(always)]
fn wake() -> u64 {
    const MUCH: u64 = 64 << 10;
    match EVENTS.query(u64::from(BPF_RB_AVAIL_DATA)) {
        waiting if waiting < MUCH => u64::from(BPF_RB_NO_WAKEUP),
        _ => u64::from(BPF_RB_FORCE_WAKEUP),
    }
}

/// Writes an event of the packet at hand.
#[inline(never)]
pub(crate) fn emit(scratch: &Scratch, verdict: u8, reason: Reason) -> u32 {
    let Some(mut entry) = EVENTS.reserve::<Event>(0) else {
        count(Reason::EVENTS_LOST, 0);
        return 0;
    };
    let packet = &scratch.packet;
    let event = entry.as_mut_ptr();
    // SAFETY: the ring has reserved room for one event at this place, and every field of it is written.
    unsafe {
        (*event).source = packet.source;
        (*event).destination = packet.destination;
        (*event).time_ns = bpf_ktime_get_ns();
        (*event).ifindex = scratch.ifindex;
        (*event).endpoint = scratch.endpoint;
        (*event).peer = scratch.peer;
        (*event).source_port = packet.source_port;
        (*event).destination_port = packet.policy_port;
        (*event).direction = scratch.direction;
        (*event).verdict = verdict;
        (*event).reason = reason.0;
        (*event).family = packet.family;
        (*event).protocol = packet.protocol;
        (*event).reserved = [0; 3];
    }
    entry.submit(wake());
    0
}
