//! Subjects and peers of a `ClusterNetworkPolicy`: an object with one field, which says what kind it is.

use postern_policy_core::labels::{LabelKey, NODE};
use postern_policy_core::peer::PeerTerm;
use postern_policy_core::policy::Direction;
use postern_policy_core::selector::{Requirement, Selector};

use super::some;
use crate::cidr::prefix;
use crate::decode::{At, Reader};
use crate::diagnostic::Code;
use crate::kubernetes::peers::pods_of;
use crate::selector::{Keys, selector};

const PODS: [&str; 2] = ["namespaces", "pods"];
const ANY: [&str; 5] = ["namespaces", "pods", "nodes", "networks", "domainNames"];

/// One peer.
pub(super) struct Peer<'n> {
    pub(super) at: At<'n>,
    pub(super) named: Named,
}

/// Who a peer is.
pub(super) enum Named {
    /// Any of these.
    Terms(Vec<PeerTerm>),
    /// What some names stand for: the world outside does not say who that is.
    Domains,
}

/// Reads the `subject`.
pub(super) fn subject(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Selector> {
    let (kind, at) = one_field(at, "subject", &PODS, reader)?;
    pods(kind, &at, reader)
}

/// Reads `from` or `to`.
pub(super) fn peers<'n>(at: &At<'n>, direction: Direction, reader: &mut Reader<'_>) -> Option<Vec<Peer<'n>>> {
    let peers: Vec<_> = some(at, 1, reader)?.into_iter().map(|at| peer(at, direction, reader)).collect();
    peers.into_iter().collect()
}

fn peer<'n>(at: At<'n>, direction: Direction, reader: &mut Reader<'_>) -> Option<Peer<'n>> {
    let kinds: &[&str] = match direction {
        Direction::Ingress => &PODS,
        Direction::Egress => &ANY,
    };
    let (kind, value) = one_field(&at, "peer", kinds, reader)?;
    let named = match kind {
        "nodes" => Named::Terms(vec![PeerTerm::Nodes(nodes(&value, reader)?)]),
        "networks" => Named::Terms(networks(&value, reader)?),
        "domainNames" => {
            let names = some(&value, 1, reader)?;
            let valid = names.iter().map(|at| domain_name(at, reader)).filter(|valid| *valid).count();
            (valid == names.len()).then_some(Named::Domains)?
        }
        _ => Named::Terms(vec![PeerTerm::Endpoints(pods(kind, &value, reader)?)]),
    };
    Some(Peer { at, named })
}

/// The one field of an object, of which there must be one. A field that is not known may be of a newer version of the API:
/// what it narrows cannot be told, so it is refused.
pub(super) fn one_field<'n>(
    at: &At<'n>,
    what: &str,
    kinds: &[&'static str],
    reader: &mut Reader<'_>,
) -> Option<(&'static str, At<'n>)> {
    let mut object = at.object(reader)?;
    let (errors, given) = (reader.errors(), object.entries().count());
    let mut found = Vec::new();
    for kind in kinds {
        found.extend(object.take(kind, reader).map(|value| (*kind, value)));
    }
    object.finish(kinds, &[], reader);
    if reader.errors() > errors {
        return None;
    }
    match (found.into_iter().next(), given) {
        (Some((kind, value)), 1) => Some((kind, value)),
        (_, given) => {
            let message = match given {
                0 => format!("the {what} says nothing"),
                _ => format!("the {what} says {given} things at once"),
            };
            let code = if given == 0 { Code::MissingField } else { Code::Conflict };
            reader.error(at, code, message, format!("expected exactly one of {}", kinds.join(", ")));
            None
        }
    }
}

fn pods(kind: &str, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Selector> {
    if kind == "namespaces" {
        return pods_of(None, Some(at), reader);
    }
    let mut object = at.object(reader)?;
    let namespaces = object.take_nullable("namespaceSelector");
    let pods = object.require("podSelector", reader);
    object.finish(&["namespaceSelector", "podSelector"], &[], reader);
    pods_of(Some(&pods?), namespaces.as_ref(), reader)
}

fn nodes(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Selector> {
    let of_node = |requirement: Requirement| Requirement {
        key: LabelKey { source: Some(NODE.to_owned()), key: requirement.key.key },
        operator: requirement.operator,
    };
    let selected = selector(at, Keys::Kubernetes, reader)?;
    Some(Selector { requirements: selected.requirements.into_iter().map(of_node).collect() })
}

fn networks(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Vec<PeerTerm>> {
    let nets: Vec<_> = some(at, 1, reader)?.iter().map(|at| prefix(at, reader)).collect();
    nets.into_iter().map(|net| net.map(PeerTerm::Network)).collect()
}

/// Two labels at least, a `*.` before them, a dot behind them.
fn domain_name(at: &At<'_>, reader: &mut Reader<'_>) -> bool {
    let Some(text) = at.string(reader) else { return false };
    let name = text.strip_prefix("*.").unwrap_or(text);
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && label.ends_with(|c: char| c.is_ascii_alphanumeric())
            && label.chars().all(inner)
    };
    let valid = name.len() <= 253 && name.contains('.') && name.split('.').all(label);
    if !valid {
        let help = "expected `example.com`, or `*.example.com` for what is below it";
        reader.error(at, Code::InvalidValue, format!("{text:?} is not a domain name"), help);
    }
    valid
}
