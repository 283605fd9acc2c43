use std::time::Duration;

use postern_policy_core::decide::{Layer, Verdict};
use postern_policy_core::policy::RuleId;
use postern_policy_lang::source::{Location, Place, Span};

use super::*;
use crate::coverage::{CoverageReport, Undecided};
use crate::run::{CaseResult, Got, Mismatch, Outcome};

fn place(file: &str, line: usize) -> Location {
    let span = Span { start: 0, end: 0, place: Place { line, column: 3 } };
    Location { file: file.to_owned(), span, field: String::new() }
}

fn case(file: &str, name: &str, outcome: Outcome) -> CaseReport {
    let got = Got {
        verdict: Verdict::Deny,
        layer: Layer::L3L4,
        rule: None,
        code: "no-match",
        reason: "no rule matches, and default deny is on".to_owned(),
        nearest: Some((RuleId::new("cnp/d/r/ingress/0"), "peer <x> is not selected".to_owned())),
        audit: Verdict::Deny,
    };
    let result = CaseResult { outcome, got: Some(got), decided: Vec::new() };
    CaseReport { name: name.to_owned(), place: place(file, 7), elapsed: Duration::from_micros(1500), result }
}

fn report() -> Report {
    let mismatch = Mismatch { field: "expect", expected: "allow".to_owned(), got: "deny (L3L4)".to_owned() };
    let rule =
        Undecided { rule: RuleId::new("cnp/d/r/ingress/1"), place: place("p.yaml", 2), quarantined: None };
    Report {
        cases: vec![
            case("a.yaml", "good #1", Outcome::Passed),
            case("a.yaml", "bad & \"<b>\"\u{1b}", Outcome::Failed(vec![mismatch])),
            case("b.yaml", "wrong", Outcome::Error("there is no workload x\ny".to_owned())),
        ],
        coverage: Some(CoverageReport { rules: 4, undecided: vec![rule] }),
        coverage_min: Some(800),
        elapsed: Duration::from_millis(12),
    }
}

#[test]
fn junit_is_well_formed_whatever_a_name_holds() {
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="postern test" tests="4" failures="2" errors="1" time="0.012000">
  <testsuite name="a.yaml" file="a.yaml" tests="2" failures="1" errors="0" time="0.003000">
    <testcase name="good #1" classname="a.yaml" file="a.yaml" line="7" time="0.001500"/>
    <testcase name="bad &amp; &quot;&lt;b&gt;&quot;\u{1b}" classname="a.yaml" file="a.yaml" line="7" time="0.001500">
      <failure message="expected allow, got deny (L3L4)">a.yaml:7:3
expected allow, got deny (L3L4)
no-match: no rule matches, and default deny is on
nearest: rule cnp/d/r/ingress/0: peer &lt;x&gt; is not selected</failure>
    </testcase>
  </testsuite>
  <testsuite name="b.yaml" file="b.yaml" tests="1" failures="0" errors="1" time="0.001500">
    <testcase name="wrong" classname="b.yaml" file="b.yaml" line="7" time="0.001500">
      <error message="there is no workload x&#10;y">b.yaml:7:3
there is no workload x
y</error>
    </testcase>
  </testsuite>
  <testsuite name="coverage" tests="1" failures="1" errors="0" time="0.000000">
    <testcase name="coverage" classname="coverage" time="0.000000">
      <failure message="the cases decide 75 % of the rules, expected at least 80 %">p.yaml:2:3  cnp/d/r/ingress/1</failure>
    </testcase>
  </testsuite>
</testsuites>
"#;
    assert_eq!(junit(&report()), expected);
}

#[test]
fn tap_is_a_line_a_case() {
    let expected = r#"TAP version 14
1..4
ok 1 - a.yaml: good \#1
not ok 2 - a.yaml: bad & "<b>"?
  ---
  message: "expected allow, got deny (L3L4)"
  at: "a.yaml:7:3"
  why:
    - "no-match: no rule matches, and default deny is on"
    - "nearest: rule cnp/d/r/ingress/0: peer <x> is not selected"
  ...
not ok 3 - b.yaml: wrong
  ---
  message: "there is no workload x\ny"
  at: "b.yaml:7:3"
  ...
# no case decides cnp/d/r/ingress/1 (p.yaml:2:3)
# 3 of 4 rules decided, 75 %
not ok 4 - coverage
  ---
  message: "the cases decide 75 % of the rules, expected at least 80 %"
  ...
"#;
    assert_eq!(tap(&report()), expected);
}

#[test]
fn json_has_every_field() {
    let value = json(&report());
    assert_eq!((&value["passed"], &value["failed"], &value["errors"]), (&1.into(), &1.into(), &1.into()));
    let bad = &value["cases"][1];
    assert_eq!((&bad["status"], &bad["line"]), (&"failed".into(), &7.into()));
    assert_eq!(bad["mismatches"][0]["expected"], "allow");
    assert_eq!(bad["got"]["nearest"]["rule"], "cnp/d/r/ingress/0");
    assert_eq!(value["coverage"]["percent"], 75.0);
    assert_eq!(value["coverage"]["minimum"], 80.0);
    assert_eq!(value["coverage"]["undecided"][0]["line"], 2);
}
