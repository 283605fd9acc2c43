//! The ends of a connection, of which the host is asked no more than matters: each question costs more than the decision.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use postern_policy_core::bytes;
use postern_policy_core::policy::Direction;
use postern_policy_core::set::{Asked, Connection, Need, PolicySet};

use crate::host;

/// Envoy's number for a listener that takes outbound traffic.
const OUTBOUND: i64 = 2;

/// What stands for an address that is not asked for.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// What a policy wants to know of each connection, and of each request on it.
pub(crate) struct Ends {
    source: Address,
    destination: Address,
    pub(crate) headers: bool,
    /// One whose answer is fixed is not asked either.
    direction: bool,
}

impl Ends {
    /// Without policy there is nothing to decide, and nothing is asked.
    pub(crate) fn of(set: Option<&PolicySet>, asked: Asked) -> Self {
        let needs = set.map(|set| set.needs(asked)).unwrap_or_default();
        Self {
            source: Address::new("source\0address", needs.source, false),
            destination: Address::new("destination\0address", needs.destination, true),
            headers: needs.headers,
            direction: set.is_some_and(|set| set.attachment().direction.is_none()),
        }
    }

    /// Whether it takes more to tell whose connection it was than to decide.
    pub(crate) fn has_more_to_tell(&self) -> bool {
        [&self.source, &self.destination].iter().any(|address| address.need == Need::Telling)
    }

    /// What the host knows of the connection; of the addresses, those that are needed for this or more. `None` where an
    /// end has no IP address: nothing can be said of it.
    pub(crate) fn connection(&self, least: Need) -> Option<Connection> {
        let direction = self.direction.then(|| host::property("xds\0listener_direction").ok()).flatten();
        let direction = direction.and_then(|bytes| <[u8; 8]>::try_from(bytes.as_slice()).ok());
        let outbound = direction.map(i64::from_le_bytes) == Some(OUTBOUND);
        Some(Connection {
            source: self.source.get(least)?,
            destination: self.destination.get(least)?,
            direction: if outbound { Direction::Egress } else { Direction::Ingress },
        })
    }
}

/// A property that is an address.
struct Address {
    property: &'static str,
    need: Need,
    /// Whether the port matters too. Where it does not, it is 0.
    port: bool,
    /// What was read last: the same text is read once.
    last: RefCell<(Vec<u8>, Option<SocketAddr>)>,
}

impl Address {
    fn new(property: &'static str, need: Need, port: bool) -> Self {
        Self { property, need, port, last: RefCell::default() }
    }

    fn get(&self, least: Need) -> Option<SocketAddr> {
        if self.need < least {
            return Some(NOWHERE);
        }
        let text = host::property(self.property).ok()?;
        // A client has many connections, and each of them a port of its own.
        let matters = if self.port { Some(&*text) } else { without_port(&text) };
        let mut last = self.last.borrow_mut();
        if matters.is_none_or(|matters| !bytes::same(&last.0, matters)) {
            let mut address: Option<SocketAddr> =
                std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            if let (Some(address), false) = (&mut address, self.port) {
                address.set_port(0);
            }
            *last = (matters.unwrap_or_default().to_vec(), address);
        }
        last.1
    }
}

/// `10.0.0.1` of `10.0.0.1:80`. What has no port is no address.
fn without_port(text: &[u8]) -> Option<&[u8]> {
    text.iter().rposition(|byte| *byte == b':').and_then(|colon| text.get(..colon))
}
