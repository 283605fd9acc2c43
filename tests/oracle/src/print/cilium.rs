//! `CiliumNetworkPolicy` and `CiliumClusterwideNetworkPolicy`.

use super::selector::selector;
use super::yaml::{Yaml, bare, list, map, text};
use super::{head, metadata};
use crate::http::{HeaderMatch, HttpRule, Mismatch};
use crate::policy::cilium::{
    Authentication, Beyond, CidrSet, CidrSource, ENTITIES, Icmp, Item, Peers, Policy, Port, PortEntry,
    PortName, PortProtocol, Rule, ServiceRef, Subject,
};

pub(super) fn document(policy: &Policy) -> Yaml {
    let version = if policy.legacy { "cilium.io/v1" } else { "cilium.io/v2" };
    let kind = match policy.namespace {
        Some(_) => "CiliumNetworkPolicy",
        None => "CiliumClusterwideNetworkPolicy",
    };
    let mut fields = head(version, kind, metadata(&policy.name, policy.namespace.as_deref(), policy.audit));
    fields.extend(policy.spec.iter().map(|spec| ("spec".to_owned(), rule(spec))));
    if !policy.specs.is_empty() {
        fields.push(("specs".to_owned(), list(policy.specs.iter().map(rule))));
    }
    Yaml::Map(fields)
}

fn rule(rule: &Rule) -> Yaml {
    let mut fields = vec![match &rule.subject {
        Subject::Endpoints(endpoints) => ("endpointSelector", selector(endpoints)),
        Subject::Nodes(nodes) => ("nodeSelector", selector(nodes)),
    }];
    let lists = [
        ("ingress", "from", &rule.ingress),
        ("ingressDeny", "from", &rule.ingress_deny),
        ("egress", "to", &rule.egress),
        ("egressDeny", "to", &rule.egress_deny),
    ];
    for (name, way, items) in lists {
        fields.extend(items.iter().map(|items| (name, list(items.iter().map(|one| item(one, way))))));
    }
    let directions = [("ingress", rule.deny_ingress), ("egress", rule.deny_egress)];
    let written: Vec<(&str, Yaml)> =
        directions.iter().filter_map(|(name, on)| on.map(|on| (*name, bare(on)))).collect();
    if !written.is_empty() {
        fields.push(("enableDefaultDeny", map(written)));
    }
    map(fields)
}

fn item(item: &Item, way: &str) -> Yaml {
    let mut fields = Vec::new();
    if let Some(peers) = &item.peers {
        let (name, value) = peers_field(peers);
        fields.push((format!("{way}{name}"), value));
    }
    if let Some(entries) = &item.ports {
        fields.push(("toPorts".to_owned(), list(entries.iter().map(port_entry))));
    }
    if let Some(icmps) = &item.icmps {
        let one = map(vec![("fields", list(icmps.iter().map(icmp)))]);
        fields.push(("icmps".to_owned(), list([one])));
    }
    if let Some(mode) = item.authentication {
        let mode = match mode {
            Authentication::Disabled => "disabled",
            Authentication::Required => "required",
            Authentication::AlwaysFail => "test-always-fail",
        };
        fields.push(("authentication".to_owned(), map(vec![("mode", text(mode))])));
    }
    Yaml::Map(fields)
}

fn peers_field(peers: &Peers) -> (&'static str, Yaml) {
    match peers {
        Peers::Endpoints(of) => ("Endpoints", list(of.iter().map(selector))),
        Peers::Nodes(of) => ("Nodes", list(of.iter().map(selector))),
        Peers::Entities(of) => {
            let names = of.iter().flat_map(|one| ENTITIES.iter().filter(move |(entity, _)| entity == one));
            ("Entities", list(names.map(|(_, name)| text(name))))
        }
        Peers::Cidrs(of) => ("CIDR", list(of.iter().map(text))),
        Peers::CidrSets(of) => ("CIDRSet", list(of.iter().map(cidr_set))),
        Peers::Services(of) => ("Services", list(of.iter().map(service))),
        Peers::Fqdns(of) => ("FQDNs", list(of.iter().map(|name| map(vec![("matchPattern", text(name))])))),
        Peers::Groups(of) => {
            let group = |name| map(vec![("aws", map(vec![("securityGroupsNames", list([text(name)]))]))]);
            ("Groups", list(of.iter().map(group)))
        }
    }
}

fn cidr_set(set: &CidrSet) -> Yaml {
    let mut fields = vec![match &set.of {
        CidrSource::Prefix(prefix) => ("cidr", text(prefix)),
        CidrSource::Group(name) => ("cidrGroupRef", text(name)),
        CidrSource::Groups(groups) => ("cidrGroupSelector", selector(groups)),
    }];
    if !set.except.is_empty() {
        fields.push(("except", list(set.except.iter().map(text))));
    }
    map(fields)
}

fn service(reference: &ServiceRef) -> Yaml {
    match reference {
        ServiceRef::Named(namespace, name) => {
            map(vec![("k8sService", map(vec![("serviceName", text(name)), ("namespace", text(namespace))]))])
        }
        ServiceRef::Labels(labels, namespace) => {
            let mut fields = vec![("selector", selector(labels))];
            fields.extend(namespace.iter().map(|namespace| ("namespace", text(namespace))));
            map(vec![("k8sServiceSelector", map(fields))])
        }
    }
}

fn port_entry(entry: &PortEntry) -> Yaml {
    let mut fields = Vec::new();
    fields.extend(entry.ports.iter().map(|ports| ("ports", list(ports.iter().map(port)))));
    if let Some(rules) = &entry.http {
        fields.push(("rules", map(vec![("http", list(rules.iter().map(http)))])));
    }
    let secret = || map(vec![("secret", map(vec![("namespace", text("default")), ("name", text("tls"))]))]);
    fields.extend(entry.beyond.map(|beyond| match beyond {
        Beyond::ServerNames => ("serverNames", list([text("example.com")])),
        Beyond::TerminatingTls => ("terminatingTLS", secret()),
        Beyond::OriginatingTls => ("originatingTLS", secret()),
        Beyond::Listener => {
            let config = map(vec![("kind", text("CiliumClusterwideEnvoyConfig")), ("name", text("envoy"))]);
            ("listener", map(vec![("envoyConfig", config), ("name", text("mine"))]))
        }
        Beyond::Dns => {
            let rule = map(vec![("matchPattern", text("*.example.com"))]);
            ("rules", map(vec![("dns", list([rule]))]))
        }
    }));
    map(fields)
}

fn port(port: &Port) -> Yaml {
    let mut fields = Vec::new();
    match &port.port {
        PortName::Number(number) => fields.push(("port", text(number))),
        PortName::Name(name) => fields.push(("port", text(name))),
        PortName::Absent => {}
    }
    fields.extend(port.end.map(|end| ("endPort", bare(end))));
    fields.extend(port.protocol.map(|protocol| {
        let name = match protocol {
            PortProtocol::Any => "ANY",
            PortProtocol::Only(protocol) => protocol.name(),
        };
        ("protocol", text(name))
    }));
    map(fields)
}

fn icmp(icmp: &Icmp) -> Yaml {
    let mut fields = Vec::new();
    match (icmp.v6, icmp.family_written) {
        (true, _) => fields.push(("family", text("IPv6"))),
        (false, true) => fields.push(("family", text("IPv4"))),
        (false, false) => {}
    }
    fields.push(("type", icmp.name.map_or_else(|| bare(icmp.number), text)));
    map(fields)
}

fn http(rule: &HttpRule) -> Yaml {
    let mut fields = Vec::new();
    for (name, pattern) in [("method", &rule.method), ("path", &rule.path), ("host", &rule.host)] {
        fields.extend(pattern.iter().map(|pattern| (name, text(pattern))));
    }
    if !rule.headers.is_empty() {
        let lines = rule.headers.iter().map(|header| {
            let colon = if header.colon { ":" } else { "" };
            match &header.value {
                Some(value) => text(format!("{}{colon} {value}", header.name)),
                None => text(format!("{}{colon}", header.name)),
            }
        });
        fields.push(("headers", list(lines)));
    }
    if !rule.header_matches.is_empty() {
        fields.push(("headerMatches", list(rule.header_matches.iter().map(header_match))));
    }
    map(fields)
}

fn header_match(header: &HeaderMatch) -> Yaml {
    let mut fields = vec![("name", text(&header.name))];
    fields.extend(header.value.iter().map(|value| ("value", text(value))));
    if header.secret {
        fields.push(("secret", map(vec![("namespace", text("default")), ("name", text("token"))])));
    }
    fields.extend(header.mismatch.map(|mismatch| {
        let name = match mismatch {
            Mismatch::Log => "LOG",
            Mismatch::Add => "ADD",
            Mismatch::Delete => "DELETE",
            Mismatch::Replace => "REPLACE",
        };
        ("mismatch", text(name))
    }));
    map(fields)
}
