//! Fragments: only the first one bears ports.

use crate::Address;

/// A datagram that came in pieces, at one device.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FragmentKey {
    /// Its source.
    pub source: Address,
    /// Its destination.
    pub destination: Address,
    /// Its number.
    pub id: u32,
    /// The device it came by.
    pub ifindex: u32,
    /// IANA number.
    pub protocol: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// What its first piece said.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FragmentValue {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// The port for policy.
    pub policy_port: u16,
    /// What the kernel programs concluded of the packet's kind.
    pub kind: u16,
}

const _: () = assert!(size_of::<FragmentKey>() == 48);
const _: () = assert!(size_of::<FragmentValue>() == 8);
