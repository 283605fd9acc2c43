//! `postern diff` as a user types it: what is printed, and the exit codes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;

use postern_tests_e2e::postern::{Ran, postern};
use postern_tests_e2e::tutorial::{INVENTORY, POLICY_V2};
use serde_json::Value;
use tempfile::TempDir;

/// The tutorial's policy with one edit, in a folder of its own.
fn edited(from: &str, to: &str) -> (TempDir, String) {
    let text = fs::read_to_string(POLICY_V2).unwrap();
    assert!(text.contains(from), "{text}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("new.yaml");
    fs::write(&file, text.replacen(from, to, 1)).unwrap();
    let name = file.to_str().unwrap().to_owned();
    (dir, name)
}

fn run(code: i32, args: &[&str]) -> Ran {
    let ran = postern(args).unwrap();
    assert_eq!(ran.code, Some(code), "{args:?}: {ran:#?}");
    assert!(ran.is_presentable(), "{args:?}: {ran:#?}");
    ran
}

fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

#[test]
fn a_widened_path_is_shown_by_a_request() {
    let (_dir, new) = edited("path: /public", "path: /(public|private)");
    let base = ["diff", POLICY_V2, &new, "--inventory", INVENTORY];
    let ran = run(1, &base);
    contains(
        &ran.stdout,
        &[
            "+ default/app2 → default/app1  TCP 80: GET /private\n",
            "was ingress: no rule matches; nearest: rule ",
            "now ingress: allowed by ",
            "1 gained, 0 lost: ",
        ],
    );
    let json: Value = serde_json::from_str(&run(1, &[&base[..], &["-o", "json"]].concat()).stdout).unwrap();
    assert_eq!((&json["unchanged"], &json["gained"], &json["lost"]), (&false.into(), &1.into(), &0.into()));
    let change = &json["changes"][0];
    assert_eq!(change["effect"], "gained");
    assert_eq!(change["witness"]["request"]["path"], "/private");
    assert_eq!(change["between"][0]["from"][0]["name"], "default/app2");
    assert_eq!(change["witness"]["new"][0]["passes"], true);
    for (options, code) in [
        (&["--fail-on", "gained"][..], 1),
        (&["--fail-on", "lost"], 0),
        (&["--only", "lost"], 0),
        (&["--only", "gained"], 1),
    ] {
        run(code, &[&base[..], options].concat());
    }
    contains(&run(0, &[&base[..], &["--only", "lost"]].concat()).stdout, &["nothing is lost: "]);
    // The other way round it is lost.
    let back = run(1, &["diff", &new, POLICY_V2, "--inventory", INVENTORY, "--only", "lost"]);
    contains(&back.stdout, &["- default/app2 → default/app1  TCP 80: GET /private\n", "1 lost: "]);
}

#[test]
fn a_set_may_be_empty() {
    let dir = tempfile::tempdir().unwrap();
    let none = dir.path().join("none.yaml");
    std::fs::write(&none, "{apiVersion: v1, kind: List, items: []}").unwrap();
    let ran = run(1, &["diff", none.to_str().unwrap(), POLICY_V2, "--inventory", INVENTORY]);
    contains(&ran.stderr, &["there is no policy in "]);
    contains(&ran.stdout, &["- ", "0 gained, "]);
}

#[test]
fn the_same_in_other_words_is_no_change() {
    let (_dir, new) = edited("path: /public", "path: /pub[l]ic");
    let ran = run(0, &["diff", POLICY_V2, &new, "--inventory", INVENTORY]);
    contains(&ran.stdout, &["no change: ", " every port and protocol compared\n"]);
}

#[test]
fn audited_policies_are_compared_as_if_enforced() {
    let (_dir, new) = edited("metadata:\n", "metadata:\n  annotations: {postern.dev/audit: \"true\"}\n");
    let ran = run(1, &["diff", "--audited", &new, "--inventory", INVENTORY]);
    contains(&ran.stdout, &["- ", " lost: "]);
}

#[test]
fn path_profiles_are_compared_with_the_inventory_as_it_was() {
    let (_policy, broad) = edited("path: /public", "path: /public/.*");
    let text = fs::read_to_string(INVENTORY).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        let file = dir.path().join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let annotated = "name: app1, annotations: {postern.dev/path-profile: '80=envoy'}";
    let read = written("read.yaml", &text.replacen("name: app1", annotated, 1));
    let base = ["diff", &broad, &broad, "--old-inventory", INVENTORY, "--inventory", &read];
    let ran = run(1, &base);
    contains(
        &ran.stdout,
        &[
            "+ default/app2 → default/app1  TCP 80: GET /public/..;\n",
            "was ingress, paths read as strict: ambiguous path: servers may read it as ",
            "now ingress, paths read as envoy: allowed by ",
        ],
    );
    let json: Value = serde_json::from_str(&run(1, &[&base[..], &["-o", "json"]].concat()).stdout).unwrap();
    let witness = &json["changes"][0]["witness"];
    assert_eq!(
        (&witness["old"][1]["profile"], &witness["new"][1]["profile"]),
        (&"strict".into(), &"envoy".into())
    );
    // Where every path that matches has one reading, nothing changes.
    let plain = ["diff", POLICY_V2, POLICY_V2, "--old-inventory", INVENTORY, "--inventory", &read];
    contains(&run(0, &plain).stdout, &["no change: "]);
    let other = written("other.yaml", &text.replacen("app2", "app9", 1));
    let ran = run(3, &["diff", &broad, &broad, "--old-inventory", &other, "--inventory", INVENTORY]);
    contains(&ran.stderr, &["something else exists on the two sides"]);
}

#[test]
fn what_cannot_be_compared() {
    let (_dir, bad) = edited("path: /public", "pth: /public");
    for (code, args, message) in [
        (2, vec!["diff", POLICY_V2, "--inventory", INVENTORY], "two sets are compared"),
        (2, vec!["diff", "--audited", POLICY_V2, POLICY_V2, "--inventory", INVENTORY], "one set with itself"),
        (2, vec!["diff", POLICY_V2, POLICY_V2], "--inventory"),
        (2, vec!["diff", POLICY_V2, POLICY_V2, "-i", INVENTORY, "--only", "changed"], "gained, lost"),
        (3, vec!["diff", POLICY_V2, &bad, "--inventory", INVENTORY], "nothing was compared"),
        (3, vec!["diff", POLICY_V2, "gone.yaml", "--inventory", INVENTORY], "gone.yaml"),
        (3, vec!["diff", POLICY_V2, POLICY_V2, "--inventory", POLICY_V2], "no workloads"),
    ] {
        let ran = run(code, &args);
        contains(&ran.stderr, &[message]);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
}
