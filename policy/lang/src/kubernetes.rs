//! Kubernetes `NetworkPolicy`, `networking.k8s.io/v1`.

use postern_policy_core::labels::{LabelKey, NAMESPACE, NAMESPACE_LABELS};
use postern_policy_core::peer::PeerTerm;
use postern_policy_core::policy::{
    Combination, Direction, Effect, Item, Mode, PeerSelector, Policy, PortRule, PortSelector, RuleId,
    Section, Subject,
};
use postern_policy_core::port::{PortRange, PortSpec, Protocol, ProtocolMatch};
use postern_policy_core::selector::{Operator, Requirement, Selector};

use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;
use crate::metadata::metadata;
use crate::node::Type;
use crate::selector::{Keys, selector};

/// Reads one `NetworkPolicy`. `None` means that an error was reported.
pub(crate) fn policy(mut object: Object<'_>, reader: &mut Reader<'_>) -> Option<Policy> {
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
    subject.requirements.push(in_namespace(&metadata.namespace));
    let types = types?;
    let section = |direction, items| match types.contains(&direction) {
        true => Section { default_deny: true, items },
        false => Section::default(),
    };
    let (ingress, egress) = (section(Direction::Ingress, ingress?), section(Direction::Egress, egress?));
    let subject = Subject::Endpoints(subject);
    Some(Policy { id, subject, combination: Combination::Union, mode: Mode::Enforced, ingress, egress })
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
        let peers = take_list(&mut object, peers_field, reader)
            .and_then(|list| list.iter().map(|at| peer(at, namespace, reader)).collect::<Option<Vec<_>>>());
        let ports = take_list(&mut object, "ports", reader).and_then(|list| {
            list.iter().map(|at| port(at, reader).map(PortSpec::Numbers)).collect::<Option<Vec<_>>>()
        });
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

fn peer(at: &At<'_>, namespace: &str, reader: &mut Reader<'_>) -> Option<PeerTerm> {
    let mut object = at.object(reader)?;
    let pods = object.take_nullable("podSelector");
    let namespaces = object.take_nullable("namespaceSelector");
    let other = object.has("ipBlock");
    object.finish(&["podSelector", "namespaceSelector"], &["ipBlock"], reader);
    if pods.is_none() && namespaces.is_none() {
        if !other {
            let message = "the peer says nothing";
            reader.error(at, Code::MissingField, message, "add podSelector, namespaceSelector or both");
        }
        return None;
    }
    let mut selector_of_pods = match &pods {
        Some(at) => selector(at, Keys::Kubernetes, reader)?,
        None => Selector::default(),
    };
    let place = match &namespaces {
        None => vec![in_namespace(namespace)],
        // Negative requirements hold of what has no namespace too: nodes and the world are not in any.
        Some(at) => {
            std::iter::once(Requirement { key: LabelKey::k8s(NAMESPACE), operator: Operator::Exists })
                .chain(selector(at, Keys::Kubernetes, reader)?.requirements.into_iter().map(on_namespace))
                .collect()
        }
    };
    selector_of_pods.requirements.extend(place);
    Some(PeerTerm::Endpoints(selector_of_pods))
}

fn in_namespace(namespace: &str) -> Requirement {
    Requirement::equals(LabelKey::k8s(NAMESPACE), namespace)
}

fn on_namespace(requirement: Requirement) -> Requirement {
    let key = LabelKey::k8s(format!("{NAMESPACE_LABELS}.{}", requirement.key.key));
    Requirement { key, ..requirement }
}

fn port(at: &At<'_>, reader: &mut Reader<'_>) -> Option<PortRange> {
    let mut object = at.object(reader)?;
    let protocol = match object.take("protocol", reader) {
        None => Some(Protocol::Tcp),
        Some(at) => at.string(reader).and_then(|text| {
            let protocol = Protocol::parse(text).filter(|protocol| protocol.has_ports());
            if protocol.is_none() {
                let message = format!("there is no protocol {text:?}");
                reader.error(&at, Code::InvalidValue, message, "expected TCP, UDP or SCTP");
            }
            protocol
        }),
    };
    let (port, end) = (object.take("port", reader), object.take("endPort", reader));
    object.finish(&["protocol", "port", "endPort"], &[], reader);
    let protocol = ProtocolMatch::Only(protocol?);
    let Some(port) = port else {
        if let Some(end) = end {
            reader.error(&end, Code::Conflict, "`endPort` needs `port`", "add the first port of the range");
            return None;
        }
        return Some(PortRange::whole(protocol));
    };
    let first = number(&port, 1, reader)?;
    let last = match &end {
        Some(at) => number(at, first, reader)?,
        None => first,
    };
    Some(PortRange { protocol, first, last })
}

fn number(at: &At<'_>, least: u16, reader: &mut Reader<'_>) -> Option<u16> {
    match at.kind() {
        Some(Type::Integer(number)) => {
            let port = u16::try_from(number).ok().filter(|port| *port >= least);
            if port.is_none() {
                let help = format!("expected a number from {least} to 65535");
                reader.error(at, Code::InvalidValue, format!("{number} is not a port here"), help);
            }
            port
        }
        Some(Type::String) => {
            reader.error(at, Code::UnsupportedField, "named ports are not supported yet", "write the number");
            None
        }
        _ => {
            let message = format!("expected a number, found {}", at.node.found());
            reader.error(at, Code::WrongType, message, "write the port's number");
            None
        }
    }
}
