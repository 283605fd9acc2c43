//! `cargo xtask ci`: everything that must pass before a change is taken.

mod size;

use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};

use crate::cli::CiArgs;
use crate::report::{Failure, Report};
use crate::workspace::Workspace;
use crate::{demo, exec, fuzz, instructions, test, tidy, tools};

/// The crates that are compiled into the module and so must build and lint clean for its target.
const GUEST: &[&str] = &[
    "-p",
    "postern-policy-core",
    "-p",
    "postern-policy-lang",
    "-p",
    "postern-policy-wire",
    "-p",
    "postern-filter",
    "-p",
    "postern-filter-component",
];
/// The module's target.
const WASM: &str = "wasm32-wasip1";

struct Step {
    name: &'static str,
    failure: Failure,
    run: fn(&Workspace) -> Result<()>,
}

const fn step(name: &'static str, run: fn(&Workspace) -> Result<()>) -> Step {
    Step { name, failure: Failure::Blocks, run }
}

/// Before the tests: what is quick to fail.
const BEFORE: &[Step] = &[
    step("tools", tools::install_for_checks),
    step("format", |workspace| exec::run(workspace.cargo().args(["fmt", "--all", "--check"]))),
    step("tidy", tidy::run),
    step("dependencies", |workspace| deny(workspace, &["bans", "licenses", "sources"])),
    // News about a dependency are not this change's fault, and the database may be out of reach.
    Step { name: "advisories", failure: Failure::IsNoted, run: |workspace| deny(workspace, &["advisories"]) },
    // Cargo leaves out test targets that plain `cargo test` leaves out, unless they are named.
    step("clippy", |workspace| {
        clippy(workspace, &["--workspace", "--all-targets", "--test", "kernel_transparent"])
    }),
    step("clippy for wasm", |workspace| clippy(workspace, &[GUEST, &["--target", WASM]].concat())),
    step("documentation", |workspace| {
        exec::run(workspace.cargo().env("RUSTDOCFLAGS", "-D warnings").args([
            "doc",
            "--no-deps",
            "--workspace",
        ]))
    }),
];

/// After the tests: what a user gets.
const AFTER: &[Step] = &[
    step("fuzz", fuzz::for_ci),
    step("demo", run_demo),
    step("module size", size::check),
    step("instructions", instructions::for_ci),
];

/// Runs the steps.
pub(crate) fn run(workspace: &Workspace, args: &CiArgs) -> Result<ExitCode> {
    let mut report = Report::new(args.keep_going);
    for Step { name, failure, run } in BEFORE {
        report.step(name, *failure, || run(workspace));
    }
    test::steps(workspace, &args.test, &mut report)?;
    for Step { name, failure, run } in AFTER {
        report.step(name, *failure, || run(workspace));
    }
    Ok(report.finish())
}

fn clippy(workspace: &Workspace, what: &[&str]) -> Result<()> {
    exec::run(workspace.cargo().arg("clippy").args(what).args(["--", "-D", "warnings"]))
}

fn deny(workspace: &Workspace, checks: &[&str]) -> Result<()> {
    let mut command = Command::new(tools::deny::ensure(workspace)?);
    command.current_dir(&workspace.root).args(["check", "--hide-inclusion-graph"]).args(checks);
    exec::run(&mut command)
}

fn run_demo(workspace: &Workspace) -> Result<()> {
    let code = demo::run(workspace, &[])?;
    ensure!(code == ExitCode::SUCCESS, "the demo did not go as the tutorial says: see above");
    Ok(())
}
