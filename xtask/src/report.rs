//! Steps with headings and times, and the summary at the end.

use std::fmt::{self, Display};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// Failed, in a step that is not to stop anything.
    Noted(String),
    Failed(String),
    Excluded(String),
    NotRun,
}

#[derive(Debug)]
struct Row {
    name: String,
    outcome: Outcome,
    took: Duration,
}

/// What a failed step means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The run fails.
    Blocks,
    /// The summary says so, and that is all.
    IsNoted,
}

/// The steps so far.
#[derive(Debug)]
pub(crate) struct Report {
    rows: Vec<Row>,
    keep_going: bool,
}

impl Report {
    /// With `keep_going`, steps run even after one has failed.
    pub(crate) fn new(keep_going: bool) -> Report {
        Report { rows: Vec::new(), keep_going }
    }

    /// Runs a step, unless an earlier failure has ended the run.
    pub(crate) fn step(&mut self, name: &str, failure: Failure, body: impl FnOnce() -> Result<()>) {
        if self.failed() && !self.keep_going {
            return self.push(name, Outcome::NotRun, Duration::ZERO);
        }
        println!("\n=== {name} ===");
        let start = Instant::now();
        let outcome = match body() {
            Ok(()) => Outcome::Passed,
            Err(error) => {
                let text = format!("{error:#}");
                eprintln!("error: {text}");
                let first = text.lines().next().unwrap_or_default().to_owned();
                if failure == Failure::Blocks { Outcome::Failed(first) } else { Outcome::Noted(first) }
            }
        };
        self.push(name, outcome, start.elapsed());
    }

    /// Notes a step that the user left out, and how.
    pub(crate) fn excluded(&mut self, name: &str, by: &str) {
        self.push(name, Outcome::Excluded(by.to_owned()), Duration::ZERO);
    }

    /// Whether a blocking step has failed.
    pub(crate) fn failed(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.outcome, Outcome::Failed(_)))
    }

    /// Prints the summary; the exit code says whether anything failed.
    pub(crate) fn finish(&self) -> ExitCode {
        println!("\n{self}");
        if self.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn push(&mut self, name: &str, outcome: Outcome, took: Duration) {
        self.rows.push(Row { name: name.to_owned(), outcome, took });
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "=== summary ===")?;
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
        for Row { name, outcome, took } in &self.rows {
            let (word, detail) = match outcome {
                Outcome::Passed => ("passed", ""),
                Outcome::Noted(why) => ("noted", why.as_str()),
                Outcome::Failed(why) => ("FAILED", why.as_str()),
                Outcome::Excluded(by) => ("left out", by.as_str()),
                Outcome::NotRun => ("not run", "an earlier step failed"),
            };
            let line = format!("{word:<8}  {name:<width$}  {:>7.1} s  {detail}", took.as_secs_f64());
            writeln!(f, "{}", line.trim_end())?;
        }
        let total: Duration = self.rows.iter().map(|row| row.took).sum();
        let word = if self.failed() { "FAILED" } else { "passed" };
        write!(f, "{word} in {:.1} s", total.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn the_first_failure_stops_and_the_summary_names_every_step() {
        let mut report = Report::new(false);
        report.step("one", Failure::Blocks, || Ok(()));
        report.step("odd", Failure::IsNoted, || bail!("unreachable"));
        report.step("two", Failure::Blocks, || bail!("broken\nat length"));
        report.step("three", Failure::Blocks, || panic!("must not run"));
        report.excluded("four", "by --exclude four");
        let text = report.to_string();
        for expected in
            ["passed    one", "noted     odd", "FAILED    two", "not run   three", "left out  four"]
        {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        assert!(text.contains("  broken\n") && text.contains("by --exclude four"), "{text}");
        assert_eq!(report.finish(), ExitCode::FAILURE);
    }

    #[test]
    fn keep_going_goes_on_and_still_fails() {
        let mut report = Report::new(true);
        let mut ran = false;
        report.step("one", Failure::Blocks, || bail!("broken"));
        report.step("two", Failure::Blocks, || {
            ran = true;
            Ok(())
        });
        assert!(ran && report.failed());
    }
}
