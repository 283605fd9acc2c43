//! `NetworkPolicy`.

use postern_tests_oracle::policy::Direction;
use postern_tests_oracle::policy::kubernetes::{Item, Peer, Policy, Port, PortName};
use postern_tests_oracle::port::Protocol;

use crate::labels::{OF_NAMESPACES, POD_LABELS, selector};
use crate::names::{NAMESPACES, PORT_NAMES, PORTS, PREFIXES, prefix};
use crate::reader::Reader;

pub(crate) fn policy(reader: &mut Reader<'_>) -> Policy {
    let types = match reader.below(5) {
        0 => None,
        1 => Some(vec![Direction::Ingress]),
        2 => Some(vec![Direction::Egress]),
        3 => Some(vec![Direction::Ingress, Direction::Egress]),
        _ => Some(Vec::new()),
    };
    Policy {
        namespace: reader.word(&NAMESPACES).to_owned(),
        name: String::new(),
        audit: reader.yes(),
        subject: Some(selector(reader, POD_LABELS)).filter(|_| !reader.yes()),
        types,
        ingress: None,
        egress: None,
    }
}

/// The list that an item is put into, and the item.
pub(crate) fn item(reader: &mut Reader<'_>) -> (Direction, Item) {
    let direction = if reader.yes() { Direction::Egress } else { Direction::Ingress };
    let peers = reader.maybe(|reader| reader.several(0, 2, peer));
    let ports = reader.maybe(|reader| reader.several(0, 2, port));
    (direction, Item { peers, ports })
}

fn peer(reader: &mut Reader<'_>) -> Peer {
    match reader.below(4) {
        0 => Peer::Pods(selector(reader, POD_LABELS)),
        1 => Peer::Namespaces(selector(reader, OF_NAMESPACES)),
        2 => Peer::Both(selector(reader, OF_NAMESPACES), selector(reader, POD_LABELS)),
        _ => {
            let (of, within) = reader.one(&PREFIXES).unwrap_or_default();
            let mut except = reader.several(0, within.len().min(2), |reader| reader.word(within));
            except.sort_unstable();
            except.dedup();
            Peer::Block(prefix(of), except.into_iter().map(prefix).collect())
        }
    }
}

fn port(reader: &mut Reader<'_>) -> Port {
    let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let protocol = reader.maybe(|reader| reader.one(&protocols)).flatten();
    let number = |reader: &mut Reader<'_>| reader.one(&PORTS).unwrap_or(80);
    match reader.below(4) {
        0 => Port { protocol, port: Some(PortName::Number(number(reader))), end: None },
        1 => {
            let (a, b) = (number(reader), number(reader));
            Port { protocol, port: Some(PortName::Number(a.min(b))), end: Some(a.max(b)) }
        }
        2 => Port { protocol, port: Some(PortName::Name(reader.word(&PORT_NAMES).to_owned())), end: None },
        _ => Port { protocol, port: None, end: None },
    }
}
