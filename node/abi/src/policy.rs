//! The policy map: who may do what, as prefixes.

/// The identity of addresses that nothing claims.
pub const WORLD: u32 = 2;

/// The directions, as seen from the endpoint.
pub mod direction {
    /// To the endpoint.
    pub const INGRESS: u8 = 0;
    /// From the endpoint.
    pub const EGRESS: u8 = 1;
}

/// The data of a key of the policy map. Policy, identity and direction always count; protocol and port
/// are the tail of which a prefix is compared: 0 bits are every protocol, 8 every port of one, 8 + n the
/// first n bits of the port.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PolicyKey {
    /// [`Endpoint::policy`](crate::Endpoint::policy).
    pub policy: u32,
    /// The peer, or 0 for any.
    pub identity: u32,
    /// [`direction`].
    pub direction: u8,
    /// IANA number.
    pub protocol: u8,
    /// The destination's port in network order; the type, for ICMP.
    pub port: [u8; 2],
}

impl PolicyKey {
    /// Bits that always count.
    pub const FIXED_BITS: u32 = 72;
    /// All bits.
    pub const ALL_BITS: u32 = 96;
}

/// What an entry of the policy map says.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PolicyValue {
    /// [`Verdict`].
    pub verdict: u8,
    /// 1: a redirect that a plain allowance covers as well.
    pub plain: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// Verdicts. The greater number wins.
#[derive(Debug)]
pub struct Verdict;

impl Verdict {
    /// Nothing was found.
    pub const NONE: u8 = 0;
    /// It passes.
    pub const ALLOW: u8 = 1;
    /// It goes to the proxy.
    pub const REDIRECT: u8 = 2;
    /// It is dropped.
    pub const DENY: u8 = 3;
}

const _: () = assert!(size_of::<PolicyKey>() == 12 && PolicyKey::ALL_BITS == 96);
const _: () = assert!(size_of::<PolicyValue>() == 4);
