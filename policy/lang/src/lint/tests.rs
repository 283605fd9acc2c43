//! Each lint on what it is for, and on what it must leave alone.

mod fixes;
mod http;
mod pages;
mod policies;
mod worlds;

use super::{Finding, Levels, Lint, lint};
use crate::diagnostic::Severity;
use crate::inventory::load_inventory;
use crate::load_policies;
use crate::source::SourceFile;

/// A policy of namespace `default` for the pods `id: app1`.
fn cnp(name: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         endpointSelector: {{matchLabels: {{id: app1}}}}\n{rest}\n"
    )
}

/// An ingress item for the pods `id: app2` with these HTTP rules on port 80.
fn http(rules: &str) -> String {
    cnp(
        "http",
        &format!(
            "  ingress:\n  - fromEndpoints: [{{matchLabels: {{id: app2}}}}]\n    toPorts:\n    - ports: [{{port: \"80\", \
             protocol: TCP}}]\n      rules: {{http: [{rules}]}}"
        ),
    )
}

fn netpol(spec: &str) -> String {
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: np}}\nspec: {spec}\n"
    )
}

fn found(text: &str, inventory: Option<&str>) -> Vec<Finding> {
    let files = [SourceFile { name: "policy.yaml".to_owned(), text: text.to_owned() }];
    let loaded = load_policies(&files);
    assert!(!loaded.has_errors(), "{:#?}\n{text}", loaded.diagnostics);
    let inventory = inventory.map(|text| {
        let file = SourceFile { name: "inventory.yaml".to_owned(), text: text.to_owned() };
        let inventory = load_inventory(&[file]);
        assert!(!inventory.has_errors(), "{:#?}\n{text}", inventory.diagnostics);
        inventory
    });
    let world = inventory.as_ref().map(|inventory| &inventory.world);
    lint(&files, &loaded, world, &Levels::default())
}

/// How often the lint is found in the text.
#[track_caller]
fn check(lint: Lint, expected: usize, text: &str) {
    check_in(lint, expected, text, None);
}

#[track_caller]
fn check_in(lint: Lint, expected: usize, text: &str, inventory: Option<&str>) {
    let found = found(text, inventory);
    let shown: String = found.iter().map(|finding| format!("{}\n", finding.diagnostic)).collect();
    let count = found.iter().filter(|finding| finding.diagnostic.code.lint() == Some(lint)).count();
    assert_eq!(count, expected, "{lint}\n{text}\n{shown}");
    for finding in &found {
        assert!(!finding.diagnostic.file.is_empty(), "a finding without a place: {}", finding.diagnostic);
        assert_ne!(finding.diagnostic.severity, Severity::Error, "{}", finding.diagnostic);
    }
}
