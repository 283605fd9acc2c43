//! `postern node`.

mod admin;
mod adopt;
mod daemon;
mod flow_log;
mod trouble;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};
use postern_node::steer::{self, Plan};
use postern_node::{BPFFS_ROOT, datapath};
use postern_ops::{LogFormat, init_log};
use postern_policy_core::world::WorkloadName;
use postern_xds::client::Kind;

use crate::bundle::{AttachArgs, DirectionArg};
use crate::config_file::Source;
use crate::follow::FollowArgs;
use crate::inputs::InputArgs;
use crate::output::{Outcome, print};

/// Enforce policy in the kernel for the workloads of this node, and steer their HTTP to the proxy
///
/// Programs are attached to the host's side of each workload's device; they judge addresses and ports by identity. What
/// carries HTTP rules goes to `postern proxy --transparent`; without a living proxy it is dropped. Everything is pinned: when
/// the agent ends, enforcement goes on, and the next agent takes over. Root, a BPF file system and Linux 6.6 are needed.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  postern node --policy rule1.yaml --inventory pods.yaml --flows -
  postern node --node worker0 --controller https://postern-controller.postern-system.svc:15010 \\
    --ca ca.crt --token token
  postern node cleanup"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Adopt(adopt::Args),
    /// Detach and remove everything that a node has left in the kernel: nothing is enforced any more
    Cleanup {
        /// The folder in bpffs that the node used
        #[arg(long, value_name = "FOLDER", default_value = BPFFS_ROOT)]
        bpffs: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Policy files, or folders of them
    #[arg(long, short, num_args = 1.., value_name = "FILE", requires = "inventory")]
    policy: Vec<PathBuf>,
    /// What exists: Pod, Namespace, Node, Service or Workload documents
    #[arg(long, short, num_args = 1.., value_name = "FILE", requires = "policy")]
    inventory: Vec<PathBuf>,
    /// A bundle that `postern bundle` wrote, in place of policies
    #[arg(long, value_name = "FILE", conflicts_with_all = ["policy", "inventory"])]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    follow: FollowArgs,
    /// The device that leads to a workload, where no route to its address alone tells: default/app1=veth1
    #[arg(long, value_name = "NAMESPACE/NAME=DEVICE", value_parser = device)]
    device: Vec<(WorkloadName, String)>,
    /// The devices that lead to other nodes and to the world; those of the default routes, if not given
    #[arg(long, value_name = "DEVICE")]
    uplink: Vec<String>,
    /// The folder in bpffs where everything is pinned
    #[arg(long, value_name = "FOLDER", default_value = BPFFS_ROOT)]
    bpffs: PathBuf,
    /// Write every drop and every new connection to this file, one JSON object a line (`-` writes to standard output)
    #[arg(long, value_name = "FILE")]
    flows: Option<PathBuf>,
    /// Serve /metrics, /healthz, /readyz and /status here
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin: Option<SocketAddr>,
    /// What is logged, such as `info` or `warn`
    #[arg(long, default_value = "info", value_name = "FILTER")]
    log: String,
}

fn device(text: &str) -> Result<(WorkloadName, String), String> {
    match text.split_once('=') {
        Some((name, device)) if !name.is_empty() && !device.is_empty() => {
            Ok((WorkloadName::parse(name), device.to_owned()))
        }
        _ => Err("expected NAMESPACE/NAME=DEVICE, such as default/app1=veth1".to_owned()),
    }
}

impl Run {
    /// What is to be enforced; files are read once, so that bad ones are told before anything is made.
    fn wanted(&self) -> anyhow::Result<daemon::Wanted> {
        if let Some(client) = self.follow.client(Kind::Node)? {
            return Ok(daemon::Wanted::Controller(client));
        }
        let source = match &self.bundle {
            Some(bundle) => Source::Bundle(bundle.clone()),
            None if self.policy.is_empty() => {
                bail!(
                    "nothing says what to enforce: expected --controller, --bundle, or --policy with --inventory"
                )
            }
            None => Source::Policies(
                InputArgs { policy: self.policy.clone(), inventory: self.inventory.clone() },
                AttachArgs { workload: None, direction: DirectionArg::Both, port: None },
                None,
            ),
        };
        let state = source.state();
        let first = source.load()?;
        Ok(daemon::Wanted::Files(source, state, first))
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match &args.command {
        Some(Command::Adopt(args)) => adopt::run(args),
        Some(Command::Cleanup { bpffs }) => runtime.block_on(async {
            // Programs go first: what they mark must not lose its way while they still do.
            datapath::cleanup(bpffs)?;
            let removed =
                steer::remove(&Plan::standard()).await.context("the routing rules are still there")?;
            print(&format!("removed everything below {} and {removed} routing entries\n", bpffs.display()))?;
            Ok(Outcome::Ok)
        }),
        None => {
            init_log(&args.run.log, LogFormat::Auto)?;
            runtime.block_on(daemon::run(&args.run))
        }
    }
}
