//! The transparent proxy's part in the kernel: where `postern node` finds its listeners.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use postern_host::Proxy;
use postern_node::datapath::register_listener;
use tokio::task::AbortHandle;

/// How often the listeners are offered until the node takes them, and how often after that, in case its tables were made
/// anew.
const ATTEMPT: Duration = Duration::from_millis(200);
const REPEAT: Duration = Duration::from_secs(5);

/// A proxy for all workloads of a node.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct TransparentArgs {
    /// Take the connections that `postern node` steers here, and connect on as the client did, to where it did
    #[arg(long = "transparent", id = "transparent", conflicts_with_all = ["listen", "upstream"])]
    on: bool,
    /// The folder in bpffs that `postern node` uses
    #[arg(long, value_name = "FOLDER", default_value = postern_node::BPFFS_ROOT, requires = "transparent")]
    bpffs: PathBuf,
}

/// As long as it lives, the kernel knows the listeners.
pub(super) struct Registered(AbortHandle);

impl Drop for Registered {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl TransparentArgs {
    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    /// Offers the listeners to the node, which may start later than the proxy.
    pub(super) fn register(&self, proxy: &Proxy) -> anyhow::Result<Option<Registered>> {
        if !self.on {
            return Ok(None);
        }
        let listeners: std::io::Result<Vec<OwnedFd>> =
            proxy.listeners().map(|(_, listener)| listener.try_clone_to_owned()).collect();
        let listeners = listeners.context("cannot copy the listeners")?;
        let root = self.bpffs.clone();
        let task = tokio::spawn(async move {
            let mut known = None;
            loop {
                let offered =
                    listeners.iter().try_for_each(|listener| register_listener(&root, listener.as_fd()));
                let taken = offered.is_ok();
                if known != Some(taken) {
                    match &offered {
                        Ok(()) => {
                            tracing::info!(root = %root.display(), "the node's kernel tables have the listeners");
                        }
                        Err(error) => {
                            tracing::warn!(%error, "no node has taken the listeners yet: nothing is steered here");
                        }
                    }
                }
                known = Some(taken);
                tokio::time::sleep(if taken { REPEAT } else { ATTEMPT }).await;
            }
        });
        Ok(Some(Registered(task.abort_handle())))
    }
}
