//! TAP 14 (testanything.org): a line a case.

use std::fmt::Write as _;

use super::{CaseReport, Report};

/// The report in TAP. A coverage that is not enough is a failed test of its own.
pub fn tap(report: &Report) -> String {
    let total = report.cases.len() + usize::from(report.coverage_min.is_some());
    let mut text = format!("TAP version 14\n1..{total}\n");
    for (number, case) in (1..).zip(&report.cases) {
        point(&mut text, number, case);
    }
    if let Some(coverage) = &report.coverage {
        for rule in &coverage.undecided {
            let _ = writeln!(text, "# no case decides {} ({})", rule.rule, super::at(&rule.place));
        }
        let reached = super::percent(coverage.per_mille());
        let _ = writeln!(text, "# {} of {} rules decided, {reached}", coverage.decided(), coverage.rules);
    }
    if report.coverage_min.is_some() {
        let _ = match report.uncovered() {
            None => writeln!(text, "ok {total} - coverage"),
            Some(why) => {
                writeln!(text, "not ok {total} - coverage\n  ---\n  message: {}\n  ...", quoted(&why))
            }
        };
    }
    text
}

fn point(text: &mut String, number: usize, case: &CaseReport) {
    let name = escape(&format!("{}: {}", case.place.file, case.name));
    let Some(headline) = case.headline() else {
        let _ = writeln!(text, "ok {number} - {name}");
        return;
    };
    let _ = writeln!(text, "not ok {number} - {name}\n  ---\n  message: {}", quoted(&headline));
    let _ = writeln!(text, "  at: {}", quoted(&case.at()));
    let details = case.details();
    if !details.is_empty() {
        text.push_str("  why:\n");
    }
    for line in details {
        let _ = writeln!(text, "    - {}", quoted(&line));
    }
    text.push_str("  ...\n");
}

/// `#` starts a directive, such as one to skip.
fn escape(name: &str) -> String {
    name.replace('\\', "\\\\").replace('#', "\\#").replace(char::is_control, "?")
}

/// A text in YAML: what JSON writes is YAML too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
