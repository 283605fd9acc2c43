//! `PolicyTest`.

use super::Enforced::Said;
use super::Takes::{Anything, List, Number, NumberOrText, Object, OneOf, Text};
use super::{Field, Resource, field, required};

pub(super) const POLICY_TEST: Resource = Resource {
    kind: "PolicyTest",
    version: "postern.dev/v1alpha1",
    namespaced: false,
    about: "What policies are meant to do, for `postern test`.",
    example: "\
apiVersion: postern.dev/v1alpha1
kind: PolicyTest
policies: [policies/*.yaml]
inventory: [world.yaml]
cases:
- {name: public, from: default/app2, to: default/app1, port: 80, http: {method: GET, path: /public}, expect: allow}
- {name: no app3, from: default/app3, to: default/app1, port: 80, expect: deny, rule: none}
",
    fields: &[
        required("policies", List(&Text), Said, "Policy files, as patterns from the test's own folder."),
        required("inventory", List(&Text), Said, "Inventory files, likewise."),
        required("cases", List(&Object(CASE)), Said, "The cases."),
    ],
};

const CASE: &[Field] = &[
    required("name", Text, Said, "What it shows."),
    required("from", Text, Said, "Who connects: `namespace/name`, an address, or `node/name`."),
    required("to", Text, Said, "To whom, likewise."),
    field("port", NumberOrText, Said, "The port: a number, or the name that the destination gives it."),
    field("protocol", Text, Said, "TCP without it."),
    field(
        "icmp",
        Object(&[required("type", Number(0, 255), Said, "The type.")]),
        Said,
        "For ICMP and ICMPv6, in place of the port.",
    ),
    field(
        "http",
        Object(&[
            required("method", Text, Said, "The method."),
            field("path", Text, Said, "The path, with its query; only a CONNECT has none."),
            field("host", Text, Said, "The authority."),
            field("headers", Anything, Said, "Names and values, or a list of `[name, value]`."),
        ]),
        Said,
        "The request on that connection.",
    ),
    required(
        "expect",
        OneOf(&["allow", "deny", "redirect"]),
        Said,
        "The verdict. A connection that goes to the proxy is allowed.",
    ),
    field("rule", Text, Said, "The rule that decides: a name or its beginning, or `none`."),
    field("reason", Text, Said, "The reason's name, such as `no-match`."),
    field(
        "audit",
        OneOf(&["allow", "deny", "redirect"]),
        Said,
        "The verdict if audited policies were enforced.",
    ),
];
