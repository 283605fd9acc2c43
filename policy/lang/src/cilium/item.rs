//! The items of a rule's four lists.

use postern_policy_core::policy::{Effect, Item, PeerSelector, PortSelector, RuleId};

use super::{Context, Dialect, List, extras, icmp, peers, ports};
use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;

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
    let peers = peers::peers(&mut object, list, context, reader);
    let ports_at = object.take("toPorts", reader);
    let mut known: Vec<&str> = peers::fields(list, context.dialect).chain(["toPorts"]).collect();
    let (mut icmps_at, mut authentication) = (None, None);
    if context.dialect == Dialect::Modern {
        icmps_at = object.take("icmps", reader);
        authentication = take_authentication(&mut object, list, reader);
        known.extend(["icmps", "authentication"]);
    }
    object.finish(&known, &[], reader);

    let ports = match &ports_at {
        Some(at) => ports::port_rules(at, list, &id, context, reader),
        None => Some(Vec::new()),
    };
    let icmps = match &icmps_at {
        Some(at) => icmp::icmps(at, &id, reader),
        None => Some(Vec::new()),
    };
    let (mut rules, icmps) = (ports?, icmps?);
    if !rules.is_empty() && !icmps.is_empty() {
        let message = "the item has both toPorts and icmps: no packet has a port and an ICMP type";
        reader.error(at, Code::Conflict, message, "write an item for each: items are alternatives");
        return None;
    }
    rules.extend(icmps);

    let peers = peers?;
    let (selector, ports) = match (peers.selector, rules) {
        // An empty item turns default deny on and matches nothing.
        (PeerSelector::Unnamed, rules) if rules.is_empty() => {
            (PeerSelector::Unnamed, PortSelector::AnyOf(Vec::new()))
        }
        (selector, rules) if rules.is_empty() => (selector, PortSelector::Unnamed),
        (selector, rules) => (selector, PortSelector::AnyOf(rules)),
    };
    let unenforced = peers.unenforced.or(authentication);
    Some(Item { id, effect: list.effect, peers: selector, ports, unenforced })
}

/// Why the item is not enforced, if it asks for authentication.
fn take_authentication(
    item: &mut Object<'_>,
    list: &List,
    reader: &mut Reader<'_>,
) -> Option<std::sync::Arc<str>> {
    if let Some(at) = item.take("auth", reader) {
        let message = "`auth` was renamed in Cilium";
        reader.error(&at, Code::UnknownField, message, "write `authentication: {mode: required}`");
    }
    let at = item.take("authentication", reader)?;
    if list.effect == Effect::Deny {
        let message = "an item that denies takes no authentication";
        reader.error(&at, Code::Conflict, message, "remove it: what is denied is denied to everyone");
        return None;
    }
    extras::authentication(&at, reader)
}
