//! What is said of the edits that people make.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use postern_policy_diff::report::{Effect, End, Report, What};
use postern_policy_diff::{Side, diff};
use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;

const INVENTORY: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: red}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: bank, labels: {team: blue}}}
---
{apiVersion: postern.dev/v1alpha1, kind: Workload, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {addresses: [10.0.0.1]}}
---
{apiVersion: postern.dev/v1alpha1, kind: Workload, metadata: {name: api, namespace: shop, labels: {app: api}}, spec: {addresses: [10.0.0.2]}}
---
{apiVersion: postern.dev/v1alpha1, kind: Workload, metadata: {name: job, namespace: bank, labels: {app: job}}, spec: {addresses: [10.0.0.3]}}
";

fn file(text: &str) -> SourceFile {
    SourceFile { name: "test.yaml".to_owned(), text: text.to_owned() }
}

fn compare(old: &str, new: &str) -> Report {
    let inventory = load_inventory(&[file(INVENTORY)]);
    assert!(!inventory.has_errors(), "{:?}", inventory.diagnostics);
    let sides = [old, new].map(|text| {
        let loaded = load_policies(&[file(text)]);
        assert!(!loaded.has_errors(), "{text}\n{:?}", loaded.diagnostics);
        let mut world = inventory.world.clone();
        for group in loaded.cidr_groups {
            world.add_cidr_group(group).unwrap();
        }
        (loaded.policies, world)
    });
    let [old, new] = sides.each_ref().map(|(policies, world)| Side { policies, world });
    diff(old, new).unwrap()
}

/// Each change on a line: sign, from, to, ports, what.
fn lines(report: &Report) -> Vec<String> {
    assert!(report.undecided.is_empty(), "{report:#?}");
    let names = |ends: &[End]| ends.iter().map(End::to_string).collect::<Vec<_>>().join(",");
    let mut lines = Vec::new();
    for change in &report.changes {
        let sign = if change.effect == Effect::Gained { "+" } else { "-" };
        let what = match &change.what {
            What::Everything => "everything".to_owned(),
            What::NotHttp => "not HTTP".to_owned(),
            What::Requests { sample, .. } => {
                let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
                let mut what = format!(
                    "{} {}",
                    text(&sample.method),
                    sample.path.as_deref().map_or("-".to_owned(), text)
                );
                what += &sample.host.as_deref().map_or(String::new(), |host| format!(" host={}", text(host)));
                for (name, value) in &sample.headers {
                    what += &format!(" {name}={}", text(value));
                }
                what
            }
        };
        let ports = match change.ports.len() {
            12 => "all".to_owned(),
            _ => change.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        };
        for between in &change.between {
            lines.push(format!("{sign} {} > {} {ports} {what}", names(&between.from), names(&between.to)));
        }
    }
    lines
}

fn check(old: &str, new: &str, expected: &[&str]) {
    let report = compare(old, new);
    assert_eq!(lines(&report), expected, "{old}\n{new}\n{report:#?}");
    // The other way round everything is the other way round.
    let back: Vec<String> = lines(&compare(new, old));
    let mut turned: Vec<String> = expected
        .iter()
        .map(|line| {
            if let Some(rest) = line.strip_prefix('+') {
                format!("-{rest}")
            } else {
                line.replacen('-', "+", 1)
            }
        })
        .collect();
    let mut back = back;
    back.sort();
    turned.sort();
    assert_eq!(back, turned, "{old}\n{new}");
}

/// A policy for `api` with these rules of HTTP for `web`.
fn http(rules: &str) -> String {
    ingress(&format!(
        "[{{fromEndpoints: [{{matchLabels: {{app: web}}}}], toPorts: [{{ports: [{{port: '80', protocol: TCP}}], rules: {{http: {rules}}}}}]}}]"
    ))
}

fn ingress(items: &str) -> String {
    cnp(&format!("ingress: {items}"))
}

fn cnp(sections: &str) -> String {
    format!(
        "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p, namespace: shop}}, \
         spec: {{endpointSelector: {{matchLabels: {{app: api}}}}, {sections}}}}}"
    )
}

#[test]
fn http_rules() {
    for (old, new, expected) in [
        (
            "[{method: GET, path: /public}]",
            "[{method: GET, path: /public}, {method: GET, path: /private}]",
            &["+ shop/web > shop/api TCP 80 GET /private"][..],
        ),
        (
            "[{method: GET, path: /public}]",
            "[{method: GET, path: '/public.*'}]",
            &["+ shop/web > shop/api TCP 80 GET /publica"],
        ),
        ("[{path: /a}, {path: /b}]", "[{path: '/(a|b)'}]", &[]),
        ("[{path: /v1/x}]", "[{path: '/v./x'}]", &["+ shop/web > shop/api TCP 80 GET /va/x"]),
        ("[{method: 'GET|HEAD'}]", "[{method: GET}, {method: HEAD}]", &[]),
        ("[{method: GET}]", "[{method: 'GET|PURGE'}]", &["+ shop/web > shop/api TCP 80 PURGE /"]),
        (
            "[{path: /a, host: example.com}]",
            "[{path: /a}]",
            &["+ shop/web > shop/api TCP 80 GET /a host=example.org"],
        ),
        (
            "[{path: /a, headers: ['x-role: admin']}]",
            "[{path: /a, headers: [x-role]}]",
            &["+ shop/web > shop/api TCP 80 GET /a x-role=other"],
        ),
        ("[{path: /a, headers: [x-role]}]", "[{path: /a}]", &["+ shop/web > shop/api TCP 80 GET /a"]),
        ("[{path: /a, headers: [x-role]}, {path: /a}]", "[{path: /a}]", &[]),
        (
            "[{method: CONNECT}]",
            "[{method: CONNECT, path: '.*'}]",
            &["- shop/web > shop/api TCP 80 CONNECT -"],
        ),
        // Without a path in the rule, a path that cannot be read is let through.
        ("[{method: GET}]", "[{method: GET, path: '/.*'}]", &["- shop/web > shop/api TCP 80 GET /%00"]),
        ("[{method: GET, path: /a}]", "[{method: GET, path: '/[a]'}]", &[]),
    ] {
        check(&http(old), &http(new), expected);
    }
}

#[test]
fn peers_and_ports() {
    let from = |what: &str| ingress(&format!("[{{{what}}}]"));
    let web = "fromEndpoints: [{matchLabels: {app: web}}]";
    for (old, new, expected) in [
        // A namespace label that only one namespace has.
        (
            from(web),
            ingress(&format!(
                "[{{{web}}}, {{fromEndpoints: [{{matchLabels: {{'k8s:io.cilium.k8s.namespace.labels.team': blue}}}}]}}]"
            )),
            &["+ bank/job > shop/api all everything"][..],
        ),
        // An exception goes.
        (
            from("fromCIDRSet: [{cidr: 192.0.0.0/8, except: [192.168.0.0/16]}]"),
            from("fromCIDRSet: [{cidr: 192.0.0.0/8}]"),
            &["+ 192.168.0.0/16 > shop/api all everything"],
        ),
        (from("fromCIDR: [192.0.0.0/8]"), from("fromCIDRSet: [{cidr: 192.0.0.0/8}]"), &[]),
        // A prefix that is written in two halves.
        (from("fromCIDR: [192.0.0.0/9, 192.128.0.0/9]"), from("fromCIDR: [192.0.0.0/8]"), &[]),
        // A port range is cut.
        (
            from(&format!("{web}, toPorts: [{{ports: [{{port: '1000', endPort: 2000, protocol: TCP}}]}}]")),
            from(&format!("{web}, toPorts: [{{ports: [{{port: '1000', endPort: 1500, protocol: TCP}}]}}]")),
            &["- shop/web > shop/api TCP 1501-2000 everything"],
        ),
        // HTTP rules instead of a plain allowance.
        (
            from(&format!("{web}, toPorts: [{{ports: [{{port: '80', protocol: TCP}}]}}]")),
            http("[{path: /a}]"),
            &["- shop/web > shop/api TCP 80 not HTTP", "- shop/web > shop/api TCP 80 GET /"],
        ),
        // A denial goes.
        (
            cnp(&format!(
                "ingress: [{{{web}}}], ingressDeny: [{{toPorts: [{{ports: [{{port: '22', protocol: TCP}}]}}]}}]"
            )),
            from(web),
            &["+ shop/web > shop/api TCP 22 everything"],
        ),
    ] {
        check(&old, &new, expected);
    }
}

/// The egress policy of the one end and the ingress policy of the other must both let pass.
#[test]
fn both_ends() {
    let closed = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: q, namespace: shop}, spec: {endpointSelector: {matchLabels: {app: web}}, egress: [{}]}}";
    let open = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: q, namespace: shop}, spec: {endpointSelector: {matchLabels: {app: web}}, egress: [{toEntities: [all]}]}}";
    let (narrow, wide) = (http("[{path: /a}]"), http("[{path: '/[ab]'}]"));
    let both = |one: &str, two: &str| format!("{one}\n---\n{two}");
    check(&both(&narrow, closed), &both(&wide, closed), &[]);
    check(&both(&narrow, open), &both(&wide, open), &["+ shop/web > shop/api TCP 80 GET /b"]);
}

#[test]
fn a_group_that_changes_beside_its_policy() {
    let policy = ingress("[{fromCIDRSet: [{cidrGroupRef: g}]}]");
    let with = |prefixes: &str| {
        format!(
            "{policy}\n---\n{{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {{name: g}}, spec: {{externalCIDRs: [{prefixes}]}}}}"
        )
    };
    check(
        &with("198.51.0.0/16"),
        &with("198.51.0.0/16, 198.18.0.0/15"),
        &["+ 198.18.0.0/15 > shop/api all everything"],
    );
}

#[test]
fn what_only_ambiguous_paths_tell_apart_is_undecided() {
    let report = compare(&http("[{path: /a}]"), &http("[{path: /a}, {path: '/a/\\.\\./b'}]"));
    assert!(report.changes.is_empty() && report.undecided.len() == 1, "{report:#?}");
    assert!(report.undecided[0].why.to_string().contains("/a/../b"), "{report:#?}");
    assert!(!report.is_unchanged());
}

/// Each is one of a hundred expressions that have to be told apart by many states.
#[test]
fn what_costs_too_much_is_undecided() {
    let rules = |from: usize| {
        let rules: Vec<String> = (from..from + 24).map(|n| format!("{{path: '/.*{n}.*{n}.*'}}")).collect();
        format!("[{}]", rules.join(", "))
    };
    let report = compare(&http(&rules(10)), &http(&rules(10).replace(".*'}", "[^q]*.*'}")));
    assert!(!report.undecided.is_empty() || report.is_unchanged(), "{report:#?}");
}
