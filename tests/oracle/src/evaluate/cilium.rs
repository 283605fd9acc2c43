//! What a `CiliumNetworkPolicy` says.

use super::peers::{pinned, placed};
use super::{Said, View};
use crate::policy::Direction;
use crate::policy::cilium::{Authentication, Entity, Item, Peers, Policy, PortEntry, Rule, Subject};

pub(super) fn says<'p>(view: &View<'_>, policy: &'p Policy) -> Vec<Said<'p>> {
    let namespace = policy.namespace.as_deref();
    let mut said = Vec::new();
    for rule in selecting(view, policy) {
        let [allowing, denying] = lists(view, rule);
        if policy.legacy {
            said.extend(gates(view, namespace, items(allowing)));
            continue;
        }
        for item in items(allowing) {
            said.extend(allows(view, namespace, item));
        }
        for item in items(denying) {
            if denies(view, namespace, item) {
                said.push(Said::Deny);
            }
        }
    }
    said
}

/// §2.3.
pub(super) fn denies_by_default(view: &View<'_>, policy: &Policy) -> bool {
    selecting(view, policy).any(|rule| {
        let written = match view.direction {
            Direction::Ingress => rule.deny_ingress,
            Direction::Egress => rule.deny_egress,
        };
        let has_items = lists(view, rule).into_iter().any(|list| !items(list).is_empty());
        written.unwrap_or(has_items)
    })
}

/// Whether there is anything about this workload and direction.
pub(super) fn concerns(view: &View<'_>, policy: &Policy) -> bool {
    selecting(view, policy).any(|rule| lists(view, rule).into_iter().any(|list| !items(list).is_empty()))
}

fn selecting<'p>(view: &View<'_>, policy: &'p Policy) -> impl Iterator<Item = &'p Rule> {
    let labels = view.world.labels(view.subject);
    let namespace = policy.namespace.as_deref();
    policy.spec.iter().chain(&policy.specs).filter(move |rule| match (&rule.subject, namespace) {
        (Subject::Endpoints(selector), Some(namespace)) => pinned(selector, namespace).matches(&labels),
        (Subject::Endpoints(selector), None) => selector.matches(&labels),
        (Subject::Nodes(_), _) => false,
    })
}

fn lists<'p>(view: &View<'_>, rule: &'p Rule) -> [&'p Option<Vec<Item>>; 2] {
    match view.direction {
        Direction::Ingress => [&rule.ingress, &rule.ingress_deny],
        Direction::Egress => [&rule.egress, &rule.egress_deny],
    }
}

fn items(list: &Option<Vec<Item>>) -> &[Item] {
    list.as_deref().unwrap_or_default()
}

fn entries(item: &Item) -> &[PortEntry] {
    item.ports.as_deref().unwrap_or_default()
}

/// What an allowing item says. What cannot be enforced allows nothing.
fn allows<'p>(view: &View<'_>, namespace: Option<&str>, item: &'p Item) -> Vec<Said<'p>> {
    if matches!(item.authentication, Some(Authentication::Required | Authentication::AlwaysFail))
        || matches!(item.peers, Some(Peers::Fqdns(_) | Peers::Groups(_)))
        || !peer(view, namespace, item, false)
    {
        return Vec::new();
    }
    match names_ports(item) {
        // §2.2: without peers and ports, an item is there for the default deny it turns on.
        false if item.peers.is_none() => Vec::new(),
        false => vec![Said::Allow],
        true => {
            let icmp = item.icmps.iter().flatten().any(|icmp| view.icmp(icmp));
            let on_ports = entries(item).iter().filter(|entry| entry.beyond.is_none());
            on_ports.filter_map(|entry| on_port(view, entry)).chain(icmp.then_some(Said::Allow)).collect()
        }
    }
}

/// §2.4: whatever the specificity.
fn denies(view: &View<'_>, namespace: Option<&str>, item: &Item) -> bool {
    peer(view, namespace, item, true)
        && match names_ports(item) {
            false => item.peers.is_some(),
            true => {
                entries(item).iter().any(|entry| on_port(view, entry).is_some())
                    || item.icmps.iter().flatten().any(|icmp| view.icmp(icmp))
            }
        }
}

fn names_ports(item: &Item) -> bool {
    !entries(item).is_empty() || item.icmps.is_some()
}

fn on_port<'p>(view: &View<'_>, entry: &'p PortEntry) -> Option<Said<'p>> {
    let covered = entry.ports.iter().flatten().any(|port| view.port(port));
    let said = match entry.http.as_deref() {
        None | Some([]) => Said::Allow,
        Some(rules) => Said::Http(rules),
    };
    covered.then_some(said)
}

/// Whether an item speaks of the peer. An item that names none speaks of all; an empty list names nobody (§2.2).
fn peer(view: &View<'_>, namespace: Option<&str>, item: &Item, deny: bool) -> bool {
    match &item.peers {
        None => true,
        Some(Peers::Endpoints(list)) => list.iter().any(|one| view.endpoints(&placed(one, namespace))),
        Some(Peers::Nodes(list)) => list.iter().any(|one| !view.peer_is_host() && view.nodes(one)),
        Some(Peers::Entities(list)) => list.iter().any(|one| view.entity(*one)),
        Some(Peers::Cidrs(list)) => view.cidr(list, &[]),
        Some(Peers::CidrSets(list)) => list.iter().any(|one| view.cidr_set(one, deny)),
        Some(Peers::Services(list)) => list.iter().any(|one| view.service(one)),
        // Who is behind these is not known: it could be anyone outside.
        Some(Peers::Fqdns(list) | Peers::Groups(list)) => !list.is_empty() && view.entity(Entity::World),
    }
}

/// §6: in 2017, the peers of all items were one gate and the ports of all items another.
fn gates<'p>(view: &View<'_>, namespace: Option<&str>, items: &'p [Item]) -> Vec<Said<'p>> {
    let with_peers = || items.iter().filter(|item| item.peers.is_some());
    let entries: Vec<&PortEntry> = items.iter().flat_map(entries).collect();
    let nothing_named = with_peers().next().is_none() && entries.is_empty();
    let peer_gate =
        with_peers().next().is_none() || with_peers().any(|item| peer(view, namespace, item, false));
    if nothing_named || !peer_gate {
        return Vec::new();
    }
    match entries.is_empty() {
        true => vec![Said::Allow],
        false => entries.into_iter().filter_map(|entry| on_port(view, entry)).collect(),
    }
}
