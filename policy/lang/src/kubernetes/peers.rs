//! Peers as Kubernetes writes them: pods of namespaces, and blocks of addresses.

use postern_policy_core::labels::{LabelKey, NAMESPACE, NAMESPACE_LABELS};
use postern_policy_core::peer::{CidrTerm, PeerTerm};
use postern_policy_core::selector::{Operator, Requirement, Selector};

use crate::cidr::block;
use crate::decode::{At, Reader};
use crate::diagnostic::Code;
use crate::selector::{Keys, selector};

/// Reads one peer of a `NetworkPolicy`.
pub(super) fn peer(at: &At<'_>, namespace: &str, reader: &mut Reader<'_>) -> Option<PeerTerm> {
    let mut object = at.object(reader)?;
    let pods = object.take_nullable("podSelector");
    let namespaces = object.take_nullable("namespaceSelector");
    let block = object.take_nullable("ipBlock");
    object.finish(&["podSelector", "namespaceSelector", "ipBlock"], &[], reader);
    match (block, &pods, &namespaces) {
        (Some(block), None, None) => ip_block(&block, reader).map(PeerTerm::Cidr),
        (Some(block), ..) => {
            let message = "`ipBlock` stands beside a selector: a peer is either addresses or pods";
            reader.error(&block, Code::Conflict, message, "make two peers of it, each with its own `-`");
            None
        }
        (None, None, None) => {
            let help = "add podSelector, namespaceSelector or both, or ipBlock";
            reader.error(at, Code::MissingField, "the peer says nothing", help);
            None
        }
        (None, pods, None) => {
            let mut selected = kubernetes_selector(pods.as_ref(), reader)?;
            selected.requirements.push(in_namespace(namespace));
            Some(PeerTerm::Endpoints(selected))
        }
        (None, pods, Some(namespaces)) => {
            pods_of(pods.as_ref(), Some(namespaces), reader).map(PeerTerm::Endpoints)
        }
    }
}

fn kubernetes_selector(at: Option<&At<'_>>, reader: &mut Reader<'_>) -> Option<Selector> {
    at.map_or_else(|| Some(Selector::default()), |at| selector(at, Keys::Kubernetes, reader))
}

/// The pods that one selector picks in the namespaces that another picks; without a selector, all of them.
pub(crate) fn pods_of(
    pods: Option<&At<'_>>,
    namespaces: Option<&At<'_>>,
    reader: &mut Reader<'_>,
) -> Option<Selector> {
    let pods = kubernetes_selector(pods, reader);
    let namespaces = kubernetes_selector(namespaces, reader);
    let mut selected = pods?;
    // Negative requirements hold of what has no namespace too: nodes and the world are not in any.
    let some_namespace = Requirement { key: LabelKey::k8s(NAMESPACE), operator: Operator::Exists };
    selected.requirements.push(some_namespace);
    selected.requirements.extend(namespaces?.requirements.into_iter().map(on_namespace));
    Some(selected)
}

pub(super) fn in_namespace(namespace: &str) -> Requirement {
    Requirement::equals(LabelKey::k8s(NAMESPACE), namespace)
}

fn on_namespace(requirement: Requirement) -> Requirement {
    let key = LabelKey::k8s(format!("{NAMESPACE_LABELS}.{}", requirement.key.key));
    Requirement { key, ..requirement }
}

fn ip_block(at: &At<'_>, reader: &mut Reader<'_>) -> Option<CidrTerm> {
    let mut object = at.object(reader)?;
    let (cidr, except) = (object.require("cidr", reader), object.take_nullable("except"));
    object.finish(&["cidr", "except"], &[], reader);
    let term = block(&cidr?, except.as_ref(), reader)?;
    if let Some(at) = except.filter(|_| term.except.contains(&term.net)) {
        let message = format!("`except` leaves out all of {}: the peer would be nobody", term.net);
        reader.error(&at, Code::Conflict, message, "name a smaller part, or remove the peer");
        return None;
    }
    Some(term)
}
