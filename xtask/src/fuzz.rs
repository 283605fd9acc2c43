//! `cargo xtask fuzz`: targets built with the compiler's coverage counters, each run for a while.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::builder::PossibleValuesParser;

use crate::cli::FuzzArgs;
use crate::workspace::Workspace;
use crate::{exec, test};

/// A target: what it is called, and how it is built. Its seeds are in `fuzz/seeds/NAME`.
#[derive(Debug, Clone, Copy)]
struct Target {
    name: &'static str,
    build: Build,
}

/// How a target is built.
#[derive(Debug, Clone, Copy)]
enum Build {
    /// A binary of the crate `fuzz`: optimised, in a folder of its own, and everything in it counts.
    Everything,
    /// An example of that crate, in the folder of the tests and of the parts that they were built with. wasmtime takes
    /// minutes to compile, and what it reaches is not what is searched: only crates of this workspace count.
    OnTests,
}

/// The targets.
const TARGETS: [Target; 5] = [
    Target { name: "bundle", build: Build::Everything },
    Target { name: "decide", build: Build::Everything },
    Target { name: "documents", build: Build::Everything },
    Target { name: "host_calls", build: Build::OnTests },
    Target { name: "resolve", build: Build::Everything },
];
/// How long each runs.
pub(crate) const SECONDS: u64 = 60;
/// What makes stable rustc count: a pass of its LLVM, at every edge.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cdebug-assertions -Coverflow-checks";

/// The names that the command line takes.
pub(crate) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(TARGETS.map(|target| target.name))
}

/// Runs one target, or each in turn.
pub(crate) fn run(workspace: &Workspace, args: &FuzzArgs) -> Result<ExitCode> {
    let wanted = |target: &Target| args.target.as_deref().is_none_or(|only| only == target.name);
    TARGETS.into_iter().filter(wanted).try_for_each(|target| target.run(workspace, args.seconds))?;
    Ok(ExitCode::SUCCESS)
}

/// Every target, for as long as each change is worth.
pub(crate) fn for_ci(workspace: &Workspace) -> Result<()> {
    TARGETS.into_iter().try_for_each(|target| target.run(workspace, SECONDS))
}

impl Target {
    fn run(self, workspace: &Workspace, seconds: u64) -> Result<()> {
        let program = match self.build {
            Build::Everything => everything(workspace, self.name)?,
            Build::OnTests => on_tests(workspace, self.name)?,
        };
        let seeds = workspace.root.join("fuzz/seeds").join(self.name);
        let findings = workspace.target.join("fuzz/findings").join(self.name);
        let mut fuzz = Command::new(program);
        exec::run(fuzz.arg(seeds).arg(&findings).arg(seconds.to_string())).with_context(|| {
            let findings = findings.display();
            format!("the input is in {findings}; its last argument may be that file, to run it alone")
        })
    }
}

/// Builds [`Build::Everything`].
fn everything(workspace: &Workspace, name: &str) -> Result<PathBuf> {
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
    Ok(folder.join(host).join("release").join(name))
}

/// Builds [`Build::OnTests`]: with the packages of the tests, so that cargo comes to the same features.
fn on_tests(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let mut build = workspace.cargo();
    build.env("POSTERN_FUZZ_FLAGS", FLAGS);
    build.env("RUSTC_WORKSPACE_WRAPPER", workspace.root.join("fuzz/counted.sh"));
    exec::run(build.arg("build").args(test::packages(workspace)?).args(["--example", name]))?;
    Ok(workspace.target.join("debug/examples").join(name))
}
