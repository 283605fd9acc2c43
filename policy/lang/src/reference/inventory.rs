//! `Workload`.

use super::Enforced::Said;
use super::Takes::{List, Number, Object, OneOf, Text};
use super::{Field, Resource, field, required};

pub(super) const WORKLOAD: Resource = Resource {
    kind: "Workload",
    version: "postern.dev/v1alpha1",
    namespaced: true,
    about: "A process that policies speak of, where there is no Kubernetes: part of an inventory. Inventories hold Pod, Namespace, Node, \
            Service, EndpointSlice, Endpoints and CiliumCIDRGroup as `kubectl get -o yaml` prints them, too.",
    example: "\
apiVersion: postern.dev/v1alpha1
kind: Workload
metadata: {name: app1, namespace: default, labels: {id: app1}}
spec:
  addresses: [10.0.0.1]
  node: worker0
  ports: [{name: web, port: 8080}]
",
    fields: &[required("spec", Object(SPEC), Said, "What is known of it.")],
};

const SPEC: &[Field] = &[
    required("addresses", List(&Text), Said, "Its addresses."),
    field("node", Text, Said, "The node that it runs on: its host."),
    field("serviceAccount", Text, Said, "What it runs as."),
    field("cluster", Text, Said, "Its cluster, if that is not the local one."),
    field(
        "ports",
        List(&Object(&[
            required("name", Text, Said, "The name that policies may use."),
            required("port", Number(1, 65535), Said, "The port."),
            field("protocol", OneOf(&["TCP", "UDP", "SCTP"]), Said, "TCP without it."),
        ])),
        Said,
        "Ports that have names.",
    ),
];
