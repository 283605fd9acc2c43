//! The process that keeps a box.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::UpArgs;
use crate::Cluster;

/// Starts the box, and removes it when told to end by SIGTERM or SIGINT: one that comes while it
/// starts is obeyed once it has.
pub(super) fn run(args: &UpArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start a runtime")?;
    let (mut term, mut int) = {
        let _inside = runtime.enter();
        (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?)
    };
    let cluster = Cluster::start(&args.options()?)?;
    runtime.block_on(async {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    });
    drop(cluster);
    Ok(())
}

fn catch(kind: SignalKind) -> Result<Signal> {
    signal(kind).context("cannot catch a signal")
}
