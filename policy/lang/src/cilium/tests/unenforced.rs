//! What no data plane enforces yet: it is read, checked, and named with the reason.

use postern_policy_core::http::HttpMatcher;
use postern_policy_core::policy::{PeerSelector, PortSelector};

use super::reads;

/// The quarantined rules of an egress item: the end of the name, and why.
fn check(item: &str, expected: &[(&str, &str)]) {
    let policy = reads(&format!("egress: [{{{item}}}]"));
    let found = policy.quarantined();
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(id, why)| (id.as_str().trim_start_matches("cnp/default/p/egress/0"), &**why))
        .collect();
    assert_eq!(found, expected, "{item}");
}

#[test]
fn items() {
    check("toFQDNs: [{matchName: a.b}, {matchPattern: '**.b'}]", &[("", "toFQDNs is not enforced yet")]);
    check(
        "toGroups: [{aws: {labels: {a: b}, securityGroupsIds: [x], securityGroupsNames: [y], region: z}}]",
        &[("", "toGroups is not enforced yet")],
    );
    for mode in ["required", "test-always-fail"] {
        check(&format!("authentication: {{mode: {mode}}}"), &[("", "authentication is not enforced yet")]);
    }
    check("authentication: {mode: disabled}", &[]);
}

#[test]
fn entries_of_to_ports() {
    let on = |fields: &str| {
        format!(
            "toPorts: [{{ports: [{{port: '443', protocol: TCP}}]}}, {{ports: [{{port: '444', protocol: TCP}}], {fields}}}]"
        )
    };
    let rule = "/toPorts/1";
    check(&on("serverNames: [a.b, '*.c', '**.d']"), &[(rule, "serverNames is not enforced yet")]);
    check(&on("rules: {dns: [{matchName: a.b}]}"), &[(rule, "rules.dns is not enforced yet")]);
    check(&on("rules: {dns: []}"), &[(rule, "rules.dns is not enforced yet")]);
    let tls = "secret: {namespace: n, name: s}, trustedCA: ca, certificate: c, privateKey: k";
    check(
        &on(&format!(
            "terminatingTLS: {{{tls}}}, originatingTLS: {{{tls}}}, serverNames: [a], rules: {{http: [{{}}]}}"
        )),
        &[(rule, "terminatingTLS, originatingTLS and serverNames are not enforced yet")],
    );
    check(
        &on("listener: {envoyConfig: {kind: CiliumEnvoyConfig, name: c}, name: l, priority: 100}"),
        &[(rule, "listener is not enforced yet")],
    );
}

#[test]
fn header_rules() {
    let http = |matches: &str| {
        format!(
            "toPorts: [{{ports: [{{port: '80', protocol: TCP}}], rules: {{http: [{{path: /a}}, {{headerMatches: [{matches}]}}]}}}}]"
        )
    };
    let rule = "/toPorts/0/http/1";
    for mismatch in ["ADD", "DELETE", "REPLACE"] {
        let why = format!("headerMatches with mismatch {mismatch} is not enforced yet");
        check(&http(&format!("{{name: X, value: v, mismatch: {mismatch}}}")), &[(rule, why.as_str())]);
    }
    let why = "headerMatches with a secret is not enforced yet";
    check(&http("{name: X, secret: {name: s}}"), &[(rule, why)]);
    check(&http("{name: X, mismatch: LOG, secret: {namespace: n, name: s}}"), &[(rule, why)]);
    check(&http("{name: X}, {name: Y, value: v, mismatch: FAIL}, {name: Z, value: v, mismatch: LOG}"), &[]);
}

#[test]
fn what_a_header_must_be() {
    let policy = reads(
        "ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{headers: [A a], headerMatches: [{name: B}, {name: C, value: c}, {name: D, mismatch: LOG}]}]}}]}]",
    );
    let PortSelector::AnyOf(rules) = &policy.ingress.items[0].ports else { panic!("{policy:?}") };
    let HttpMatcher::Active(matched) = &rules[0].http.as_ref().unwrap()[0].matcher else {
        panic!("{rules:?}")
    };
    let headers: Vec<String> = matched.headers.iter().map(ToString::to_string).collect();
    assert_eq!(headers, ["A: a", "B", "C: c"]);
}

/// A rule that is not enforced never means anyone: what it says of peers stays.
#[test]
fn peers_are_kept() {
    let policy = reads("ingress: [{fromEndpoints: [{}], authentication: {mode: required}}]");
    assert!(matches!(&policy.ingress.items[0].peers, PeerSelector::AnyOf(terms) if terms.len() == 1));
}
