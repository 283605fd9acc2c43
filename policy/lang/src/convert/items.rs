//! Items: peers of each kind, ports, HTTP rules.

use postern_policy_core::http::{HttpMatch, HttpMatcher, HttpRule};
use postern_policy_core::labels::{LabelKey, NAMESPACE};
use postern_policy_core::peer::{CidrGroupTerm, CidrTerm, GroupRef, PeerTerm, ServiceTerm};
use postern_policy_core::policy::{Item, PeerSelector, PortRule, PortSelector};
use postern_policy_core::port::{PortRange, PortSpec, ProtocolMatch};
use postern_policy_core::selector::{Requirement, Selector};
use serde_json::{Map, Value, json};

use super::spec::selector;

/// An item, as one for each kind of peer that it names: an item of `cilium.io/v2` names one kind.
pub(super) fn item(item: &Item, direction: &str, namespace: &str) -> Vec<Value> {
    let prefix = if direction == "ingress" { "from" } else { "to" };
    let ports = ports(&item.ports);
    let with = |peers: Option<(String, Value)>| {
        let fields = peers.into_iter().chain(ports.clone().map(|ports| ("toPorts".to_owned(), ports)));
        Value::Object(fields.collect())
    };
    match (&item.peers, &ports) {
        // Without anything it would mean nothing at all.
        (PeerSelector::Unnamed, None) if item.ports == PortSelector::Unnamed => {
            vec![with(Some((format!("{prefix}Entities"), json!(["all"]))))]
        }
        (PeerSelector::Unnamed, _) => vec![with(None)],
        (PeerSelector::AnyOf(terms), _) if terms.is_empty() => {
            vec![with(Some((format!("{prefix}Endpoints"), json!([]))))]
        }
        (PeerSelector::AnyOf(terms), _) => {
            let mut kinds: Map<String, Value> = Map::new();
            for term in terms {
                let (kind, value) = peer(term, namespace);
                let list = kinds.entry(format!("{prefix}{kind}")).or_insert_with(|| json!([]));
                list.as_array_mut().into_iter().for_each(|list| list.push(value.clone()));
            }
            kinds.into_iter().map(|kind| with(Some(kind))).collect()
        }
    }
}

fn peer(term: &PeerTerm, namespace: &str) -> (&'static str, Value) {
    match term {
        PeerTerm::Endpoints(peers) => ("Endpoints", selector(&unpinned(peers, namespace))),
        PeerTerm::Nodes(nodes) => ("Nodes", selector(nodes)),
        PeerTerm::Cidr(CidrTerm { net, except }) => ("CIDRSet", cidr("cidr", json!(net.to_string()), except)),
        PeerTerm::Network(net) => ("CIDRSet", cidr("cidr", json!(net.to_string()), &[])),
        PeerTerm::CidrGroup(CidrGroupTerm { groups, except }) => {
            let (field, value) = match groups {
                GroupRef::Named(name) => ("cidrGroupRef", json!(name)),
                GroupRef::Labels(labels) => ("cidrGroupSelector", selector(labels)),
            };
            ("CIDRSet", cidr(field, value, except))
        }
        PeerTerm::Entity(entity) => ("Entities", json!(entity.as_str())),
        PeerTerm::Service(ServiceTerm::Named(name)) => {
            ("Services", json!({"k8sService": {"serviceName": name.name, "namespace": name.namespace}}))
        }
        PeerTerm::Service(ServiceTerm::Labels { selector: labels, namespace }) => {
            let mut by_labels = json!({"selector": selector(labels)});
            if let (Some(namespace), Some(fields)) = (namespace, by_labels.as_object_mut()) {
                fields.insert("namespace".to_owned(), json!(namespace));
            }
            ("Services", json!({"k8sServiceSelector": by_labels}))
        }
    }
}

fn cidr(field: &str, value: Value, except: &[ipnet::IpNet]) -> Value {
    let mut set = Map::from_iter([(field.to_owned(), value)]);
    if !except.is_empty() {
        set.insert("except".to_owned(), except.iter().map(ToString::to_string).collect());
    }
    Value::Object(set)
}

/// Without the namespace that is added when it is read again, unless it says itself where to look.
fn unpinned(peers: &Selector, namespace: &str) -> Selector {
    let own = Requirement::equals(LabelKey::k8s(NAMESPACE), namespace);
    let rest = Selector { requirements: peers.requirements.iter().filter(|r| **r != own).cloned().collect() };
    if crate::cilium::names_a_place(&rest) { peers.clone() } else { rest }
}

fn ports(ports: &PortSelector) -> Option<Value> {
    match ports {
        PortSelector::Unnamed => None,
        PortSelector::AnyOf(rules) if rules.is_empty() => None,
        PortSelector::AnyOf(rules) => Some(rules.iter().map(port_rule).collect()),
    }
}

fn port_rule(rule: &PortRule) -> Value {
    let mut written = Map::new();
    if !rule.ports.is_empty() {
        written.insert("ports".to_owned(), rule.ports.iter().map(port).collect());
    }
    if let Some(http) = &rule.http {
        let http: Value = http.iter().map(http_rule).collect();
        written.insert("rules".to_owned(), json!({"http": http}));
    }
    Value::Object(written)
}

fn port(port: &PortSpec) -> Value {
    let mut written = Map::new();
    let protocol = match port {
        PortSpec::Named { protocol, name } => {
            written.insert("port".to_owned(), json!(name));
            protocol
        }
        PortSpec::Numbers(range @ PortRange { protocol, first, last }) => {
            let first = if range.is_whole() { 0 } else { *first };
            written.insert("port".to_owned(), json!(first.to_string()));
            if *last != first && !range.is_whole() {
                written.insert("endPort".to_owned(), json!(last));
            }
            protocol
        }
    };
    if let ProtocolMatch::Only(protocol) = protocol {
        written.insert("protocol".to_owned(), json!(protocol.as_str()));
    }
    Value::Object(written)
}

fn http_rule(rule: &HttpRule) -> Value {
    let HttpMatcher::Active(HttpMatch { method, path, host, headers }) = &rule.matcher else {
        // Quarantined rules are refused before. An empty rule would match everything; this no reader takes.
        return Value::Null;
    };
    let mut written = Map::new();
    for (field, pattern) in [("method", method), ("path", path), ("host", host)] {
        if let Some(pattern) = pattern {
            written.insert(field.to_owned(), json!(pattern.as_str()));
        }
    }
    let headers: Vec<String> = headers
        .iter()
        .map(|header| match &header.value {
            Some(value) => format!("{} {}", header.name, String::from_utf8_lossy(value)),
            None => header.name.clone(),
        })
        .collect();
    if !headers.is_empty() {
        written.insert("headers".to_owned(), json!(headers));
    }
    Value::Object(written)
}
