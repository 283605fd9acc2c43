//! What a `NetworkPolicy` says (§2.6).

use super::peers::{in_some_namespace, within};
use super::{Said, View};
use crate::label::Selector;
use crate::policy::Direction;
use crate::policy::kubernetes::{Item, Peer, Policy, Port, PortName};
use crate::port::Protocol;
use crate::world::NAMESPACE_LABELS;

pub(super) fn says<'p>(view: &View<'_>, policy: &Policy) -> Vec<Said<'p>> {
    let items = match view.direction {
        Direction::Ingress => &policy.ingress,
        Direction::Egress => &policy.egress,
    };
    match denies_by_default(view, policy) {
        true => {
            items.iter().flatten().filter(|item| covers(view, policy, item)).map(|_| Said::Allow).collect()
        }
        false => Vec::new(),
    }
}

/// Whether the policy is about this workload and direction.
pub(super) fn denies_by_default(view: &View<'_>, policy: &Policy) -> bool {
    let subject = policy.subject.clone().unwrap_or_default().under("k8s:");
    let selects = within(&subject, &policy.namespace).matches(&view.world.labels(view.subject));
    let types = policy.types.as_deref().unwrap_or_default();
    let about = match view.direction {
        _ if !types.is_empty() => types.contains(&view.direction),
        Direction::Ingress => true,
        Direction::Egress => policy.egress.as_ref().is_some_and(|items| !items.is_empty()),
    };
    selects && about
}

fn covers(view: &View<'_>, policy: &Policy, item: &Item) -> bool {
    let peers = item.peers.as_deref().unwrap_or_default();
    let ports = item.ports.as_deref().unwrap_or_default();
    (peers.is_empty() || peers.iter().any(|peer| is_peer(view, policy, peer)))
        && (ports.is_empty() || ports.iter().any(|port| is_port(view, port)))
}

fn is_peer(view: &View<'_>, policy: &Policy, peer: &Peer) -> bool {
    match peer {
        Peer::Pods(pods) => view.endpoints(&within(&pods.under("k8s:"), &policy.namespace)),
        Peer::Namespaces(namespaces) => pods_of(view, namespaces, &Selector::default()),
        Peer::Both(namespaces, pods) => pods_of(view, namespaces, pods),
        Peer::Block(prefix, except) => view.cidr(&[*prefix], except),
    }
}

/// Whether the peer is a pod with these labels, in a namespace with those.
pub(super) fn pods_of(view: &View<'_>, namespaces: &Selector, pods: &Selector) -> bool {
    let namespaces = in_some_namespace(&namespaces.under(&format!("k8s:{NAMESPACE_LABELS}")));
    view.endpoints(&namespaces) && view.endpoints(&pods.under("k8s:"))
}

fn is_port(view: &View<'_>, port: &Port) -> bool {
    port.protocol.unwrap_or(Protocol::Tcp) == view.target.protocol
        && match &port.port {
            None => true,
            Some(PortName::Number(first)) => {
                (*first..=port.end.unwrap_or(*first)).contains(&view.target.port)
            }
            Some(PortName::Name(name)) => view.named_port(name),
        }
}
