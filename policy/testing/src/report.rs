//! Reports: what became of every case, for machines of several kinds.

mod json;
mod junit;
mod tap;
#[cfg(test)]
mod tests;

use std::time::Duration;

use postern_policy_lang::source::Location;

use crate::coverage::CoverageReport;
use crate::run::{CaseResult, Got, Outcome};

pub use json::json;
pub use junit::junit;
pub use tap::tap;

/// A run of some tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Every case, in order.
    pub cases: Vec<CaseReport>,
    /// How much of the policies is tested, if that was asked.
    pub coverage: Option<CoverageReport>,
    /// How much should be, in tenths of a percent.
    pub coverage_min: Option<usize>,
    /// How long the run took.
    pub elapsed: Duration,
}

/// What became of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Location,
    /// How long it took.
    pub elapsed: Duration,
    /// What became of it.
    pub result: CaseResult,
}

/// How many cases ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that hold.
    pub passed: usize,
    /// Those that do not.
    pub failed: usize,
    /// Those that cannot be asked.
    pub errors: usize,
}

impl Report {
    /// How many cases ended how.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for case in &self.cases {
            match case.result.outcome {
                Outcome::Passed => counts.passed += 1,
                Outcome::Failed(_) => counts.failed += 1,
                Outcome::Error(_) => counts.errors += 1,
            }
        }
        counts
    }

    /// Why the coverage is not enough, if it is not.
    pub fn uncovered(&self) -> Option<String> {
        let (coverage, least) = (self.coverage.as_ref()?, self.coverage_min?);
        let reached = coverage.per_mille();
        (reached < least).then(|| {
            format!(
                "the cases decide {} of the rules, expected at least {}",
                percent(reached),
                percent(least)
            )
        })
    }
}

impl CaseReport {
    /// What is wrong, on one line; nothing where the case holds.
    pub fn headline(&self) -> Option<String> {
        match &self.result.outcome {
            Outcome::Passed => None,
            Outcome::Error(why) => Some(why.clone()),
            Outcome::Failed(mismatches) => {
                let parts = mismatches.iter().map(|mismatch| {
                    let field = if mismatch.field == "expect" { "" } else { mismatch.field };
                    let space = if field.is_empty() { "" } else { " " };
                    format!("expected {field}{space}{}, got {}", mismatch.expected, mismatch.got)
                });
                Some(parts.collect::<Vec<_>>().join("; "))
            }
        }
    }

    /// Why it is so, a line each; nothing where the case holds.
    pub fn details(&self) -> Vec<String> {
        match (&self.result.outcome, &self.result.got) {
            (Outcome::Failed(_), Some(got)) => why(got),
            _ => Vec::new(),
        }
    }

    /// Where the case stands, as `file:line:column`.
    pub fn at(&self) -> String {
        at(&self.place)
    }
}

/// The reason, the rule and the nearest miss, each said once.
fn why(got: &Got) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", got.code, got.reason)];
    if let Some(rule) = got.rule.as_ref().filter(|rule| !got.reason.contains(rule.as_str())) {
        lines.push(format!("rule: {rule}"));
    }
    if let Some((rule, why)) = got.nearest.as_ref().filter(|_| !got.reason.contains("nearest: ")) {
        lines.push(format!("nearest: rule {rule}: {why}"));
    }
    lines
}

/// A place, as `file:line:column`.
pub fn at(place: &Location) -> String {
    format!("{}:{}:{}", place.file, place.span.place.line, place.span.place.column)
}

/// Tenths of a percent, for people.
pub fn percent(per_mille: usize) -> String {
    match (per_mille / 10, per_mille % 10) {
        (whole, 0) => format!("{whole} %"),
        (whole, tenths) => format!("{whole}.{tenths} %"),
    }
}
