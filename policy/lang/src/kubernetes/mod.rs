//! Kubernetes `NetworkPolicy`, `networking.k8s.io/v1`.

pub(crate) mod peers;
pub(crate) mod ports;
#[cfg(test)]
mod tests;

use postern_policy_core::policy::{
    Combination, Direction, Effect, Item, PeerSelector, Policy, PortRule, PortSelector, RuleId, Section,
    Subject,
};
use postern_policy_core::selector::Selector;

use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;
use crate::document::Found;
use crate::metadata::{metadata, mode};
use crate::selector::{Keys, selector};

/// Reads one `NetworkPolicy`. `None` means that an error was reported.
pub(crate) fn policy<'n>(mut object: Object<'n>, reader: &mut Reader<'_>) -> Option<Found<'n>> {
    let at = object.at.clone();
    let mode = mode(&object, reader);
    let metadata = metadata(&mut object, reader);
    object.ignore("status");
    let spec = object.require("spec", reader);
    object.finish(&["apiVersion", "kind", "metadata", "spec"], &[], reader);
    let metadata = metadata?;
    let id = RuleId::new(format!("netpol/{}/{}", metadata.namespace, metadata.name));

    let mut spec = spec?.object(reader)?;
    // In this API null, absent and empty are the same; of a selector that is every pod of the namespace.
    let subject = match spec.take_nullable("podSelector") {
        Some(at) => selector(&at, Keys::Kubernetes, reader),
        None => Some(Selector::default()),
    };
    let ingress = items(&mut spec, Direction::Ingress, &id, &metadata.namespace, reader);
    let egress = items(&mut spec, Direction::Egress, &id, &metadata.namespace, reader);
    let has_egress = egress.as_ref().is_none_or(|items| !items.is_empty());
    let types = policy_types(&mut spec, has_egress, reader);
    spec.finish(&["podSelector", "ingress", "egress", "policyTypes"], &[], reader);

    let mut subject = subject?;
    subject.requirements.push(peers::in_namespace(&metadata.namespace));
    let types = types?;
    let section = |direction, items| match types.contains(&direction) {
        true => Section { default_deny: true, items },
        false => Section::default(),
    };
    let (ingress, egress) = (section(Direction::Ingress, ingress?), section(Direction::Egress, egress?));
    let subject = Subject::Endpoints(subject);
    let policy = Policy { id, subject, combination: Combination::Union, mode: mode?, ingress, egress };
    Some(Found::one(&at, metadata, policy))
}

/// Without `policyTypes`, a policy is about ingress, and about egress if it has such rules.
fn policy_types(spec: &mut Object<'_>, has_egress: bool, reader: &mut Reader<'_>) -> Option<Vec<Direction>> {
    let given = take_list(spec, "policyTypes", reader)?;
    if given.is_empty() {
        let egress = has_egress.then_some(Direction::Egress);
        return Some(std::iter::once(Direction::Ingress).chain(egress).collect());
    }
    let mut types = Vec::new();
    for at in given {
        match at.string(reader)? {
            "Ingress" => types.push(Direction::Ingress),
            "Egress" => types.push(Direction::Egress),
            other => {
                let message = format!("there is no policy type {other:?}");
                reader.error(&at, Code::InvalidValue, message, "expected Ingress or Egress");
                return None;
            }
        }
    }
    Some(types)
}

fn items(
    spec: &mut Object<'_>,
    direction: Direction,
    id: &RuleId,
    namespace: &str,
    reader: &mut Reader<'_>,
) -> Option<Vec<Item>> {
    let (list, peers_field) = match direction {
        Direction::Ingress => ("ingress", "from"),
        Direction::Egress => ("egress", "to"),
    };
    let id = id.child(list);
    let mut items = Vec::new();
    for (index, at) in take_list(spec, list, reader)?.iter().enumerate() {
        let id = id.child(index);
        reader.locate(&id, at);
        let mut object = at.object(reader)?;
        let peers = take_list(&mut object, peers_field, reader).and_then(|list| {
            list.iter().map(|at| peers::peer(at, namespace, reader)).collect::<Option<Vec<_>>>()
        });
        let ports = take_list(&mut object, "ports", reader)
            .and_then(|list| list.iter().map(|at| ports::port(at, reader)).collect::<Option<Vec<_>>>());
        object.finish(&[peers_field, "ports"], &[], reader);
        let (peers, ports) = (peers?, ports?);
        // Here, unlike in a CiliumNetworkPolicy, an empty list is the same as none: anyone, any port.
        let peers = if peers.is_empty() { PeerSelector::Unnamed } else { PeerSelector::AnyOf(peers) };
        let ports = match ports.is_empty() {
            true => PortSelector::Unnamed,
            false => PortSelector::AnyOf(vec![PortRule {
                id: id.child("ports"),
                ports,
                http: None,
                unenforced: None,
            }]),
        };
        items.push(Item { id, effect: Effect::Allow, peers, ports, unenforced: None });
    }
    Some(items)
}

/// The items of a list that may be absent or null.
fn take_list<'n>(object: &mut Object<'n>, field: &str, reader: &mut Reader<'_>) -> Option<Vec<At<'n>>> {
    match object.take_nullable(field) {
        Some(at) => at.list(reader),
        None => Some(Vec::new()),
    }
}
