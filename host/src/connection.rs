//! One client connection.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use http::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use postern_host_vm::{Connection, ConnectionInfo, ConnectionOutcome, Direction};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use crate::config::Upstream;
use crate::exchange;
use crate::transparent::is_loop;
use crate::upstream::Route;
use crate::worker::Worker;

/// A client that the filter let in.
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    /// What it adds to `x-forwarded-for`. Nothing, where the upstream sees the client's own address.
    pub(crate) forwarded_for: Option<HeaderValue>,
    /// Where its requests go.
    pub(crate) route: Rc<Route>,
    /// Taken when the connection ends.
    connection: Option<Connection>,
    info: Arc<ConnectionInfo>,
    /// Whether a request has come yet.
    spoke: Cell<bool>,
    /// The worker waits until every clone of it is gone.
    _open: mpsc::Sender<()>,
}

impl Client {
    pub(crate) fn info(&self) -> &Arc<ConnectionInfo> {
        &self.info
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.info.source()
    }

    /// Where it meant to go, if that is not the same for all clients.
    pub(crate) fn original(&self) -> Option<SocketAddr> {
        match self.worker.shared.config.upstream {
            Upstream::Fixed(_) => None,
            Upstream::Original(_) => Some(self.info.destination()),
        }
    }

    /// Asks the filter. `None`: the connection is to be closed.
    fn admit(
        worker: Rc<Worker>,
        stream: &TcpStream,
        source: SocketAddr,
        open: mpsc::Sender<()>,
    ) -> Option<Self> {
        let config = &worker.shared.config;
        let metrics = &worker.shared.metrics;
        let source = canonical(source);
        let local = canonical(stream.local_addr().ok()?);
        let info = match config.upstream {
            Upstream::Fixed(_) => {
                ConnectionInfo::new(source, config.destination.unwrap_or(local), config.direction)
            }
            Upstream::Original(_) if is_loop(local, &worker.shared.listeners) => {
                metrics.loops.inc();
                return None;
            }
            Upstream::Original(_) => ConnectionInfo::new(source, local, Direction::Unspecified),
        };
        let outcome = worker.vm.borrow_mut().on_connection(info);
        match outcome {
            Ok(ConnectionOutcome::Open(connection)) => {
                metrics.accepted.inc();
                let info = connection.info().clone();
                let forwarded_for = match config.upstream {
                    Upstream::Fixed(_) => Some(HeaderValue::from_str(&source.ip().to_string()).ok()?),
                    Upstream::Original(_) => None,
                };
                let route = worker.upstreams.route(source, info.destination());
                let connection = Some(connection);
                let spoke = Cell::new(false);
                Some(Self { worker, forwarded_for, route, connection, info, spoke, _open: open })
            }
            Ok(ConnectionOutcome::Closed) => {
                metrics.denied.inc();
                None
            }
            // The VM has logged it.
            Err(_fault) => {
                metrics.connection_faults.inc();
                metrics.faults.inc();
                None
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && self.worker.vm.borrow_mut().on_close(connection).is_err()
        {
            self.worker.shared.metrics.faults.inc();
        }
    }
}

/// Serves a connection to its end. Nothing is read or written before the filter has let it in.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    mut stream: TcpStream,
    source: SocketAddr,
    mut draining: watch::Receiver<bool>,
    open: mpsc::Sender<()>,
) {
    let Some(client) = Client::admit(worker.clone(), &stream, source, open) else {
        // So that the client sees an end, not a reset, even if it has sent something already.
        drop(stream.shutdown().await);
        return;
    };
    // A refusal costs latency, nothing else.
    drop(stream.set_nodelay(true));
    let client = Rc::new(client);
    let service = service_fn(|request| {
        client.spoke.set(true);
        exchange::serve(client.clone(), request)
    });
    let mut http = pin!(worker.http.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // hyper's own limit begins only when it knows which HTTP the client speaks.
    let mut first = pin!(tokio::time::sleep(worker.shared.config.limits.header_read));
    let mut first_is_due = true;
    let mut drained = false;
    loop {
        tokio::select! {
            biased;
            ended = http.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(client = %client.address(), %error, "a connection broke off");
                }
                break;
            }
            _ = draining.changed(), if !drained => {
                drained = true;
                http.as_mut().graceful_shutdown();
            }
            () = first.as_mut(), if first_is_due => {
                first_is_due = false;
                if !client.spoke.get() {
                    break;
                }
            }
        }
    }
}

/// An IPv4 client of an IPv6 socket is an IPv4 client.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => (ip, address.port()).into(),
        IpAddr::V6(_) => address,
    }
}
