//! `protocols` of a `ClusterNetworkPolicy`.

use postern_policy_core::peer::PeerTerm;
use postern_policy_core::port::{PortRange, PortSpec, Protocol, ProtocolMatch};

use super::peers::{Named, Peer, one_field};
use super::some;
use crate::decode::{At, Reader};
use crate::diagnostic::Code;
use crate::kubernetes::ports::{number, port_name};

const KINDS: [&str; 4] = ["tcp", "udp", "sctp", "destinationNamedPort"];

/// Reads the list.
pub(super) fn ports(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Vec<PortSpec>> {
    let ports: Vec<_> = some(at, 1, reader)?.iter().map(|at| port(at, reader)).collect();
    ports.into_iter().collect()
}

fn port(at: &At<'_>, reader: &mut Reader<'_>) -> Option<PortSpec> {
    let (kind, value) = one_field(at, "entry", &KINDS, reader)?;
    let protocol = match kind {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => {
            let name = port_name(&value, reader)?.to_owned();
            return Some(PortSpec::Named { protocol: ProtocolMatch::Any, name });
        }
    };
    let (_, destination) = one_field(&value, "protocol", &["destinationPort"], reader)?;
    let (kind, value) = one_field(&destination, "port", &["number", "range"], reader)?;
    let (first, last) = match kind {
        "number" => number(&value, 1, reader).map(|port| (port, port))?,
        _ => range(&value, reader)?,
    };
    Some(PortSpec::Numbers(PortRange { protocol: ProtocolMatch::Only(protocol), first, last }))
}

fn range(at: &At<'_>, reader: &mut Reader<'_>) -> Option<(u16, u16)> {
    let mut object = at.object(reader)?;
    let (start, end) = (object.require("start", reader), object.require("end", reader));
    object.finish(&["start", "end"], &[], reader);
    let (start, end) = (start?, end?);
    let first = number(&start, 1, reader)?;
    let last = number(&end, 1, reader)?;
    if first >= last {
        let message = format!("the range ends at {last}, which is not after its start {first}");
        reader.error(
            &end,
            Code::InvalidValue,
            message,
            "expected the last port of the range; one port is `number`",
        );
        return None;
    }
    Some((first, last))
}

/// Only pods give names to ports: with any other peer, a name would mean nothing.
pub(super) fn check_names(
    ports: &[PortSpec],
    peers: &[Peer<'_>],
    at: &At<'_>,
    reader: &mut Reader<'_>,
) -> Option<()> {
    let has_names = |peer: &Peer<'_>| match &peer.named {
        Named::Terms(terms) => terms.iter().all(|term| matches!(term, PeerTerm::Endpoints(_))),
        Named::Domains => false,
    };
    let named = ports.iter().any(|port| matches!(port, PortSpec::Named { .. }));
    if !named || peers.iter().all(has_names) {
        return Some(());
    }
    let message = "`destinationNamedPort` stands beside peers that are no pods: only pods name their ports";
    reader.error(at, Code::Conflict, message, "give the numbers, or a rule of its own to these peers");
    None
}
