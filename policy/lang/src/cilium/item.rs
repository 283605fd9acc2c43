//! The items of a rule's four lists.

use postern_policy_core::peer::PeerTerm;
use postern_policy_core::policy::{Direction, Item, PeerSelector, PortSelector, RuleId};

use super::{Context, List, peers, ports};
use crate::decode::{At, Object, Reader};

/// Peer fields that the real schema has and Postern does not build yet.
const INGRESS_UNSUPPORTED: [&str; 9] = [
    "fromNodes",
    "fromCIDR",
    "fromCIDRSet",
    "fromEntities",
    "fromGroups",
    "fromRequires",
    "icmps",
    "authentication",
    "auth",
];
const EGRESS_UNSUPPORTED: [&str; 11] = [
    "toNodes",
    "toCIDR",
    "toCIDRSet",
    "toEntities",
    "toServices",
    "toGroups",
    "toFQDNs",
    "toRequires",
    "icmps",
    "authentication",
    "auth",
];

/// Reads one list of a rule.
pub(super) fn items(
    rule: &mut Object<'_>,
    list: &List,
    id: &RuleId,
    context: &Context<'_>,
    reader: &mut Reader<'_>,
) -> Vec<Item> {
    let Some(at) = rule.take(list.field, reader) else { return Vec::new() };
    let Some(given) = at.list(reader) else { return Vec::new() };
    let id = id.child(list.field);
    let read = |(index, at): (usize, &At<'_>)| item(at, list, id.child(index), context, reader);
    given.iter().enumerate().filter_map(read).collect()
}

fn item(
    at: &At<'_>,
    list: &List,
    id: RuleId,
    context: &Context<'_>,
    reader: &mut Reader<'_>,
) -> Option<Item> {
    reader.locate(&id, at);
    let mut object = at.object(reader)?;
    let (peers_field, unsupported): (_, &[&str]) = match list.direction {
        Direction::Ingress => ("fromEndpoints", &INGRESS_UNSUPPORTED),
        Direction::Egress => ("toEndpoints", &EGRESS_UNSUPPORTED),
    };
    let has_peers = object.has(peers_field);
    let peers_at = object.take(peers_field, reader);
    let ports_at = object.take("toPorts", reader);
    object.finish(&[peers_field, "toPorts"], unsupported, reader);

    let peers = match (has_peers, &peers_at) {
        (false, _) => Some(PeerSelector::Unnamed),
        (true, at) => {
            let selectors = peers::peers(at.as_ref()?, context, reader);
            selectors
                .map(|selectors| selectors.into_iter().map(PeerTerm::Endpoints).collect())
                .map(PeerSelector::AnyOf)
        }
    };
    let ports = match &ports_at {
        Some(at) => ports::port_rules(at, list.effect, &id, context, reader)?,
        None => Vec::new(),
    };
    let (peers, ports) = match (peers?, ports) {
        // An empty item turns default deny on and matches nothing.
        (PeerSelector::Unnamed, ports) if ports.is_empty() => {
            (PeerSelector::Unnamed, PortSelector::AnyOf(Vec::new()))
        }
        (peers, ports) if ports.is_empty() => (peers, PortSelector::Unnamed),
        (peers, ports) => (peers, PortSelector::AnyOf(ports)),
    };
    Some(Item { id, effect: list.effect, peers, ports, unenforced: None })
}
