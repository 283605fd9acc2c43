//! Worlds.

use postern_tests_oracle::port::Protocol;
use postern_tests_oracle::world::{
    BackendForm, Backends, CidrGroup, ContainerPort, Namespace, Node, Service, Workload, World,
};
use proptest::prelude::*;

use crate::features::{Feature, of, on, some_of, sometimes};
use crate::labels::{KINDS, NAMESPACES as NAMESPACE_LABELS, NODES as NODE_LABELS, labels, pod_labels};
use crate::names::{
    ACCOUNTS, CLUSTERS, GROUPS, NAMESPACES, NODES, OUTSIDE, PORT_NAMES, PREFIXES, SERVICES, address,
    node_address, prefix, workload_address, workload_address_v6,
};

pub(crate) fn world() -> BoxedStrategy<World> {
    let parts = (
        proptest::collection::vec(workload(), 2..=6),
        namespaces(),
        nodes(),
        services(),
        groups(),
        api_servers(),
    );
    parts
        .prop_map(|(mut workloads, namespaces, nodes, services, groups, api_servers)| {
            for (index, workload) in workloads.iter_mut().enumerate() {
                workload.name = format!("w{index}");
                let both = !workload.addresses.is_empty();
                workload.addresses = vec![workload_address(index)];
                workload.addresses.extend(both.then(|| workload_address_v6(index)));
            }
            World { workloads, namespaces, nodes, services, groups, api_servers }
        })
        .boxed()
}

/// A workload without a name; any address says that it has one of each family.
fn workload() -> BoxedStrategy<Workload> {
    let namespace = prop_oneof![3 => Just(NAMESPACES[0]), 1 => Just(NAMESPACES[1]), 1 => Just(NAMESPACES[2])];
    let parts = (
        namespace,
        pod_labels(),
        any::<bool>(),
        sometimes(80, None, of(&NODES)),
        sometimes(30, None, of(&ACCOUNTS)),
        sometimes(35, Some(Feature::Clusters), of(&CLUSTERS)),
        container_ports(),
        any::<bool>(),
    );
    parts
        .prop_map(|(namespace, labels, both, node, account, cluster, ports, pod)| Workload {
            namespace: namespace.to_owned(),
            name: String::new(),
            labels,
            addresses: if both { vec![address("::1")] } else { Vec::new() },
            node: node.map(str::to_owned),
            service_account: account.map(str::to_owned),
            as_pod: pod && cluster.is_none(),
            cluster: cluster.map(str::to_owned),
            ports,
        })
        .boxed()
}

/// The same name may be another port elsewhere.
fn container_ports() -> BoxedStrategy<Vec<ContainerPort>> {
    let protocol = of(&[Protocol::Tcp, Protocol::Tcp, Protocol::Udp]);
    let port = |name: &'static str| {
        (of(&[80_u16, 8080, 53]), protocol.clone()).prop_map(move |(port, protocol)| ContainerPort {
            name: name.to_owned(),
            port,
            protocol,
        })
    };
    let ports = PORT_NAMES.map(|name| sometimes(40, Some(Feature::NamedPorts), port(name)));
    ports.prop_map(|ports| ports.into_iter().flatten().collect()).boxed()
}

fn namespaces() -> BoxedStrategy<Vec<Namespace>> {
    let namespace = |name: &'static str| {
        labels(NAMESPACE_LABELS).prop_map(move |mut labels| {
            labels.remove("kubernetes.io/metadata.name");
            Namespace { name: name.to_owned(), labels }
        })
    };
    let each = NAMESPACES.map(|name| sometimes(70, None, namespace(name)));
    each.prop_map(|each| each.into_iter().flatten().collect()).boxed()
}

fn nodes() -> BoxedStrategy<Vec<Node>> {
    let node = |index: usize, name: &'static str| {
        labels(NODE_LABELS).prop_map(move |labels| Node {
            name: name.to_owned(),
            labels: if on(Feature::NodeLabels) { labels } else { Default::default() },
            addresses: vec![node_address(index)],
        })
    };
    let each = [0, 1, 2].map(|index| sometimes(75, None, node(index, NODES[index])));
    each.prop_map(|each| each.into_iter().flatten().collect()).boxed()
}

fn services() -> BoxedStrategy<Vec<Service>> {
    let selector = labels(&[("app", &["a", "b"], None), ("tier", &["front"], None)])
        .prop_filter("a selector without labels is none", |labels| !labels.is_empty());
    // Outside, the first workloads, and a node.
    let known: Vec<_> = OUTSIDE
        .iter()
        .map(|text| address(text))
        .chain([0, 1, 2].map(workload_address))
        .chain([node_address(0)])
        .collect();
    let form = of(&[BackendForm::Slices, BackendForm::Endpoints]);
    let addresses = (proptest::sample::subsequence(known, 1..=3), form);
    let backends = crate::features::choose(vec![
        (1, None, selector.prop_map(Backends::Selector).boxed()),
        (
            1,
            Some(Feature::Backends),
            addresses.prop_map(|(addresses, form)| Backends::Addresses(addresses, form)).boxed(),
        ),
    ]);
    let service = |(namespace, name): (&'static str, &'static str)| {
        (labels(KINDS), backends.clone()).prop_map(move |(labels, backends)| Service {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            labels,
            backends,
        })
    };
    let each = SERVICES.map(|name| sometimes(70, Some(Feature::Services), service(name)));
    each.prop_map(|each| each.into_iter().flatten().collect()).boxed()
}

fn groups() -> BoxedStrategy<Vec<CidrGroup>> {
    let prefixes: Vec<_> = PREFIXES.iter().map(|(text, _)| prefix(text)).collect();
    let group = |name: &'static str| {
        (labels(KINDS), some_of(&prefixes, 3), any::<bool>()).prop_map(move |(labels, prefixes, among)| {
            CidrGroup { name: name.to_owned(), labels, prefixes, among_policies: among }
        })
    };
    let each = GROUPS.map(|name| sometimes(60, Some(Feature::Groups), group(name)));
    each.prop_map(|each| each.into_iter().flatten().collect()).boxed()
}

fn api_servers() -> BoxedStrategy<Vec<std::net::IpAddr>> {
    let known = ["192.168.0.1", "203.0.113.8", "198.51.100.1", "10.0.0.2"].map(address);
    sometimes(80, Some(Feature::ApiServers), some_of(&known, 3)).prop_map(Option::unwrap_or_default).boxed()
}
