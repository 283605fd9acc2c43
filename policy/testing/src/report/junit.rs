//! JUnit's XML, as CI systems read it: a `testsuite` a file, a `testcase` a case.

use std::fmt::Write as _;
use std::time::Duration;

use super::{CaseReport, Report};
use crate::run::Outcome;

/// The report as a JUnit document. A coverage that is not enough is a failed case of its own.
pub fn junit(report: &Report) -> String {
    let counts = report.counts();
    let uncovered = report.uncovered();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let total = report.cases.len() + usize::from(report.coverage_min.is_some());
    let failures = counts.failed + usize::from(uncovered.is_some());
    let time = seconds(report.elapsed);
    let _ = writeln!(
        xml,
        "<testsuites name=\"postern test\" tests=\"{total}\" failures=\"{failures}\" errors=\"{}\" time=\"{time}\">",
        counts.errors
    );
    let mut rest = report.cases.as_slice();
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|case| case.place.file == first.place.file).count();
        let (suite, further) = rest.split_at(same);
        suite_of(&mut xml, &first.place.file, suite);
        rest = further;
    }
    if report.coverage_min.is_some() {
        coverage(&mut xml, report, uncovered.as_deref());
    }
    xml + "</testsuites>\n"
}

fn suite_of(xml: &mut String, file: &str, cases: &[CaseReport]) {
    let count =
        |wanted: fn(&Outcome) -> bool| cases.iter().filter(|case| wanted(&case.result.outcome)).count();
    let failures = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let errors = count(|outcome| matches!(outcome, Outcome::Error(_)));
    let (file, tests) = (escape(file), cases.len());
    let time = seconds(cases.iter().map(|case| case.elapsed).sum());
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{file}\" file=\"{file}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" \
         time=\"{time}\">"
    );
    for case in cases {
        testcase(xml, &file, case);
    }
    xml.push_str("  </testsuite>\n");
}

fn testcase(xml: &mut String, file: &str, case: &CaseReport) {
    let (name, time) = (escape(&case.name), seconds(case.elapsed));
    let line = case.place.span.place.line;
    let _ = write!(
        xml,
        "    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" line=\"{line}\" time=\"{time}\""
    );
    let Some(headline) = case.headline() else {
        xml.push_str("/>\n");
        return;
    };
    let element = if matches!(case.result.outcome, Outcome::Error(_)) { "error" } else { "failure" };
    let mut text = vec![case.at(), headline.clone()];
    text.extend(case.details());
    let (headline, text) = (escape(&headline), escape_text(&text.join("\n")));
    let _ = writeln!(xml, ">\n      <{element} message=\"{headline}\">{text}</{element}>\n    </testcase>");
}

fn coverage(xml: &mut String, report: &Report, uncovered: Option<&str>) {
    let failures = usize::from(uncovered.is_some());
    let _ = writeln!(
        xml,
        "  <testsuite name=\"coverage\" tests=\"1\" failures=\"{failures}\" errors=\"0\" time=\"0.000000\">"
    );
    match uncovered {
        None => xml.push_str("    <testcase name=\"coverage\" classname=\"coverage\" time=\"0.000000\"/>\n"),
        Some(why) => {
            let undecided = report.coverage.iter().flat_map(|coverage| &coverage.undecided);
            let rules: Vec<String> =
                undecided.map(|rule| format!("{}  {}", super::at(&rule.place), rule.rule)).collect();
            let (why, rules) = (escape(why), escape_text(&rules.join("\n")));
            let _ = writeln!(
                xml,
                "    <testcase name=\"coverage\" classname=\"coverage\" time=\"0.000000\">\n      \
                 <failure message=\"{why}\">{rules}</failure>\n    </testcase>"
            );
        }
    }
    xml.push_str("  </testsuite>\n");
}

fn seconds(time: Duration) -> String {
    format!("{:.6}", time.as_secs_f64())
}

/// Text as the value of an attribute: a line break in it would be read as a space.
fn escape(text: &str) -> String {
    escape_text(text).replace('\n', "&#10;").replace('\t', "&#9;")
}

/// Text as the content of an element. What XML 1.0 has no way to write is shown as an escape of ours.
fn escape_text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    escaped
}
