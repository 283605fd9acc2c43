//! The command line of `postern-cluster`.

mod down;
mod guide;
mod status;
mod supervise;
mod up;

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};

use crate::folder::Folder;
use crate::options::{Engine, Options};
use crate::run::RunId;
use crate::services::ServiceProxy;
use crate::{app, exec};

/// A cluster on this machine: a real API server, nodes and pods as network namespaces. Needs root.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask cluster", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start a cluster, which stays until `down`
    #[command(after_help = "Example: cargo xtask cluster up\n         cargo xtask cluster up --nodes 3")]
    Up(UpArgs),
    /// Show the clusters of this machine, their pods and processes
    #[command(after_help = "Example: cargo xtask cluster status")]
    Status,
    /// Run a command in a pod's network
    ///
    /// There is no container: the command sees this machine's files and processes, and the pod's network.
    /// `kubectl exec`, `logs` and `port-forward` do not work, since they want a kubelet that listens.
    #[command(
        after_help = "Example: cargo xtask cluster exec app2 -- curl -s http://app1-service-address/public"
    )]
    Exec {
        #[command(flatten)]
        run: RunArgs,
        /// [NAMESPACE/]NAME, or `app1` for the only pod whose name starts with `app1-`
        pod: String,
        /// The command
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Run kubectl as the cluster's administrator
    #[command(after_help = "Example: cargo xtask cluster kubectl -- get pods -o wide")]
    Kubectl {
        #[command(flatten)]
        run: RunArgs,
        /// kubectl's arguments
        #[arg(last = true)]
        args: Vec<OsString>,
    },
    /// Stop a cluster and remove every trace of it
    #[command(after_help = "Example: cargo xtask cluster down\n         cargo xtask cluster down --all")]
    Down {
        #[command(flatten)]
        run: RunArgs,
        /// All clusters that `up` has made, and what killed tests have left
        #[arg(long, conflicts_with = "run")]
        all: bool,
    },
    /// Keep a cluster until told to end
    #[command(hide = true)]
    Supervise(UpArgs),
    /// What runs in a pod
    #[command(hide = true, subcommand)]
    Pod(Pod),
}

#[derive(Debug, Subcommand)]
enum Pod {
    /// The tutorial's server
    DemoApp {
        /// Serve HTTP on this port
        #[arg(long)]
        tcp: Vec<u16>,
        /// Echo on this port
        #[arg(long)]
        udp: Vec<u16>,
    },
    /// Nothing
    Client,
}

/// Which cluster.
#[derive(Debug, Args)]
struct RunArgs {
    /// Which cluster, if there are several: four hexadecimal digits
    #[arg(long, value_name = "ID")]
    run: Option<RunId>,
}

#[derive(Debug, Clone, Args)]
struct UpArgs {
    /// How many nodes
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=i64::from(crate::subnets::MAX_NODES)))]
    nodes: u8,
    /// The cluster's name: four hexadecimal digits. Any that is free unless given
    #[arg(long, value_name = "ID")]
    run: Option<RunId>,
    /// Enforce HTTP rules by Envoy in place of the bundled proxy
    #[arg(long)]
    envoy: bool,
    /// Leave controller, agents and proxies out: a plain cluster without policy
    #[arg(long)]
    bare: bool,
    /// Who translates service addresses
    #[arg(long, value_enum, default_value_t)]
    service_proxy: ServiceProxy,
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Action::Up(args) => up::run(&args)?,
        Action::Status => status::run()?,
        Action::Exec { run, pod, command } => {
            let (program, args) = command.split_first().context("which command?")?;
            let mut command = exec::command(&run.folder()?, &pod, program)?;
            return Err(command.args(args).exec()).context("cannot run a command in a pod");
        }
        Action::Kubectl { run, args } => {
            let facts = run.folder()?.facts()?;
            let mut command = Command::new(&facts.kubectl);
            let error = command.args(args).env("KUBECONFIG", &facts.kubeconfig).exec();
            return Err(error).with_context(|| format!("cannot run {}", facts.kubectl.display()));
        }
        Action::Down { run, all } => down::run(&run, all)?,
        Action::Supervise(args) => supervise::run(&args)?,
        Action::Pod(Pod::DemoApp { tcp, udp }) => app::serve(&tcp, &udp)?,
        Action::Pod(Pod::Client) => app::idle(),
    }
    Ok(ExitCode::SUCCESS)
}

impl RunArgs {
    /// The cluster that is meant.
    fn run(&self) -> Result<RunId> {
        if let Some(run) = self.run {
            ensure!(Folder::of(run).exists(), "there is no run {run}");
            return Ok(run);
        }
        let detached = |run: &RunId| Folder::of(*run).owner().is_ok_and(|owner| owner.detached);
        let runs: Vec<RunId> = Folder::runs()?.into_iter().filter(detached).collect();
        match runs.as_slice() {
            [only] => Ok(*only),
            [] => bail!("no cluster is up: `cargo xtask cluster up` starts one"),
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                bail!("several clusters are up: name one by --run ({})", names.join(", "))
            }
        }
    }

    fn folder(&self) -> Result<Folder> {
        self.run().map(Folder::of)
    }
}

impl UpArgs {
    fn options(&self) -> Result<Options> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        Ok(Options {
            run: self.run,
            nodes: self.nodes,
            daemons: !self.bare,
            engine: if self.envoy { Engine::Envoy } else { Engine::Bundled },
            services: self.service_proxy,
            progress: true,
            detached: true,
            ..Options::new(program)
        })
    }

    /// The arguments by which another process is told the same.
    fn args(&self, run: RunId) -> Vec<String> {
        let mut args = vec![format!("--nodes={}", self.nodes), format!("--run={run}")];
        args.extend(self.envoy.then(|| "--envoy".to_owned()));
        args.extend(self.bare.then(|| "--bare".to_owned()));
        let services = match self.service_proxy {
            ServiceProxy::PodNft => "pod-nft",
            ServiceProxy::None => "none",
        };
        args.push(format!("--service-proxy={services}"));
        args
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
    fn a_supervisor_is_told_what_up_was_told() {
        let cli = Cli::try_parse_from(["x", "up", "--nodes=3", "--envoy", "--service-proxy=none"]).unwrap();
        let Action::Up(args) = cli.command else { panic!("not up") };
        let passed = args.args("00ff".parse().unwrap());
        let cli =
            Cli::try_parse_from(["x", "supervise"].into_iter().map(str::to_owned).chain(passed)).unwrap();
        let Action::Supervise(other) = cli.command else { panic!("not supervise") };
        assert_eq!(other.run.unwrap().to_string(), "00ff");
        assert_eq!((other.nodes, other.envoy, other.bare), (3, true, false));
        assert_eq!(other.service_proxy, ServiceProxy::None);
    }
}
