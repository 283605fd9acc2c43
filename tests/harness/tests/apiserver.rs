//! The harness against a real API server.

use std::time::Duration;

use anyhow::Result;
use postern_tests_harness::apiserver::{ApiServer, Options};
use postern_tests_harness::eventually;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

/// A resource with two versions, which only a webhook that nobody runs could convert.
fn definition() -> Value {
    let version = |name: &str, storage: bool| {
        json!({
            "name": name, "served": true, "storage": storage,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "required": ["size"], "properties": {
                    "size": {"type": "integer", "minimum": 1},
                    "colour": {"type": "string", "default": "red"},
                }},
            }}},
        })
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [version("v1", true), version("v2", false)],
            "conversion": {"strategy": "Webhook", "webhook": {
                "conversionReviewVersions": ["v1"],
                "clientConfig": {"url": "https://127.0.0.1:1/convert"},
            }},
        },
    })
}

fn widget(name: &str, spec: &Value) -> String {
    let metadata = json!({"name": name, "namespace": "default"});
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, "spec": spec}).to_string()
}

fn define(server: &ApiServer) -> Result<()> {
    server.apply(&definition().to_string())?;
    let established = ["wait", "--for=condition=established", "crd/widgets.example.com"];
    server.kubectl_ok(&established, "").map(drop)
}

fn read(server: &ApiServer, name: &str) -> Result<Value> {
    let text = server.kubectl_ok(&["get", "widgets.v1.example.com", name, "-o", "json"], "")?;
    Ok(serde_json::from_str(&text)?)
}

/// Posts an object to a path of the API and gives the answer.
fn post(server: &ApiServer, path: &str, body: &Value) -> Result<Value> {
    let text = server.kubectl_ok(&["create", "--raw", path, "-f", "-"], &body.to_string())?;
    Ok(serde_json::from_str(&text)?)
}

#[test]
fn custom_resources_are_stored_checked_and_defaulted() {
    let server = ApiServer::start().unwrap();
    define(&server).unwrap();
    server.apply(&widget("one", &json!({"size": 3}))).unwrap();
    let spec = read(&server, "one").unwrap()["spec"].clone();
    assert_eq!(spec, json!({"size": 3, "colour": "red"}));
    let refused = server.apply(&widget("two", &json!({"size": 0}))).unwrap_err().to_string();
    assert!(refused.contains("spec.size"), "{refused}");
    // That the webhook is asked for shows that conversion is on.
    let output = server.kubectl(&["get", "widgets.v2.example.com", "one"]).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("conversion webhook"), "{error}");
}

#[test]
fn a_token_is_minted_and_reviewed() {
    let server = ApiServer::start().unwrap();
    server.kubectl_ok(&["create", "serviceaccount", "app"], "").unwrap();
    let path = "/api/v1/namespaces/default/serviceaccounts/app/token";
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"audiences": ["postern"], "expirationSeconds": 600},
    });
    let token = post(&server, path, &request).unwrap()["status"]["token"].as_str().unwrap().to_owned();
    let review = |audience: &str, token: &str| {
        let spec = json!({"token": token, "audiences": [audience]});
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec});
        post(&server, "/apis/authentication.k8s.io/v1/tokenreviews", &review).unwrap()["status"].clone()
    };
    let good = review("postern", &token);
    assert_eq!(good["authenticated"], true, "{good}");
    assert_eq!(good["user"]["username"], "system:serviceaccount:default:app", "{good}");
    let elsewhere = review("somebody-else", &token);
    assert_ne!(elsewhere["authenticated"], true, "{elsewhere}");
    let forged = review("postern", &format!("{token}x"));
    assert_ne!(forged["authenticated"], true, "{forged}");
}

#[test]
fn it_goes_away_and_comes_back_with_its_data() {
    // Another address of loopback stands for one of a network that a test has made.
    let options = Options { bind: [127, 0, 0, 77].into(), ..Options::default() };
    let mut server = ApiServer::start_with(&options).unwrap();
    assert!(server.url().starts_with("https://127.0.0.77:"), "{}", server.url());
    let keep = ["create", "configmap", "keep", "--from-literal=colour=blue"];
    server.kubectl_ok(&keep, "").unwrap();
    let colour = |server: &ApiServer, timeout: &str| -> Result<String> {
        let colour = ["get", "configmap", "keep", "-o", "jsonpath={.data.colour}", timeout];
        server.kubectl_ok(&colour, "")
    };

    server.pause().unwrap();
    let paused = colour(&server, "--request-timeout=1s").unwrap_err().to_string();
    assert!(paused.contains("imeout") || paused.contains("deadline"), "{paused}");
    server.resume().unwrap();
    let back = eventually(SOON, || colour(&server, "--request-timeout=5s")).unwrap();
    assert_eq!(back, "blue");

    server.stop();
    let stopped = colour(&server, "--request-timeout=5s").unwrap_err().to_string();
    assert!(stopped.contains("refused"), "{stopped}");
    assert!(server.pause().unwrap_err().to_string().contains("was stopped"));
    server.restart().unwrap();
    assert_eq!(colour(&server, "--request-timeout=5s").unwrap(), "blue");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let options = Options { args: vec!["--no-such-option".to_owned()], ..Options::default() };
    let error = format!("{:#}", ApiServer::start_with(&options).unwrap_err());
    assert!(error.contains("kube-apiserver ended") && error.contains("no-such-option"), "{error}");
}
