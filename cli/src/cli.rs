//! The command line.

use clap::{Parser, Subcommand};

use crate::{bundle, check, convert, demo, explain, filter, proxy};

const EXIT_CODES: &str = "\
Exit codes: 0 ok, 1 findings or denied, 2 usage, 3 cannot run.
Every command takes --help, which has an example.";

/// Network policy by identity, from packet to HTTP request.
#[derive(Debug, Parser)]
#[command(name = "postern", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the tutorial on this machine: three workloads, the policy, the real filter, real requests
    Demo(demo::Args),
    /// Serve as a reverse or transparent proxy that enforces policy
    Proxy(proxy::Args),
    /// Enforce policy in the kernel for the workloads of this node
    #[cfg(feature = "cluster")]
    Node(crate::node::Args),
    /// Tell the nodes of a Kubernetes cluster their policy
    #[cfg(feature = "controller")]
    Controller(crate::controller::Args),
    /// Parse and validate policy files
    Check(check::Args),
    /// Say what happens to a connection or request, and why
    Explain(explain::Args),
    /// Write policies of older and foreign dialects as cilium.io/v2
    Convert(convert::Args),
    /// Compile policies to the filter's configuration, or to a manifest that carries it
    Bundle(bundle::Args),
    /// The filter itself
    Filter(filter::Args),
}
