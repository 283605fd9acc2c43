//! What is generated and committed is what the code generates now.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use postern_tests_e2e::postern::postern;

/// Compares a file of the repository, or rewrites it where POSTERN_UPDATE is set.
fn check(file: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    if std::env::var_os("POSTERN_UPDATE").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    let how = "run `POSTERN_UPDATE=1 cargo xtask test --only e2e` and commit it";
    assert!(published == generated, "{file} is stale: {how}");
}

#[test]
fn the_schema_of_the_bundle() {
    let schema = serde_json::to_string_pretty(&postern_policy_wire::schema()).unwrap() + "\n";
    check("docs/reference/bundle.schema.json", &schema);
}

#[test]
fn the_tutorial_for_envoy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let file = |name: &str| root.join("deploy/tutorial").join(name).to_string_lossy().into_owned();
    let ran = postern([
        "bundle",
        "--policy",
        &file("policy.yaml"),
        "--inventory",
        &file("inventory.yaml"),
        "--workload",
        "default/app1",
        "--port",
        "80",
        "--for",
        "envoy",
        "--listen",
        "127.0.10.1:8080",
        "--upstream",
        "127.0.0.1:9000",
        "--module",
        "postern.wasm",
    ]);
    let ran = ran.unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    check("deploy/envoy/tutorial.yaml", &ran.stdout);
}
