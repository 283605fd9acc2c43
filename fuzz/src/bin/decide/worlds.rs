//! What exists.

use postern_tests_oracle::port::Protocol;
use postern_tests_oracle::world::{
    BackendForm, Backends, CidrGroup, ContainerPort, Namespace, Node, Service, Workload, World,
};

use crate::labels::{KINDS, NAMESPACES as NAMESPACE_LABELS, NODES as NODE_LABELS, POD_LABELS, labels};
use crate::names::{
    ACCOUNTS, CLUSTERS, GROUPS, NAMESPACES, NODES, OUTSIDE, PORT_NAMES, PREFIXES, SERVICES, address,
    node_address, prefix, workload_address, workload_address_v6,
};
use crate::reader::Reader;

/// More would be more of the same, and slow.
const WORKLOADS: usize = 6;

pub(crate) fn workload(world: &mut World, reader: &mut Reader<'_>) {
    let index = world.workloads.len();
    if index >= WORKLOADS {
        return;
    }
    let namespace = reader.word(&NAMESPACES).to_owned();
    let labels = labels(reader, POD_LABELS);
    let mut addresses = vec![workload_address(index)];
    addresses.extend(reader.maybe(|_| workload_address_v6(index)));
    let node = reader.maybe(|reader| reader.word(&NODES).to_owned());
    let service_account = reader.maybe(|reader| reader.word(&ACCOUNTS).to_owned());
    let cluster = reader.maybe(|reader| reader.word(&CLUSTERS).to_owned());
    let as_pod = reader.yes() && cluster.is_none();
    let ports = PORT_NAMES.iter().filter_map(|name| {
        reader.maybe(|reader| ContainerPort {
            name: (*name).to_owned(),
            port: reader.one(&[80_u16, 8080, 53]).unwrap_or_default(),
            protocol: if reader.yes() { Protocol::Udp } else { Protocol::Tcp },
        })
    });
    let ports = ports.collect();
    let name = format!("w{index}");
    let workload =
        Workload { namespace, name, labels, addresses, node, service_account, cluster, ports, as_pod };
    world.workloads.push(workload);
}

pub(crate) fn namespace(world: &mut World, reader: &mut Reader<'_>) {
    let name = reader.word(&NAMESPACES);
    if world.namespaces.iter().all(|known| known.name != name) {
        world.namespaces.push(Namespace { name: name.to_owned(), labels: labels(reader, NAMESPACE_LABELS) });
    }
}

pub(crate) fn node(world: &mut World, reader: &mut Reader<'_>) {
    let index = reader.below(NODES.len());
    let name = NODES.get(index).copied().unwrap_or_default();
    if world.nodes.iter().all(|known| known.name != name) {
        let labels = labels(reader, NODE_LABELS);
        world.nodes.push(Node { name: name.to_owned(), labels, addresses: vec![node_address(index)] });
    }
}

pub(crate) fn service(world: &mut World, reader: &mut Reader<'_>) {
    let (namespace, name) = reader.one(&SERVICES).unwrap_or_default();
    if world.services.iter().any(|known| known.namespace == namespace && known.name == name) {
        return;
    }
    let kinds = labels(reader, KINDS);
    let selector = labels(reader, POD_LABELS);
    let backends = if selector.is_empty() || reader.yes() {
        let form = if reader.yes() { BackendForm::Endpoints } else { BackendForm::Slices };
        let mut addresses = reader.several(1, 3, some_address);
        addresses.sort();
        addresses.dedup();
        Backends::Addresses(addresses, form)
    } else {
        Backends::Selector(selector)
    };
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    world.services.push(Service { namespace, name, labels: kinds, backends });
}

pub(crate) fn group(world: &mut World, reader: &mut Reader<'_>) {
    let name = reader.word(GROUPS.get(..2).unwrap_or_default()).to_owned();
    if world.groups.iter().all(|known| known.name != name) {
        let labels = labels(reader, KINDS);
        let some = |reader: &mut Reader<'_>| prefix(reader.one(&PREFIXES).unwrap_or_default().0);
        let mut prefixes = reader.several(0, 3, some);
        prefixes.dedup();
        world.groups.push(CidrGroup { name, labels, prefixes, among_policies: reader.yes() });
    }
}

pub(crate) fn api_server(world: &mut World, reader: &mut Reader<'_>) {
    let address = some_address(reader);
    if !world.api_servers.contains(&address) {
        world.api_servers.push(address);
    }
}

/// Of a workload that may be there, a node, or from outside.
pub(crate) fn some_address(reader: &mut Reader<'_>) -> std::net::IpAddr {
    match reader.below(5) {
        0 | 1 => workload_address(reader.below(WORKLOADS)),
        2 => workload_address_v6(reader.below(WORKLOADS)),
        3 => node_address(reader.below(NODES.len())),
        _ => address(reader.word(&OUTSIDE)),
    }
}
