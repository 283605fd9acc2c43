//! `cargo xtask bench language`: builds what measures, which is a benchmark of `policy/lang`, and asks the command
//! line how long a check takes from its start.

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::Format;
use crate::workspace::Workspace;
use crate::{exec, tools};

/// How much is measured, and how it is printed.
#[derive(Debug, Args)]
pub(crate) struct LanguageArgs {
    /// How many policies there are
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(50..=100_000))]
    policies: u32,
    /// How many workloads there are
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(100..=10_000))]
    workloads: u32,
    /// How often a file is checked; 0 leaves `postern` out, which takes minutes to build
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(0..=1000))]
    checks: u16,
    /// How the result is printed
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// One figure, as the benchmark prints it.
#[derive(Debug, Deserialize)]
struct Figure {
    what: String,
    unit: String,
    value: f64,
    at_most: Option<f64>,
}

pub(super) fn run(workspace: &Workspace, args: &LanguageArgs) -> Result<ExitCode> {
    tools::rust::ensure(workspace)?;
    let mut command = workspace.cargo();
    command
        .args(["bench", "--package", "postern-policy-lang", "--bench", "language", "--"])
        .args(["--policies", &args.policies.to_string(), "--workloads", &args.workloads.to_string()])
        .args(["--output", "json"])
        .stderr(Stdio::inherit());
    let output = command.output().context("cannot start cargo")?;
    ensure!(output.status.success(), "the benchmark failed: {}", output.status);
    let mut figures: Vec<Figure> = serde_json::from_slice(&output.stdout)
        .context("the benchmark printed something else than figures")?;
    if args.checks > 0 {
        figures.push(check(workspace, args.checks)?);
    }
    match args.output {
        Format::Human => print_table(&figures),
        Format::Json => print_json(&figures)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// From the start of the process to its end, for the tutorial's policy.
fn check(workspace: &Workspace, times: u16) -> Result<Figure> {
    // Standard output is for the result.
    eprintln!("building postern in release: some minutes the first time, seconds afterwards");
    exec::quiet(workspace.cargo().args(["build", "--release", "--bin", "postern"]))?;
    let postern = workspace.target.join("release").join("postern");
    let file = workspace.root.join("deploy/tutorial/policy.yaml");
    let mut samples = Vec::new();
    for _ in 0..times {
        let start = Instant::now();
        let output =
            Command::new(&postern).arg("check").arg(&file).output().context("cannot start postern")?;
        samples.push(start.elapsed());
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    samples.sort();
    let median = samples.get(samples.len() / 2).context("there are no samples")?;
    Ok(Figure {
        what: format!("`postern check` of {} from its start, median of {times}", file.display()),
        unit: "ms".to_owned(),
        value: median.as_secs_f64() * 1e3,
        at_most: Some(20.0),
    })
}

fn print_table(figures: &[Figure]) {
    println!("| what | figure | at most |");
    println!("|---|---|---|");
    for Figure { what, unit, value, at_most } in figures {
        let digits = match (unit.as_str(), *value) {
            ("", _) => 0,
            (_, value) if value < 10.0 => 2,
            _ => 0,
        };
        let most = at_most.map(|most| format!("{most} {unit}")).unwrap_or_default();
        println!("| {what} | {value:.digits$} {unit} | {most} |");
    }
}

fn print_json(figures: &[Figure]) -> Result<()> {
    let row =
        |it: &Figure| json!({"what": it.what, "unit": it.unit, "value": it.value, "at_most": it.at_most});
    let rows: Vec<_> = figures.iter().map(row).collect();
    println!("{}", serde_json::to_string_pretty(&rows).context("the result cannot be printed")?);
    Ok(())
}
