//! Flows that were let in. A flow's packets pass by its entry, until policy or identities change: then
//! the next packet has the whole flow judged again.

use aya_ebpf::bindings::BPF_ANY;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use postern_node_abi::{CtFlags, CtValue, Endpoint, Leg, Lifetime, Reason, Verdict, direction};

use crate::events;
use crate::maps::{CONFIG, CONNTRACK};
use crate::packet::{ABSENT, Outcome, PASS, Packet, STEER, Scratch, drop, kind, protocol, tcp};
use crate::policy;
use crate::steer;

/// Which packets of an entry a program looks for: from the side that began, from the other, or both.
pub(crate) mod side {
    /// Both.
    pub(crate) const EITHER: u32 = 0;
    /// The side that began.
    pub(crate) const INITIATOR: u32 = 1;
    /// The other.
    pub(crate) const RESPONDER: u32 = 2;
}

/// Finds the packet's flow, on one leg, for the endpoint at `ifindex`. The answer is [`PASS`], [`STEER`]
/// for packets that belong to the proxy's connection with the client, [`ABSENT`], or a reason to drop.
#[inline(never)]
pub(crate) fn find(scratch: &mut Scratch, endpoint: &Endpoint, ifindex: u32, leg: u8, side: u32) -> Outcome {
    key(scratch, ifindex, leg);
    let error = scratch.packet.is(kind::ERROR);
    if error && scratch.inner.family == 0 {
        return ABSENT;
    }
    let Some(entry) = CONNTRACK.get_ptr_mut(&scratch.key) else { return ABSENT };
    // SAFETY: the kernel keeps the entry's memory until the program is through. Other processors may
    // write to it too; each field is then one of the values that were written.
    let entry = unsafe { &mut *entry };
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let from_initiator = entry.direction == scratch.direction;
    if entry.expires_ns <= now
        || (side == side::INITIATOR && !from_initiator)
        || (side == side::RESPONDER && from_initiator)
    {
        return ABSENT;
    }
    // What begins a connection is never let in as a part of another one.
    if !error && scratch.packet.is(kind::OPENS) {
        if scratch.packet.protocol == protocol::TCP || !from_initiator {
            return ABSENT;
        }
    }
    let Some(config) = CONFIG.get(0) else { return drop(Reason::INTERNAL) };
    if entry.policy != endpoint.policy || entry.identity_version != config.identity_version {
        let version = config.identity_version;
        let outcome = judge_again(scratch, endpoint, entry, version);
        if outcome != PASS {
            touch(&scratch.packet, entry, from_initiator, now);
            return outcome;
        }
    }
    scratch.peer = entry.peer;
    if !error {
        touch(&scratch.packet, entry, from_initiator, now);
    }
    if entry.flags & CtFlags::CUT != 0 {
        return drop(Reason::FLOW_CUT);
    }
    if from_initiator && entry.flags & CtFlags::STEERED != 0 { STEER } else { PASS }
}

/// Lets a flow in. The key is the one that was last looked for.
#[inline(never)]
pub(crate) fn open(
    scratch: &mut Scratch,
    endpoint: &Endpoint,
    answer: policy::Answer,
    steered: bool,
) -> Outcome {
    let Some(config) = CONFIG.get(0) else { return drop(Reason::INTERNAL) };
    let mut value = CtValue {
        expires_ns: 0,
        policy: endpoint.policy,
        identity_version: config.identity_version,
        peer: scratch.peer,
        port: scratch.packet.policy_port,
        direction: scratch.direction,
        flags: if steered { CtFlags::STEERED } else { 0 },
    };
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    touch(&scratch.packet, &mut value, true, now);
    if scratch.packet.is(kind::OPENS) && scratch.packet.protocol == protocol::TCP && !steered {
        forget_steered(scratch);
    }
    if CONNTRACK.insert(&scratch.key, &value, u64::from(BPF_ANY)).is_err() {
        return drop(Reason::CONNTRACK_FULL);
    }
    let verdict = if steered || policy::redirects(answer) { Verdict::REDIRECT } else { Verdict::ALLOW };
    events::emit(scratch, verdict, Reason::FORWARDED);
    if steered { STEER } else { PASS }
}

/// A connection that used to go to the proxy and begins anew without it: the listener must not get it.
#[inline(always)]
fn forget_steered(scratch: &mut Scratch) {
    // SAFETY: only a byte is read, and whichever value it has, the record is merely a hint.
    let steered = match unsafe { CONNTRACK.get(&scratch.key) } {
        Some(old) => old.flags & CtFlags::STEERED != 0,
        None => false,
    };
    if steered {
        steer::forget(&scratch.packet);
    }
}

/// A flow that may not go on keeps its entry: without one, its next packet from the other side would
/// begin it anew, by a policy that does not speak of it.
#[inline(always)]
fn judge_again(scratch: &mut Scratch, endpoint: &Endpoint, entry: &mut CtValue, version: u32) -> Outcome {
    let peer = policy::identity(&scratch.key.remote, scratch.packet.family);
    scratch.peer = peer;
    let answer = policy::ask(endpoint, entry.direction, peer, scratch.key.protocol, entry.port);
    entry.policy = endpoint.policy;
    entry.identity_version = version;
    entry.peer = peer;
    entry.flags |= CtFlags::CUT;
    if policy::denies(answer) {
        return drop(policy::denial(answer));
    }
    let through_proxy = entry.flags & CtFlags::STEERED != 0 || scratch.key.leg == Leg::UPSTREAM;
    if policy::redirects(answer) && !policy::is_plain(answer) && !through_proxy {
        return drop(Reason::FLOW_CUT);
    }
    entry.flags &= !CtFlags::CUT;
    PASS
}

#[inline(always)]
fn touch(packet: &Packet, entry: &mut CtValue, from_initiator: bool, now: u64) {
    let lifetime = match packet.protocol {
        protocol::TCP => {
            let flags = next_flags(entry.flags, packet.tcp_flags, from_initiator);
            entry.flags = flags;
            if flags & CtFlags::CLOSING != 0 {
                Lifetime::TCP_CLOSING
            } else if flags & CtFlags::SEEN_REPLY != 0 {
                Lifetime::TCP
            } else {
                Lifetime::TCP_OPENING
            }
        }
        protocol::ICMP | protocol::ICMP_V6 => Lifetime::ICMP,
        _ => Lifetime::OTHER,
    };
    entry.expires_ns = now + lifetime;
}

#[inline(always)]
fn next_flags(mut flags: u8, tcp: u8, from_initiator: bool) -> u8 {
    if !from_initiator {
        flags |= CtFlags::SEEN_REPLY;
    }
    if tcp & tcp::FIN != 0 {
        flags |= if from_initiator { CtFlags::FIN } else { CtFlags::FIN_REPLY };
    }
    let both = CtFlags::FIN | CtFlags::FIN_REPLY;
    if tcp & tcp::RST != 0 || flags & both == both {
        flags |= CtFlags::CLOSING;
    }
    flags
}

/// Writes the packet's key; an ICMP error's is that of the packet it speaks of, which went the other way.
#[inline(always)]
fn key(scratch: &mut Scratch, ifindex: u32, leg: u8) {
    let error = scratch.packet.is(kind::ERROR);
    let outgoing = (scratch.direction == direction::EGRESS) != error;
    let packet = if error { &scratch.inner } else { &scratch.packet };
    let key = &mut scratch.key;
    if outgoing {
        key.local = packet.source;
        key.remote = packet.destination;
        key.local_port = packet.source_port;
        key.remote_port = packet.destination_port;
    } else {
        key.local = packet.destination;
        key.remote = packet.source;
        key.local_port = packet.destination_port;
        key.remote_port = packet.source_port;
    }
    key.ifindex = ifindex;
    key.protocol = packet.protocol;
    key.leg = leg;
    key.reserved = [0; 6];
}
