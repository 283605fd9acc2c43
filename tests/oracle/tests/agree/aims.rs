//! What policies speak of, so that questions ask about that and what is next to it.

use postern_tests_oracle::policy::cilium::{Item, Port, PortEntry, PortName, PortProtocol};
use postern_tests_oracle::policy::tiered::PortMatch;
use postern_tests_oracle::policy::{Policy, kubernetes};
use postern_tests_oracle::port::{Protocol, Target};
use postern_tests_oracle::world::World;

/// The ports that policies name, and those that have names.
pub(crate) fn targets(world: &World, policies: &[Policy]) -> Vec<Target> {
    let named = world.workloads.iter().flat_map(|workload| &workload.ports);
    let named = named.map(|port| Target { protocol: port.protocol, port: port.port });
    policies.iter().flat_map(of_policy).chain(named).collect()
}

fn of_policy(policy: &Policy) -> Vec<Target> {
    match policy {
        Policy::Cilium(policy) => {
            let rules = policy.spec.iter().chain(&policy.specs);
            let lists =
                rules.flat_map(|rule| [&rule.ingress, &rule.ingress_deny, &rule.egress, &rule.egress_deny]);
            lists.flatten().flatten().flat_map(of_item).collect()
        }
        Policy::Kubernetes(policy) => {
            let items = policy.ingress.iter().chain(&policy.egress).flatten();
            let ports = items.flat_map(|item| item.ports.iter().flatten());
            ports
                .flat_map(|port| match port.port {
                    Some(kubernetes::PortName::Number(first)) => {
                        ends(port.protocol.unwrap_or(Protocol::Tcp), first, port.end.unwrap_or(first))
                    }
                    _ => Vec::new(),
                })
                .collect()
        }
        Policy::Tiered(policy) => {
            let rules = policy.ingress.iter().chain(&policy.egress);
            let ports = rules.flat_map(|rule| &rule.protocols);
            ports
                .flat_map(|port| match port {
                    PortMatch::Ports(protocol, (first, last)) => ends(*protocol, *first, *last),
                    PortMatch::Named(_) => Vec::new(),
                })
                .collect()
        }
    }
}

fn of_item(item: &Item) -> Vec<Target> {
    // Those with HTTP several times: most of what there is to say is about them.
    let often = |entry: &PortEntry| if entry.http.is_some() { 4 } else { 1 };
    let ports = item.ports.iter().flatten().flat_map(|entry| vec![entry; often(entry)]);
    let ports = ports.flat_map(|entry| entry.ports.iter().flatten());
    let icmps = item.icmps.iter().flatten().map(|icmp| Target {
        protocol: if icmp.v6 { Protocol::IcmpV6 } else { Protocol::Icmp },
        port: u16::from(icmp.number),
    });
    ports.flat_map(of_port).chain(icmps).collect()
}

fn of_port(port: &Port) -> Vec<Target> {
    let protocol = match port.protocol {
        Some(PortProtocol::Only(protocol)) => protocol,
        Some(PortProtocol::Any) | None => Protocol::Tcp,
    };
    match port.port {
        PortName::Number(first) => ends(protocol, first, port.end.unwrap_or(first)),
        PortName::Absent => ends(protocol, 0, 0),
        PortName::Name(_) => Vec::new(),
    }
}

fn ends(protocol: Protocol, first: u16, last: u16) -> Vec<Target> {
    vec![Target { protocol, port: first }, Target { protocol, port: last }]
}
