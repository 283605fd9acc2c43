//! `CiliumCIDRGroup`.

use super::Enforced::Everywhere;
use super::Takes::{List, Object, Text};
use super::{Resource, required};

pub(super) const CIDR_GROUP: Resource = Resource {
    kind: "CiliumCIDRGroup",
    version: "cilium.io/v2",
    namespaced: false,
    about: "A named set of prefixes that policies refer to, in policy files or in the inventory. `cilium.io/v2alpha1` is read too.",
    example: "\
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: partners, labels: {kind: partner}}
spec: {externalCIDRs: [203.0.113.0/24, 2001:db8::/32]}
",
    fields: &[required(
        "spec",
        Object(&[required("externalCIDRs", List(&Text), Everywhere, "The prefixes.")]),
        Everywhere,
        "The group.",
    )],
};
