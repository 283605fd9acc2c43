//! One worker: a thread with its own runtime, filter instance and upstream connections.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use postern_host_vm::{ConfigureError, Headers, Vm};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::connection;
use crate::error::ProxyError;
use crate::executor::{Local, runtime};
use crate::proxy::Shared;
use crate::upstream::Upstreams;

/// What the connections of one worker share. Nothing in it is borrowed across an await.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) vm: RefCell<Vm>,
    /// The request that is being shown to the filter, kept for its memory.
    pub(crate) headers: RefCell<Headers>,
    pub(crate) upstreams: Upstreams,
    pub(crate) http: auto::Builder<Local>,
}

/// What a worker thread starts with.
pub(crate) struct Start {
    pub(crate) position: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) listeners: Vec<std::net::TcpListener>,
    pub(crate) configuration: watch::Receiver<Bytes>,
    pub(crate) draining: watch::Receiver<bool>,
}

/// Runs a worker until it has drained.
pub(crate) fn run(start: Start) -> Result<(), ProxyError> {
    let Start { position, shared, listeners, mut configuration, draining } = start;
    let runtime = runtime().map_err(ProxyError::Worker)?;
    let mut vm = shared.new_vm()?;
    let first = configuration.borrow_and_update().clone();
    // The empty configuration is the one that a new VM has.
    if !first.is_empty() {
        let result = vm.configure(first.clone());
        report(&shared, position, &first, result.err().as_ref());
    }
    let worker = Rc::new(Worker {
        vm: RefCell::new(vm),
        headers: RefCell::default(),
        upstreams: Upstreams::new(&shared.config.upstream, &shared.config.limits),
        http: http(&shared),
        shared,
    });
    runtime.block_on(async {
        let listeners: io::Result<Vec<_>> = listeners.into_iter().map(TcpListener::from_std).collect();
        let listeners = listeners.map_err(ProxyError::Worker)?;
        let sweep = tokio::task::spawn_local(worker.upstreams.sweep());
        let updates = tokio::task::spawn_local(follow(worker.clone(), position, configuration));
        let (open, mut all_closed) = mpsc::channel(1);
        let accepting = listeners.into_iter().map(|listener| {
            tokio::task::spawn_local(accept(worker.clone(), listener, draining.clone(), open.clone()))
        });
        for accepting in accepting.collect::<Vec<_>>() {
            accepting.await.map_err(|_| ProxyError::Panicked)?;
        }
        drop(open);
        updates.abort();
        sweep.abort();
        let drained = tokio::time::timeout(worker.shared.config.limits.drain, all_closed.recv()).await;
        if drained.is_err() {
            tracing::warn!(worker = position, "connections are cut off at the end of the drain time");
        }
        Ok(())
    })
}

fn http(shared: &Shared) -> auto::Builder<Local> {
    let limits = &shared.config.limits;
    let mut http = auto::Builder::new(Local);
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(limits.header_bytes.max(8 << 10));
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.header_read);
    http
}

/// Accepts until draining begins; the listener is closed then.
async fn accept(
    worker: Rc<Worker>,
    listener: TcpListener,
    mut draining: watch::Receiver<bool>,
    open: mpsc::Sender<()>,
) {
    loop {
        tokio::select! {
            biased;
            _ = draining.changed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, source)) => {
                    let serving = connection::serve(worker.clone(), stream, source, draining.clone(), open.clone());
                    drop(tokio::task::spawn_local(serving));
                }
                Err(error) => {
                    // Out of file descriptors, as a rule: closing connections will free some.
                    if worker.shared.accept_errors.allow() {
                        tracing::error!(%error, "cannot accept connections; check the limit of open files");
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// Loads each new configuration into a fresh instance on the side, and swaps when it is ready: requests go on meanwhile,
/// and what is refused has touched nothing.
async fn follow(worker: Rc<Worker>, position: usize, mut configuration: watch::Receiver<Bytes>) {
    while configuration.changed().await.is_ok() {
        let next = configuration.borrow_and_update().clone();
        let (shared, bytes) = (worker.shared.clone(), next.clone());
        let loading = tokio::task::spawn_blocking(move || {
            let mut vm = shared.new_vm()?;
            vm.configure(bytes)?;
            Ok::<_, ConfigureError>(vm)
        });
        let error = match loading.await {
            Ok(Ok(vm)) => {
                worker.vm.replace(vm);
                None
            }
            Ok(Err(error)) => Some(error),
            // Only a shutdown cancels it.
            Err(_) => return,
        };
        report(&worker.shared, position, &next, error.as_ref());
    }
}

fn report(shared: &Shared, position: usize, configuration: &Bytes, error: Option<&ConfigureError>) {
    match error {
        None => {
            shared.metrics.config_accepted.inc();
            shared.status.accepted(position, configuration);
        }
        Some(error) => {
            shared.metrics.config_refused.inc();
            if shared.status.refused(position, &error.to_string()) {
                tracing::error!(%error, "the new filter configuration is not used; the last good one stays");
            }
        }
    }
}
