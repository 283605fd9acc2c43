//! Reads a packet's headers, from the link's to the transport's.

use aya_ebpf::programs::TcContext;
use postern_node_abi::Reason;

use crate::packet::{Outcome, PASS, Scratch, drop, kind, load, tagged};
use crate::{fragments, network, transport};

const ETHERNET: u32 = 14;

/// Reads the packet into the scratch space: anything but [`PASS`] is the reason why it cannot be.
#[inline(always)]
pub(crate) fn packet(ctx: &TcContext, scratch: &mut Scratch) -> Outcome {
    let Some(ethertype) = load::<u16>(ctx, 12) else { return drop(Reason::TRUNCATED) };
    let outcome = match u16::from_be(ethertype) {
        _ if tagged(ctx) => {
            scratch.packet.kind = kind::FOREIGN;
            return PASS;
        }
        0x0800 => network::v4(ctx, &mut scratch.packet, ETHERNET, false),
        0x86dd => network::v6(ctx, &mut scratch.packet, ETHERNET, false),
        0x0806 => {
            scratch.packet.kind = kind::ARP;
            return PASS;
        }
        _ => {
            scratch.packet.kind = kind::FOREIGN;
            return PASS;
        }
    };
    if outcome != PASS {
        return outcome;
    }
    if scratch.packet.fragment_offset != 0 {
        return fragments::later(scratch);
    }
    let outcome = transport::read(ctx, scratch);
    if outcome == PASS && scratch.packet.more_fragments != 0 {
        fragments::first(scratch);
    }
    outcome
}
