//! Flows that were let in, one entry for each endpoint they pass.

use crate::Address;

/// A flow as one endpoint sees it: local is the endpoint's side, so packets of both directions find the
/// same entry.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CtKey {
    /// The endpoint's address.
    pub local: Address,
    /// The peer's address.
    pub remote: Address,
    /// The endpoint's device.
    pub ifindex: u32,
    /// The endpoint's port, in the machine's order.
    pub local_port: u16,
    /// The peer's port, in the machine's order.
    pub remote_port: u16,
    /// IANA number.
    pub protocol: u8,
    /// [`Leg`].
    pub leg: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// Which of the two connections that a proxied flow consists of.
#[derive(Debug)]
pub struct Leg;

impl Leg {
    /// The flow itself, or the client's connection to the proxy.
    pub const ORDINARY: u8 = 0;
    /// The proxy's own connection to the server, made from the client's address.
    pub const UPSTREAM: u8 = 1;
}

/// What is known of a flow.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CtValue {
    /// When it is over, on the monotonic clock.
    pub expires_ns: u64,
    /// The policy that allowed it.
    pub policy: u32,
    /// The version of the identities at that time.
    pub identity_version: u32,
    /// The peer's identity at that time.
    pub peer: u32,
    /// The port that policy was asked for.
    pub port: u16,
    /// The direction of its first packet.
    pub direction: u8,
    /// [`CtFlags`].
    pub flags: u8,
}

/// Bits of [`CtValue::flags`].
#[derive(Debug)]
pub struct CtFlags;

impl CtFlags {
    /// A packet came back.
    pub const SEEN_REPLY: u8 = 1;
    /// Its packets go to the proxy.
    pub const STEERED: u8 = 2;
    /// FIN from the side that began.
    pub const FIN: u8 = 4;
    /// FIN from the other side.
    pub const FIN_REPLY: u8 = 8;
    /// Reset, or ended by both sides.
    pub const CLOSING: u8 = 16;
    /// Policy no longer allows it: its packets are dropped until it ends, or is allowed again.
    pub const CUT: u8 = 32;
}

/// How long a flow is remembered after its last packet, in nanoseconds.
#[derive(Debug)]
pub struct Lifetime;

impl Lifetime {
    const SECOND: u64 = 1_000_000_000;
    /// TCP without an answer yet.
    pub const TCP_OPENING: u64 = 60 * Self::SECOND;
    /// TCP.
    pub const TCP: u64 = 6 * 3600 * Self::SECOND;
    /// TCP that ended.
    pub const TCP_CLOSING: u64 = 10 * Self::SECOND;
    /// ICMP.
    pub const ICMP: u64 = 30 * Self::SECOND;
    /// UDP and every other protocol.
    pub const OTHER: u64 = 60 * Self::SECOND;
}

const _: () = assert!(size_of::<CtKey>() == 48);
const _: () = assert!(size_of::<CtValue>() == 24);
