//! A running server: snapshots in, reports out.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use postern_xds::server::{
    Authenticator, ClientIdentity, Credentials, Event, Limits, Report, Source, XdsServer, server_tls,
};
use postern_xds::snapshot::NodeSnapshot;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tonic::Status;

use super::pki::Pki;
use super::soon;

/// The snapshots of all nodes; they outlive a server.
#[derive(Clone, Default)]
pub(crate) struct Snapshots(Arc<Mutex<HashMap<String, watch::Sender<Arc<NodeSnapshot>>>>>);

impl Snapshots {
    pub(crate) fn publish(&self, node: &str, snapshot: NodeSnapshot) {
        let mut nodes = self.0.lock().unwrap();
        nodes.entry(node.to_owned()).or_default().send_replace(Arc::new(snapshot));
    }
}

impl Source for Snapshots {
    fn watch(&self, node: &str) -> watch::Receiver<Arc<NodeSnapshot>> {
        self.0.lock().unwrap().entry(node.to_owned()).or_default().subscribe()
    }
}

/// `token-of-NODE` is the token of that node; certificates are known one by one.
#[derive(Clone, Default)]
pub(crate) struct Known {
    pub(crate) certificates: HashMap<Vec<u8>, String>,
}

impl Authenticator for Known {
    async fn authenticate(&self, credentials: Credentials) -> Result<ClientIdentity, Status> {
        let by_certificate =
            credentials.certificates.first().and_then(|it| self.certificates.get(it.as_ref()));
        let by_token = credentials.token.as_deref().and_then(|token| token.strip_prefix("token-of-"));
        match by_certificate.map(String::as_str).or(by_token) {
            Some(node) => Ok(ClientIdentity { node: node.to_owned() }),
            None => Err(Status::unauthenticated("neither the token nor the certificate is known")),
        }
    }
}

pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) reports: mpsc::Receiver<Report>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(pki: &Pki, snapshots: &Snapshots) -> Server {
        Server::start_at("127.0.0.1:0".parse().unwrap(), pki, snapshots, Known::default(), Limits::default())
    }

    pub(crate) fn start_at(
        addr: SocketAddr,
        pki: &Pki,
        snapshots: &Snapshots,
        known: Known,
        limits: Limits,
    ) -> Server {
        let authority = pki.authority();
        let (certificate, key) = (pki.server.certificate.as_bytes(), pki.server.key.as_bytes());
        let tls = server_tls(certificate, key, Some(authority.as_bytes())).unwrap();
        let (sender, reports) = mpsc::channel(1000);
        let server = XdsServer::new(snapshots.clone(), known, sender).with_limits(limits);
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, addr_of) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind(addr).await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                let stopped = async { drop(stopped.await) };
                server.serve(listener, tls, stopped).await.unwrap();
            });
        });
        Server { addr: addr_of.recv().unwrap(), reports, stop: Some(stop), thread: Some(thread) }
    }

    /// The next event that `wanted` takes, of whatever client.
    pub(crate) async fn event<T>(&mut self, what: &str, mut wanted: impl FnMut(&Report) -> Option<T>) -> T {
        soon(what, async {
            loop {
                let report = self.reports.recv().await.expect("the server has ended");
                if let Some(found) = wanted(&report) {
                    return found;
                }
            }
        })
        .await
    }

    pub(crate) async fn acked(&mut self, node: &str, revision: u64) {
        let wanted = Event::Acked { revision };
        self.event(&format!("{wanted:?} of {node}"), |it| {
            (it.node == node && it.event == wanted).then_some(())
        })
        .await;
    }
}

impl Server {
    /// Ends it and waits until its port is free.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        let thread = self.thread.take().unwrap();
        soon("end of the server", tokio::task::spawn_blocking(|| thread.join())).await.unwrap().unwrap();
    }
}

impl Drop for Server {
    /// The thread is not waited for: its clients may live on the thread that this is called on.
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}
