//! `cargo xtask bench node`: builds what is measured and what measures, which is a benchmark of `tests/cluster`.

use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum as _};

use super::Format;
use crate::workspace::Workspace;
use crate::{exec, tools};

/// How much is measured, and how it is printed.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// How many turns each subject has
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u8).range(1..=64))]
    turns: u8,
    /// How long each stretch of load is, in milliseconds
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u16).range(50..=5000))]
    millis: u16,
    /// How often the policy is changed
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(2..=1000))]
    changes: u16,
    /// How the result is printed
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Runs it; the exit code is its own.
pub(super) fn run(workspace: &Workspace, args: &NodeArgs) -> Result<ExitCode> {
    tools::rust::ensure(workspace)?;
    tools::bpffs::ensure()?;
    tools::bpf_linker::ensure(workspace)?;
    tools::packages(tools::NETWORK)?;
    let assets = tools::apiserver::ensure()?;
    // Standard output is for the result.
    eprintln!("building postern in release: some minutes the first time, seconds afterwards");
    exec::quiet(workspace.cargo().args(["build", "--release", "--bin", "postern"]))?;
    let format = args.output.to_possible_value().context("the format has no name")?;
    let mut command = workspace.cargo();
    command
        .args(["bench", "--package", "postern-tests-cluster", "--bench", "node", "--"])
        .args(["--turns", &args.turns.to_string(), "--millis", &args.millis.to_string()])
        .args(["--changes", &args.changes.to_string(), "--output", format.get_name()])
        .env("POSTERN_ASSETS", assets)
        .env("POSTERN_BIN", workspace.target.join("release").join("postern"));
    Err(command.exec()).context("cannot start cargo")
}
