//! Flow events: every drop and every new connection.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{Map, MapData, RingBuf};
use postern_node_abi::{Address, Reason, Verdict, direction};
use postern_policy_core::identity::IdentityId;
use postern_policy_core::policy::Direction;

use super::Datapath;
use super::error::DatapathError;

/// What happened to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlowVerdict {
    /// A new connection passed.
    Allowed,
    /// A new connection went to the proxy, or came from it.
    Redirected,
    /// The packet was dropped.
    Dropped,
}

/// A drop or a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowEvent {
    /// When, in nanoseconds of the monotonic clock.
    pub time_ns: u64,
    /// The device at which the packet was seen.
    pub ifindex: u32,
    /// The endpoint's number; 0 where the device has none.
    pub endpoint: u32,
    /// As the endpoint sees it.
    pub direction: Direction,
    /// What happened.
    pub verdict: FlowVerdict,
    /// Why, for drops.
    pub reason: Reason,
    /// The peer, where that was asked for.
    pub peer: Option<IdentityId>,
    /// IANA number.
    pub protocol: u8,
    /// Where it came from; `None` if it was not IP.
    pub source: Option<IpAddr>,
    /// Where it went; `None` if it was not IP.
    pub destination: Option<IpAddr>,
    /// The source's port; an echo's identifier, for ICMP.
    pub source_port: u16,
    /// The destination's port; the type, for ICMP.
    pub destination_port: u16,
}

/// A reader of events. It can be polled: it becomes readable when there are events.
pub struct Events {
    ring: RingBuf<MapData>,
}

impl Datapath {
    /// The reader of events. There is one.
    pub fn events(&mut self) -> Result<Events, DatapathError> {
        let data = self.events.take().ok_or(DatapathError::EventsTaken)?;
        let ring = RingBuf::try_from(Map::RingBuf(data)).map_err(DatapathError::map("EVENTS"))?;
        Ok(Events { ring })
    }
}

impl Events {
    /// The next event, if there is one.
    #[expect(clippy::should_implement_trait, reason = "an iterator that ends and goes on is a trap")]
    pub fn next(&mut self) -> Option<FlowEvent> {
        loop {
            let item = self.ring.next()?;
            // Only the programs write into the ring, so every item is an event.
            if let Some(event) = decode(&item) {
                return Some(event);
            }
        }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

/// Reads the bytes of `postern_node_abi::Event`, field by field.
fn decode(mut bytes: &[u8]) -> Option<FlowEvent> {
    fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
        let (taken, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(*taken)
    }
    let bytes = &mut bytes;
    let (source, destination) = (Address(take(bytes)?), Address(take(bytes)?));
    let time_ns = u64::from_ne_bytes(take(bytes)?);
    let [ifindex, endpoint, peer] = [take(bytes)?, take(bytes)?, take(bytes)?].map(u32::from_ne_bytes);
    let [source_port, destination_port] = [take(bytes)?, take(bytes)?].map(u16::from_ne_bytes);
    let [way, verdict, reason, family, protocol] = take(bytes)?;
    let ip = |address: Address| (family != 0).then(|| address.to_ip());
    Some(FlowEvent {
        time_ns,
        ifindex,
        endpoint,
        direction: if way == direction::INGRESS { Direction::Ingress } else { Direction::Egress },
        verdict: match verdict {
            Verdict::ALLOW => FlowVerdict::Allowed,
            Verdict::REDIRECT => FlowVerdict::Redirected,
            _ => FlowVerdict::Dropped,
        },
        reason: Reason(reason),
        peer: (peer != 0).then_some(IdentityId(peer)),
        protocol,
        source: ip(source),
        destination: ip(destination),
        source_port,
        destination_port,
    })
}
