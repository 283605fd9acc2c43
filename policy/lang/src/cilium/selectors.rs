//! Subjects, endpoints and nodes, and the namespace they are looked for in.

use postern_policy_core::labels::{LabelKey, NAMESPACE, NAMESPACE_LABELS, RESERVED};
use postern_policy_core::peer::PeerTerm;
use postern_policy_core::selector::{Operator, Requirement, Selector};

use super::Context;
use crate::decode::{At, Reader};
use crate::diagnostic::Code;
use crate::selector::{Keys, selector};

/// Reads a list of endpoint selectors. Without a namespace of their own they mean the policy's; where that has none,
/// those of all, and `{}` is every pod, not everybody.
pub(super) fn endpoints(
    at: &At<'_>,
    context: &Context<'_>,
    reader: &mut Reader<'_>,
) -> Option<Vec<PeerTerm>> {
    let mut terms = Vec::new();
    for at in at.list(reader)? {
        let mut selector = selector(&at, Keys::Sourced, reader)?;
        match context.namespace {
            Some(namespace) if !names_a_place(&selector) => {
                selector.requirements.push(in_namespace(namespace));
            }
            None if selector.requirements.is_empty() => selector.requirements.push(in_some_namespace()),
            _ => {}
        }
        terms.push(PeerTerm::Endpoints(selector));
    }
    Some(terms)
}

/// Reads a list of node selectors. The subject's own node is the host, not one of them.
pub(super) fn nodes(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Vec<PeerTerm>> {
    let mut terms = Vec::new();
    for at in at.list(reader)? {
        let mut selector = selector(&at, Keys::Sourced, reader)?;
        let key = LabelKey { source: Some(RESERVED.to_owned()), key: "remote-node".to_owned() };
        selector.requirements.push(Requirement { key, operator: Operator::Exists });
        terms.push(PeerTerm::Nodes(selector));
    }
    Some(terms)
}

/// Ties a subject to its policy's namespace, if that has one, whatever it says itself.
pub(super) fn pin(
    mut selector: Selector,
    namespace: Option<&str>,
    at: &At<'_>,
    reader: &mut Reader<'_>,
) -> Selector {
    let Some(namespace) = namespace else { return selector };
    let own = in_namespace(namespace);
    selector.requirements.retain(|requirement| {
        if requirement.key.key != NAMESPACE {
            return true;
        }
        if requirement.operator != own.operator {
            let message =
                format!("the selector names another namespace than the policy's, which is {namespace}");
            let help =
                format!("a policy selects in its own namespace only: the label {NAMESPACE} is ignored");
            reader.warning(at, Code::NamespaceOverridden, message, help);
        }
        false
    });
    selector.requirements.push(own);
    selector
}

fn in_namespace(namespace: &str) -> Requirement {
    Requirement { key: LabelKey::k8s(NAMESPACE), operator: Operator::In(vec![namespace.to_owned()]) }
}

fn in_some_namespace() -> Requirement {
    Requirement { key: LabelKey::k8s(NAMESPACE), operator: Operator::Exists }
}

/// Whether a peer selector says itself where to look.
pub(crate) fn names_a_place(selector: &Selector) -> bool {
    selector.requirements.iter().any(|Requirement { key, .. }| {
        key.key == NAMESPACE
            || key.key.strip_prefix(NAMESPACE_LABELS).is_some_and(|rest| rest.starts_with('.'))
            || key.source.as_deref() == Some(RESERVED)
    })
}
