//! `ClusterNetworkPolicy`.

use super::Enforced::{Everywhere, Quarantined, Said};
use super::Takes::{List, Number, Object, OneOf, Text};
use super::kubernetes::SELECTOR;
use super::{Field, Resource, Takes, field, required};

pub(super) const CLUSTER_NETWORK_POLICY: Resource = Resource {
    kind: "ClusterNetworkPolicy",
    version: "policy.networking.k8s.io/v1alpha2",
    namespaced: false,
    about: "The administrator's rules: one after another, before or after the policies of the namespaces.",
    example: "\
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: monitoring}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {}}
  ingress:
  - name: monitoring-may-scrape
    action: Accept
    from: [{namespaces: {matchLabels: {team: monitoring}}}]
    protocols: [{tcp: {destinationPort: {number: 9090}}}]
",
    fields: &[required("spec", Object(SPEC), Everywhere, "The policy.")],
};

const SPEC: &[Field] = &[
    required(
        "tier",
        OneOf(&["Admin", "Baseline"]),
        Everywhere,
        "Before all other policies, or after them where none of them turns default deny on.",
    ),
    required(
        "priority",
        Number(0, 1000),
        Everywhere,
        "The lower comes first; of equal ones the name decides.",
    ),
    required("subject", Object(SUBJECT), Everywhere, "The subjects: exactly one field."),
    field(
        "ingress",
        List(&Object(&[
            NAME,
            ACTION,
            required("from", List(&Object(SUBJECT)), Everywhere, "Who, each with exactly one field."),
            PROTOCOLS,
        ])),
        Everywhere,
        "Rules on what may reach the subjects: the first that matches decides. At most 25.",
    ),
    field(
        "egress",
        List(&Object(&[
            NAME,
            ACTION,
            required(
                "to",
                List(&Object(&[
                    NAMESPACES,
                    PODS,
                    field(
                        "nodes",
                        Object(SELECTOR),
                        Everywhere,
                        "Nodes, by their labels; the subject's own included.",
                    ),
                    field(
                        "networks",
                        List(&Text),
                        Everywhere,
                        "Prefixes, of addresses inside the cluster too.",
                    ),
                    field(
                        "domainNames",
                        List(&Text),
                        Quarantined,
                        "Names outside the cluster; only with `Accept`.",
                    ),
                ])),
                Everywhere,
                "Whom, each with exactly one field.",
            ),
            PROTOCOLS,
        ])),
        Everywhere,
        "Rules on what the subjects may reach: the first that matches decides. At most 25.",
    ),
];

const SUBJECT: &[Field] = &[NAMESPACES, PODS];
const NAMESPACES: Field =
    field("namespaces", Object(SELECTOR), Everywhere, "Every pod of the namespaces with these labels.");
const PODS: Field = field(
    "pods",
    Object(&[
        field(
            "namespaceSelector",
            Object(SELECTOR),
            Everywhere,
            "The namespaces' labels; `{}` is every one.",
        ),
        required("podSelector", Object(SELECTOR), Everywhere, "The pods' labels."),
    ]),
    Everywhere,
    "Pods with these labels, in namespaces with those.",
);
const NAME: Field = field("name", Text, Said, "What the rule is called, in at most 100 characters.");
const ACTION: Field = required(
    "action",
    OneOf(&["Accept", "Deny", "Pass"]),
    Everywhere,
    "`Accept` is final, `Deny` drops, `Pass` leaves it to the next tier.",
);
const PORT: Takes = Object(&[field(
    "destinationPort",
    Object(&[
        field("number", Number(1, 65535), Everywhere, "One port."),
        field(
            "range",
            Object(&[
                required("start", Number(1, 65535), Everywhere, "The first port."),
                required("end", Number(1, 65535), Everywhere, "The last port."),
            ]),
            Everywhere,
            "Several ports.",
        ),
    ]),
    Everywhere,
    "The port: exactly one field.",
)]);
const PROTOCOLS: Field = field(
    "protocols",
    List(&Object(&[
        field("tcp", PORT, Everywhere, "Over TCP."),
        field("udp", PORT, Everywhere, "Over UDP."),
        field("sctp", PORT, Everywhere, "Over SCTP."),
        field(
            "destinationNamedPort",
            Text,
            Everywhere,
            "The name that the listening pod gives its port; with peers that are pods.",
        ),
    ])),
    Everywhere,
    "Ports, each with exactly one field; all of them without it.",
);
