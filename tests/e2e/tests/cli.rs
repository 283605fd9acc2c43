//! The commands as a user types them: exit codes, what is printed where, and what is said when something is wrong.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;

use postern_tests_e2e::postern::{Ran, postern, postern_with_input};
use postern_tests_e2e::tutorial::{INVENTORY, POLICY, POLICY_V2};
use serde_json::{Value, json};
use tempfile::TempDir;

const INPUTS: [&str; 4] = ["--policy", POLICY, "--inventory", INVENTORY];
const INPUTS_V2: [&str; 4] = ["--policy", POLICY_V2, "--inventory", INVENTORY];

/// Runs a command that must end with `code` and be fit to be seen.
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

/// A folder with one edit of the tutorial's v2 policy.
fn edited(from: &str, to: &str) -> (TempDir, String) {
    let text = fs::read_to_string(POLICY_V2).unwrap();
    assert!(text.contains(from), "{text}");
    written(&text.replacen(from, to, 1))
}

fn written(text: &str) -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("policy.yaml");
    fs::write(&file, text).unwrap();
    let name = file.to_str().unwrap().to_owned();
    (dir, name)
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in
        ["demo", "proxy", "check", "explain", "test", "diff", "convert", "bundle", "filter", "filter export"]
    {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let ran = run(0, &args);
        contains(&ran.stdout, &["Example", &format!("  postern {command}"), "Usage: postern"]);
        assert_eq!(ran.stderr, "");
    }
    contains(&run(0, &["--help"]).stdout, &["Exit codes: 0 ok, 1 findings or denied, 2 usage, 3 cannot run"]);
    contains(&run(0, &["--version"]).stdout, &["postern 0.1.0"]);
}

#[test]
fn usage_errors_exit_2() {
    let envoy = ["bundle", "--policy", POLICY, "--inventory", INVENTORY, "--for", "envoy"];
    let explain = ["explain", "--policy", POLICY, "--inventory", INVENTORY, "--from", "app2", "--to", "app1"];
    for (args, message) in [
        (vec![], "Usage: postern <COMMAND>"),
        (vec!["nonsense"], "unrecognized subcommand 'nonsense'"),
        (vec!["check"], "<FILE>..."),
        (vec!["check", "--nonsense", POLICY], "--nonsense"),
        (vec!["check", "-o", "xml", POLICY], "possible values: human, json"),
        (vec!["bundle", "--policy", POLICY], "--inventory"),
        (envoy.to_vec(), "--listen"),
        ([&envoy[..], &["--listen", "127.0.0.1:1", "--upstream", "127.0.0.1:2"]].concat(), "--module"),
        ([&envoy[..], &["--listen", "here", "--upstream", "127.0.0.1:2", "--module", "m"]].concat(), "here"),
        (explain.to_vec(), "--port"),
        ([&explain[..], &["--port", "80", "--method", "GET"]].concat(), "a GET request has a path"),
        ([&explain[..], &["--port", "80", "--path", "/"]].concat(), "--method"),
        ([&explain[..], &["--port", "65536"]].concat(), "65536"),
        ([&explain[..], &["--port", "80", "--protocol", "ICPM"]].concat(), "expected one of TCP, UDP"),
        ([&explain[..], &["--port", "80", "--protocol", "ICMP"]].concat(), "ICMP has no ports"),
        ([&explain[..], &["--protocol", "ICMP"]].concat(), "--icmp-type"),
        ([&explain[..], &["--port", "80", "--icmp-type", "8"]].concat(), "no meaning with TCP"),
        ([&explain[..], &["--port", "80", "--method", "GET", "--header", "x"]].concat(), "name: value"),
        (vec!["filter", "export"], "--output"),
    ] {
        let ran = run(2, &args);
        contains(&ran.stderr, &[message]);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
}

#[test]
fn what_cannot_be_read_or_written_exits_3() {
    let (bad, name) = edited("method: GET", "methd: GET");
    let gone = bad.path().join("gone.yaml").to_str().unwrap().to_owned();
    let nowhere = bad.path().join("no/such/folder/m.wasm").to_str().unwrap().to_owned();
    let (empty, bytes) = (bad.path().join("empty"), bad.path().join("bytes.yaml"));
    fs::create_dir(&empty).unwrap();
    fs::write(&bytes, b"kind: \xff").unwrap();
    let (empty, bytes) = (empty.to_str().unwrap(), bytes.to_str().unwrap());
    for (args, messages) in [
        (vec!["check", &gone], vec!["gone.yaml", "No such file"]),
        (vec!["check", empty], vec!["has no .yaml, .yml or .json file"]),
        (vec!["check", bytes], vec!["bytes.yaml is not UTF-8 text: byte 7"]),
        (vec!["filter", "export", "-o", &nowhere], vec!["cannot write", "m.wasm"]),
        (vec!["bundle", "-p", &gone, "-i", INVENTORY], vec!["gone.yaml"]),
        (
            vec!["bundle", "-p", &name, "-i", INVENTORY],
            vec!["policy.yaml:21:11", "did you mean `method`?", "nothing was done"],
        ),
        (
            vec!["bundle", "-p", POLICY, "-i", INVENTORY, "-w", "app9"],
            vec!["no workload default/app9", "default/app1, default/app2"],
        ),
        (vec!["bundle", "-p", POLICY, "-i", POLICY], vec!["the inventory has no workloads"]),
    ] {
        let ran = run(3, &args);
        contains(&ran.stderr, &messages);
        contains(&ran.stderr, &["error"]);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
}

#[test]
fn check_says_what_is_good() {
    contains(&run(0, &["check", POLICY_V2]).stdout, &["ok: 1 policy in 1 file, 0 errors, 0 warnings"]);
    let legacy = run(0, &["check", POLICY]);
    contains(&legacy.stdout, &["ok, with warnings: 1 policy in 1 file, 0 errors, 1 warning"]);
    contains(&legacy.stderr, &["warning[legacy-dialect]", "policy.yaml:1:1"]);
    run(1, &["check", "--strict", POLICY]);
    let ran = postern_with_input(["check", "-"], &fs::read_to_string(POLICY_V2).unwrap()).unwrap();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}

#[test]
fn check_shows_where_it_is_wrong() {
    // What is edited; the code, the place and the source line that must be shown; the help.
    for (from, to, code, place, source, help) in [
        ("method: GET", "method: [", "yaml-syntax", (22, 11), "path: /public", "indentation"),
        ("method: GET", "methd: GET", "unknown-field", (21, 11), "methd: GET", "did you mean `method`?"),
        ("path: /public", "path: \"/(public\"", "invalid-pattern", (22, 17), "path: \"/(public\"", "RE2"),
        (
            "  - fromEndpoints",
            "  - fromCIDR: [10.0.0.0/8]\n    fromEndpoints",
            "conflict",
            (12, 5),
            "fromCIDR: [10.0.0.0/8]",
            "write an item for each",
        ),
        ("port: \"80\"", "port: \"80000\"", "invalid-value", (17, 15), "port: \"80000\"", ""),
        ("  ingress:", "  ingress: {}\n  ingress:", "duplicate-key", (12, 3), "ingress:", ""),
        (
            "apiVersion: cilium.io/v2",
            "apiVersion: cilium.io/v3",
            "invalid-value",
            (2, 1),
            "apiVersion: cilium.io/v3",
            "expected cilium.io/v2",
        ),
    ] {
        let (_dir, name) = edited(from, to);
        let ran = run(1, &["check", &name]);
        let (line, column) = place;
        contains(&ran.stderr, &[&format!("error[{code}]"), &format!("{name}:{line}:{column}"), source, help]);
        contains(&ran.stdout, &["refused: ", "1 error"]);

        let report = run(1, &["check", "-o", "json", &name]).json().unwrap();
        assert_eq!(report["errors"], 1, "{report}");
        let found = &report["diagnostics"][0];
        assert_eq!(
            (&found["severity"], &found["code"], &found["file"], &found["line"], &found["column"]),
            (&json!("error"), &json!(code), &json!(name), &json!(line), &json!(column)),
        );
    }
}

#[test]
fn check_reports_every_error_of_every_file_at_once() {
    let (_one, one) = edited("method: GET\n          path: /public", "methd: GET\n          pth: /public");
    let (_two, two) = edited("path: /public", "path: '['");
    let report = run(1, &["check", "-o", "json", &one, &two]).json().unwrap();
    let codes: Vec<&Value> =
        report["diagnostics"].as_array().unwrap().iter().map(|found| &found["code"]).collect();
    assert_eq!(codes, ["unknown-field", "unknown-field", "invalid-pattern"], "{report}");
}

#[test]
fn explain_answers_the_tutorial() {
    const HTTP: &str = "cnp/default/rule1/ingress/0/toPorts/0/http/0";
    const LEGACY_HTTP: &str = "cnp/default/rule1/ingress/1/toPorts/0/http/0";
    const GET_PUBLIC: &[&str] = &["--method", "GET", "--path", "/public"];
    const GET_PRIVATE: &[&str] = &["--method", "GET", "--path", "/private"];
    for (inputs, from, to, further, code, verdict, layer, rule, reason) in [
        (
            INPUTS,
            "default/app2",
            "default/app1",
            GET_PUBLIC,
            0,
            "allow",
            "L7",
            Some(LEGACY_HTTP),
            "allowed by",
        ),
        (
            INPUTS,
            "default/app2",
            "default/app1",
            GET_PRIVATE,
            1,
            "deny",
            "L7",
            None,
            "/private does not match /public",
        ),
        (INPUTS, "default/app3", "default/app1", GET_PUBLIC, 1, "deny", "L3L4", None, "default deny"),
        (INPUTS_V2, "app2", "app1", GET_PUBLIC, 0, "allow", "L7", Some(HTTP), "allowed by"),
        (INPUTS_V2, "app2", "app1", GET_PRIVATE, 1, "deny", "L7", None, "/private does not match /public"),
        (
            INPUTS_V2,
            "app2",
            "app1",
            &["--method", "POST", "--path", "/public"],
            1,
            "deny",
            "L7",
            None,
            "POST",
        ),
        (INPUTS_V2, "app3", "app1", &[], 1, "deny", "L3L4", None, "default deny"),
        (
            INPUTS_V2,
            "app2",
            "app1",
            &[],
            0,
            "redirect",
            "L3L4",
            Some("cnp/default/rule1/ingress/0/toPorts/0"),
            "HTTP rules decide",
        ),
        (INPUTS_V2, "127.0.10.2", "127.0.10.1", GET_PUBLIC, 0, "allow", "L7", Some(HTTP), "allowed by"),
        (INPUTS_V2, "192.0.2.1", "app1", GET_PUBLIC, 1, "deny", "L3L4", None, "default deny"),
        (INPUTS_V2, "app1", "192.0.2.1", &[], 0, "allow", "L3L4", None, "no policy"),
        (INPUTS_V2, "app2", "app1", &["--protocol", "UDP"], 1, "deny", "L3L4", None, "default deny"),
    ] {
        let ends = ["--from", from, "--to", to, "--port", "80", "-o", "json"];
        let args = [&["explain"], &inputs[..], &ends, further].concat();
        let answer = run(code, &args).json().unwrap();
        assert_eq!(
            (&answer["verdict"], &answer["layer"]),
            (&json!(verdict), &json!(layer)),
            "{args:?}: {answer}"
        );
        assert_eq!(answer["rule"], json!(rule), "{args:?}: {answer}");
        contains(answer["reason"].as_str().unwrap(), &[reason]);
        for step in answer["trace"].as_array().unwrap() {
            let known =
                ["direction", "rule", "why", "tier", "outcome"].iter().all(|key| step[key].is_string());
            assert!(known && step["matched"].is_boolean(), "{answer}");
        }
    }
}

#[test]
fn explain_tells_people_the_same() {
    let ends = ["--from", "app2", "--to", "app1", "--port", "80", "--method", "GET", "--path", "/private"];
    let ran = run(1, &[&["explain"], &INPUTS_V2[..], &ends].concat());
    contains(
        &ran.stdout,
        &["deny (L7)  default/app2 → default/app1  80/TCP  GET /private", "does not match /public", "http/0"],
    );
    assert_eq!(ran.stderr, "");
    let ran =
        run(3, &[&["explain"], &INPUTS[..], &["--from", "app9", "--to", "app1", "--port", "80"]].concat());
    contains(&ran.stderr, &["there is no workload default/app9", "default/app1, default/app2, default/app3"]);
}

#[test]
fn bundle_is_what_the_filter_reads() {
    let ran = run(0, &[&["bundle"], &INPUTS_V2[..], &["-w", "default/app1", "--port", "80"]].concat());
    let bundle = ran.json().unwrap();
    assert_eq!(bundle["apiVersion"], "postern.dev/filter/v1alpha1");
    assert_eq!(bundle["attach"], json!({"direction": "ingress", "endpoint": "default/app1", "port": 80}));
    let (_set, quarantined) = postern_policy_wire::decode(ran.stdout.as_bytes()).unwrap();
    assert!(quarantined.is_empty(), "{quarantined:?}");
    // Byte for byte the same each time, so that it can be compared and signed.
    let again = run(0, &[&["bundle"], &INPUTS_V2[..], &["-w", "default/app1", "--port", "80"]].concat());
    assert_eq!(ran.stdout, again.stdout);

    let all = run(0, &[&["bundle"], &INPUTS_V2[..], &["--direction", "egress"]].concat()).json().unwrap();
    assert_eq!(
        (&all["attach"], all["endpoints"].as_array().unwrap().len()),
        (&json!({"direction": "egress"}), 3)
    );
}

#[test]
fn filter_export_writes_a_module_of_at_most_one_mebibyte() {
    let dir = tempfile::tempdir().unwrap();
    let file: PathBuf = dir.path().join("postern.wasm");
    let ran = run(0, &["filter", "export", "-o", file.to_str().unwrap()]);
    let module = fs::read(&file).unwrap();
    assert!(module.starts_with(b"\0asm\x01\0\0\0"));
    assert!(module.len() <= 1 << 20, "{} bytes", module.len());
    contains(&ran.stdout, &["postern.wasm", &format!("({} bytes)", module.len())]);
}

#[test]
fn demo_tells_the_tutorial() {
    let ran = run(0, &["demo"]);
    contains(
        &ran.stdout,
        &[
            "{ 'val': 'this is public' }",
            "{ 'val': 'this is private' }",
            "Access denied",
            "(403)",
            "(nothing: the connection was closed before any byte)",
            "app3 $ curl -s http://app1-service/public",
            "path /private does not match /public",
            "Every answer is what the tutorial says.",
        ],
    );
    // The policy is shown as the tutorial prints it.
    for line in fs::read_to_string(POLICY).unwrap().lines() {
        contains(&ran.stdout, &[line]);
    }
}

#[test]
fn demo_tells_machines_too() {
    let report = run(0, &["demo", "-o", "json"]).json().unwrap();
    assert_eq!(report["ok"], true);
    let after: Vec<(&str, &str, &str)> = report["requests"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|request| request["step"] == "after")
        .map(|request| {
            assert_eq!(request["ok"], true, "{request}");
            let text = |name: &str| request[name].as_str().unwrap();
            (text("from"), text("request"), text("got"))
        })
        .collect();
    assert_eq!(
        after,
        [
            ("app2", "GET /public to port 80", "200 { 'val': 'this is public' }"),
            ("app2", "GET /private to port 80", "403 Access denied"),
            ("app3", "GET /public to port 80", "nothing"),
        ]
    );
}
