//! Steering of connections to the proxy on the same node.

use crate::Address;

/// A connection that was handed to the proxy: the listener is given to it and to nothing else.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SteeredKey {
    /// The client.
    pub remote: Address,
    /// Whom it wanted to reach.
    pub local: Address,
    /// The client's port, in the machine's order.
    pub remote_port: u16,
    /// The port it wanted to reach, in the machine's order.
    pub local_port: u16,
    /// Zero.
    pub reserved: [u8; 4],
}

/// Bits of a packet's mark. Marks do not survive a change of network namespace, so a workload cannot
/// forge them.
#[derive(Debug)]
pub struct Mark;

impl Mark {
    /// The bits that are ours.
    pub const MASK: u32 = 0xf00;
    /// To the proxy: routing delivers it locally.
    pub const TO_PROXY: u32 = 0x200;
    /// From the proxy, on its connection to the server.
    pub const FROM_PROXY: u32 = 0xa00;
}

/// Places of the proxy's sockets in the map of listeners.
pub mod listener {
    /// The IPv4 listener.
    pub const V4: u32 = 0;
    /// The IPv6 listener.
    pub const V6: u32 = 1;
    /// How many places there are.
    pub const COUNT: u32 = 2;
}

const _: () = assert!(size_of::<SteeredKey>() == 40);
