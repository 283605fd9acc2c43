//! `cargo xtask instructions`: how many instructions a decision and a whole request take, held against a file.
//!
//! Time differs from run to run; these counts hardly do, so they show a change for the worse when it is made.
//! A decision, and reading an update, are counted by callgrind. A request in the VM is counted by wasmtime's fuel, which is
//! one for each instruction of the module: compiling the module under valgrind takes minutes.

mod baseline;

use std::path::Path;
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

/// The keys of hash maps are drawn anew in each run, and with them what a look-up costs: the least counts.
const RUNS: usize = 3;
/// What is counted by callgrind.
const REPEATED: [Repeated; 6] = [
    Repeated::decision("exact", 1_000),
    Repeated::decision("segment and expression", 10),
    Repeated::decision("segment and expression", 1_000),
    Repeated::decision("many `.*`", 1_000),
    Repeated::update("update", "an update of one rule"),
    Repeated::update("update-all", "an update of all rules"),
];

/// Something that the benchmark does so many times.
struct Repeated {
    /// As the file of counts has it.
    name: &'static str,
    /// As the benchmark calls it, and the shape of the paths.
    what: &'static str,
    shape: &'static str,
    rules: u32,
    times: u32,
    /// Where counting begins and ends: reading and compiling the rules before it is left out.
    function: &'static str,
}

impl Repeated {
    const fn decision(shape: &'static str, rules: u32) -> Self {
        let function = "*Native*request*";
        Self { name: "decision", what: "decide", shape, rules, times: 1_000, function }
    }

    const fn update(what: &'static str, name: &'static str) -> Self {
        let shape = "segment and expression";
        Self { name, what, shape, rules: 10_000, times: 4, function: "*Updates*update*" }
    }

    /// Instructions for each time.
    fn count(&self, program: &Path) -> Result<f64> {
        let mut least = f64::INFINITY;
        for _ in 0..RUNS {
            let mut command = Command::new("valgrind");
            command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
            command.arg(format!("--toggle-collect={}", self.function)).arg(program);
            command.args(["--repeat", self.what, "--shape", self.shape]);
            command.args(["--rules", &self.rules.to_string(), "--times", &self.times.to_string()]);
            least = least.min(callgrind(&mut command)?);
        }
        Ok(least / f64::from(self.times))
    }
}

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
    for repeated in &REPEATED {
        let name = format!("{}, {}, {} rules", repeated.name, repeated.shape, repeated.rules);
        eprintln!("counting: {name}");
        counts.put(name, repeated.count(&program)?);
    }
    Ok(counts)
}

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
