//! JSON, for programs.

use postern_policy_core::policy::RuleId;
use serde_json::{Value, json};

use super::{CaseReport, Report};
use crate::coverage::Undecided;
use crate::run::Outcome;

/// The report as one JSON object.
pub fn json(report: &Report) -> Value {
    let counts = report.counts();
    let mut value = json!({
        "passed": counts.passed,
        "failed": counts.failed,
        "errors": counts.errors,
        "seconds": report.elapsed.as_secs_f64(),
        "cases": report.cases.iter().map(case).collect::<Vec<_>>(),
    });
    if let (Some(coverage), Value::Object(fields)) = (&report.coverage, &mut value) {
        let coverage = json!({
            "rules": coverage.rules,
            "decided": coverage.decided(),
            "percent": tenths(coverage.per_mille()),
            "minimum": report.coverage_min.map(tenths),
            "undecided": coverage.undecided.iter().map(undecided).collect::<Vec<_>>(),
        });
        fields.insert("coverage".to_owned(), coverage);
    }
    value
}

fn tenths(per_mille: usize) -> Value {
    let whole = u32::try_from(per_mille).unwrap_or(u32::MAX);
    json!(f64::from(whole) / 10.0)
}

fn case(case: &CaseReport) -> Value {
    let status = match &case.result.outcome {
        Outcome::Passed => "passed",
        Outcome::Failed(_) => "failed",
        Outcome::Error(_) => "error",
    };
    let mismatches: Vec<Value> = match &case.result.outcome {
        Outcome::Failed(mismatches) => mismatches
            .iter()
            .map(|found| json!({"field": found.field, "expected": found.expected, "got": found.got}))
            .collect(),
        _ => Vec::new(),
    };
    let got = case.result.got.as_ref().map(|got| {
        json!({
            "verdict": got.verdict.to_string(),
            "layer": got.layer.to_string(),
            "code": got.code,
            "reason": got.reason,
            "rule": got.rule.as_ref().map(RuleId::as_str),
            "nearest": got.nearest.as_ref().map(|(rule, why)| json!({"rule": rule.as_str(), "why": why})),
            "audit": got.audit.to_string(),
        })
    });
    json!({
        "name": case.name,
        "file": case.place.file,
        "line": case.place.span.place.line,
        "column": case.place.span.place.column,
        "status": status,
        "message": case.headline(),
        "mismatches": mismatches,
        "got": got,
        "seconds": case.elapsed.as_secs_f64(),
    })
}

fn undecided(rule: &Undecided) -> Value {
    json!({
        "rule": rule.rule.as_str(),
        "file": rule.place.file,
        "line": rule.place.span.place.line,
        "column": rule.place.span.place.column,
        "quarantined": rule.quarantined.as_deref(),
    })
}
