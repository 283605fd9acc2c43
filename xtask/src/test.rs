//! `cargo xtask test`: every suite, on everything the suites need.

mod needs;
mod plan;
mod suites;

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::builder::PossibleValuesParser;

use crate::cli::TestArgs;
use crate::report::{Failure, Report};
use crate::workspace::Workspace;
use crate::{exec, tools};
use plan::Plan;
use suites::{SUITES, Suite};

/// The names of the suites, for the command line.
pub(crate) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(SUITES.iter().map(|suite| suite.name))
}

/// Runs the suites with a summary of their own.
pub(crate) fn run(workspace: &Workspace, args: &TestArgs) -> Result<ExitCode> {
    // A suite that fails says nothing about the next one, so all of them run.
    let mut report = Report::new(true);
    steps(workspace, args, &mut report)?;
    Ok(report.finish())
}

/// Adds the suites to a longer run.
pub(crate) fn steps(workspace: &Workspace, args: &TestArgs, report: &mut Report) -> Result<()> {
    let plan = Plan::of(workspace)?;
    let chosen: Vec<&Suite> = SUITES.iter().filter(|suite| left_out(suite, args).is_none()).collect();
    let mut prepared = None;
    report.step("test: prepare", Failure::Blocks, || {
        prepared = Some(prepare(workspace, &chosen, &plan)?);
        Ok(())
    });
    for suite in SUITES {
        let name = format!("test: {}", suite.name);
        if let Some(how) = left_out(suite, args) {
            report.excluded(&name, &how);
            continue;
        }
        let arguments = plan.arguments(suite);
        report.step(&name, Failure::Blocks, || {
            ensure!(!plan.is_empty(suite), "the suite has no test: see its row in xtask/src/test/suites.rs");
            println!("{}", suite.about);
            let environment =
                prepared.as_ref().context("what the suite needs could not be prepared: see above")?;
            suite_run(workspace, environment, &arguments)
        });
    }
    Ok(())
}

fn left_out(suite: &Suite, args: &TestArgs) -> Option<String> {
    let named = |list: &[String]| list.iter().any(|name| name == suite.name);
    if named(&args.exclude) {
        Some(format!("by --exclude {}", suite.name))
    } else if !args.only.is_empty() && !named(&args.only) {
        Some(format!("by --only {}", args.only.join(" --only ")))
    } else {
        None
    }
}

/// The arguments that name the packages which the tests are built with.
pub(crate) fn packages(workspace: &Workspace) -> Result<Vec<String>> {
    Ok(Plan::of(workspace)?.packages())
}

/// Installs and builds what the suites need; gives the variables that tell them where it is.
fn prepare(workspace: &Workspace, chosen: &[&Suite], plan: &Plan) -> Result<Vec<(String, OsString)>> {
    tools::rust::ensure(workspace)?;
    // The build of the workspace links programs for the kernel.
    tools::bpf_linker::ensure(workspace)?;
    let mut environment = needs::meet(chosen)?;
    println!("building the tests: some minutes the first time");
    exec::run(build(workspace, plan).args(["--tests", "--bin", "postern"]))?;
    let postern = workspace.target.join("debug").join("postern");
    environment.push(("POSTERN_BIN".to_owned(), postern.into()));
    Ok(environment)
}

/// Every suite builds the same set of packages and picks targets of it, so that cargo settles on one set
/// of features and compiles each dependency once.
fn build(workspace: &Workspace, plan: &Plan) -> Command {
    let mut command = workspace.cargo();
    command.arg("build").args(plan.packages());
    command
}

fn suite_run(workspace: &Workspace, environment: &[(String, OsString)], arguments: &[String]) -> Result<()> {
    let mut command = workspace.cargo();
    for variable in needs::VARIABLES {
        command.env_remove(variable);
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    exec::run(command.arg("test").args(arguments).arg("--no-fail-fast"))
}
