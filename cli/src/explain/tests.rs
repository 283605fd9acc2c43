//! What is printed of path profiles, for people and for machines.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use postern_policy_core::explain::{Explanation, explain};
use postern_policy_core::http::Request;
use postern_policy_core::port::Protocol;
use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;
use serde_json::{Value, json};

use super::*;

const POLICY: &str = "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
  - toPorts:
    - ports: [{port: '80', protocol: TCP}]
      rules: {http: [{path: '/api/.*'}]}
";

fn file(text: &str) -> SourceFile {
    SourceFile { name: "test.yaml".to_owned(), text: text.to_owned() }
}

/// What is said of a request from `web` to `api`, whose paths are read so.
fn asked(profile: &str, path: &str) -> (Explanation, String) {
    let workload = |name: &str, address: &str, annotations: &str| {
        format!(
            "{{apiVersion: postern.dev/v1alpha1, kind: Workload, metadata: {{name: {name}, namespace: shop, \
             labels: {{app: {name}}}, annotations: {{{annotations}}}}}, spec: {{addresses: [{address}]}}}}"
        )
    };
    let annotation = match profile {
        "" => String::new(),
        profile => format!("postern.dev/path-profile: '80={profile}'"),
    };
    let inventory =
        [workload("web", "10.0.0.1", ""), workload("api", "10.0.0.2", &annotation)].join("\n---\n");
    let inventory = load_inventory(&[file(&inventory)]);
    assert!(inventory.diagnostics.is_empty(), "{:?}", inventory.diagnostics);
    let policies = load_policies(&[file(POLICY)]).policies;
    let request = Request { method: Some(b"GET"), path: Some(path.as_bytes()), ..Request::default() };
    let question = Question {
        from: End::parse("shop/web"),
        to: End::parse("shop/api"),
        protocol: Protocol::Tcp,
        port: PortRef::Number(80),
        request: Some(request),
    };
    let explanation = explain(&policies, &inventory.world, &question).unwrap();
    let text = human::answer(&explanation, &question, Some(&format!("GET {path}")), Style::plain());
    (explanation, text)
}

/// The text behind the last rule.
fn check(profile: &str, path: &str, expected: &str) {
    let (_, text) = asked(profile, path);
    let (_, ingress) = text.split_once("\ningress of shop/api: ").unwrap();
    let readings: Vec<&str> = ingress.lines().skip(3).collect();
    assert_eq!(readings.join("\n"), expected, "{profile} {path}\n{text}");
}

#[test]
fn each_reading_is_told_to_people() {
    const RULE: &str = "cnp/shop/api/ingress/0/toPorts/0/http/0";
    check("", "/api/orders", "");
    check("envoy", "/api/orders", "  path profile envoy: the path has one reading");
    check("raw", "/api/../admin", "  path profile raw: the path has one reading");
    check(
        "",
        "/api/%00",
        "  path profile strict: how servers read this path cannot be gone through: it has an encoded zero byte",
    );
    let expected = format!(
        "  path profile envoy: servers may read the path in 2 ways
    ✓ /api/../admin
        allowed by {RULE}
    ✗ /admin  ← not allowed
        no rule matches; nearest: rule {RULE}: path /admin does not match /api/.*"
    );
    check("envoy", "/api/../admin", &expected);
}

#[test]
fn the_whole_answer_names_what_decided() {
    let (_, text) = asked("", "/api/x;v=1");
    assert!(text.starts_with("allow (L7)  shop/web → shop/api  80/TCP  GET /api/x;v=1\n"), "{text}");
    assert!(text.contains("\n  path profile strict: servers may read the path in 2 ways\n"), "{text}");
    let (_, text) = asked("", "/api/..;/admin");
    assert!(text.contains("ambiguous path: servers may read it as "), "{text}");
}

#[test]
fn each_reading_is_told_to_machines() {
    let paths = |profile: &str, path: &str| -> Value {
        let (explanation, _) = asked(profile, path);
        let answer = serde_json::to_value(json::answer(&explanation)).unwrap();
        assert_eq!(answer["sides"][0]["paths"], Value::Null, "{answer}");
        answer["sides"][1]["paths"].clone()
    };
    let rule = "cnp/shop/api/ingress/0/toPorts/0/http/0";
    let allowed = |path: &str| json!({"path": path, "verdict": "allow", "rule": rule, "reason": format!("allowed by {rule}")});
    let expected = json!({"profile": "strict", "readings": [allowed("/api/orders")], "unreadable": null});
    assert_eq!(paths("", "/api/orders"), expected);
    let denied = json!({
        "path": "/admin",
        "verdict": "deny",
        "rule": null,
        "reason": format!("no rule matches; nearest: rule {rule}: path /admin does not match /api/.*"),
    });
    let expected =
        json!({"profile": "envoy", "readings": [allowed("/api/../admin"), denied], "unreadable": null});
    assert_eq!(paths("envoy", "/api/../admin"), expected);
    let unreadable = paths("strict", "/api/%00");
    assert_eq!(unreadable["unreadable"], "it has an encoded zero byte", "{unreadable}");
}
