use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;

use super::*;

/// The rules of a policy that nobody has decided, after `decided` were.
fn undecided(spec: &str, version: &str, decided: &[&str]) -> (usize, Vec<String>) {
    let text = format!(
        "{{apiVersion: cilium.io/{version}, kind: CiliumNetworkPolicy, metadata: {{name: p}}, spec: {{endpointSelector: {{}}, {spec}}}}}"
    );
    let loaded = load_policies(&[SourceFile { name: "p.yaml".to_owned(), text }]);
    assert!(!loaded.has_errors(), "{:#?}", loaded.diagnostics);
    let mut coverage = Coverage::default();
    coverage.add(&loaded.policies, &loaded.places);
    let decided: Vec<RuleId> =
        decided.iter().map(|rule| RuleId::new(format!("cnp/default/p/{rule}"))).collect();
    coverage.decided(&decided, &loaded.places);
    let report = coverage.report();
    let name = |rule: &Undecided| rule.rule.as_str().trim_start_matches("cnp/default/p/").to_owned();
    (report.rules, report.undecided.iter().map(name).collect())
}

#[test]
fn a_rule_is_the_smallest_thing_that_decides() {
    let check = |spec: &str, decided: &[&str], rules: usize, expected: &[&str]| {
        let (found, left) = undecided(spec, "v2", decided);
        assert_eq!(
            (found, left),
            (rules, expected.iter().map(|rule| (*rule).to_owned()).collect()),
            "{spec}"
        );
    };
    let ports = "toPorts: [{ports: [{port: '1', protocol: TCP}]}]";
    let http =
        "toPorts: [{ports: [{port: '1', protocol: TCP}], rules: {http: [{method: GET}, {method: PUT}]}}]";
    check("ingress: [{fromEndpoints: [{}]}]", &[], 1, &["ingress/0"]);
    check(&format!("ingress: [{{{ports}}}]"), &[], 1, &["ingress/0/toPorts/0"]);
    check(
        &format!("ingress: [{{{http}}}]"),
        &[],
        2,
        &["ingress/0/toPorts/0/http/0", "ingress/0/toPorts/0/http/1"],
    );
    check(
        &format!("ingress: [{{{http}}}]"),
        &["ingress/0/toPorts/0/http/1"],
        2,
        &["ingress/0/toPorts/0/http/0"],
    );
    // That a connection goes to the proxy decides none of its requests.
    check(
        &format!("ingress: [{{{http}}}]"),
        &["ingress/0/toPorts/0"],
        2,
        &["ingress/0/toPorts/0/http/0", "ingress/0/toPorts/0/http/1"],
    );
    check(
        "ingressDeny: [{fromEndpoints: [{}]}], egress: [{toEndpoints: [{}]}]",
        &["ingressDeny/0"],
        2,
        &["egress/0"],
    );
    // An item that says nothing only turns default deny on.
    check("ingress: [{}]", &[], 0, &[]);
}

#[test]
fn legacy_peers_hang_on_the_ports() {
    let spec = "ingress: [{fromEndpoints: [{}]}, {toPorts: [{ports: [{port: '1'}]}]}]";
    assert_eq!(undecided(spec, "v1", &[]), (1, vec!["ingress/1/toPorts/0".to_owned()]));
    let spec = "ingress: [{fromEndpoints: [{}]}]";
    assert_eq!(undecided(spec, "v1", &[]), (1, vec!["ingress/0".to_owned()]));
}

#[test]
fn a_share_is_never_rounded_up() {
    let report = |rules: usize, undecided: usize| {
        let place = Location {
            file: String::new(),
            span: postern_policy_lang::source::Span {
                start: 0,
                end: 0,
                place: postern_policy_lang::source::Place { line: 1, column: 1 },
            },
            field: String::new(),
        };
        let rule = Undecided { rule: RuleId::new("r"), place, quarantined: None };
        CoverageReport { rules, undecided: vec![rule; undecided] }.per_mille()
    };
    assert_eq!((report(0, 0), report(3, 1), report(1000, 1), report(10_000, 1)), (1000, 666, 999, 999));
}
