//! The tutorial in network namespaces, as `postern demo --netns` tells it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::process::Command;

use postern_tests_harness::programs;
use serde_json::Value;

#[test]
fn the_tutorial_goes_as_it_says_and_leaves_nothing_behind() {
    let before = namespaces();
    let output =
        Command::new(programs::postern().unwrap()).args(["demo", "--netns", "-o", "json"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let told: Value = serde_json::from_slice(&output.stdout).expect(&errors);
    assert_eq!(told["ok"], true, "{told:#}\n{errors}");
    let requests = told["requests"].as_array().unwrap();
    let last: Vec<&str> =
        requests.iter().filter(|it| it["step"] == "after").map(|it| it["got"].as_str().unwrap()).collect();
    assert_eq!(last, ["200 { 'val': 'this is public' }", "403 Access denied", "nothing", "nothing"]);
    assert_eq!(namespaces().into_iter().filter(|name| !before.contains(name)).collect::<Vec<_>>(), [""; 0]);
}

/// The demo's namespaces on this machine; other tests have others.
fn namespaces() -> Vec<String> {
    let output = Command::new("ip").args(["netns", "list"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| line.starts_with("postern-demo-")).map(str::to_owned).collect()
}
