//! What is asked, in the core's terms. Nothing can be wrong with it: the interface's types leave no room for that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use postern_policy_core::http;
use postern_policy_core::policy;
use postern_policy_core::set;

use crate::bindings::exports::postern::policy::decider::{Address, Connection, Direction, Endpoint, Request};

/// The ends of a connection, and the URI of the peer's certificate.
pub(crate) fn connection(asked: &Connection) -> (set::Connection, Option<&[u8]>) {
    let ends = set::Connection {
        source: socket(asked.source),
        destination: socket(asked.destination),
        direction: match asked.direction {
            Direction::Ingress => policy::Direction::Ingress,
            Direction::Egress => policy::Direction::Egress,
        },
    };
    (ends, asked.certificate.as_deref())
}

pub(crate) fn request(asked: &Request) -> http::Request<'_> {
    http::Request {
        method: Some(&asked.method),
        path: asked.path.as_deref(),
        authority: asked.authority.as_deref(),
        headers: asked.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect(),
    }
}

fn socket(end: Endpoint) -> SocketAddr {
    let address: IpAddr = match end.address {
        Address::Ipv4(bits) => Ipv4Addr::from_bits(bits).into(),
        Address::Ipv6((high, low)) => Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into(),
    };
    SocketAddr::new(address, end.port)
}
