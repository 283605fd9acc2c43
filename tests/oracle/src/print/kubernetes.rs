//! `NetworkPolicy`.

use super::selector::selector;
use super::yaml::{Yaml, bare, list, map, text};
use super::{head, metadata};
use crate::policy::Direction;
use crate::policy::kubernetes::{Item, Peer, Policy, Port, PortName};

pub(super) fn document(policy: &Policy) -> Yaml {
    let metadata = metadata(&policy.name, Some(&policy.namespace), policy.audit);
    let mut fields = head("networking.k8s.io/v1", "NetworkPolicy", metadata);
    let mut spec = Vec::new();
    spec.extend(policy.subject.iter().map(|subject| ("podSelector", selector(subject))));
    spec.extend(policy.types.iter().map(|types| {
        let name = |direction: &Direction| match direction {
            Direction::Ingress => text("Ingress"),
            Direction::Egress => text("Egress"),
        };
        ("policyTypes", list(types.iter().map(name)))
    }));
    for (name, way, items) in [("ingress", "from", &policy.ingress), ("egress", "to", &policy.egress)] {
        spec.extend(items.iter().map(|items| (name, list(items.iter().map(|one| item(one, way))))));
    }
    fields.push(("spec".to_owned(), map(spec)));
    Yaml::Map(fields)
}

fn item(item: &Item, way: &str) -> Yaml {
    let mut fields = Vec::new();
    fields.extend(item.peers.iter().map(|peers| (way, list(peers.iter().map(peer)))));
    fields.extend(item.ports.iter().map(|ports| ("ports", list(ports.iter().map(port)))));
    map(fields)
}

fn peer(peer: &Peer) -> Yaml {
    map(match peer {
        Peer::Pods(pods) => vec![("podSelector", selector(pods))],
        Peer::Namespaces(namespaces) => vec![("namespaceSelector", selector(namespaces))],
        Peer::Both(namespaces, pods) => {
            vec![("namespaceSelector", selector(namespaces)), ("podSelector", selector(pods))]
        }
        Peer::Block(prefix, except) => {
            let mut block = vec![("cidr", text(prefix))];
            if !except.is_empty() {
                block.push(("except", list(except.iter().map(text))));
            }
            vec![("ipBlock", map(block))]
        }
    })
}

fn port(port: &Port) -> Yaml {
    let mut fields = Vec::new();
    fields.extend(port.protocol.map(|protocol| ("protocol", text(protocol.name()))));
    fields.extend(port.port.iter().map(|port| match port {
        PortName::Number(number) => ("port", bare(number)),
        PortName::Name(name) => ("port", text(name)),
    }));
    fields.extend(port.end.map(|end| ("endPort", bare(end))));
    map(fields)
}
