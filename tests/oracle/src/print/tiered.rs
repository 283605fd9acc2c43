//! `ClusterNetworkPolicy`.

use super::selector::selector;
use super::yaml::{Yaml, bare, list, map, text};
use super::{head, metadata};
use crate::policy::tiered::{Action, Peer, Pods, Policy, PortMatch, Rule, Tier};

pub(super) fn document(policy: &Policy) -> Yaml {
    let metadata = metadata(&policy.name, None, policy.audit);
    let mut fields = head("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", metadata);
    let tier = match policy.tier {
        Tier::Admin => "Admin",
        Tier::Baseline => "Baseline",
    };
    let mut spec = vec![
        ("tier", text(tier)),
        ("priority", bare(policy.priority)),
        ("subject", map(vec![pods(&policy.subject)])),
    ];
    for (name, way, rules) in [("ingress", "from", &policy.ingress), ("egress", "to", &policy.egress)] {
        if !rules.is_empty() {
            spec.push((name, list(rules.iter().map(|one| rule(one, way)))));
        }
    }
    fields.push(("spec".to_owned(), map(spec)));
    Yaml::Map(fields)
}

fn pods(pods: &Pods) -> (&'static str, Yaml) {
    match pods {
        Pods::Namespaces(namespaces) => ("namespaces", selector(namespaces)),
        Pods::Pods(namespaces, pods) => {
            let both = vec![("namespaceSelector", selector(namespaces)), ("podSelector", selector(pods))];
            ("pods", map(both))
        }
    }
}

fn rule(rule: &Rule, way: &str) -> Yaml {
    let action = match rule.action {
        Action::Accept => "Accept",
        Action::Deny => "Deny",
        Action::Pass => "Pass",
    };
    let mut fields = vec![("action", text(action)), (way, list(rule.peers.iter().map(peer)))];
    if !rule.protocols.is_empty() {
        fields.push(("protocols", list(rule.protocols.iter().map(protocol))));
    }
    map(fields)
}

fn peer(peer: &Peer) -> Yaml {
    map(vec![match peer {
        Peer::Pods(of) => pods(of),
        Peer::Nodes(nodes) => ("nodes", selector(nodes)),
        Peer::Networks(prefixes) => ("networks", list(prefixes.iter().map(text))),
        Peer::DomainNames(names) => ("domainNames", list(names.iter().map(text))),
    }])
}

fn protocol(protocol: &PortMatch) -> Yaml {
    let (protocol, first, last) = match protocol {
        PortMatch::Named(name) => return map(vec![("destinationNamedPort", text(name))]),
        PortMatch::Ports(protocol, (first, last)) => (protocol.name().to_lowercase(), first, last),
    };
    let ports = match first == last {
        true => map(vec![("number", bare(first))]),
        false => map(vec![("range", map(vec![("start", bare(first)), ("end", bare(last))]))]),
    };
    map(vec![(&protocol, map(vec![("destinationPort", ports)]))])
}
