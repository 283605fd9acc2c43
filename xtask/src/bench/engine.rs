//! `cargo xtask bench engine`: what the engine costs from one rule to ten thousand.
//!
//! In one process: decisions, and the module in the VM; that is a benchmark of `tests/corpus`, which also writes the
//! rule sets. Then Envoy and the proxy under load, in turns.

mod envoy;
mod page;
mod plot;
mod subjects;
mod updates;
mod variants;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Format;
use crate::workspace::Workspace;
use crate::{exec, tools};
use subjects::{Made, Measured};
use updates::Updated;

/// How much is measured, and what becomes of it.
#[derive(Debug, Args)]
pub(crate) struct EngineArgs {
    /// How many turns each proxy has, in three rounds
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u8).range(1..=64))]
    turns: u8,
    /// Leave our own proxy out, which takes minutes to build
    #[arg(long)]
    no_proxy: bool,
    /// Write tables and plot into docs/benchmarks.md
    #[arg(long)]
    write: bool,
    /// How the result is printed
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// One figure of the benchmark in `tests/corpus`.
#[derive(Debug, Deserialize, Serialize)]
struct Figure {
    what: String,
    shape: String,
    rules: u32,
    unit: String,
    /// None where the filter did not take the rules.
    value: Option<f64>,
    at_most: Option<f64>,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
struct Results {
    in_process: Vec<Figure>,
    under_load: Vec<Measured>,
    parts: Vec<Measured>,
    updates: Vec<Updated>,
}

/// Runs it.
pub(super) fn run(workspace: &Workspace, args: &EngineArgs) -> Result<ExitCode> {
    tools::rust::ensure(workspace)?;
    tools::packages(&[("nginx", "nginx-light"), ("wrk", "wrk"), ("taskset", "util-linux")])?;
    let envoy = tools::envoy::ensure()?;
    // Standard output is for the result.
    eprintln!("building what is measured: some minutes the first time, seconds afterwards");
    let sets = tempfile::tempdir().context("cannot make a folder for the rule sets")?;
    benchmark(workspace, &["--write", &sets.path().display().to_string()])?;
    let [noop, asks] = [example(workspace, "noop")?, example(workspace, "asks")?];
    let postern = if args.no_proxy { None } else { Some(postern(workspace)?) };
    eprintln!("decisions, and the module in the VM: a minute");
    let printed = benchmark(workspace, &[])?;
    let in_process =
        serde_json::from_str(&printed).context("the benchmark printed something else than figures")?;
    let made =
        Made { envoy: &envoy, noop: &noop, asks: &asks, postern: postern.as_deref(), sets: sets.path() };
    let parts = subjects::parts(&made)?;
    let under_load = subjects::curves(&made, args.turns)?;
    eprintln!("updates while requests go on");
    let updates = updates::measure(&envoy, sets.path())?;
    let results = Results { in_process, under_load, parts, updates };
    if args.write {
        page::write(&workspace.root, &results)?;
    }
    match args.output {
        Format::Human => println!("{}", page::tables(&results)),
        Format::Json => {
            let text = serde_json::to_string_pretty(&results).context("the result cannot be printed")?;
            println!("{text}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The benchmark of `tests/corpus`; what it prints.
pub(crate) fn benchmark(workspace: &Workspace, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program(workspace)?)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start the benchmark")?;
    ensure!(output.status.success(), "the benchmark failed: {}", output.status);
    String::from_utf8(output.stdout).context("the benchmark printed no text")
}

/// The benchmark's program, built.
pub(crate) fn program(workspace: &Workspace) -> Result<PathBuf> {
    let mut command = workspace.cargo();
    command
        .args(["build", "--profile", "measure", "--package", "postern-tests-corpus", "--bench", "engine"])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit());
    let output = command.output().context("cannot start cargo")?;
    ensure!(output.status.success(), "the benchmark does not build: {}", output.status);
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message.pointer("/target/name").is_some_and(|name| name == "engine"))
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .context("cargo did not say where the benchmark is")
}

/// A filter to hold ours against, built as ours is.
fn example(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let folder = workspace.target.join("module");
    let target = "wasm32-wasip1";
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--package", "postern-filter", "--example", name, "--profile", "module"]);
    exec::quiet(cargo.args(["--target", target, "--target-dir"]).arg(&folder))?;
    Ok(folder.join(target).join("module/examples").join(format!("{name}.wasm")))
}

fn postern(workspace: &Workspace) -> Result<PathBuf> {
    exec::quiet(workspace.cargo().args(["build", "--release", "--bin", "postern", "--no-default-features"]))?;
    Ok(workspace.target.join("release").join("postern"))
}
