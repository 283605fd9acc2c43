//! `postern bundle`.

mod envoy;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::ValueEnum;
use postern_policy_core::policy::Direction;
use postern_policy_core::resolve::{resolve, resolve_audited};
use postern_policy_core::set::{Attached, Attachment};
use postern_policy_core::world::{Service, WorkloadName};
use postern_policy_wire::{Bundle, encode};

use crate::inputs::{InputArgs, Inputs};
use crate::output::{Outcome, print, print_json};

/// Compile policies to the filter's configuration, or to a manifest that carries it
///
/// Without --for, prints the bundle itself: the JSON that the filter takes as its plugin configuration, in any proxy.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postern bundle --policy rule1.yaml --inventory pods.yaml --workload default/app1
  postern filter export -o postern.wasm
  postern bundle --policy rule1.yaml --inventory pods.yaml --workload default/app1 --port 80 \\
    --for envoy --listen 0.0.0.0:15006 --upstream 127.0.0.1:80 --module postern.wasm > envoy.yaml")]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    attach: AttachArgs,
    /// What the manifest is for
    #[arg(long = "for", value_enum, requires_all = ["listen", "upstream", "module"])]
    target: Option<Target>,
    /// Where the proxy listens
    #[arg(long, requires = "target", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Where the proxy sends what passes
    #[arg(long, requires = "target", value_name = "ADDRESS:PORT")]
    upstream: Option<SocketAddr>,
    /// The filter's module, as the proxy finds it; `postern filter export` writes it
    #[arg(long, requires = "target", value_name = "FILE")]
    module: Option<PathBuf>,
}

/// What a bundle is tied to.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct AttachArgs {
    /// The one workload that the proxy serves; without it, all are in the bundle and each connection's
    /// addresses tell which it is
    #[arg(long, short, value_name = "NAMESPACE/NAME")]
    pub(crate) workload: Option<String>,
    /// Which of its traffic the proxy sees
    #[arg(long, value_enum, default_value_t)]
    pub(crate) direction: DirectionArg,
    /// The port that policies mean, where the proxy listens on another
    #[arg(long)]
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DirectionArg {
    /// Connections to the workload
    #[default]
    Ingress,
    /// Connections from the workload
    Egress,
    /// Both ends: what the source may send, what the destination may get
    Both,
}

impl From<DirectionArg> for Attached {
    fn from(direction: DirectionArg) -> Self {
        match direction {
            DirectionArg::Ingress => Self::To(Direction::Ingress),
            DirectionArg::Egress => Self::To(Direction::Egress),
            DirectionArg::Both => Self::Both,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// A bootstrap for plain Envoy
    Envoy,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let inputs = args.inputs.load()?;
    // What Envoy's listener shows as the destination is itself; the workload connects to what is behind it.
    let peer =
        args.upstream.filter(|_| args.attach.direction == DirectionArg::Egress).map(|upstream| upstream.ip());
    let bundle = compile(&inputs, &args.attach, peer)?;
    match (args.target, args.listen, args.upstream, &args.module) {
        (None, ..) => print_json(&bundle)?,
        (Some(Target::Envoy), Some(listen), Some(upstream), Some(module)) => {
            if !module.exists() {
                let module = module.display();
                eprintln!("warning: {module} is not there: `postern filter export -o {module}` writes it");
            }
            let module = module.to_str().context("the module's path is not UTF-8: rename it")?;
            print(&envoy::bootstrap(&bundle, listen, upstream, module)?)?;
        }
        (Some(Target::Envoy), ..) => bail!("--for envoy needs --listen, --upstream and --module"),
    }
    Ok(Outcome::Ok)
}

/// Resolves the policies of the workloads a proxy serves.
pub(crate) fn compile(inputs: &Inputs, attach: &AttachArgs, peer: Option<IpAddr>) -> anyhow::Result<Bundle> {
    let Inputs { policies, world } = inputs;
    let identities = world.identities(policies).context("the inventory contradicts itself")?;
    let name = attach.workload.as_ref().map(|name| WorkloadName::parse(name));
    if name.is_some() && attach.direction == DirectionArg::Both {
        bail!(
            "one workload is one end of a connection: leave out --workload, or say --direction ingress or egress"
        );
    }
    let workloads = match &name {
        Some(name) => vec![inputs.workload(name)?],
        None => world.workloads().collect(),
    };
    if let Some((peer, service)) = peer.and_then(|peer| {
        let has = |service: &&Service| service.addresses.contains(&peer);
        Some((peer, world.services().find(has)?))
    }) {
        bail!(
            "{peer} is the address of service {}: policies speak of its workloads, name one of those",
            service.name
        );
    }
    if workloads.is_empty() {
        bail!("the inventory has no workloads: there is nothing to enforce");
    }
    let endpoint = |workload| {
        let tried = resolve_audited(policies, world, &identities, workload);
        resolve(policies, world, &identities, workload).auditing(tried)
    };
    let endpoints: Vec<_> = workloads.into_iter().map(endpoint).collect();
    let direction = Some(attach.direction.into());
    let attachment =
        Attachment { direction, endpoint: name, port: attach.port, peer, ..Attachment::default() };
    Ok(encode(&endpoints, &identities, &attachment))
}
