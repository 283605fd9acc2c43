//! The inventory.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::head;
use super::yaml::{Yaml, bare, list, map, text, texts};
use crate::world::{
    BackendForm, Backends, CidrGroup, ContainerPort, Namespace, Node, Service, Workload, World,
};

pub(super) fn documents(world: &World) -> Vec<Yaml> {
    let mut documents = Vec::new();
    documents.extend(world.namespaces.iter().map(namespace));
    documents.extend(world.nodes.iter().map(node));
    documents.extend(world.workloads.iter().map(|one| if one.as_pod { pod(one) } else { workload(one) }));
    documents.extend(world.services.iter().map(service));
    for service in &world.services {
        if let Backends::Addresses(addresses, form) = &service.backends {
            documents.extend(backends(&service.namespace, &service.name, addresses, *form));
        }
    }
    if !world.api_servers.is_empty() {
        documents.extend(backends("default", "kubernetes", &world.api_servers, BackendForm::Slices));
    }
    documents.extend(world.groups.iter().filter(|group| !group.among_policies).map(group));
    documents
}

fn metadata(name: &str, namespace: Option<&str>, labels: &BTreeMap<String, String>) -> Vec<(String, Yaml)> {
    let mut metadata = vec![("name".to_owned(), text(name))];
    metadata.extend(namespace.map(|namespace| ("namespace".to_owned(), text(namespace))));
    if !labels.is_empty() {
        metadata.push(("labels".to_owned(), texts(labels)));
    }
    metadata
}

fn document(head: Vec<(String, Yaml)>, rest: Vec<(&str, Yaml)>) -> Yaml {
    let rest = rest.into_iter().map(|(name, value)| (name.to_owned(), value));
    Yaml::Map(head.into_iter().chain(rest).collect())
}

fn namespace(namespace: &Namespace) -> Yaml {
    document(head("v1", "Namespace", metadata(&namespace.name, None, &namespace.labels)), Vec::new())
}

fn node(node: &Node) -> Yaml {
    let address = |address: &IpAddr| map(vec![("type", text("InternalIP")), ("address", text(address))]);
    let status = map(vec![("addresses", list(node.addresses.iter().map(address)))]);
    document(head("v1", "Node", metadata(&node.name, None, &node.labels)), vec![("status", status)])
}

fn workload(workload: &Workload) -> Yaml {
    let mut spec = vec![("addresses", list(workload.addresses.iter().map(text)))];
    spec.extend(workload.node.iter().map(|node| ("node", text(node))));
    spec.extend(workload.service_account.iter().map(|account| ("serviceAccount", text(account))));
    spec.extend(workload.cluster.iter().map(|cluster| ("cluster", text(cluster))));
    if !workload.ports.is_empty() {
        spec.push(("ports", list(workload.ports.iter().map(|port| named_port(port, "port")))));
    }
    let metadata = metadata(&workload.name, Some(&workload.namespace), &workload.labels);
    document(head("postern.dev/v1alpha1", "Workload", metadata), vec![("spec", map(spec))])
}

fn pod(workload: &Workload) -> Yaml {
    let mut spec = Vec::new();
    spec.extend(workload.node.iter().map(|node| ("nodeName", text(node))));
    spec.extend(workload.service_account.iter().map(|account| ("serviceAccountName", text(account))));
    let mut container = vec![("name", text("main")), ("image", text("app"))];
    if !workload.ports.is_empty() {
        container.push(("ports", list(workload.ports.iter().map(|port| named_port(port, "containerPort")))));
    }
    spec.push(("containers", list([map(container)])));
    let mut status = vec![("phase", text("Running"))];
    status.extend(workload.addresses.first().map(|first| ("podIP", text(first))));
    let ips = workload.addresses.iter().map(|address| map(vec![("ip", text(address))]));
    status.push(("podIPs", list(ips)));
    let metadata = metadata(&workload.name, Some(&workload.namespace), &workload.labels);
    document(head("v1", "Pod", metadata), vec![("spec", map(spec)), ("status", map(status))])
}

fn named_port(port: &ContainerPort, number: &str) -> Yaml {
    map(vec![("name", text(&port.name)), (number, bare(port.port)), ("protocol", text(port.protocol.name()))])
}

fn service(service: &Service) -> Yaml {
    let mut spec = Vec::new();
    if let Backends::Selector(selector) = &service.backends {
        spec.push(("selector", texts(selector)));
    }
    spec.push(("ports", list([map(vec![("port", bare(80))])])));
    let metadata = metadata(&service.name, Some(&service.namespace), &service.labels);
    document(head("v1", "Service", metadata), vec![("spec", map(spec))])
}

/// Slices hold one family each.
fn backends(namespace: &str, service: &str, addresses: &[IpAddr], form: BackendForm) -> Vec<Yaml> {
    let none = BTreeMap::new();
    match form {
        BackendForm::Endpoints => {
            let addresses = addresses.iter().map(|address| map(vec![("ip", text(address))]));
            let subsets = list([map(vec![
                ("addresses", list(addresses)),
                ("ports", list([map(vec![("port", bare(80))])])),
            ])]);
            let metadata = metadata(service, Some(namespace), &none);
            vec![document(head("v1", "Endpoints", metadata), vec![("subsets", subsets)])]
        }
        BackendForm::Slices => {
            let label = BTreeMap::from([("kubernetes.io/service-name".to_owned(), service.to_owned())]);
            let slice = |family: &str, addresses: Vec<&IpAddr>| {
                let name = format!("{service}-{}", family.to_lowercase());
                let metadata = metadata(&name, Some(namespace), &label);
                let endpoints =
                    addresses.iter().map(|address| map(vec![("addresses", list([text(address)]))]));
                let rest = vec![
                    ("addressType", text(family)),
                    ("endpoints", list(endpoints)),
                    ("ports", list([map(vec![("port", bare(80))])])),
                ];
                document(head("discovery.k8s.io/v1", "EndpointSlice", metadata), rest)
            };
            let (v4, v6): (Vec<&IpAddr>, Vec<&IpAddr>) = addresses.iter().partition(|one| one.is_ipv4());
            let families = [("IPv4", v4), ("IPv6", v6)].into_iter();
            families.filter(|(_, of)| !of.is_empty()).map(|(family, of)| slice(family, of)).collect()
        }
    }
}

pub(super) fn group(group: &CidrGroup) -> Yaml {
    let spec = map(vec![("externalCIDRs", list(group.prefixes.iter().map(text)))]);
    let metadata = metadata(&group.name, None, &group.labels);
    document(head("cilium.io/v2", "CiliumCIDRGroup", metadata), vec![("spec", spec)])
}
