//! Services: addresses that stand for several backends. They are translated at the client's device,
//! because policy is about backends.

use crate::Address;

/// A service's address.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ServiceKey {
    /// The address.
    pub address: Address,
    /// The port, in the machine's order.
    pub port: u16,
    /// IANA number.
    pub protocol: u8,
    /// Zero.
    pub reserved: [u8; 5],
}

/// Its backends.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServiceValue {
    /// Which backends are its own; another number with every change of them.
    pub number: u32,
    /// How many there are.
    pub backends: u32,
}

/// One of a service's backends.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BackendKey {
    /// [`ServiceValue::number`].
    pub number: u32,
    /// From 0.
    pub slot: u32,
}

/// One side of a translation.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Translated {
    /// The address that takes the place of the one in the packet.
    pub address: Address,
    /// The [`ServiceValue::number`] of that time.
    pub number: u32,
    /// The port, in the machine's order.
    pub port: u16,
    /// Zero.
    pub reserved: [u8; 2],
}

/// A client's flow to a service, or from a backend.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TranslationKey {
    /// The service's address, or the backend's.
    pub peer: Address,
    /// The client's device.
    pub ifindex: u32,
    /// The client's port, in the machine's order.
    pub local_port: u16,
    /// The service's port, or the backend's, in the machine's order.
    pub peer_port: u16,
    /// IANA number.
    pub protocol: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

const _: () = assert!(size_of::<ServiceKey>() == 24);
const _: () = assert!(size_of::<ServiceValue>() == 8);
const _: () = assert!(size_of::<BackendKey>() == 8);
const _: () = assert!(size_of::<Translated>() == 24);
const _: () = assert!(size_of::<TranslationKey>() == 32);
