//! `CiliumNetworkPolicy`, `CiliumClusterwideNetworkPolicy`.

use super::Enforced::{Everywhere, Kernel, Quarantined, Requests, Said};
use super::Takes::{Boolean, List, Number, Object, OneOf, Text, Texts};
use super::{Field, Resource, Takes, field, required};

pub(super) const NAMESPACED: Resource = Resource {
    kind: "CiliumNetworkPolicy",
    version: "cilium.io/v2",
    namespaced: true,
    about: "What may reach the workloads of a namespace, and what they may reach.",
    example: "\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: rule1}
spec:
  endpointSelector: {matchLabels: {id: app1}}
  ingress:
  - fromEndpoints:
    - matchLabels: {id: app2}
    toPorts:
    - ports: [{port: \"80\", protocol: TCP}]
      rules:
        http: [{method: GET, path: /public}]
",
    fields: &[
        field("spec", Object(RULE), Everywhere, "One rule."),
        field("specs", List(&Object(RULE)), Everywhere, "Several rules; each is named by its place."),
    ],
};

pub(super) const CLUSTERWIDE: Resource = Resource {
    kind: "CiliumClusterwideNetworkPolicy",
    namespaced: false,
    about: "The same for the workloads of every namespace, or for nodes.",
    example: "\
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: no-metadata-service}
spec:
  endpointSelector: {}
  enableDefaultDeny: {egress: false}
  egressDeny:
  - toCIDR: [169.254.169.254/32]
",
    fields: &[
        field("spec", Object(CLUSTERWIDE_RULE), Everywhere, "One rule."),
        field(
            "specs",
            List(&Object(CLUSTERWIDE_RULE)),
            Everywhere,
            "Several rules; each is named by its place.",
        ),
    ],
    ..NAMESPACED
};

pub(super) const LEGACY: Resource = Resource {
    kind: "CiliumNetworkPolicy",
    version: "cilium.io/v1",
    namespaced: true,
    about: "The dialect of 2017: the peers of all items are one gate, the ports of all items another, and both must pass.",
    example: "\
apiVersion: cilium.io/v1
kind: CiliumNetworkPolicy
description: app2 may read what is public
metadata: {name: rule1}
spec:
  endpointSelector: {matchLabels: {id: app1}}
  ingress:
  - fromEndpoints:
    - matchLabels: {id: app2}
  - toPorts:
    - ports: [{port: \"80\", protocol: TCP}]
      rules:
        HTTP: [{method: GET, path: /public}]
",
    fields: &[
        field("description", Text, Said, "What the policy is for."),
        required("spec", Object(LEGACY_RULE), Everywhere, "The rule."),
    ],
};

macro_rules! rule {
    ($($subject:expr),+) => {
        &[
            $($subject,)+
            field("description", Text, Said, "What the rule is for."),
            field("ingress", List(&Object(INGRESS)), Everywhere, "What may reach the subjects. Having an item, of either list, turns default deny on; `[{}]` allows nothing."),
            field("ingressDeny", List(&Object(INGRESS_DENY)), Everywhere, "What may not reach them, whatever allows it."),
            field("egress", List(&Object(EGRESS)), Everywhere, "What the subjects may reach."),
            field("egressDeny", List(&Object(EGRESS_DENY)), Everywhere, "What they may not reach, whatever allows it."),
            field("enableDefaultDeny", Object(&[
                field("ingress", Boolean, Everywhere, "For ingress; without it: whether there are items."),
                field("egress", Boolean, Everywhere, "For egress; without it: whether there are items."),
            ]), Everywhere, "Whether the policy drops what nothing allows."),
            field("labels", List(&Object(&[
                required("key", Text, Said, "The key."),
                field("value", Text, Said, "The value."),
                field("source", Text, Said, "The source."),
            ])), Said, "Labels of the rule itself."),
            field("log", Object(&[field("value", Text, Said, "At most 32 printable characters.")]), Said, "A mark for logs."),
        ]
    };
}

const RULE: &[Field] = rule![required(
    "endpointSelector",
    Object(SELECTOR),
    Everywhere,
    "The subjects: workloads of the policy's namespace."
)];
const CLUSTERWIDE_RULE: &[Field] = rule![
    field(
        "endpointSelector",
        Object(SELECTOR),
        Everywhere,
        "The subjects: workloads of any namespace. This or `nodeSelector`."
    ),
    field("nodeSelector", Object(SELECTOR), Quarantined, "The subjects: nodes, by their labels.")
];
const LEGACY_RULE: &[Field] = &[
    required(
        "endpointSelector",
        Object(SELECTOR),
        Everywhere,
        "The subjects: workloads of the policy's namespace.",
    ),
    field("description", Text, Said, "What the rule is for."),
    field("ingress", List(&Object(LEGACY_INGRESS)), Everywhere, "What may reach the subjects."),
    field("egress", List(&Object(LEGACY_EGRESS)), Everywhere, "What the subjects may reach."),
];
const LEGACY_INGRESS: &[Field] = &{
    let [endpoints, _, cidr, set, entities, _, requires] = FROM;
    [endpoints, cidr, set, entities, requires, LEGACY_PORTS]
};
const LEGACY_EGRESS: &[Field] = &{
    let [endpoints, _, cidr, set, entities, _, _, requires] = TO;
    [endpoints, cidr, set, entities, requires, LEGACY_PORTS]
};
const LEGACY_PORTS: Field = field(
    "toPorts",
    List(&Object(&[
        PORTS,
        field(
            "rules",
            Object(&[
                field("http", List(&Object(LEGACY_HTTP)), Requests, "A request must match one of them."),
                field("HTTP", List(&Object(LEGACY_HTTP)), Requests, "The same, as it was spelt."),
            ]),
            Requests,
            "What is looked at.",
        ),
    ])),
    Everywhere,
    "Ports, and what is looked at on them.",
);

pub(super) const SELECTOR: &[Field] = &[
    field(
        "matchLabels",
        Texts,
        Everywhere,
        "Labels with exactly these values. Keys may carry a source: `k8s:app`, `reserved:host`.",
    ),
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

const ENDPOINTS: Takes = List(&Object(SELECTOR));
const CIDRS: Takes = List(&Text);
const CIDR_SETS: Takes = List(&Object(&[
    field("cidr", Text, Everywhere, "A prefix, such as `10.0.0.0/8`."),
    field("cidrGroupRef", Text, Everywhere, "The name of a CiliumCIDRGroup."),
    field("cidrGroupSelector", Object(SELECTOR), Everywhere, "CiliumCIDRGroups, by their labels."),
    field("except", CIDRS, Everywhere, "Prefixes within it that are left out."),
]));
const ENTITIES: Takes = List(&OneOf(&[
    "all",
    "world",
    "cluster",
    "cluster-mesh",
    "host",
    "remote-node",
    "kube-apiserver",
    "ingress",
    "health",
    "init",
    "unmanaged",
    "none",
]));
const GROUPS: Takes = List(&Object(&[field(
    "aws",
    Object(&[
        field("labels", Texts, Quarantined, "Labels of instances."),
        field("securityGroupsIds", List(&Text), Quarantined, "Identifiers."),
        field("securityGroupsNames", List(&Text), Quarantined, "Names."),
        field("region", Text, Quarantined, "The region."),
    ]),
    Quarantined,
    "Instances of a cloud.",
)]));
const NAMES: &[Field] = &[
    field("matchName", Text, Quarantined, "A name."),
    field(
        "matchPattern",
        Text,
        Quarantined,
        "A name with `*` for what is within a label; `**.` in front spans labels.",
    ),
];

const FROM: [Field; 7] = [
    field(
        "fromEndpoints",
        ENDPOINTS,
        Everywhere,
        "Workloads, by labels; of the policy's namespace unless the selector names one. `[{}]` is every workload of it, `[]` nobody.",
    ),
    field("fromNodes", ENDPOINTS, Everywhere, "Other nodes, by their labels."),
    field("fromCIDR", CIDRS, Everywhere, "Prefixes outside the cluster."),
    field(
        "fromCIDRSet",
        CIDR_SETS,
        Everywhere,
        "Prefixes outside the cluster without parts of them, or groups of such.",
    ),
    field("fromEntities", ENTITIES, Everywhere, "Well-known sets of peers."),
    field("fromGroups", GROUPS, Quarantined, "Groups of a cloud."),
    field("fromRequires", List(&Takes::Anything), Said, "Gone: only `[]` is accepted."),
];
const TO: [Field; 8] = [
    field(
        "toEndpoints",
        ENDPOINTS,
        Everywhere,
        "Workloads, by labels; of the policy's namespace unless the selector names one.",
    ),
    field("toNodes", ENDPOINTS, Everywhere, "Other nodes, by their labels."),
    field("toCIDR", CIDRS, Everywhere, "Prefixes outside the cluster."),
    field(
        "toCIDRSet",
        CIDR_SETS,
        Everywhere,
        "Prefixes outside the cluster without parts of them, or groups of such.",
    ),
    field("toEntities", ENTITIES, Everywhere, "Well-known sets of peers."),
    field(
        "toServices",
        List(&Object(&[
            field(
                "k8sService",
                Object(&[
                    required("serviceName", Text, Everywhere, "The name."),
                    field("namespace", Text, Everywhere, "The namespace; the policy's without it."),
                ]),
                Everywhere,
                "A service by its name.",
            ),
            field(
                "k8sServiceSelector",
                Object(&[
                    required("selector", Object(SELECTOR), Everywhere, "The services' labels."),
                    field("namespace", Text, Everywhere, "Their namespace; all without it."),
                ]),
                Everywhere,
                "Services by their labels.",
            ),
        ])),
        Everywhere,
        "What stands behind services; nobody where nothing does.",
    ),
    field("toGroups", GROUPS, Quarantined, "Groups of a cloud."),
    field("toRequires", List(&Takes::Anything), Said, "Gone: only `[]` is accepted."),
];
const TO_NAMES: Field = field("toFQDNs", List(&Object(NAMES)), Quarantined, "Names outside the cluster.");
const ICMPS: Field = field(
    "icmps",
    List(&Object(&[field(
        "fields",
        List(&Object(&[
            field("family", OneOf(&["IPv4", "IPv6"]), Kernel, "IPv4 without it."),
            required("type", Takes::NumberOrText, Kernel, "A number, or a name such as `EchoRequest`."),
        ])),
        Kernel,
        "At most 40.",
    )])),
    Kernel,
    "Types of ICMP, in an item without `toPorts`.",
);
const AUTHENTICATION: Field = field(
    "authentication",
    Object(&[required(
        "mode",
        OneOf(&["disabled", "required", "test-always-fail"]),
        Quarantined,
        "Other than `disabled` is quarantined.",
    )]),
    Quarantined,
    "Mutual authentication.",
);
const PORTS: Field = field(
    "ports",
    List(&Object(&[
        required(
            "port",
            Text,
            Everywhere,
            "A number in quotes, or a name that the listening workload gives its port; `\"0\"` is every port.",
        ),
        field("endPort", Number(0, 65535), Everywhere, "The last port of a range."),
        field(
            "protocol",
            OneOf(&["TCP", "UDP", "SCTP", "ANY", "VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH"]),
            Everywhere,
            "TCP, UDP and SCTP without it. Those after ANY have no ports, and only the kernel sees them.",
        ),
    ])),
    Everywhere,
    "At most 40. Without it the entry permits nothing.",
);
const DENIED_PORTS: Field = field("toPorts", List(&Object(&[PORTS])), Everywhere, "Ports.");
const SECRET: Field = field("secret", Object(SECRET_FIELDS), Quarantined, "Where it is kept.");
const SECRET_FIELDS: &[Field] = &[
    field("namespace", Text, Quarantined, "The Secret's namespace."),
    required("name", Text, Quarantined, "The Secret's name."),
];
const TLS: Takes = Object(&[
    SECRET,
    field("trustedCA", Text, Quarantined, "The key of the authorities; `ca.crt` without it."),
    field("certificate", Text, Quarantined, "The key of the certificate; `tls.crt` without it."),
    field("privateKey", Text, Quarantined, "The key of the private key; `tls.key` without it."),
]);
const LEGACY_FIELDS: [Field; 4] = [
    field("method", Text, Requests, "An expression that the whole method must match."),
    field("path", Text, Requests, "An expression that the whole path must match, its query included."),
    field(
        "host",
        Text,
        Requests,
        "An expression that the whole authority must match, its port included if the client sends one.",
    ),
    field(
        "headers",
        List(&Text),
        Requests,
        "`Name value`, or `Name` where presence is enough; each value of a repeated header must match.",
    ),
];
const LEGACY_HTTP: &[Field] = &LEGACY_FIELDS;
const HTTP: &[Field] = &{
    let [method, path, host, headers] = LEGACY_FIELDS;
    [method, path, host, headers, HEADER_MATCHES]
};
const HEADER_MATCHES: Field = field(
    "headerMatches",
    List(&Object(&[
        required("name", Text, Requests, "The header."),
        field("value", Text, Requests, "The exact value."),
        field("secret", Object(SECRET_FIELDS), Quarantined, "Where the value is kept."),
        field(
            "mismatch",
            OneOf(&["LOG", "ADD", "DELETE", "REPLACE"]),
            Quarantined,
            "What happens where it differs: without it the rule does not match. `LOG` is enforced, the others are quarantined.",
        ),
    ])),
    Requests,
    "Headers, and what happens where they differ.",
);
const TO_PORTS: &[Field] = &[
    PORTS,
    field(
        "rules",
        Object(&[
            field(
                "http",
                List(&Object(HTTP)),
                Requests,
                "A request must match one of them. `[{}]` lets all pass through the proxy, `[]` does not look at HTTP.",
            ),
            field("dns", List(&Object(NAMES)), Quarantined, "Names that may be asked for."),
        ]),
        Requests,
        "What is looked at: one kind.",
    ),
    field("serverNames", List(&Text), Quarantined, "Names that a TLS client may ask for."),
    field("terminatingTLS", TLS, Quarantined, "How TLS of clients is ended."),
    field("originatingTLS", TLS, Quarantined, "How TLS to servers is begun."),
    field(
        "listener",
        Object(&[
            required(
                "envoyConfig",
                Object(&[
                    field(
                        "kind",
                        OneOf(&["CiliumEnvoyConfig", "CiliumClusterwideEnvoyConfig"]),
                        Quarantined,
                        "Its kind.",
                    ),
                    required("name", Text, Quarantined, "Its name."),
                ]),
                Quarantined,
                "Whose listener.",
            ),
            required("name", Text, Quarantined, "Which listener."),
            field("priority", Number(1, 100), Quarantined, "The lower wins."),
        ]),
        Quarantined,
        "A listener of one's own; egress only.",
    ),
];
const ALLOWED_PORTS: Field =
    field("toPorts", List(&Object(TO_PORTS)), Everywhere, "Ports, and what is looked at on them.");

const INGRESS: &[Field] = &{
    let [a, b, c, d, e, f, g] = FROM;
    [a, b, c, d, e, f, g, ALLOWED_PORTS, ICMPS, AUTHENTICATION]
};
const INGRESS_DENY: &[Field] = &{
    let [a, b, c, d, e, f, g] = FROM;
    [a, b, c, d, e, f, g, DENIED_PORTS, ICMPS]
};
const EGRESS: &[Field] = &{
    let [a, b, c, d, e, f, g, h] = TO;
    [a, b, c, d, e, f, g, h, TO_NAMES, ALLOWED_PORTS, ICMPS, AUTHENTICATION]
};
const EGRESS_DENY: &[Field] = &{
    let [a, b, c, d, e, f, g, h] = TO;
    [a, b, c, d, e, f, g, h, DENIED_PORTS, ICMPS]
};
