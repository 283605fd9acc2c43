//! The command line.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::bench::{self, Bench};
use crate::instructions::{self, InstructionsArgs};
use crate::workspace::Workspace;
use crate::{ci, cluster, demo, fuzz, test, tidy, tools};

/// The project's own commands. Each installs what it needs, once, and says so.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build `postern` in release and run the tutorial end to end on this machine
    #[command(
        after_help = "Example: cargo xtask demo\n         cargo xtask demo --netns   (root: a network namespace for each workload)"
    )]
    Demo {
        /// Passed on to `postern demo`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Start and stop a cluster in a box: a real API server, nodes and pods as network namespaces (root)
    #[command(
        disable_help_flag = true,
        after_help = "Example: cargo xtask cluster up\n         cargo xtask cluster exec app2 -- curl -s http://10.1.2.3/public\n         cargo xtask cluster down"
    )]
    Cluster {
        /// Passed on to `postern-cluster`: up, status, exec, kubectl, down; `--help` says more
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Install what the tests need and run every suite
    #[command(
        after_help = "Example: cargo xtask test\n         cargo xtask test --exclude envoy\n         cargo xtask test --only unit --only corpus"
    )]
    Test(TestArgs),
    /// Run everything that must pass: `test`, and formatting, lints, tidy, licences, docs, sizes, the demo
    #[command(after_help = "Example: cargo xtask ci --keep-going")]
    Ci(CiArgs),
    /// Check what no compiler checks: who may depend on whom, file sizes, orphans, leftovers
    #[command(after_help = "Example: cargo xtask tidy")]
    Tidy,
    /// Throw changed inputs at what reads policies, and stop at the first that panics or takes too long
    #[command(after_help = "Example: cargo xtask fuzz\n         cargo xtask fuzz resolve --seconds 600")]
    Fuzz(FuzzArgs),
    /// Install the tools that the other commands use, or list them
    #[command(after_help = "Example: cargo xtask tools --list")]
    Tools {
        /// Show each tool, its version and whether it is installed, and install nothing
        #[arg(long)]
        list: bool,
    },
    /// Count the instructions of a decision and of a request, and fail where they have become more
    #[command(after_help = "Example: cargo xtask instructions\n         cargo xtask instructions --update")]
    Instructions(InstructionsArgs),
    /// Measure what enforcing costs, beside the peers, in one run
    #[command(
        subcommand,
        after_help = "Example: cargo xtask bench proxy\n         cargo xtask bench node   (root)"
    )]
    Bench(Bench),
}

/// Which suites run.
#[derive(Debug, Default, Args)]
pub(crate) struct TestArgs {
    /// Leave a suite out; the summary names it
    #[arg(long, value_name = "SUITE", value_parser = test::names())]
    pub(crate) exclude: Vec<String>,
    /// Run only this suite; the summary names the others as left out
    #[arg(long, value_name = "SUITE", value_parser = test::names(), conflicts_with = "exclude")]
    pub(crate) only: Vec<String>,
}

/// What is fuzzed, and how long.
#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    /// Only this target
    #[arg(value_parser = fuzz::names())]
    pub(crate) target: Option<String>,
    /// How long each target runs
    #[arg(long, default_value_t = fuzz::SECONDS)]
    pub(crate) seconds: u64,
}

/// How far `ci` goes.
#[derive(Debug, Args)]
pub(crate) struct CiArgs {
    /// Run the remaining steps after one has failed
    #[arg(long)]
    pub(crate) keep_going: bool,
    #[command(flatten)]
    pub(crate) test: TestArgs,
}

impl Cli {
    /// Does what was asked.
    pub(crate) fn run(self) -> Result<ExitCode> {
        let workspace = Workspace::load()?;
        match self.command {
            Command::Demo { args } => demo::run(&workspace, &args),
            Command::Cluster { args } => cluster::run(&workspace, &args),
            Command::Test(args) => test::run(&workspace, &args),
            Command::Ci(args) => ci::run(&workspace, &args),
            Command::Fuzz(args) => fuzz::run(&workspace, &args),
            Command::Tidy => tidy::run(&workspace).map(|()| ExitCode::SUCCESS),
            Command::Instructions(args) => instructions::run(&workspace, &args),
            Command::Bench(bench) => bench::run(&workspace, &bench),
            Command::Tools { list: true } => tools::list(&workspace).map(|()| ExitCode::SUCCESS),
            Command::Tools { list: false } => tools::install_all(&workspace).map(|()| ExitCode::SUCCESS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("cargo xtask"), "{} has no example", command.get_name());
        }
    }

    #[test]
    fn arguments_of_the_demo_are_passed_on() {
        let cli = Cli::try_parse_from(["xtask", "demo", "--", "--netns", "-v"]).unwrap();
        let Command::Demo { args } = cli.command else { panic!("not a demo") };
        assert_eq!(args, ["--netns", "-v"]);
    }

    #[test]
    fn arguments_of_a_cluster_are_passed_on_with_their_dashes() {
        let line = ["xtask", "cluster", "exec", "--run=00ff", "app2", "--", "curl", "-s", "http://x/"];
        let cli = Cli::try_parse_from(line).unwrap();
        let Command::Cluster { args } = cli.command else { panic!("not a cluster") };
        assert_eq!(args, line[2..]);
        let cli = Cli::try_parse_from(["xtask", "cluster", "--help"]).unwrap();
        let Command::Cluster { args } = cli.command else { panic!("not a cluster") };
        assert_eq!(args, ["--help"]);
    }
}
