//! `postern test`.

mod files;
mod human;
mod load;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::ValueEnum;
use postern_policy_lang::policy_test::{Case, PolicyTest};
use postern_policy_testing::coverage::Coverage;
use postern_policy_testing::report::{CaseReport, Report, at, json, junit, tap};
use postern_policy_testing::run::Runner;

use crate::output::{Outcome, Style, print, print_json};
use load::Suites;

/// Hold policies against cases: who may reach what, and who may not
///
/// A test is a document of kind PolicyTest: it names policy and inventory files, relative to its own, and cases. Exits
/// with 1 if a case does not hold, with 3 if a file or a case is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postern test tests/
  postern test 'tests/**/*.yaml' --coverage --coverage-min 90
  postern test tests/shop.yaml --filter checkout
  postern test tests/ -o junit --output-file report.xml")]
pub(crate) struct Args {
    /// Test files, folders that are searched for them, or quoted patterns such as 'tests/**/*.yaml'
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Run only the cases whose name contains this
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
    /// List the cases, run none
    #[arg(long, conflicts_with_all = ["coverage", "coverage_min", "output", "output_file"])]
    list: bool,
    /// Name the rules of the policies that no case decides
    #[arg(long)]
    coverage: bool,
    /// Fail if the cases decide fewer of the rules than this; implies --coverage
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    coverage_min: Option<usize>,
    /// How the result is printed
    #[arg(long, short, alias = "format", value_enum, default_value_t)]
    output: ReportFormat,
    /// Write the result to this file; people still read it here
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// For people
    #[default]
    Human,
    /// For programs
    Json,
    /// For CI systems, as XML
    Junit,
    /// Test Anything Protocol, version 14
    Tap,
}

/// Tenths of a percent.
fn percent(text: &str) -> Result<usize, String> {
    let (whole, tenths) = text.split_once('.').unwrap_or((text, "0"));
    let digits =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let tenths: Option<usize> = digits(tenths).filter(|tenths| *tenths < 10 && text.len() <= 5);
    let percent = digits(whole).zip(tenths).map(|(whole, tenths): (usize, usize)| whole * 10 + tenths);
    percent
        .filter(|percent| *percent <= 1000)
        .ok_or_else(|| "expected 0 to 100, such as 90 or 99.5".to_owned())
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let mut tests = files::tests(&args.files)?;
    select(&mut tests, args.filter.as_deref())?;
    if args.list {
        let cases = tests.iter().flat_map(|test| &test.cases);
        print(&cases.map(|case| format!("{}  {}\n", at(&case.place), case.name)).collect::<String>())?;
        return Ok(Outcome::Ok);
    }
    let suites = Suites::load(&tests)?;
    let (cases, coverage) = hold(&tests, &suites)?;
    let wanted = args.coverage || args.coverage_min.is_some();
    let coverage = wanted.then(|| coverage.report());
    let report = Report { cases, coverage, coverage_min: args.coverage_min, elapsed: start.elapsed() };
    publish(args, &report)?;
    let counts = report.counts();
    if counts.errors > 0 {
        let what = if counts.errors == 1 { "1 case" } else { &format!("{} cases", counts.errors) };
        bail!("{what} cannot be asked: see above");
    }
    let failed = counts.failed > 0 || report.uncovered().is_some();
    Ok(if failed { Outcome::Findings } else { Outcome::Ok })
}

/// Keeps the cases that were asked for. Where there are none, nothing would be shown by their passing.
fn select(tests: &mut Vec<PolicyTest>, filter: Option<&str>) -> anyhow::Result<()> {
    let Some(filter) = filter else { return Ok(()) };
    let all: usize = tests.iter().map(|test| test.cases.len()).sum();
    for test in tests.iter_mut() {
        test.cases.retain(|case| case.name.contains(filter));
    }
    tests.retain(|test| !test.cases.is_empty());
    if tests.is_empty() {
        bail!("none of the {all} cases has {filter:?} in its name: --list shows them");
    }
    Ok(())
}

/// Runs every case.
fn hold(tests: &[PolicyTest], suites: &Suites) -> anyhow::Result<(Vec<CaseReport>, Coverage)> {
    let mut runners = Vec::new();
    for suite in suites.iter() {
        let runner = Runner::new(suite.policies, suite.world);
        runners.push(runner.with_context(|| format!("the inventory of {}", suite.test))?);
    }
    let mut coverage = Coverage::default();
    let mut reports = Vec::new();
    for (index, test) in tests.iter().enumerate() {
        let (number, places) = suites.of(index).context("a test without its files")?;
        let runner = runners.get_mut(number).context("a test without its files")?;
        let policies = suites.iter().nth(number).map_or(&[][..], |suite| suite.policies);
        coverage.add(policies, places);
        for case in &test.cases {
            let report = timed(runner, case);
            coverage.decided(&report.result.decided, places);
            reports.push(report);
        }
    }
    Ok((reports, coverage))
}

fn timed(runner: &mut Runner<'_>, case: &Case) -> CaseReport {
    let start = Instant::now();
    let result = runner.run(case);
    CaseReport { name: case.name.clone(), place: case.place.clone(), elapsed: start.elapsed(), result }
}

fn publish(args: &Args, report: &Report) -> anyhow::Result<()> {
    let people = |style| human::report(report, style);
    let Some(file) = &args.output_file else {
        return match args.output {
            ReportFormat::Human => print(&people(Style::of(&std::io::stdout()))),
            ReportFormat::Json => print_json(&json(report)),
            ReportFormat::Junit => print(&junit(report)),
            ReportFormat::Tap => print(&tap(report)),
        };
    };
    let text = match args.output {
        ReportFormat::Human => people(Style::plain()),
        ReportFormat::Json => serde_json::to_string_pretty(&json(report))? + "\n",
        ReportFormat::Junit => junit(report),
        ReportFormat::Tap => tap(report),
    };
    write(file, &text)?;
    print(&people(Style::of(&std::io::stdout())))
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// How many files the cases stand in.
fn files_of(report: &Report) -> usize {
    report.cases.iter().map(|case| case.place.file.as_str()).collect::<BTreeSet<_>>().len()
}
