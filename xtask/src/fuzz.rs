//! `cargo xtask fuzz`: targets built with the compiler's coverage counters, each run for a while.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::builder::PossibleValuesParser;

use crate::cli::FuzzArgs;
use crate::exec;
use crate::workspace::Workspace;

/// The targets: binaries of the crate `fuzz`, each with seeds in `fuzz/seeds/NAME`.
const TARGETS: [&str; 4] = ["bundle", "decide", "documents", "resolve"];
/// How long each runs.
pub(crate) const SECONDS: u64 = 60;
/// What makes stable rustc count: a pass of its LLVM, at every edge.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cdebug-assertions -Coverflow-checks";

/// The names that the command line takes.
pub(crate) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(TARGETS)
}

/// Runs one target, or each in turn.
pub(crate) fn run(workspace: &Workspace, args: &FuzzArgs) -> Result<ExitCode> {
    let mut targets =
        TARGETS.into_iter().filter(|name| args.target.as_deref().is_none_or(|only| only == *name));
    targets.try_for_each(|name| target(workspace, name, args.seconds))?;
    Ok(ExitCode::SUCCESS)
}

/// Every target, for as long as each change is worth.
pub(crate) fn for_ci(workspace: &Workspace) -> Result<()> {
    TARGETS.into_iter().try_for_each(|name| target(workspace, name, SECONDS))
}

fn target(workspace: &Workspace, name: &str, seconds: u64) -> Result<()> {
    let host =
        exec::output(Command::new("rustc").current_dir(&workspace.root).args(["--print", "host-tuple"]))?;
    let host = host.trim();
    // A folder of its own: other flags would build everything anew. A target that is named, even if it is this machine, keeps
    // the flags from build scripts.
    let folder = workspace.target.join("fuzz");
    let mut build = workspace.cargo();
    build.env("RUSTFLAGS", FLAGS).env("CARGO_PROFILE_RELEASE_LTO", "off").arg("build").arg("--release");
    exec::run(
        build.args(["-p", "postern-fuzz", "--bin", name, "--target", host, "--target-dir"]).arg(&folder),
    )?;
    let (seeds, findings) =
        (workspace.root.join("fuzz/seeds").join(name), folder.join("findings").join(name));
    let mut fuzz = Command::new(folder.join(host).join("release").join(name));
    exec::run(fuzz.arg(seeds).arg(&findings).arg(seconds.to_string())).with_context(|| {
        format!("the input is in {}; its last argument may be that file, to run it alone", findings.display())
    })
}
