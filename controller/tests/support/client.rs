//! xDS clients in place of a node's agent and proxy.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, ensure};
use postern_tests_harness::eventually;
use postern_xds::client::{
    Client, ClientConfig, ClientCredentials, Connection, Kind, Pem, Refusal, Snapshot,
};
use tokio::sync::{oneshot, watch};

use super::SOON;

/// What a client says to what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Take,
    Refuse,
}

pub(crate) struct Follower {
    latest: Arc<Mutex<Option<Snapshot>>>,
    connection: watch::Receiver<Connection>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    pub(crate) fn start(
        server: SocketAddr,
        node: &str,
        ca: &Path,
        token: &Path,
        answer: Answer,
    ) -> Result<Self> {
        let client = |kind| {
            Client::new(ClientConfig {
                endpoint: format!("https://{server}"),
                server_name: None,
                authority: Pem::File(ca.to_owned()),
                credentials: ClientCredentials::Token(token.to_owned()),
                node: node.to_owned(),
                kind,
            })
        };
        // HTTP rules are in force once the proxy, too, has taken them.
        let (client, proxy) = (client(Kind::Node)?, client(Kind::Proxy)?);
        let connection = client.connection();
        let latest = Arc::new(Mutex::new(None));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let kept = latest.clone();
        let apply = move |snapshot: Snapshot| {
            let kept = kept.clone();
            async move {
                if answer == Answer::Refuse {
                    return Err(Refusal { text: "this node is full".to_owned() });
                }
                *kept.lock().unwrap() = Some(snapshot);
                Ok(())
            }
        };
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    never = client.follow(apply) => match never {},
                    never = proxy.follow(|_| async { Ok(()) }) => match never {},
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { latest, connection, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn latest(&self) -> Option<Snapshot> {
        self.latest.lock().unwrap().clone()
    }

    pub(crate) fn connection(&self) -> Connection {
        self.connection.borrow().clone()
    }

    /// Waits for a snapshot of which `check` holds.
    pub(crate) fn wait(&self, what: &str, check: impl Fn(&Snapshot) -> bool) -> Result<Snapshot> {
        eventually(SOON, || {
            let latest = self.latest();
            let connection = self.connection();
            let latest = latest.with_context(|| format!("{what}: nothing has come, {connection:?}"))?;
            ensure!(check(&latest), "{what}: {latest:#?}");
            Ok(latest)
        })
    }

    /// Waits until the server has turned the client away with these words.
    pub(crate) fn wait_refused(&self, words: &str) -> Result<()> {
        eventually(SOON, || match self.connection() {
            Connection::Disconnected { error } if error.contains(words) => Ok(()),
            other => anyhow::bail!("{other:?}"),
        })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
