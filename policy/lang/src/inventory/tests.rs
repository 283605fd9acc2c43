use std::net::IpAddr;

use postern_policy_core::port::Protocol;
use postern_policy_core::world::{NamedPort, WorkloadName, World};

use super::load_inventory;
use crate::load_policies;
use crate::source::SourceFile;

fn load(text: &str) -> (World, Vec<String>) {
    let file = SourceFile { name: "w.yaml".to_owned(), text: text.to_owned() };
    let inventory = load_inventory(&[file]);
    (inventory.world, inventory.diagnostics.iter().map(ToString::to_string).collect())
}

fn accepts(text: &str) -> World {
    let (world, diagnostics) = load(text);
    assert_eq!(diagnostics, Vec::<String>::new(), "{text}");
    world
}

fn refuses(text: &str, expected: &str) {
    let (_, diagnostics) = load(text);
    assert_eq!(diagnostics.len(), 1, "{text}: {diagnostics:#?}");
    assert!(diagnostics[0].contains(expected), "{}\nwanted: {expected}", diagnostics[0]);
}

fn port(name: &str, protocol: Protocol, port: u16) -> NamedPort {
    NamedPort { name: name.to_owned(), protocol, port }
}

fn workload(spec: &str) -> String {
    format!("{{apiVersion: postern.dev/v1alpha1, kind: Workload, metadata: {{name: a}}, spec: {spec}}}")
}

fn pod(spec: &str) -> String {
    format!("{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {spec}, status: {{podIP: 10.0.0.1}}}}")
}

#[test]
fn clusters_and_ports_of_workloads() {
    let world = accepts(&workload(
        "{addresses: [10.0.0.1], cluster: east, ports: [{name: web, port: 80}, {name: dns, port: 53, protocol: UDP}]}",
    ));
    let found = world.workloads().next().unwrap();
    assert_eq!(found.cluster.as_deref(), Some("east"));
    assert_eq!(found.ports, [port("web", Protocol::Tcp, 80), port("dns", Protocol::Udp, 53)]);
    let local = accepts(&workload("{addresses: [], cluster: default}"));
    assert_eq!(local.workloads().next().unwrap().cluster, None);

    for (spec, expected) in [
        ("{addresses: [], cluster: 1}", "expected a text, found the number 1"),
        ("{addresses: [], cluster: ''}", "`cluster` is empty"),
        ("{addresses: [], ports: {}}", "expected a list"),
        ("{addresses: [], ports: [{port: 80}]}", "`name` is missing"),
        ("{addresses: [], ports: [{name: web}]}", "`port` is missing"),
        ("{addresses: [], ports: [{name: web, port: web}]}", "expected a number, found the text \"web\""),
        ("{addresses: [], ports: [{name: web, port: 80, protocol: GRE}]}", "there is no protocol \"GRE\""),
        ("{addresses: [], ports: [{name: web, number: 80, port: 80}]}", "no field `number`"),
    ] {
        refuses(&workload(spec), expected);
    }
}

#[test]
fn ports_of_pods_are_those_of_containers_that_stay() {
    let world = accepts(&pod(
        "{containers: [{name: c, ports: [{containerPort: 80, name: web}, {containerPort: 81}]}, {name: d}],
          initContainers: [{name: once, ports: [{containerPort: 82, name: once}]},
            {name: sidecar, restartPolicy: Always, ports: [{containerPort: 83, name: mesh, protocol: SCTP}]}]}",
    ));
    let ports = &world.workloads().next().unwrap().ports;
    assert_eq!(ports, &[port("mesh", Protocol::Sctp, 83), port("web", Protocol::Tcp, 80)]);
    refuses(&pod("{containers: [{ports: [{name: web}]}]}"), "`containerPort` is missing");
    refuses(&pod("{containers: [{ports: [{name: web, containerPort: 0}]}]}"), "0 is not a port here");
    refuses(&pod("{containers: {}}"), "expected a list");
}

#[test]
fn backends_come_from_slices_and_from_endpoints() {
    let slice = |name: &str, kind: &str, rest: &str| {
        format!(
            "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: {kind},
               metadata: {{name: x, namespace: default, labels: {{kubernetes.io/service-name: {name}}}}}, {rest}}}\n"
        )
    };
    let four = slice(
        "db",
        "IPv4",
        "endpoints: [{addresses: [203.0.113.1]}, {addresses: [203.0.113.2], conditions: {ready: false}}]",
    );
    let six = slice("kubernetes", "IPv6", "endpoints: [{addresses: ['fd00::1']}]");
    let old = "{apiVersion: v1, kind: Endpoints, metadata: {name: kubernetes, namespace: default},
                subsets: [{addresses: [{ip: 192.0.2.1}], notReadyAddresses: [{ip: 192.0.2.2}]}]}\n";
    let world = accepts(&format!("{four}---\n{six}---\n{old}"));
    let backends = |name: &str| -> Vec<String> {
        let name = WorkloadName { namespace: "default".to_owned(), name: name.to_owned() };
        world.backends(&name).map(|address| address.to_string()).collect()
    };
    assert_eq!(backends("db"), ["203.0.113.1", "203.0.113.2"]);
    assert_eq!(backends("kubernetes"), ["192.0.2.1", "192.0.2.2", "fd00::1"]);
    let servers: Vec<IpAddr> = ["192.0.2.1", "192.0.2.2", "fd00::1"].map(|text| text.parse().unwrap()).into();
    assert_eq!(world.api_servers().iter().copied().collect::<Vec<_>>(), servers);

    refuses(&slice("db", "IPv5", "endpoints: []"), "there is no address type \"IPv5\"");
    refuses(&slice("db", "FQDN", "endpoints: []"), "warning[foreign-kind]");
    refuses(&slice("''", "IPv4", "endpoints: []"), "belongs to no service");
    refuses(&slice("db", "IPv4", "endpoints: [{addresses: [db]}]"), "\"db\" is not an IP address");
    refuses(&slice("db", "IPv4", "endpoints: [{}]"), "`addresses` is missing");
    refuses(&old.replace("192.0.2.2", "x"), "\"x\" is not an IP address");
}

#[test]
fn an_api_server_is_that_of_the_local_cluster() {
    let text = "{apiVersion: v1, kind: Endpoints, metadata: {name: kubernetes, namespace: x},
                 subsets: [{addresses: [{ip: 192.0.2.1}]}]}";
    assert!(accepts(text).api_servers().is_empty());
}

#[test]
fn lists_say_what_they_hold_or_their_items_do() {
    let named = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {}}";
    for list in [
        format!("{{apiVersion: v1, kind: List, metadata: {{}}, items: [{named}]}}"),
        format!("{{apiVersion: v1, kind: PodList, metadata: {{}}, items: [{named}]}}"),
        "{apiVersion: v1, kind: PodList, items: [{metadata: {name: a}, spec: {}}]}".to_owned(),
    ] {
        assert_eq!(accepts(&list).workloads().count(), 1, "{list}");
    }
    let group = "{apiVersion: cilium.io/v2, kind: CiliumCIDRGroupList, items: [{metadata: {name: a}, spec: {externalCIDRs: []}}]}";
    assert_eq!(accepts(group).cidr_groups().count(), 1);
    refuses(
        "{apiVersion: v1, kind: List, items: [{kind: Pod, metadata: {name: a}}]}",
        "`apiVersion` is missing",
    );
    refuses(
        &format!("{{apiVersion: v1, kind: NodeList, items: [{named}]}}"),
        "items[0]: v1 Pod stands in a list of v1 Node",
    );
    refuses("{apiVersion: v1, kind: ConfigMapList, items: []}", "warning[foreign-kind]");
    refuses(
        "{apiVersion: postern.dev/v1alpha1, kind: Workloads}",
        "there is no postern.dev/v1alpha1 Workloads",
    );
}

fn group(version: &str, networks: &str) -> String {
    format!(
        "{{apiVersion: cilium.io/{version}, kind: CiliumCIDRGroup, metadata: {{name: g, labels: {{a: b}}}}, spec: {{externalCIDRs: {networks}}}}}\n"
    )
}

#[test]
fn groups_stand_among_policies_or_in_an_inventory() {
    for version in ["v2", "v2alpha1"] {
        let world = accepts(&group(version, "[10.0.0.0/8, 'fd00::/8']"));
        let found = world.cidr_groups().next().unwrap();
        assert_eq!((found.name.as_str(), found.prefixes.len(), found.labels["a"].as_str()), ("g", 2, "b"));
    }
    refuses(
        &group("v2", "[10.0.0.1, 10.0.0.0/8]"),
        "spec.externalCIDRs[0]: \"10.0.0.1\" is not an address with a prefix length",
    );
    refuses(&group("v2", "{}"), "expected a list");
}

#[test]
fn groups_of_policies_are_added_to_the_world_once() {
    let file = |text: String| [SourceFile { name: "p.yaml".to_owned(), text }];
    let policies = load_policies(&file(group("v2", "[10.0.0.0/8]")));
    assert!(policies.diagnostics.is_empty() && policies.policies.is_empty());
    let mut world = World::default();
    assert_eq!(policies.add_cidr_groups(&mut world), []);
    assert_eq!(policies.add_cidr_groups(&mut world), []);
    assert_eq!(world.cidr_groups().count(), 1);
    let other = load_policies(&file(group("v2", "[11.0.0.0/8]")));
    let found = other.add_cidr_groups(&mut world);
    assert!(
        found[0].to_string().contains("p.yaml:1:1: error[conflict]: the inventory has another"),
        "{found:?}"
    );

    let twice = load_policies(&file(format!("{}---\n{}", group("v2", "[]"), group("v2alpha1", "[]"))));
    assert!(twice.diagnostics[0].to_string().contains("the CIDR group cidrgroup/g is given twice"));
}

#[test]
fn how_paths_are_read_is_an_annotation_of_the_workload() {
    let annotated = |text: &str, kind: &str| {
        let metadata = format!("{{name: a, annotations: {{postern.dev/path-profile: {text}}}}}");
        match kind {
            "Pod" => pod("{}").replace("{name: a}", &metadata),
            _ => workload("{addresses: [10.0.0.1]}").replace("{name: a}", &metadata),
        }
    };
    for kind in ["Pod", "Workload"] {
        let world = accepts(&annotated("'80=envoy,90-99=raw'", kind));
        let found: Vec<String> =
            world.workloads().next().unwrap().profiles.iter().map(|(p, of)| format!("{p} {of}")).collect();
        assert_eq!(found, ["80/TCP envoy", "90-99/TCP raw"]);
        let (world, diagnostics) = load(&annotated("'80=envoy,81=lax'", kind));
        assert!(
            world.workloads().next().unwrap().profiles.is_empty(),
            "one that cannot be read says nothing"
        );
        assert!(
            diagnostics[0].contains("warning[invalid-value]") && diagnostics[0].contains("81=lax"),
            "{diagnostics:?}"
        );
    }
}
