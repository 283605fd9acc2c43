//! Flow events: every drop and every new connection.

use crate::Address;

/// One event.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Event {
    /// The packet's source.
    pub source: Address,
    /// The packet's destination.
    pub destination: Address,
    /// When, on the monotonic clock.
    pub time_ns: u64,
    /// The endpoint's device, or the uplink's.
    pub ifindex: u32,
    /// The endpoint's number, or 0.
    pub endpoint: u32,
    /// The peer's identity; 0 where it was not looked up.
    pub peer: u32,
    /// Source port.
    pub source_port: u16,
    /// Destination port; the type, for ICMP.
    pub destination_port: u16,
    /// [`direction`](crate::direction), as the endpoint sees it.
    pub direction: u8,
    /// [`Verdict`](crate::Verdict).
    pub verdict: u8,
    /// [`Reason`](crate::Reason).
    pub reason: u8,
    /// 4, 6, or 0 where it is neither.
    pub family: u8,
    /// IANA number.
    pub protocol: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

const _: () = assert!(size_of::<Event>() == 64);
