//! `postern test` as a user types it: every format, every exit code, and what is said when something is wrong.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use postern_tests_e2e::postern::{Ran, postern};
use serde_json::json;
use tempfile::TempDir;

const TUTORIAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/tutorial");

/// Runs a command that must end with `code` and be fit to be seen.
fn run(code: i32, args: &[&str]) -> Ran {
    let ran = postern([&["test"], args].concat()).unwrap();
    assert_eq!(ran.code, Some(code), "{args:?}: {ran:#?}");
    assert!(ran.is_presentable(), "{args:?}: {ran:#?}");
    ran
}

fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

/// A folder with the tutorial's policy and inventory in `files`, and one test of them in `t/test.yaml`.
fn folder(cases: &str) -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["files", "t"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
    }
    for file in ["policy-v2.yaml", "inventory.yaml"] {
        fs::copy(Path::new(TUTORIAL).join(file), dir.path().join("files").join(file)).unwrap();
    }
    let test = format!(
        "apiVersion: postern.dev/v1alpha1\nkind: PolicyTest\npolicies: [../files/pol*.yaml]\ninventory: [../files/inventory.yaml]\ncases:\n{cases}"
    );
    let file = dir.path().join("t/test.yaml");
    fs::write(&file, test).unwrap();
    let name = file.to_str().unwrap().to_owned();
    (dir, name)
}

const GOOD: &str =
    "- {name: good, from: app2, to: app1, port: 80, http: {method: GET, path: /public}, expect: allow}\n";
const BAD: &str = "- {name: bad, from: app3, to: app1, port: 80, expect: allow}\n";
const WRONG: &str = "- {name: wrong, from: app9, to: app1, port: 80, expect: deny}\n";

#[test]
fn the_tutorial_s_own_test_passes_and_covers_it() {
    let file = format!("{TUTORIAL}/tests.yaml");
    let ran = run(0, &[&file, "--coverage-min", "100"]);
    contains(
        &ran.stdout,
        &["coverage: 2 of 2 rules decided by a case, 100 %", "ok: 11 cases in 1 file, 11 passed"],
    );
    // Found by its folder and by a pattern, too.
    for what in [TUTORIAL.to_owned(), format!("{TUTORIAL}/../**/tests.y?ml")] {
        contains(&run(0, &[&what]).stdout, &["11 passed"]);
    }
}

#[test]
fn people_are_told_what_is_wrong_and_where() {
    let (_dir, file) = folder(&format!("{GOOD}{BAD}"));
    let ran = run(1, &[&file]);
    contains(
        &ran.stdout,
        &[
            "test.yaml:7:3  bad: expected allow, got deny (L3L4)",
            "no-match: no rule matches, and default deny is on",
            "nearest: rule cnp/default/rule1/ingress/0/toPorts/0: peer default/app3 is not selected",
            "failed: 2 cases in 1 file, 1 passed, 1 failed",
        ],
    );
    let (_dir, file) = folder(&format!("{BAD}{WRONG}"));
    let ran = run(3, &[&file]);
    contains(&ran.stdout, &["FAIL", "ERROR", "there is no workload default/app9", "1 cannot be asked"]);
    contains(&ran.stderr, &["error: 1 case cannot be asked"]);
}

#[test]
fn machines_are_told_the_same_in_three_formats() {
    let (dir, file) = folder(&format!("{GOOD}{BAD}"));
    let report = run(1, &[&file, "-o", "json", "--coverage"]).json().unwrap();
    assert_eq!((&report["passed"], &report["failed"], &report["errors"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!((&report["cases"][1]["status"], &report["cases"][1]["line"]), (&json!("failed"), &json!(7)));
    assert_eq!(report["coverage"]["percent"], json!(100.0));
    let tap = run(1, &[&file, "-o", "tap"]).stdout;
    contains(&tap, &["TAP version 14\n1..2\nok 1 - ", "test.yaml: good\nnot ok 2 - "]);
    let junit = run(1, &[&file, "--format", "junit"]).stdout;
    contains(
        &junit,
        &["tests=\"2\" failures=\"1\" errors=\"0\"", "<failure message=\"expected allow, got deny (L3L4)\">"],
    );
    // In a file, with the result for people beside it.
    let out = dir.path().join("report.xml");
    let ran = run(1, &[&file, "-o", "junit", "--output-file", out.to_str().unwrap()]);
    contains(&ran.stdout, &["FAIL", "failed: 2 cases"]);
    contains(&fs::read_to_string(out).unwrap(), &["</testsuites>"]);
}

#[test]
fn rules_that_no_case_decides_are_named() {
    let (_dir, file) = folder("- {name: c, from: app3, to: app1, port: 80, expect: deny}\n");
    let ran = run(0, &[&file, "--coverage"]);
    contains(
        &ran.stdout,
        &["policy-v2.yaml:21:11", "cnp/default/rule1/ingress/0/toPorts/0/http/0", "0 of 1 rule"],
    );
    let ran = run(1, &[&file, "--coverage-min", "0.1"]);
    contains(&ran.stdout, &["the cases decide 0 % of the rules, expected at least 0.1 %"]);
    contains(
        &run(1, &[&file, "--coverage-min", "1", "-o", "junit"]).stdout,
        &["<testsuite name=\"coverage\""],
    );
    contains(&run(1, &[&file, "--coverage-min", "1", "-o", "tap"]).stdout, &["not ok 2 - coverage"]);
}

#[test]
fn cases_are_chosen_and_listed_by_name() {
    let (_dir, file) = folder(&format!("{GOOD}{BAD}"));
    contains(&run(0, &[&file, "--filter", "goo"]).stdout, &["ok: 1 case in 1 file, 1 passed"]);
    let listed = run(0, &[&file, "--list"]).stdout;
    contains(&listed, &["test.yaml:6:3  good\n", "test.yaml:7:3  bad\n"]);
    contains(&run(3, &[&file, "--filter", "gone"]).stderr, &["none of the 2 cases has \"gone\" in its name"]);
}

#[test]
fn what_cannot_be_run_exits_3_and_usage_2() {
    let (dir, file) = folder(GOOD);
    let write = |name: &str, from: &str, to: &str| {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        let path = dir.path().join("t").join(name);
        fs::write(&path, text.replace(from, to)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let misspelt = write("misspelt.yaml", "expect:", "expects:");
    let gone = write("gone.yaml", "../files/pol*.yaml", "../files/gone*.yaml");
    let no_policy = write("no_policy.yaml", "../files/pol*.yaml", "../files/inventory.yaml");
    let broken = write("broken.yaml", "../files/pol*.yaml", "broken-policy.txt");
    fs::write(
        dir.path().join("t/broken-policy.txt"),
        "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy}",
    )
    .unwrap();
    let files = dir.path().join("files").to_str().unwrap().to_owned();
    let policy = format!("{files}/policy-v2.yaml");
    let nothing = format!("{files}/*.txt");
    for (args, messages) in [
        (vec![misspelt.as_str()], vec!["misspelt.yaml:6", "did you mean `expect`?", "nothing was tested"]),
        (vec![&gone], vec!["gone.yaml:3:12", "there is no file ../files/gone*.yaml", "nothing was tested"]),
        (vec![&no_policy], vec!["there is no policy in its policy files"]),
        (vec![&broken], vec!["broken-policy.txt", "`metadata` is missing", "nothing was tested"]),
        (vec![&policy], vec!["is not a PolicyTest", "nothing would be tested"]),
        (vec![&files], vec!["there is no PolicyTest in"]),
        (vec![&nothing], vec!["there is no PolicyTest in"]),
        (vec!["no/such/file.yaml"], vec!["cannot read no/such/file.yaml"]),
        (vec![&file, "--output-file", "/no/such/folder/x"], vec!["cannot write /no/such/folder/x"]),
    ] {
        let ran = run(3, &args);
        contains(&ran.stderr, &messages);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
    for (args, message) in [
        (vec![], "<FILE>..."),
        (vec![file.as_str(), "-o", "xml"], "possible values: human, json, junit, tap"),
        (vec![&file, "--coverage-min", "101"], "expected 0 to 100"),
        (vec![&file, "--coverage-min", "many"], "expected 0 to 100"),
        (vec![&file, "--list", "--coverage"], "cannot be used with"),
    ] {
        contains(&run(2, &args).stderr, &[message]);
    }
}
