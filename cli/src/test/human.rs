//! The result for people.

use std::fmt::Write as _;
use std::time::Duration;

use postern_policy_testing::coverage::CoverageReport;
use postern_policy_testing::report::{Report, at, percent};
use postern_policy_testing::run::Outcome;

use super::files_of;
use crate::output::Style;

pub(super) fn report(report: &Report, style: Style) -> String {
    let mut text = String::new();
    for case in &report.cases {
        let Some(headline) = case.headline() else { continue };
        let mark = match case.result.outcome {
            Outcome::Error(_) => style.red("ERROR"),
            _ => style.red("FAIL"),
        };
        let _ = writeln!(text, "{mark} {}  {}: {headline}", case.at(), style.bold(&case.name));
        for line in case.details() {
            let _ = writeln!(text, "     {}", style.dim(&line));
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    if let Some(coverage) = &report.coverage {
        undecided(&mut text, coverage, style);
    }
    text += &summary(report, style);
    text
}

fn undecided(text: &mut String, coverage: &CoverageReport, style: Style) {
    if coverage.undecided.is_empty() {
        return;
    }
    *text += "no case decides these rules:\n";
    for rule in &coverage.undecided {
        let why = rule.quarantined.as_ref().map_or(String::new(), |why| format!("  (quarantined: {why})"));
        let _ = writeln!(text, "  {}  {}{}", at(&rule.place), rule.rule, style.dim(&why));
    }
    text.push('\n');
}

fn summary(report: &Report, style: Style) -> String {
    let counts = report.counts();
    let counted = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let (cases, files) = (counted(report.cases.len(), "case"), counted(files_of(report), "file"));
    let mut parts = vec![format!("{cases} in {files}"), format!("{} passed", counts.passed)];
    if counts.failed > 0 {
        parts.push(format!("{} failed", counts.failed));
    }
    if counts.errors > 0 {
        parts.push(format!("{} cannot be asked", counts.errors));
    }
    let mut text = String::new();
    let uncovered = report.uncovered();
    if let Some(coverage) = &report.coverage {
        let (decided, reached) = (coverage.decided(), percent(coverage.per_mille()));
        let rules = counted(coverage.rules, "rule");
        let _ = writeln!(text, "coverage: {decided} of {rules} decided by a case, {reached}");
    }
    if let Some(why) = &uncovered {
        let _ = writeln!(text, "{}: {why}", style.red("too little"));
    }
    let good = counts.failed + counts.errors == 0 && uncovered.is_none();
    let mark = if good { style.green("ok") } else { style.red("failed") };
    let _ =
        writeln!(text, "{mark}: {} {}", parts.join(", "), style.dim(&format!("({})", took(report.elapsed))));
    text
}

fn took(time: Duration) -> String {
    match time.as_millis() {
        0 => format!("{} µs", time.as_micros()),
        millis if millis < 1000 => format!("{millis} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}
