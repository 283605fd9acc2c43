//! What the `ClusterNetworkPolicy` documents of one tier say: the first rule that covers the connection.

use super::View;
use super::kubernetes::pods_of;
use crate::label::Selector;
use crate::policy::Direction;
use crate::policy::Policy as Any;
use crate::policy::tiered::{Action, Peer, Pods, Policy, PortMatch, Rule, Tier};
use crate::world::Owner;

pub(super) fn first(view: &View<'_>, policies: &[&Any], tier: Tier) -> Option<Action> {
    let mut of_tier: Vec<&Policy> = policies
        .iter()
        .filter_map(|policy| match policy {
            Any::Tiered(policy) if policy.tier == tier && selects(view, policy) => Some(policy),
            _ => None,
        })
        .collect();
    of_tier.sort_by_key(|policy| (policy.priority, policy.name.clone()));
    let rules = of_tier.into_iter().flat_map(|policy| rules(view, policy));
    rules.filter(|rule| covers(view, rule)).map(|rule| rule.action).next()
}

/// Whether there is anything about this workload and direction.
pub(super) fn concerns(view: &View<'_>, policy: &Policy) -> bool {
    selects(view, policy) && !rules(view, policy).is_empty()
}

fn rules<'p>(view: &View<'_>, policy: &'p Policy) -> &'p [Rule] {
    match view.direction {
        Direction::Ingress => &policy.ingress,
        Direction::Egress => &policy.egress,
    }
}

fn selects(view: &View<'_>, policy: &Policy) -> bool {
    // The subject as its own peer: the same words mean the same there.
    let own = View { peer: Owner::Workload(view.subject), ..*view };
    is_pods(&own, &policy.subject)
}

fn is_pods(view: &View<'_>, pods: &Pods) -> bool {
    match pods {
        Pods::Namespaces(namespaces) => pods_of(view, namespaces, &Selector::default()),
        Pods::Pods(namespaces, pods) => pods_of(view, namespaces, pods),
    }
}

fn covers(view: &View<'_>, rule: &Rule) -> bool {
    let peer = |peer: &Peer| match peer {
        Peer::Pods(pods) => is_pods(view, pods),
        Peer::Nodes(selector) => view.nodes(&selector.under("node:")),
        Peer::Networks(prefixes) => view.networks(prefixes, rule.action == Action::Deny),
        // Names are only accepted, and cannot be followed: nobody is accepted by them.
        Peer::DomainNames(_) => false,
    };
    let port = |port: &PortMatch| match port {
        PortMatch::Ports(protocol, (first, last)) => {
            *protocol == view.target.protocol && (*first..=*last).contains(&view.target.port)
        }
        PortMatch::Named(name) => view.named_port(name),
    };
    rule.peers.iter().any(peer) && (rule.protocols.is_empty() || rule.protocols.iter().any(port))
}
