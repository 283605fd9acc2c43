//! Where the proxy's bundles come from, as long as it runs.

use std::path::Path;

use anyhow::bail;
use bytes::Bytes;
use postern_host::ConfigStatus;
use tokio::signal::unix::Signal;
use tokio::sync::watch;

use crate::config_file::{self, Source, State};

/// A source of bundles.
pub(super) enum Feed {
    /// Files, and the state they were in before they were loaded first.
    Files(Source, State),
    /// A controller.
    #[cfg(feature = "cluster")]
    Controller(postern_xds::client::Client),
}

impl Feed {
    pub(super) fn files(source: Source) -> anyhow::Result<Self> {
        let is_stdin = |path: &std::path::PathBuf| path == Path::new("-");
        if let Source::Policies(inputs, ..) = &source
            && inputs.policy.iter().chain(&inputs.inventory).any(is_stdin)
        {
            bail!(
                "the proxy follows its files, and standard input can be read only once: name a file in place of -"
            );
        }
        let state = source.state();
        Ok(Self::Files(source, state))
    }

    /// What the proxy starts with. Nothing, which denies everything, until there is something.
    pub(super) fn first(&self) -> anyhow::Result<Bytes> {
        let (source, _) = match self {
            Self::Files(source, state) => (source, state),
            #[cfg(feature = "cluster")]
            Self::Controller(_) => return Ok(Bytes::new()),
        };
        match (source, source.load()) {
            (_, Ok(bundle)) => Ok(bundle),
            (Source::Bundle(path), Err(_)) if !path.exists() => {
                tracing::warn!("{} is not there yet: everything is denied until it is", path.display());
                Ok(Bytes::new())
            }
            (_, Err(error)) => Err(error),
        }
    }

    /// Sends bundles until nobody wants to know any more.
    pub(super) async fn run(self, bundles: watch::Sender<Bytes>, status: ConfigStatus, asked: &mut Signal) {
        match self {
            Self::Files(source, state) => config_file::follow(source, state, bundles, asked).await,
            #[cfg(feature = "cluster")]
            Self::Controller(client) => {
                let applied = |snapshot| {
                    let (bundles, status) = (bundles.clone(), status.clone());
                    async move { load(&bundles, status, snapshot).await }
                };
                match crate::follow::follow(client, applied).await {}
            }
        }
        #[cfg(not(feature = "cluster"))]
        drop(status);
    }
}

/// Gives the workers a snapshot and waits for what each of them says: only then is it enforced.
#[cfg(feature = "cluster")]
async fn load(
    bundles: &watch::Sender<Bytes>,
    mut status: ConfigStatus,
    snapshot: postern_xds::client::Snapshot,
) -> anyhow::Result<()> {
    let bundle: Bytes = serde_json::to_vec(&crate::follow::node_bundle(snapshot))?.into();
    let before: Vec<u64> = status.workers().iter().map(|worker| worker.answered).collect();
    let most = before.iter().max().copied().unwrap_or_default();
    bundles.send_replace(bundle);
    if !status.wait(|worker| worker.answered > most).await {
        bail!("the proxy is ending");
    }
    match status.workers().into_iter().find_map(|worker| worker.refusal) {
        Some(refusal) => bail!("{refusal}"),
        None => Ok(()),
    }
}
