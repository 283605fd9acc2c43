//! `postern node adopt`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use postern_node::BPFFS_ROOT;
use postern_node::adopt::{AdoptError, Adoption};
use postern_ops::{LogFormat, init_log};

use crate::output::{Outcome, print};

/// How often the listeners are looked for until the node has them, and how often after that, in case they were opened
/// or the node's tables were made anew.
const ATTEMPT: Duration = Duration::from_millis(200);
const REPEAT: Duration = Duration::from_secs(1);

/// Steer to the listeners of another process, such as Envoy, in place of `postern proxy --transparent`
///
/// The listeners have to be transparent. Connections under HTTP rules are dropped as soon as the process ends.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postern node adopt --pid \"$(pidof envoy)\" --listen 127.0.0.1:15001 --listen '[::1]:15001'
  sh -c 'postern node adopt --follow --pid $$ --listen 127.0.0.1:15001 & exec envoy -c node.yaml'")]
pub(super) struct Args {
    /// The process that listens
    #[arg(long, value_name = "PID")]
    pid: u32,
    /// Where it listens: one address of each family
    #[arg(long, required = true, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,
    /// The folder in bpffs that `postern node` uses
    #[arg(long, value_name = "FOLDER", default_value = BPFFS_ROOT)]
    bpffs: PathBuf,
    /// Stay until the process ends: wait for its listeners and for the node, and hand over what is opened anew
    #[arg(long)]
    follow: bool,
    /// What is logged with --follow, such as `info` or `warn`
    #[arg(long, default_value = "info", value_name = "FILTER")]
    log: String,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut adoption = Adoption::new(args.pid, &args.listen, args.bpffs.clone())?;
    if args.follow {
        init_log(&args.log, LogFormat::Auto)?;
        follow(adoption, args.pid)
    } else {
        adoption.register()?;
        print(&format!("HTTP is steered to process {} now\n", args.pid))?;
        Ok(Outcome::Ok)
    }
}

fn follow(mut adoption: Adoption, pid: u32) -> anyhow::Result<Outcome> {
    let mut said = None;
    loop {
        let registered = adoption.register();
        let pause = if registered.is_ok() { REPEAT } else { ATTEMPT };
        // That it has ended is seen below.
        if !matches!(registered, Err(AdoptError::NoProcess { .. })) {
            let say = registered.as_ref().map_or_else(ToString::to_string, |()| String::new());
            if said.as_ref() != Some(&say) {
                match &registered {
                    Ok(()) => tracing::info!(pid, "HTTP is steered to the process"),
                    Err(error) => tracing::warn!(pid, %error, "not everything is steered to the process yet"),
                }
                said = Some(say);
            }
        }
        // It does not come with time.
        if let Err(error @ AdoptError::NotPermitted { .. }) = registered {
            return Err(error.into());
        }
        if adoption.wait_for_end(pause)? {
            tracing::info!(pid, "the process has ended, and so does this one");
            return Ok(Outcome::Ok);
        }
    }
}
