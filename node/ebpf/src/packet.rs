//! What is known of the packet at hand.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::programs::TcContext;
use postern_node_abi::{Address, CtKey, FragmentKey, Reason};

use crate::maps::SCRATCH;

/// How a packet takes part in a flow: bits of [`Packet::kind`].
pub(crate) mod kind {
    /// It would begin a flow: a TCP SYN, an ICMP request.
    pub(crate) const OPENS: u16 = 1;
    /// An ICMP error: `Scratch::inner` has the packet it speaks of.
    pub(crate) const ERROR: u16 = 2;
    /// Neighbour discovery, which never left the link.
    pub(crate) const NEIGHBOUR: u16 = 4;
    /// ARP.
    pub(crate) const ARP: u16 = 8;
    /// Neither IP nor ARP.
    pub(crate) const FOREIGN: u16 = 16;
}

/// TCP's flags.
pub(crate) mod tcp {
    /// No more data.
    pub(crate) const FIN: u8 = 1;
    /// Begin.
    pub(crate) const SYN: u8 = 2;
    /// Reset.
    pub(crate) const RST: u8 = 4;
    /// Acknowledge.
    pub(crate) const ACK: u8 = 16;
}

/// Protocol numbers.
pub(crate) mod protocol {
    /// ICMP.
    pub(crate) const ICMP: u8 = 1;
    /// TCP.
    pub(crate) const TCP: u8 = 6;
    /// UDP.
    pub(crate) const UDP: u8 = 17;
    /// ICMPv6.
    pub(crate) const ICMP_V6: u8 = 58;
    /// SCTP.
    pub(crate) const SCTP: u8 = 132;
}

/// The headers, as far as they are of interest.
#[repr(C)]
pub(crate) struct Packet {
    pub(crate) source: Address,
    pub(crate) destination: Address,
    /// Where the transport's header begins, from the start of the packet.
    pub(crate) transport: u32,
    /// Where the packet ends by its own account.
    pub(crate) end: u32,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    /// What policy takes for the port.
    pub(crate) policy_port: u16,
    /// [`kind`].
    pub(crate) kind: u16,
    pub(crate) protocol: u8,
    pub(crate) tcp_flags: u8,
    /// 4 or 6; 0 where it is neither.
    pub(crate) family: u8,
    /// IPv6's hop limit.
    pub(crate) hops: u8,
    /// Which datagram it is a piece of.
    pub(crate) fragment_id: u32,
    /// Where the piece belongs, in bytes.
    pub(crate) fragment_offset: u16,
    /// 1 where more pieces follow.
    pub(crate) more_fragments: u16,
}

/// Scratch space of one processor. Programs of this kind do not interrupt each other on a processor.
#[repr(C)]
pub(crate) struct Scratch {
    pub(crate) packet: Packet,
    /// The packet that an ICMP error speaks of.
    pub(crate) inner: Packet,
    pub(crate) key: CtKey,
    pub(crate) fragment: FragmentKey,
    /// The device that the endpoint at hand has.
    pub(crate) ifindex: u32,
    /// The number of the endpoint at hand.
    pub(crate) endpoint: u32,
    /// The peer's identity, once it was looked up.
    pub(crate) peer: u32,
    /// The direction as the endpoint at hand sees it.
    pub(crate) direction: u8,
}

impl Scratch {
    /// This processor's, made ready for a packet.
    #[inline(always)]
    pub(crate) fn take(ifindex: u32, direction: u8) -> Option<&'static mut Self> {
        let scratch = SCRATCH.get_ptr_mut(0)?;
        // SAFETY: the map has one entry for each processor, and no other program runs on this one
        // until this one is through.
        let scratch = unsafe { &mut *scratch };
        scratch.packet.clear();
        scratch.ifindex = ifindex;
        scratch.endpoint = 0;
        scratch.peer = 0;
        scratch.direction = direction;
        Some(scratch)
    }
}

impl Packet {
    /// Forgets everything.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.source = Address::ZERO;
        self.destination = Address::ZERO;
        self.transport = 0;
        self.end = 0;
        self.source_port = 0;
        self.destination_port = 0;
        self.policy_port = 0;
        self.kind = 0;
        self.protocol = 0;
        self.tcp_flags = 0;
        self.family = 0;
        self.hops = 0;
        self.fragment_id = 0;
        self.fragment_offset = 0;
        self.more_fragments = 0;
    }

    /// Whether one of these bits is set.
    #[inline(always)]
    pub(crate) fn is(&self, bits: u16) -> bool {
        self.kind & bits != 0
    }
}

/// What to do with a packet: 0 lets it pass, bit 8 sends it to the proxy, other numbers are reasons.
pub(crate) type Outcome = u32;
/// It passes.
pub(crate) const PASS: Outcome = 0;
/// It goes to the proxy.
pub(crate) const STEER: Outcome = 0x100;
/// No flow was found that it belongs to.
pub(crate) const ABSENT: Outcome = 0x200;

/// It is dropped.
#[inline(always)]
pub(crate) const fn drop(reason: Reason) -> Outcome {
    reason.0 as Outcome
}

/// The device that the program runs at.
#[inline(always)]
pub(crate) fn ifindex(ctx: &TcContext) -> u32 {
    // SAFETY: the context is valid as long as the program runs.
    unsafe { (*ctx.skb.skb).ifindex }
}

/// The packet's mark.
#[inline(always)]
pub(crate) fn mark(ctx: &TcContext) -> u32 {
    // SAFETY: as above.
    unsafe { (*ctx.skb.skb).mark }
}

/// Whether it bears a VLAN tag that the device took off.
#[inline(always)]
pub(crate) fn tagged(ctx: &TcContext) -> bool {
    // SAFETY: as above.
    unsafe { (*ctx.skb.skb).vlan_present != 0 }
}

/// Bytes of the packet, copied. `None` where it is too short.
#[inline(always)]
pub(crate) fn load<T: Copy>(ctx: &TcContext, offset: u32) -> Option<T> {
    let mut value = core::mem::MaybeUninit::<T>::uninit();
    // SAFETY: the helper writes `size_of::<T>()` bytes into the value or returns an error; all types
    // that are loaded are made of integers.
    unsafe {
        let status = aya_ebpf::helpers::generated::bpf_skb_load_bytes(
            ctx.as_ptr(),
            offset,
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
        );
        if status == 0 { Some(value.assume_init()) } else { None }
    }
}
