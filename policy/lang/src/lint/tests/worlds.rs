//! Lints that hold policies against what exists.

use super::{check_in, cnp, http, netpol};
use crate::lint::Lint;

const WORLD: &str = "
{apiVersion: postern.dev/v1alpha1, kind: Workload, metadata: {name: app1, labels: {id: app1}}, spec: {addresses: [10.0.0.1], node: n}}
---
{apiVersion: postern.dev/v1alpha1, kind: Workload, metadata: {name: app2, labels: {id: app2, team: a}}, spec: {addresses: [10.0.0.2], node: n}}
---
{apiVersion: postern.dev/v1alpha1, kind: Workload, metadata: {name: app3, namespace: other, labels: {id: app3}}, spec: {addresses: [10.0.0.3], node: n}}
---
{apiVersion: v1, kind: Node, metadata: {name: n}, status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {id: app1}}}
";

#[track_caller]
fn check(lint: Lint, expected: usize, text: &str) {
    check_in(lint, expected, text, Some(WORLD));
}

fn from(labels: &str) -> String {
    cnp("p", &format!("  ingress: [{{fromEndpoints: [{{matchLabels: {{{labels}}}}}]}}]"))
}

#[test]
fn selectors_that_select_nothing() {
    let lint = Lint::SelectsNothing;
    check(lint, 1, &from("id: app9"));
    check(lint, 1, &from("id: app2, team: b"));
    check(lint, 1, &cnp("p", "  ingress: [{}]").replace("app1", "app9"));
    check(
        lint,
        1,
        &netpol("{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {a: b}}}]}]}"),
    );
    check(lint, 0, &from("id: app2"));
    check(lint, 0, &from("id: app3, \"k8s:io.kubernetes.pod.namespace\": other"));
    check(lint, 0, &from("\"reserved:host\": \"\""));
    check(lint, 0, &netpol("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}"));
    check_in(lint, 0, &from("id: app9"), None);
    let services = |name: &str| {
        cnp(
            "p",
            &format!(
                "  egress: [{{toServices: [{{k8sService: {{serviceName: {name}, namespace: default}}}}]}}]"
            ),
        )
    };
    check(lint, 1, &services("gone"));
    check(lint, 0, &services("web"));
    let ports = |name: &str| {
        cnp(
            "p",
            &format!(
                "  ingress: [{{fromEndpoints: [{{}}], toPorts: [{{ports: [{{port: {name}, protocol: TCP}}]}}]}}]"
            ),
        )
    };
    check(lint, 1, &ports("http"));
    check(lint, 0, &ports("\"80\""));
    let group = cnp("p", "  ingress: [{fromCIDRSet: [{cidrGroupRef: gone}]}]");
    check(lint, 1, &group);
    check_in(lint, 0, &group, None);
}

#[test]
fn peers_that_are_in_another_namespace() {
    let lint = Lint::NamespaceTrap;
    check(lint, 1, &from("id: app3"));
    check(
        lint,
        1,
        &netpol("{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {id: app3}}}]}]}"),
    );
    check(lint, 0, &from("id: app2"));
    check(lint, 0, &from("id: app9"));
    check(lint, 0, &from("id: app3, \"k8s:io.kubernetes.pod.namespace\": other"));
}

#[test]
fn plain_allowances_that_only_a_world_shows() {
    let lint = Lint::HttpShadowedByPlainAllow;
    let plain = |labels: &str| format!("{}{}", http("{path: /public}"), from(labels));
    check(lint, 1, &plain("team: a"));
    check_in(lint, 0, &plain("team: a"), None);
    check(lint, 0, &plain("id: app1"));
    // It is reported once, whether a proof or the world shows it.
    check(lint, 1, &plain("id: app2"));
}
