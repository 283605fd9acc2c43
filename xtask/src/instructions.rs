//! `cargo xtask instructions`: how many instructions a decision and a whole request take, held against a file.
//!
//! Time differs from run to run; these counts hardly do, so they show a change for the worse when it is made.
//! A decision is counted by callgrind. A request in the VM is counted by wasmtime's fuel, which is one for each
//! instruction of the module: compiling the module under valgrind takes minutes.

mod baseline;

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::bench;
use crate::tools;
use crate::workspace::Workspace;
use baseline::Baseline;

/// What becomes of the counts.
#[derive(Debug, Default, Args)]
pub(crate) struct InstructionsArgs {
    /// Write them into xtask/instructions.toml instead of holding them against it
    #[arg(long)]
    update: bool,
}

/// How often a decision is made.
const TIMES: &str = "1000";
/// The keys of hash maps are drawn anew in each run, and with them what a look-up costs: the least counts.
const RUNS: usize = 3;
/// What is decided: the shape of the paths, as the benchmark calls it, and how many rules there are.
const DECISIONS: [(&str, u32); 4] = [
    ("exact", 1_000),
    ("segment and expression", 10),
    ("segment and expression", 1_000),
    ("many `.*`", 1_000),
];

#[derive(Deserialize)]
struct Figure {
    what: String,
    shape: String,
    rules: u32,
    value: Option<f64>,
}

/// Counts, and compares or writes.
pub(crate) fn run(workspace: &Workspace, args: &InstructionsArgs) -> Result<ExitCode> {
    let counts = count(workspace)?;
    let file = workspace.root.join(baseline::FILE);
    if args.update {
        counts.write(&file)?;
        println!("written to {}", baseline::FILE);
        return Ok(ExitCode::SUCCESS);
    }
    let compared = Baseline::read(&file)?.compare(&counts);
    println!("{compared}");
    Ok(if compared.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// As a step of `ci`.
pub(crate) fn for_ci(workspace: &Workspace) -> Result<()> {
    match run(workspace, &InstructionsArgs::default())? {
        ExitCode::SUCCESS => Ok(()),
        _ => bail!(
            "something takes more instructions than {} says: see above. If it is worth them, run \
             `cargo xtask instructions --update` and say why in the commit",
            baseline::FILE
        ),
    }
}

fn count(workspace: &Workspace) -> Result<Baseline> {
    tools::rust::ensure(workspace)?;
    tools::packages(&[("valgrind", "valgrind")])?;
    let mut counts = Baseline::default();
    let printed = bench::engine::benchmark(workspace, &["--counts"])?;
    let figures: Vec<Figure> = serde_json::from_str(&printed).context("these are no figures")?;
    for Figure { shape, rules, value, .. } in figures.iter().filter(|it| it.what == "fuel of a request, mean")
    {
        let value = value.with_context(|| format!("{shape}, {rules} rules: not loaded"))?;
        counts.put(format!("request in the VM, {shape}, {rules} rules"), value);
    }
    let program = bench::engine::program(workspace)?;
    for (shape, rules) in DECISIONS {
        eprintln!("counting decisions: {shape}, {rules} rules");
        let rules = rules.to_string();
        let what = ["--repeat", "decide", "--shape", shape, "--rules", &rules, "--times", TIMES];
        let mut least = f64::INFINITY;
        for _ in 0..RUNS {
            least = least.min(callgrind(Command::new("valgrind").args(CALLGRIND).arg(&program).args(what))?);
        }
        let times: f64 = TIMES.parse().context("it is a number")?;
        counts.put(format!("decision, {shape}, {rules} rules"), least / times);
    }
    Ok(counts)
}

/// Counts inside of this one function and what it calls; reading and compiling the rules is left out.
const CALLGRIND: [&str; 3] =
    ["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*Native*request*"];

fn callgrind(command: &mut Command) -> Result<f64> {
    let output = command.output().context("cannot start valgrind: is it installed?")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("valgrind failed: {}\n{said}", output.status);
    }
    collected(&said).with_context(|| format!("valgrind counted nothing:\n{said}"))
}

/// `==123== Collected : 45678`.
fn collected(said: &str) -> Option<f64> {
    let line = said.lines().find_map(|line| line.split_once("Collected :"))?.1;
    line.trim().parse().ok().filter(|count| *count > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callgrind_prints() {
        assert_eq!(collected("==1== Events    : Ir\n==1== Collected : 1234567\n==1==\n"), Some(1_234_567.0));
        assert_eq!(collected("==1== Collected : 0\n"), None);
        assert_eq!(collected("nothing"), None);
    }
}
