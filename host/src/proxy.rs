//! The proxy as a whole.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use postern_host_vm::{Engine, Fault, MetricsStore, Module, Plugin, Vm};
use postern_ops::Health;
use tokio::sync::{mpsc, watch};

use crate::admin;
use crate::config::ProxyConfig;
use crate::error::ProxyError;
use crate::executor::runtime;
use crate::listeners::{Listeners, listen};
use crate::metrics::Metrics;
use crate::status::{ConfigStatus, StatusBoard};
use crate::throttle::Throttle;
use crate::worker::{self, Start};

/// A proxy that listens but does not serve yet.
pub struct Proxy {
    shared: Arc<Shared>,
    listeners: Listeners,
    admin: Option<TcpListener>,
    configuration: watch::Receiver<Bytes>,
    admin_local: Option<SocketAddr>,
}

/// What all threads of the proxy share. The hot path only touches counters in it.
pub(crate) struct Shared {
    pub(crate) config: ProxyConfig,
    /// Where the proxy listens.
    pub(crate) listeners: Vec<SocketAddr>,
    pub(crate) metrics: Metrics,
    pub(crate) status: StatusBoard,
    pub(crate) health: Health,
    pub(crate) upstream_errors: Throttle,
    pub(crate) accept_errors: Throttle,
    module: Module,
    plugin: Arc<Plugin>,
    guest_metrics: Arc<MetricsStore>,
}

impl Shared {
    pub(crate) fn new_vm(&self) -> Result<Vm, Fault> {
        Vm::new(&self.module, self.plugin.clone(), self.guest_metrics.clone())
    }
}

impl Proxy {
    /// Takes the addresses and compiles the filter, which takes 0.4 to 2 s where it is not in the cache. `configuration` is the filter's: its value
    /// now is used from the first connection on (empty: there is none yet), later ones as they come.
    ///
    /// # Errors
    /// When an address is not to be had or the filter cannot run.
    pub fn bind(config: ProxyConfig, configuration: watch::Receiver<Bytes>) -> Result<Self, ProxyError> {
        let listeners = Listeners::bind(&config)?;
        let (admin_local, admin) = config.admin.map(listen).transpose()?.unzip();
        let engine = Engine::new(config.guest_limits)?;
        let module = match &config.module_cache {
            Some(cache) => Module::cached(&engine, &config.module, cache)?,
            None => Module::compile(&engine, &config.module)?,
        };
        let guest_metrics = Arc::new(MetricsStore::new());
        let shared = Shared {
            metrics: Metrics::new(guest_metrics.clone()),
            status: StatusBoard::new(config.workers.get()),
            health: Health::new(),
            upstream_errors: Throttle::new(),
            accept_errors: Throttle::new(),
            module,
            plugin: Arc::new(config.plugin.clone()),
            guest_metrics,
            listeners: listeners.addresses(),
            config,
        };
        // A filter that cannot start is an error now, not when the workers run.
        drop(shared.new_vm()?);
        Ok(Self { shared: Arc::new(shared), listeners, admin, configuration, admin_local })
    }

    /// The address that clients connect to. Of a transparent proxy, the address of its IPv4 listener.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.listeners.first().copied().unwrap_or(self.shared.config.listen)
    }

    /// The listening sockets and their addresses. Those of a transparent proxy, one for IPv4 and one for IPv6 where the
    /// machine has it, are to be given to the kernel, which hands them the connections. A socket map lets go of them by
    /// itself when the proxy drains.
    pub fn listeners(&self) -> impl Iterator<Item = (SocketAddr, BorrowedFd<'_>)> {
        self.listeners.sockets()
    }

    /// The address of the admin listener.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_local
    }

    /// What becomes of the filter's configuration.
    #[must_use]
    pub fn config_status(&self) -> ConfigStatus {
        self.shared.status.read()
    }

    /// Serves until `shutdown` completes, then drains: no new connections, open requests get their time to end.
    /// Blocks; `shutdown` is polled on this thread, inside a tokio runtime.
    ///
    /// # Errors
    /// When a worker cannot start or panics. All others are drained then.
    pub fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ProxyError> {
        let Self { shared, listeners, admin, configuration, .. } = self;
        let runtime = runtime().map_err(ProxyError::Worker)?;
        let drain = watch::Sender::new(false);
        let (ended, mut any_ended) = mpsc::unbounded_channel();
        let mut threads = Vec::new();
        for position in 0..shared.config.workers.get() {
            let start = Start {
                position,
                shared: shared.clone(),
                listeners: listeners.copies()?,
                configuration: configuration.clone(),
                draining: drain.subscribe(),
            };
            threads.push(spawn(start, EndNotice(ended.clone()))?);
        }
        // The workers' copies are what listens now: when they close theirs, nobody does.
        drop(listeners);
        runtime.block_on(async {
            if let Some(admin) = admin {
                admin::spawn(admin, shared.clone()).map_err(ProxyError::Worker)?;
            }
            shared.health.set_ready(true);
            tokio::select! {
                () = shutdown => tracing::info!("draining"),
                _ = any_ended.recv() => shared.health.set_dead(),
            }
            shared.health.set_ready(false);
            drop(ended);
            drain.send_replace(true);
            while any_ended.recv().await.is_some() {}
            join(threads)
        })
    }
}

/// Tells the main thread that a worker has ended, however it did.
struct EndNotice(mpsc::UnboundedSender<()>);

impl Drop for EndNotice {
    fn drop(&mut self) {
        // Nobody listens any more only when the main thread has given up.
        let _ = self.0.send(());
    }
}

fn spawn(start: Start, notice: EndNotice) -> Result<JoinHandle<Result<(), ProxyError>>, ProxyError> {
    let name = format!("proxy-{}", start.position);
    let work = move || {
        let _notice = notice;
        worker::run(start)
    };
    thread::Builder::new().name(name).spawn(work).map_err(ProxyError::Worker)
}

fn join(threads: Vec<JoinHandle<Result<(), ProxyError>>>) -> Result<(), ProxyError> {
    threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Err(ProxyError::Panicked)))
}
