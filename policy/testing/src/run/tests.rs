use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::load_policies;
use postern_policy_lang::policy_test::load_policy_tests;
use postern_policy_lang::source::SourceFile;

use super::*;

const WORLD: &str = "
{apiVersion: postern.dev/v1alpha1, kind: Workload, metadata: {name: web, labels: {app: web}}, spec: {addresses: [10.0.0.1]}}
---
{apiVersion: postern.dev/v1alpha1, kind: Workload, metadata: {name: app, labels: {app: app}}, spec: {addresses: [10.0.0.2]}}
";
const POLICIES: &str = "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: app}}]
    toPorts:
    - ports: [{port: '80', protocol: TCP}]
      rules: {http: [{method: GET, path: /a}]}
    - ports: [{port: '81', protocol: TCP}]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: lock, annotations: {postern.dev/audit: 'true'}}
spec: {endpointSelector: {matchLabels: {app: web}}, ingressDeny: [{fromEndpoints: [{}], toPorts: [{ports: [{port: '81', protocol: TCP}]}]}]}
";

fn files(text: &str) -> [SourceFile; 1] {
    [SourceFile { name: "f.yaml".to_owned(), text: text.to_owned() }]
}

/// What becomes of a case with these fields.
fn run(fields: &str) -> CaseResult {
    let (loaded, inventory) = (load_policies(&files(POLICIES)), load_inventory(&files(WORLD)));
    assert!(!loaded.has_errors(), "{:#?}", loaded.diagnostics);
    let test = format!(
        "{{apiVersion: postern.dev/v1alpha1, kind: PolicyTest, policies: [p], inventory: [i], cases: [{{name: c, {fields}}}]}}"
    );
    let tests = load_policy_tests(&files(&test));
    assert_eq!(tests.diagnostics, [], "{fields}");
    Runner::new(&loaded.policies, &inventory.world).unwrap().run(&tests.tests[0].cases[0])
}

#[test]
fn a_case_holds_or_says_in_which_field_it_does_not() {
    const GET: &str = "http: {method: GET, path: /a}";
    const PUT: &str = "http: {method: PUT, path: /a}";
    let check = |fields: &str, failing: &[&str]| {
        let result = run(&format!("from: app, to: web, {fields}"));
        let found: Vec<&str> = match &result.outcome {
            Outcome::Passed => Vec::new(),
            Outcome::Failed(mismatches) => mismatches.iter().map(|mismatch| mismatch.field).collect(),
            Outcome::Error(why) => panic!("{fields}: {why}"),
        };
        assert_eq!(found, failing, "{fields}: {result:?}");
    };
    check(&format!("port: 80, {GET}, expect: allow, reason: allowed-by-rule"), &[]);
    check(&format!("port: 80, {GET}, expect: deny"), &["expect"]);
    check(&format!("port: 80, {PUT}, expect: deny, rule: none, reason: no-match"), &[]);
    check(&format!("port: 80, {PUT}, expect: deny, rule: cnp/default/web"), &["rule"]);
    check(&format!("port: 80, {GET}, expect: allow, rule: cnp/default/web/ingress/0/toPorts/0"), &[]);
    check(&format!("port: 80, {GET}, expect: allow, rule: cnp/default/web/ingress/0/toPorts/1"), &["rule"]);
    check(&format!("port: 80, {GET}, expect: allow, rule: none"), &["rule"]);
    // A connection that goes to the proxy is let through.
    check("port: 80, expect: allow, reason: http-rules", &[]);
    check("port: 80, expect: redirect", &[]);
    check("port: 81, expect: redirect", &["expect"]);
    // An audited policy decides nothing but what `audit` asks.
    check("port: 81, expect: allow, audit: deny", &[]);
    check("port: 81, expect: deny, audit: allow", &["expect", "audit"]);
    check("port: 80, expect: allow, audit: allow", &[]);
    check(
        "port: 82, expect: allow, rule: cnp/x, reason: not-enforced, audit: allow",
        &["expect", "rule", "reason", "audit"],
    );
}

#[test]
fn a_rule_that_is_not_there_is_told_from_one_that_did_not_decide() {
    let expected = |rule: &str| match run(&format!(
        "from: app, to: web, port: 82, expect: deny, rule: {rule}"
    ))
    .outcome
    {
        Outcome::Failed(mismatches) => mismatches[0].expected.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(expected("cnp/default/web"), "cnp/default/web");
    assert_eq!(expected("cnp/default/wep"), "cnp/default/wep (the policies have no such rule)");
}

#[test]
fn what_cannot_be_asked_is_an_error_not_a_failure() {
    for (fields, why) in [
        ("from: ap, to: web, port: 80, expect: deny", "no workload default/ap"),
        ("from: app, to: web, port: http, expect: deny", "no TCP port called \"http\""),
    ] {
        match run(fields).outcome {
            Outcome::Error(found) => assert!(found.contains(why), "{found}"),
            other => panic!("{fields}: {other:?}"),
        }
    }
}

#[test]
fn the_rules_that_decide_are_told_audited_ones_too() {
    let decided = |fields: &str| -> Vec<String> {
        run(&format!("from: app, to: web, {fields}, expect: allow"))
            .decided
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(decided("port: 82"), Vec::<String>::new());
    assert_eq!(
        decided("port: 81"),
        ["cnp/default/web/ingress/0/toPorts/1", "cnp/default/lock/ingressDeny/0/toPorts/0"]
    );
}
