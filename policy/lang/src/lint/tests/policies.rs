//! Lints of policies as a whole.

use super::{check, cnp, found, netpol};
use crate::diagnostic::Severity;
use crate::lint::{Levels, Lint, lint};
use crate::source::SourceFile;

const APP2: &str = "{matchLabels: {id: app2}}";

#[test]
fn everything_from_everywhere() {
    let lint = Lint::BroadWorld;
    check(lint, 1, &netpol("{podSelector: {}, ingress: [{}]}"));
    check(lint, 0, &netpol("{podSelector: {}, ingress: [{ports: [{port: 80}]}]}"));
    check(lint, 0, &netpol("{podSelector: {}, egress: [{}], policyTypes: [Egress]}"));
    check(lint, 0, &cnp("p", "  ingress: [{}]"));
    check(lint, 0, &cnp("p", "  ingress: [{fromEndpoints: [{}]}]"));
}

#[test]
fn an_empty_item_denies() {
    let lint = Lint::EmptyItemDenies;
    check(lint, 1, &cnp("p", "  ingress: [{}]"));
    check(lint, 2, &cnp("p", "  ingress: [{}]\n  egress: [{}]"));
    check(lint, 1, &cnp("p", &format!("  ingress: [{{}}, {{fromEndpoints: [{APP2}]}}]")));
    check(lint, 0, &cnp("p", "  ingress: [{fromEndpoints: []}]"));
    check(lint, 0, &netpol("{podSelector: {}, ingress: [{}]}"));
    let severity = |text: &str| found(text, None).iter().map(|finding| finding.diagnostic.severity).max();
    assert_eq!(severity(&cnp("p", "  ingress: [{}]")), Some(Severity::Note), "it is how all is denied");
}

#[test]
fn denials_alone() {
    let lint = Lint::DenyOnly;
    let deny = format!("  ingressDeny: [{{fromEndpoints: [{APP2}]}}]");
    check(lint, 1, &cnp("p", &deny));
    check(lint, 1, &format!("{}{}", cnp("p", &deny), cnp("q", "  egress: [{toEndpoints: [{}]}]")));
    check(lint, 0, &cnp("p", &format!("{deny}\n  ingress: [{{fromEndpoints: [{{}}]}}]")));
    check(lint, 0, &format!("{}{}", cnp("p", &deny), cnp("q", "  ingress: [{fromEndpoints: [{}]}]")));
    check(lint, 0, &cnp("p", &format!("{deny}\n  enableDefaultDeny: {{ingress: false}}")));
    check(lint, 0, &cnp("p", &format!("{deny}\n  enableDefaultDeny: {{ingress: true}}")));
}

#[test]
fn allowances_that_a_denial_covers() {
    let lint = Lint::UnreachableRule;
    let both = |allow: &str, deny: &str| cnp("p", &format!("  ingress: [{allow}]\n  ingressDeny: [{deny}]"));
    let app2 = format!("{{fromEndpoints: [{APP2}]}}");
    let app2_80 = format!("{{fromEndpoints: [{APP2}], toPorts: [{{ports: [{{port: \"80\"}}]}}]}}");
    check(lint, 1, &both(&app2, &app2));
    check(lint, 1, &both(&app2_80, "{fromEndpoints: [{}]}"));
    check(
        lint,
        1,
        &format!(
            "{}{}",
            cnp("p", &format!("  ingress: [{app2}]")),
            cnp("q", &format!("  ingressDeny: [{app2}]"))
        ),
    );
    check(lint, 0, &both("{fromEndpoints: [{}]}", &app2));
    check(lint, 0, &both(&app2, &app2_80));
    check(lint, 0, &both(&app2, "{fromEndpoints: []}"));
    check(lint, 0, &cnp("p", &format!("  ingress: [{app2}]\n  egressDeny: [{{toEndpoints: [{APP2}]}}]")));
}

#[test]
fn labels_of_namespaces_on_pods() {
    let lint = Lint::NamespaceTrap;
    let from =
        |labels: &str| cnp("p", &format!("  ingress: [{{fromEndpoints: [{{matchLabels: {{{labels}}}}}]}}]"));
    check(lint, 1, &from("namespace: other"));
    check(lint, 1, &from("id: app2, kubernetes.io/metadata.name: other"));
    check(
        lint,
        1,
        &netpol("{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {namespace: a}}}]}]}"),
    );
    check(lint, 0, &from("id: app2"));
    check(lint, 0, &from("name: app2"));
    check(lint, 0, &from("\"k8s:io.kubernetes.pod.namespace\": other"));
    check(lint, 0, &from("\"k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name\": other"));
    check(lint, 0, &from("namespace: x, \"k8s:io.kubernetes.pod.namespace\": other"));
    check(
        lint,
        0,
        &netpol(
            "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a}}}]}]}",
        ),
    );
}

#[test]
fn labels_that_are_no_identity() {
    let lint = Lint::SelectsNothing;
    let from = |selector: &str| cnp("p", &format!("  ingress: [{{fromEndpoints: [{selector}]}}]"));
    check(lint, 1, &from("{matchLabels: {pod-template-hash: abc}}"));
    check(lint, 1, &from("{matchExpressions: [{key: topology.kubernetes.io/zone, operator: Exists}]}"));
    check(lint, 0, &from("{matchLabels: {app.kubernetes.io/name: abc}}"));
    check(lint, 0, &from("{matchLabels: {io.cilium.k8s.policy.serviceaccount: abc}}"));
    check(lint, 0, &from("{matchExpressions: [{key: pod-template-hash, operator: DoesNotExist}]}"));
    check(lint, 0, &from("{matchLabels: {\"reserved:kube-apiserver\": \"\"}}"));
}

#[test]
fn subjects_of_another_namespace() {
    let of = |selector: &str| cnp("p", "  ingress: [{}]").replace("{matchLabels: {id: app1}}", selector);
    let lint = Lint::NamespaceOverridden;
    check(lint, 1, &of("{matchLabels: {\"k8s:io.kubernetes.pod.namespace\": other}}"));
    check(lint, 1, &of("{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: Exists}]}"));
    check(lint, 0, &of("{matchLabels: {\"k8s:io.kubernetes.pod.namespace\": default}}"));
    check(lint, 0, &of("{}"));
}

#[test]
fn an_annotation_allows_a_lint_of_its_object() {
    let allow = |names: &str, text: &str| {
        text.replace(
            "metadata: {name: p}",
            &format!("metadata: {{name: p, annotations: {{postern.dev/allow-lint: {names:?}}}}}"),
        )
    };
    let deny = cnp("p", "  ingress: [{}]");
    check(Lint::EmptyItemDenies, 0, &allow("empty-item-denies", &deny));
    check(Lint::EmptyItemDenies, 0, &allow("head-not-get, empty-item-denies", &deny));
    check(Lint::EmptyItemDenies, 1, &allow("head-not-get", &deny));
    check(
        Lint::EmptyItemDenies,
        1,
        &format!("{}{}", allow("empty-item-denies", &deny), cnp("q", "  ingress: [{}]")),
    );
    check(Lint::UnusedAllow, 1, &allow("head-not-get, empty-item-denies", &deny));
    check(Lint::UnusedAllow, 1, &allow("head-not-get", &deny));
    check(Lint::UnusedAllow, 0, &allow("empty-item-denies", &deny));
    check(Lint::UnusedAllow, 0, &allow("selects-nothing", &deny));
    check(Lint::UnknownLint, 1, &allow("empty-item-denys", &deny));
    check(Lint::UnknownLint, 2, &allow("x y", &deny));
    check(Lint::UnknownLint, 0, &allow("empty-item-denies", &deny));
    check(Lint::UnknownLint, 0, &allow("", &deny));
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}\n- {}",
        allow("empty-item-denies", &deny).trim_start_matches("---\n").trim_end().replace('\n', "\n  "),
        cnp("q", "  ingress: [{}]").trim_start_matches("---\n").trim_end().replace('\n', "\n  "),
    );
    check(Lint::EmptyItemDenies, 1, &list);
}

#[test]
fn a_run_allows_and_denies_lints() {
    let file = SourceFile { name: "p".to_owned(), text: cnp("p", "  ingress: [{}]") };
    let files = [file];
    let loaded = crate::load_policies(&files);
    let run = |levels: Levels| -> Vec<Severity> {
        lint(&files, &loaded, None, &levels).iter().map(|finding| finding.diagnostic.severity).collect()
    };
    let set = || [Lint::EmptyItemDenies].into();
    assert_eq!(run(Levels::default()), [Severity::Note]);
    assert_eq!(run(Levels { allow: set(), ..Levels::default() }), []);
    assert_eq!(run(Levels { deny: set(), ..Levels::default() }), [Severity::Error]);
}

#[test]
fn an_ordinary_policy_has_nothing_but_notes() {
    for text in [
        super::http("{method: GET, path: /public}"),
        cnp("p", &format!("  ingress: [{{fromEndpoints: [{APP2}]}}]\n  egress: [{{toEndpoints: [{{}}]}}]")),
        netpol("{podSelector: {}}"),
        netpol("{podSelector: {}, policyTypes: [Ingress, Egress]}"),
        cnp("p", "  ingress: [{}]"),
    ] {
        let worst = found(&text, None).iter().map(|finding| finding.diagnostic.severity).max();
        assert!(worst.is_none_or(|worst| worst == Severity::Note), "{text}\n{:#?}", found(&text, None));
    }
}

#[test]
fn the_world_on_every_port() {
    let lint = Lint::BroadWorld;
    check(lint, 1, &cnp("p", "  ingress: [{fromEntities: [world]}]"));
    check(lint, 1, &cnp("p", "  ingress: [{fromEntities: [cluster, all]}]"));
    check(lint, 1, &cnp("p", "  egress: [{toCIDR: [0.0.0.0/0]}]"));
    check(lint, 2, &cnp("p", "  egress: [{toCIDR: [0.0.0.0/0, \"::/0\"]}]"));
    check(lint, 0, &cnp("p", "  egress: [{toEntities: [world], toPorts: [{ports: [{port: \"443\"}]}]}]"));
    check(lint, 0, &cnp("p", "  egress: [{toEntities: [cluster]}]"));
    check(lint, 0, &cnp("p", "  egress: [{toCIDRSet: [{cidr: 0.0.0.0/0, except: [10.0.0.0/8]}]}]"));
    check(lint, 0, &cnp("p", "  egressDeny: [{toEntities: [world]}]"));
    let but = "  egress: [{toEntities: [all]}]\n  egressDeny: [{toEndpoints: [{}]}]";
    check(lint, 0, &cnp("p", but));
    check(lint, 0, &cnp("p", "  egress: [{toFQDNs: [{matchName: example.com}]}]"));
}

#[test]
fn what_is_not_enforced_yet() {
    let lint = Lint::Quarantined;
    check(lint, 1, &cnp("p", "  egress: [{toFQDNs: [{matchName: example.com}]}]"));
    check(lint, 1, &cnp("p", "  ingress: [{fromEndpoints: [{}], authentication: {mode: required}}]"));
    check(lint, 0, &cnp("p", "  ingress: [{fromEndpoints: [{}], authentication: {mode: disabled}}]"));
    check(lint, 0, &cnp("p", "  egress: [{toEntities: [world]}]"));
}

#[test]
fn entities_and_prefixes_imply_each_other() {
    let lint = Lint::UnreachableRule;
    let both =
        |allow: &str, deny: &str| cnp("p", &format!("  egress: [{{{allow}}}]\n  egressDeny: [{{{deny}}}]"));
    check(lint, 1, &both("toCIDR: [10.1.0.0/16]", "toCIDR: [10.0.0.0/8]"));
    check(lint, 1, &both("toCIDR: [10.1.0.0/16]", "toEntities: [world]"));
    check(lint, 1, &both("toEntities: [host]", "toEntities: [cluster]"));
    check(lint, 1, &both("toEndpoints: [{}]", "toEntities: [cluster]"));
    check(lint, 1, &both("toEndpoints: [{}]", "toEntities: [all]"));
    check(lint, 0, &both("toCIDR: [10.0.0.0/8]", "toCIDR: [10.1.0.0/16]"));
    check(lint, 0, &both("toCIDR: [10.1.0.0/16]", "toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.2.0/24]}]"));
    check(lint, 0, &both("toEntities: [kube-apiserver]", "toEntities: [cluster]"));
    check(lint, 0, &both("toEntities: [cluster]", "toEndpoints: [{}]"));
    check(lint, 0, &both("toEntities: [world]", "toEntities: [cluster]"));
}

/// A cluster-wide policy of the administrator for all pods, with these ingress rules.
fn ordered(name: &str, tier: &str, priority: u16, rules: &[(&str, &str)]) -> String {
    let mut text = format!(
        "---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         tier: {tier}\n  priority: {priority}\n  subject: {{namespaces: {{}}}}\n  ingress:\n"
    );
    for (action, namespaces) in rules {
        text += &format!("  - {{action: {action}, from: [{{namespaces: {namespaces}}}]}}\n");
    }
    text
}

const TEAM: &str = "{matchLabels: {team: a}}";

#[test]
fn equal_priorities() {
    let lint = Lint::EqualPriority;
    let two = |tier: &str, priority| {
        format!(
            "{}{}",
            ordered("a", "Admin", 10, &[("Deny", TEAM)]),
            ordered("b", tier, priority, &[("Deny", "{}")])
        )
    };
    check(lint, 1, &two("Admin", 10));
    check(lint, 2, &format!("{}{}", two("Admin", 10), ordered("c", "Admin", 10, &[("Deny", TEAM)])));
    check(lint, 0, &two("Admin", 11));
    check(lint, 0, &two("Baseline", 10));
}

#[test]
fn ordered_rules_that_come_too_late() {
    let lint = Lint::UnreachableRule;
    check(lint, 1, &ordered("a", "Admin", 1, &[("Deny", "{}"), ("Accept", TEAM)]));
    check(lint, 1, &ordered("a", "Admin", 1, &[("Pass", TEAM), ("Deny", TEAM)]));
    check(
        lint,
        1,
        &format!(
            "{}{}",
            ordered("b", "Admin", 2, &[("Deny", TEAM)]),
            ordered("a", "Admin", 1, &[("Pass", "{}")])
        ),
    );
    check(lint, 0, &ordered("a", "Admin", 1, &[("Accept", TEAM), ("Deny", "{}")]));
    check(
        lint,
        0,
        &format!(
            "{}{}",
            ordered("a", "Admin", 1, &[("Deny", "{}")]),
            ordered("b", "Baseline", 1, &[("Deny", TEAM)])
        ),
    );
}

#[test]
fn what_an_administrator_accepts_is_not_looked_at() {
    let lint = Lint::HttpShadowedByPlainAllow;
    let http = super::http("{path: /public}");
    check(lint, 1, &format!("{http}{}", ordered("a", "Admin", 1, &[("Accept", "{}")])));
    check(lint, 0, &format!("{http}{}", ordered("a", "Admin", 1, &[("Pass", TEAM), ("Accept", "{}")])));
    check(lint, 0, &format!("{http}{}", ordered("a", "Admin", 1, &[("Accept", TEAM)])));
    check(lint, 0, &format!("{http}{}", ordered("a", "Baseline", 1, &[("Accept", "{}")])));
}
