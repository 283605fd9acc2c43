//! `NetworkPolicy`.

use super::Enforced::Everywhere;
use super::Takes::{List, Number, NumberOrText, Object, OneOf, Text, Texts};
use super::{Field, Resource, field, required};

pub(super) const NETWORK_POLICY: Resource = Resource {
    kind: "NetworkPolicy",
    version: "networking.k8s.io/v1",
    namespaced: true,
    about: "Kubernetes' own policy: allowances for the pods of a namespace.",
    example: "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: from-monitoring}
spec:
  podSelector: {matchLabels: {id: app1}}
  ingress:
  - from:
    - namespaceSelector: {matchLabels: {team: monitoring}}
    ports: [{port: metrics}]
",
    fields: &[required("spec", Object(SPEC), Everywhere, "The policy.")],
};

const SPEC: &[Field] = &[
    field(
        "podSelector",
        Object(SELECTOR),
        Everywhere,
        "The subjects: pods of the policy's namespace; all of them without it.",
    ),
    field(
        "policyTypes",
        List(&OneOf(&["Ingress", "Egress"])),
        Everywhere,
        "The directions with default deny; without it: Ingress, and Egress if there are such items.",
    ),
    field(
        "ingress",
        List(&Object(&[field("from", PEERS, Everywhere, "Who; anyone where it is absent or empty."), PORTS])),
        Everywhere,
        "What may reach the subjects. `[{}]` is everything.",
    ),
    field(
        "egress",
        List(&Object(&[field("to", PEERS, Everywhere, "Whom; anyone where it is absent or empty."), PORTS])),
        Everywhere,
        "What the subjects may reach.",
    ),
];

pub(super) const SELECTOR: &[Field] = &[
    field("matchLabels", Texts, Everywhere, "Labels with exactly these values."),
    field(
        "matchExpressions",
        List(&Object(&[
            required("key", Text, Everywhere, "The label's key."),
            required(
                "operator",
                OneOf(&["In", "NotIn", "Exists", "DoesNotExist"]),
                Everywhere,
                "`NotIn` holds where the key is absent, too.",
            ),
            field("values", List(&Text), Everywhere, "For `In` and `NotIn`."),
        ])),
        Everywhere,
        "Requirements that must all hold.",
    ),
];

const PEERS: super::Takes = List(&Object(&[
    field(
        "podSelector",
        Object(SELECTOR),
        Everywhere,
        "Pods, of the policy's namespace unless the peer has `namespaceSelector`.",
    ),
    field(
        "namespaceSelector",
        Object(SELECTOR),
        Everywhere,
        "Namespaces, by their labels; `{}` is every one.",
    ),
    field(
        "ipBlock",
        Object(&[
            required("cidr", Text, Everywhere, "A prefix."),
            field("except", List(&Text), Everywhere, "Prefixes within it that are left out."),
        ]),
        Everywhere,
        "Addresses outside the cluster; a peer of its own.",
    ),
]));

const PORTS: Field = field(
    "ports",
    List(&Object(&[
        field(
            "port",
            NumberOrText,
            Everywhere,
            "A number, or the name that the listening pod gives its port; every port without it.",
        ),
        field("endPort", Number(1, 65535), Everywhere, "The last port of a range."),
        field("protocol", OneOf(&["TCP", "UDP", "SCTP"]), Everywhere, "TCP without it."),
    ])),
    Everywhere,
    "The ports; all where it is absent or empty.",
);
