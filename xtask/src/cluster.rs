//! `cargo xtask cluster`: a cluster in a box, with everything it needs installed and built.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;
use crate::{exec, tools};

/// Runs `postern-cluster` with these arguments; the exit code is its own.
pub(crate) fn run(workspace: &Workspace, args: &[OsString]) -> Result<ExitCode> {
    let has = |option: &str| args.iter().any(|arg| arg == option);
    let up = args.first().is_some_and(|action| action == "up") && !has("--help") && !has("-h");
    let mut environment: Vec<(&str, OsString)> = Vec::new();
    if up {
        tools::rust::ensure(workspace)?;
        tools::packages(tools::NETWORK)?;
        environment.push(("POSTERN_ASSETS", tools::apiserver::ensure()?.into()));
        if has("--envoy") {
            environment.push(("POSTERN_ENVOY", tools::envoy::ensure()?.into()));
        }
        if !has("--bare") {
            tools::bpffs::ensure()?;
            tools::bpf_linker::ensure(workspace)?;
            println!("building postern: some minutes the first time, seconds afterwards");
            exec::run(workspace.cargo().args(["build", "--bin", "postern"]))?;
            environment.push(("POSTERN_BIN", workspace.target.join("debug/postern").into()));
        }
    }
    let program = workspace.target.join("debug/postern-cluster");
    // The other commands take what `up` was: at once, and with its notion of what a box leaves behind.
    if up || !program.is_file() {
        exec::run(workspace.cargo().args(["build", "--package", "postern-tests-cluster", "--bins"]))?;
    }
    let mut command = Command::new(&program);
    // In the caller's folder: kubectl and others are given paths.
    Err(command.args(args).envs(environment).exec())
        .with_context(|| format!("cannot start {}", program.display()))
}
