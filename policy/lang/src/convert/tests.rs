use std::collections::BTreeMap;
use std::sync::Arc;

use postern_policy_core::endpoint::{Action, DirectionPolicy, EndpointPolicy};
use postern_policy_core::http::HttpRule;
use postern_policy_core::policy::RuleId;
use postern_policy_core::resolve::resolve;

use super::{Converted, convert};
use crate::inventory::load_inventory;
use crate::load_policies;
use crate::source::SourceFile;
use crate::yaml_text;

const WORLD: &str = "
{apiVersion: postern.dev/v1alpha1, kind: Workload, metadata: {name: s, labels: {id: s}}, spec: {addresses: [10.0.0.1], node: n}}
---
{apiVersion: postern.dev/v1alpha1, kind: Workload, metadata: {name: a, labels: {id: a}}, spec: {addresses: [10.0.0.2]}}
---
{apiVersion: postern.dev/v1alpha1, kind: Workload, metadata: {name: b, namespace: other, labels: {id: a}}, spec: {addresses: [10.0.0.3]}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: other, labels: {team: x}}}
---
{apiVersion: v1, kind: Node, metadata: {name: n}, status: {addresses: [{type: InternalIP, address: 10.9.0.1}]}}
";

fn file(text: &str) -> SourceFile {
    SourceFile { name: "p.yaml".to_owned(), text: text.to_owned() }
}

/// Rules without their names, which say where they stand, and in an order of their own.
fn meaning(text: &str) -> (Vec<EndpointPolicy>, usize) {
    let loaded = load_policies(&[file(text)]);
    assert!(!loaded.has_errors(), "{:?}\n{text}", loaded.diagnostics);
    let world = load_inventory(&[file(WORLD)]).world;
    let identities = world.identities(&loaded.policies).unwrap();
    let nameless = |mut policy: DirectionPolicy| {
        for rule in policy.rules.iter_mut().map(Arc::make_mut) {
            rule.id = RuleId::new("");
            if let Action::Http(http) = &mut rule.action {
                *http = http.iter().map(|http| HttpRule { id: RuleId::new(""), ..http.clone() }).collect();
            }
        }
        policy.rules.sort_by_key(|rule| format!("{rule:?}"));
        policy
    };
    let endpoint = |workload| {
        let policy = resolve(&loaded.policies, &world, &identities, workload);
        let (ingress, egress) = (nameless(policy.ingress), nameless(policy.egress));
        EndpointPolicy { ingress, egress, ..policy }
    };
    (world.workloads().map(endpoint).collect(), loaded.policies.len())
}

fn converted(text: &str) -> String {
    let (converted, diagnostics) = convert(&file(text));
    assert!(!diagnostics.iter().any(|d| d.severity == crate::diagnostic::Severity::Error), "{diagnostics:?}");
    let [Converted::Changed { document, .. }] = converted.as_slice() else { panic!("{converted:?}") };
    yaml_text::document(document)
}

fn check(text: &str) {
    let new = converted(text);
    assert!(new.starts_with("apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n"), "{new}");
    // An expression without a name has one item for each kind of peer: names are not compared.
    assert_eq!(meaning(text), meaning(&new), "{text}\n{new}");
}

fn v1(rule: &str) -> String {
    format!("{{apiVersion: cilium.io/v1, kind: CiliumNetworkPolicy, metadata: {{name: p}}, spec: {rule}}}")
}

fn netpol(spec: &str) -> String {
    format!("{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p}}, spec: {spec}}}")
}

#[test]
fn gates_become_one_item() {
    let select = "endpointSelector: {matchLabels: {id: s}}";
    let peer = "fromEndpoints: [{matchLabels: {id: a}}]";
    let port = "toPorts: [{ports: [{port: '80'}], rules: {HTTP: [{method: GET, path: /public, headers: [X-A, X-B 1]}]}}]";
    for ingress in [
        format!("[{{{peer}}}, {{{port}}}]"),
        format!("[{{{peer}, {port}}}]"),
        format!("[{{{peer}}}]"),
        format!("[{{{port}}}]"),
        format!(
            "[{{{peer}}}, {{fromEndpoints: [{{}}]}}, {{{port}}}, {{toPorts: [{{ports: [{{port: '81', protocol: UDP}}]}}]}}]"
        ),
        "[{}]".to_owned(),
        "[{fromEndpoints: []}]".to_owned(),
    ] {
        check(&v1(&format!("{{{select}, ingress: {ingress}}}")));
    }
    check(&v1(&format!(
        "{{{select}, egress: [{{toEndpoints: [{{}}]}}, {{toPorts: [{{ports: [{{port: '0'}}]}}]}}]}}"
    )));
}

#[test]
fn network_policies_become_items_of_one_kind_of_peer() {
    for spec in [
        "{podSelector: {}}",
        "{podSelector: {}, policyTypes: [Egress]}",
        "{podSelector: {matchLabels: {id: s}}, ingress: [{}]}",
        "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {}}]}]}",
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}",
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}, podSelector: {matchExpressions: [{key: id, operator: In, values: [a, b]}]}}], ports: [{port: 80}, {port: 90, endPort: 99, protocol: UDP}]}]}",
        "{podSelector: {}, egress: [{ports: [{protocol: UDP}]}]}",
        "{podSelector: {}, ingress: [{from: [], ports: []}]}",
    ] {
        check(&netpol(spec));
    }
}

#[test]
fn names_labels_and_the_description_stay() {
    let text = "{apiVersion: cilium.io/v1, kind: CiliumNetworkPolicy, description: why, metadata: {name: p, namespace: n, uid: u, resourceVersion: '7', labels: {a: b}}, \
                spec: {endpointSelector: {}, ingress: [{}]}}";
    let expected = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata:\n  name: p\n  namespace: \"n\"\n  labels:\n    a: b\n\
                    spec:\n  description: why\n  endpointSelector: {}\n  ingress:\n    - {}\n";
    assert_eq!(converted(text), expected);
}

#[test]
fn what_is_modern_is_kept() {
    let text = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p}, spec: {endpointSelector: {}, ingress: [{}]}}";
    let (converted, _) = convert(&file(text));
    assert!(matches!(converted.as_slice(), [Converted::Kept { .. }]), "{converted:?}");
    let kinds: BTreeMap<_, _> =
        converted.iter().map(|c| (c.document()["kind"].clone().to_string(), ())).collect();
    assert_eq!(kinds.len(), 1);
}

#[test]
fn an_error_is_told_with_its_place() {
    let (converted, diagnostics) = convert(&file(&v1("{endpointSelector: {}, ingres: [{}]}")));
    assert!(converted.is_empty());
    assert!(diagnostics.iter().any(|d| d.field == "spec.ingres"), "{diagnostics:?}");
}

#[test]
fn what_a_rule_narrows_is_never_left_out() {
    let (converted, diagnostics) = convert(&file(&v1(
        "{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: '80'}], rules: {HTTP: [{headerMatches: [{name: X, mismatch: ADD}]}]}}]}]}",
    )));
    assert!(converted.is_empty() && !diagnostics.is_empty(), "{converted:?}");
}
