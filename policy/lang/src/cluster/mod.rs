//! `ClusterNetworkPolicy`, `policy.networking.k8s.io/v1alpha2`: ordered rules, before or after those of everybody else.

mod peers;
mod ports;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use postern_policy_core::peer::{Entity, PeerTerm};
use postern_policy_core::policy::{
    Combination, Direction, Effect, Item, OrderedTier, PeerSelector, Policy, PortRule, PortSelector, RuleId,
    Section, Subject,
};

use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;
use crate::document::Found;
use crate::metadata::{cluster_metadata, mode};
use crate::node::Type;
use peers::Named;

/// The most entries that any list of a policy may have, as the API has it.
const MAX_ITEMS: usize = 25;
/// The highest priority number.
const MAX_PRIORITY: u16 = 1000;
/// The longest name of a rule.
const MAX_NAME: usize = 100;
/// Why domain names are not enforced.
const NO_NAMES: &str = "domain names are not enforced yet";

/// Reads one policy. `None` means that an error was reported.
pub(crate) fn policy<'n>(mut object: Object<'n>, reader: &mut Reader<'_>) -> Option<Found<'n>> {
    let at = object.at.clone();
    let mode = mode(&object, reader);
    let metadata = cluster_metadata(&mut object, reader);
    object.ignore("status");
    let spec = object.require("spec", reader);
    object.finish(&["apiVersion", "kind", "metadata", "spec"], &[], reader);
    let metadata = metadata?;
    let id = RuleId::new(format!("kcnp/{}", metadata.name));

    let mut spec = spec?.object(reader)?;
    let tier = spec.require("tier", reader).and_then(|at| tier(&at, reader));
    let priority = spec.require("priority", reader).and_then(|at| priority(&at, reader));
    let subject = spec.require("subject", reader).and_then(|at| peers::subject(&at, reader));
    let ingress = rules(&mut spec, Direction::Ingress, &id, reader);
    let egress = rules(&mut spec, Direction::Egress, &id, reader);
    spec.finish(&["tier", "priority", "subject", "ingress", "egress"], &[], reader);

    // It never turns default deny on: what no rule of it decides is left to the other tiers.
    let section = |items| Section { default_deny: false, items };
    let policy = Policy {
        id,
        subject: Subject::Endpoints(subject?),
        combination: Combination::Ordered { tier: tier?, priority: priority? },
        mode: mode?,
        ingress: section(ingress?),
        egress: section(egress?),
    };
    Some(Found::one(&at, metadata, policy))
}

fn tier(at: &At<'_>, reader: &mut Reader<'_>) -> Option<OrderedTier> {
    match at.string(reader)? {
        "Admin" => Some(OrderedTier::Admin),
        "Baseline" => Some(OrderedTier::Baseline),
        other => {
            let message = format!("there is no tier {other:?}");
            let help = "expected Admin, before all other policies, or Baseline, after them";
            reader.error(at, Code::InvalidValue, message, help);
            None
        }
    }
}

fn priority(at: &At<'_>, reader: &mut Reader<'_>) -> Option<u16> {
    let help = format!("expected a number from 0, which comes first, to {MAX_PRIORITY}");
    let Some(Type::Integer(number)) = at.kind() else {
        let message = format!("expected a number, found {}", at.node.found());
        reader.error(at, Code::WrongType, message, help);
        return None;
    };
    let priority = u16::try_from(number).ok().filter(|priority| *priority <= MAX_PRIORITY);
    if priority.is_none() {
        reader.error(at, Code::InvalidValue, format!("{number} is not a priority"), help);
    }
    priority
}

fn rules(
    spec: &mut Object<'_>,
    direction: Direction,
    id: &RuleId,
    reader: &mut Reader<'_>,
) -> Option<Vec<Item>> {
    let field = match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    };
    let Some(at) = spec.take_nullable(field) else { return Some(Vec::new()) };
    let given = some(&at, 0, reader)?;
    let id = id.child(field);
    let read = |(index, at): (usize, &At<'_>)| rule(at, direction, id.child(index), reader);
    let rules: Vec<Option<Vec<Item>>> = given.iter().enumerate().map(read).collect();
    Some(rules.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
}

/// The items of a list that has `least` of them, and no more than the API takes.
fn some<'n>(at: &At<'n>, least: usize, reader: &mut Reader<'_>) -> Option<Vec<At<'n>>> {
    let items = at.list(reader)?;
    if items.len() < least {
        reader.error(at, Code::InvalidValue, "the list is empty", "name at least one, or remove the field");
        return None;
    }
    if items.len() > MAX_ITEMS {
        let message = format!("{} entries in one list: {MAX_ITEMS} are the most", items.len());
        reader.error(at, Code::InvalidValue, message, "split the rule, or the policy");
        return None;
    }
    Some(items)
}

/// Reads one rule. What is not enforced of it is an item of its own, so that the rest of it is.
fn rule(at: &At<'_>, direction: Direction, id: RuleId, reader: &mut Reader<'_>) -> Option<Vec<Item>> {
    reader.locate(&id, at);
    let mut object = at.object(reader)?;
    let peers_field = match direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    };
    let name = object.take_nullable("name");
    let action = object.require("action", reader).and_then(|at| action(&at, reader));
    let peers_at = object.require(peers_field, reader);
    let ports_at = object.take_nullable("protocols");
    object.finish(&["name", "action", peers_field, "protocols"], &[], reader);
    if let Some(name) = name {
        check_name(&name, reader);
    }
    let peers = peers_at.and_then(|at| peers::peers(&at, direction, reader));
    let ports = ports_at.as_ref().map(|at| ports::ports(at, reader));
    let (effect, peers) = (action?, peers?);
    let ports = match ports {
        None => PortSelector::Unnamed,
        Some(ports) => {
            let ports = ports?;
            ports::check_names(&ports, &peers, ports_at.as_ref().unwrap_or(at), reader)?;
            let id = id.child("protocols");
            PortSelector::AnyOf(vec![PortRule { id, ports, http: None, unenforced: None }])
        }
    };
    let mut terms = Vec::new();
    let mut quarantined = Vec::new();
    for (index, peer) in peers.into_iter().enumerate() {
        match peer.named {
            Named::Terms(more) => terms.extend(more),
            Named::Domains if effect == Effect::Allow => {
                let id = id.child(peers_field).child(index);
                reader.locate(&id, &peer.at);
                quarantined.push(Item {
                    id,
                    effect,
                    peers: PeerSelector::AnyOf(vec![PeerTerm::Entity(Entity::World)]),
                    ports: ports.clone(),
                    unenforced: Some(Arc::from(NO_NAMES)),
                });
            }
            Named::Domains => {
                let message = "`domainNames` stands only where the action is Accept";
                let help = "accept the names that may be reached, and deny the networks in a later rule";
                reader.error(&peer.at, Code::Conflict, message, help);
                return None;
            }
        }
    }
    let mut items = Vec::new();
    if !terms.is_empty() {
        items.push(Item { id, effect, peers: PeerSelector::AnyOf(terms), ports, unenforced: None });
    }
    items.append(&mut quarantined);
    Some(items)
}

fn action(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Effect> {
    match at.string(reader)? {
        "Accept" => Some(Effect::Allow),
        "Deny" => Some(Effect::Deny),
        "Pass" => Some(Effect::Pass),
        other => {
            let help = match other {
                "Allow" => "Allow is the older API's word: here it is Accept",
                _ => "expected Accept, Deny or Pass",
            };
            reader.error(at, Code::InvalidValue, format!("there is no action {other:?}"), help);
            None
        }
    }
}

fn check_name(at: &At<'_>, reader: &mut Reader<'_>) {
    let length = at.string(reader).map_or(0, |name| name.chars().count());
    if length > MAX_NAME {
        let message = format!("the name has {length} characters: {MAX_NAME} are the most");
        reader.error(at, Code::InvalidValue, message, "shorten it");
    }
}
