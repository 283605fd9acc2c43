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
    compare_read((old, ""), (new, ""))
}

/// The same, with the path profiles of `api` on each side.
fn compare_read(old: (&str, &str), new: (&str, &str)) -> Report {
    let sides = [old, new].map(|(text, profiles)| {
        let annotation = format!("name: api, annotations: {{postern.dev/path-profile: '{profiles}'}}");
        let inventory = match profiles {
            "" => INVENTORY.to_owned(),
            _ => INVENTORY.replace("name: api", &annotation),
        };
        let inventory = load_inventory(&[file(&inventory)]);
        assert!(inventory.diagnostics.is_empty(), "{:?}", inventory.diagnostics);
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

/// What a change of the path profiles of `api` changes, with the same rules on both sides.
fn check_read(rules: &str, old: &str, new: &str, expected: &[&str]) {
    let policy = http(rules);
    let report = compare_read((&policy, old), (&policy, new));
    assert_eq!(lines(&report), expected, "{rules} {old} {new}\n{report:#?}");
    for change in &report.changes {
        let profiles = |said: &[postern_policy_diff::report::Said]| said.last().unwrap().profile;
        assert_ne!(profiles(&change.witness.old), profiles(&change.witness.new), "{change:#?}");
    }
    let back = compare_read((&policy, new), (&policy, old));
    let turned: Vec<String> = expected.iter().map(|line| line.replacen('+', "-", 1)).collect();
    assert_eq!(lines(&back), turned, "{rules} {new} {old}\n{back:#?}");
}

#[test]
fn a_change_of_a_path_profile_is_shown_by_a_path_that_is_read_in_several_ways() {
    for (rules, old, new, expected) in [
        ("[{path: '/api/.*'}]", "", "80=envoy", "/api/..;"),
        ("[{path: '/api/.*'}]", "", "80=raw", "/api/..;"),
        ("[{path: '/api/.*'}]", "80=envoy", "80=raw", "/api/.."),
        ("[{path: '/users/[^/]+/cart'}]", "", "80-90=envoy", "/users/..;/cart"),
        ("[{path: '/users/[^/]+'}]", "80=strict", "80=raw", "/users/..;"),
        // Whoever asks for no path refuses a target that names a host, but where paths are not read at all.
        ("[{method: GET}]", "", "80=raw", "a://a"),
    ] {
        let expected = format!("+ shop/web > shop/api TCP 80 GET {expected}");
        check_read(rules, old, new, &[&expected]);
    }
}

#[test]
fn a_path_profile_changes_nothing_where_every_path_that_matches_has_one_reading() {
    for rules in [
        "[{path: /public}]",
        "[{path: '/v[0-9]+/[a-z]+', method: GET}, {path: /a/b}]",
        // Text in another alphabet, and what is encoded in a query.
        "[{path: '/%e4%b8%ad'}, {path: '/a\\?next=//b/%2e%2e'}]",
        "[]",
    ] {
        for (old, new) in [("", "80=envoy"), ("80=envoy", "80=raw"), ("", "80=raw")] {
            check_read(rules, old, new, &[]);
        }
    }
    // Nor where no rule asks for a path, unless targets in absolute form are refused.
    check_read("[{method: GET}]", "", "80=envoy", &[]);
    // Nor on a port that nobody looks into, or of which no rule speaks.
    check_read("[{path: '/.*'}]", "", "81=raw", &[]);
    for policy in [ingress("[{fromEndpoints: [{}]}]"), ingress("[{}]")] {
        let report = compare_read((&policy, ""), (&policy, "80=raw"));
        assert!(report.is_unchanged(), "{policy} {report:#?}");
    }
}

#[test]
fn rules_and_profiles_that_change_together_are_told_apart() {
    let (old, new) = (http("[{path: '/a/.*'}]"), http("[{path: '/.*'}]"));
    let report = compare_read((&old, ""), (&new, "80=raw"));
    assert_eq!(
        lines(&report),
        ["+ shop/web > shop/api TCP 80 GET /", "+ shop/web > shop/api TCP 80 GET /..;"],
        "{report:#?}"
    );
    // What the rules no longer match is lost, though its paths are read less strictly.
    let report = compare_read((&new, ""), (&old, "80=raw"));
    assert_eq!(
        lines(&report),
        ["+ shop/web > shop/api TCP 80 GET /a/%c0", "- shop/web > shop/api TCP 80 GET /"],
        "{report:#?}"
    );
}

#[test]
fn a_port_that_comes_to_be_looked_into_refuses_targets_that_name_a_host() {
    let item = |http: &str| {
        format!(
            "[{{toPorts: [{{ports: [{{port: '80', protocol: TCP}}]}}]}}, {{toPorts: [{{ports: [{{port: '80', protocol: TCP}}], rules: {{http: {http}}}}}]}}]"
        )
    };
    let plain = ingress("[{toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]");
    let report = compare(&plain, &ingress(&item("[{path: /a}]")));
    let all = "bank/job,shop/web,world (IPv4)";
    assert_eq!(lines(&report), [format!("- {all} > shop/api TCP 80 GET a://a")], "{report:#?}");
    // Which rules there are is all the same.
    check(&ingress(&item("[{path: /a}]")), &ingress(&item("[{path: '/.*'}, {method: PUT}]")), &[]);
    // Nobody looks into it with `raw`.
    let report = compare_read((&plain, "80=raw"), (&ingress(&item("[{path: /a}]")), "80=raw"));
    assert!(report.is_unchanged(), "{report:#?}");
}

#[test]
fn a_rule_for_paths_that_have_several_readings_only_allows_nothing() {
    // Paths that end in a dot are read without it.
    let report = compare(&http("[{path: /a}]"), &http("[{path: /a}, {path: '/b\\.'}]"));
    assert!(report.changes.is_empty(), "{report:#?}");
    assert_eq!(report.undecided.len(), 1, "{report:#?}");
    assert!(report.undecided[0].why.to_string().contains("such as /b."), "{report:#?}");
}
