//! Configuration that follows its files: read again when they change, kept when they are bad.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use tokio::signal::unix::Signal;
use tokio::sync::watch;

use crate::bundle::{self, AttachArgs};
use crate::inputs::InputArgs;

/// How often files are looked at. A signal (SIGHUP) has them looked at now.
const POLL: Duration = Duration::from_secs(1);

/// What some files hold; `None` for one that cannot be read.
pub(crate) type State = Vec<Option<Vec<u8>>>;

/// Where a proxy's bundle comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A file that holds the bundle. It may come later.
    Bundle(PathBuf),
    /// Policies and an inventory, compiled here; for egress, with the address of the peer.
    Policies(InputArgs, AttachArgs, Option<IpAddr>),
}

impl Source {
    /// The bundle now.
    pub(crate) fn load(&self) -> anyhow::Result<Bytes> {
        match self {
            Self::Bundle(path) => {
                let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                // The filter would refuse it as well; here the error reaches whoever started the proxy.
                postern_policy_wire::decode(&bytes)
                    .with_context(|| format!("{} is refused", path.display()))?;
                Ok(bytes.into())
            }
            Self::Policies(inputs, attach, peer) => {
                let bundle = bundle::compile(&inputs.load()?, attach, *peer)?;
                Ok(serde_json::to_vec(&bundle)?.into())
            }
        }
    }

    /// What tells one state of the files from another, without compiling them.
    pub(crate) fn state(&self) -> State {
        let mut paths: Vec<&PathBuf> = Vec::new();
        match self {
            Self::Bundle(path) => paths.push(path),
            Self::Policies(inputs, ..) => paths.extend(inputs.policy.iter().chain(&inputs.inventory)),
        }
        let read = |path: &PathBuf| -> State {
            match std::fs::read_dir(path) {
                Ok(entries) => {
                    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
                    files.sort();
                    files.iter().map(|file| std::fs::read(file).ok()).collect()
                }
                Err(_) => vec![std::fs::read(path).ok()],
            }
        };
        paths.into_iter().flat_map(read).collect()
    }
}

/// Follows the files until nobody wants to know any more. `loaded` is their state from before they were loaded last, so
/// that no change is missed; `asked` has them looked at now.
pub(crate) async fn follow(
    source: Source,
    mut loaded: State,
    bundles: watch::Sender<Bytes>,
    asked: &mut Signal,
) {
    let mut seen = loaded.clone();
    let mut poll = tokio::time::interval(POLL);
    loop {
        let now_asked = tokio::select! {
            _ = poll.tick() => false,
            _ = asked.recv() => true,
            () = bundles.closed() => return,
        };
        let now = source.state();
        // A file that still changes may be half written: it is taken once it has stayed the same for a while.
        let is_news = now_asked || (now == seen && now != loaded);
        seen.clone_from(&now);
        if !is_news {
            continue;
        }
        loaded = now;
        match source.load() {
            Ok(bundle) => {
                tracing::info!(bytes = bundle.len(), "the policy files changed: loading them");
                bundles.send_replace(bundle);
            }
            Err(error) => tracing::error!(
                "the policy files changed and are refused: {error:#}; the last good policy stays"
            ),
        }
    }
}
