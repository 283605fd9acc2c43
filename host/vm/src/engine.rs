//! The wasmtime engine, the limits on guests, and the clock that enforces one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// How much a guest may take before it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of one instance, in bytes.
    pub memory_bytes: usize,
    /// Wall-clock time of the callbacks for one connection or request.
    pub call_time: Duration,
    /// Wall-clock time to start an instance and to configure it.
    pub configure_time: Duration,
    /// Whether an instance is made ahead, to take the place of one that fails. Costs its memory once, for all workers.
    pub spare: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            call_time: Duration::from_millis(100),
            configure_time: Duration::from_secs(10),
            spare: true,
        }
    }
}

/// Compiles modules and owns the clock of their time limits. Clones share both; the clock's thread ends with the last.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    wasm: wasmtime::Engine,
    limits: Limits,
    tick: Duration,
    instances: AtomicU64,
    /// Never sent on: the ticker ends when it is dropped.
    _ticker: Sender<()>,
}

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime does not work on this machine.
    #[error("wasmtime cannot run here: {0}")]
    Wasmtime(String),
    /// The clock of the time limits could not be started.
    #[error("cannot start the thread that enforces the time limits: {0}")]
    Ticker(#[source] std::io::Error),
}

impl Engine {
    /// Starts an engine.
    ///
    /// # Errors
    /// When the machine cannot run wasmtime or start a thread.
    pub fn new(limits: Limits) -> Result<Self, EngineError> {
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let wasm = wasmtime::Engine::new(&config).map_err(|e| EngineError::Wasmtime(format!("{e:#}")))?;
        // A tenth of the limit: a call is stopped at most that much late.
        let tick = (limits.call_time / 10).clamp(Duration::from_millis(1), Duration::from_millis(50));
        let ticker = start_ticker(wasm.clone(), tick).map_err(EngineError::Ticker)?;
        let inner = Inner { wasm, limits, tick, instances: AtomicU64::new(0), _ticker: ticker };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The limits that this engine was made with.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.inner.limits
    }

    pub(crate) fn wasm(&self) -> &wasmtime::Engine {
        &self.inner.wasm
    }

    /// A time limit in ticks. One more than it holds, because the first tick may come at once.
    pub(crate) fn ticks(&self, time: Duration) -> u64 {
        let ticks = time.as_nanos().div_ceil(self.inner.tick.as_nanos().max(1));
        u64::try_from(ticks).unwrap_or(u64::MAX / 2).saturating_add(1)
    }

    /// A number that no other instance of this engine has: handles outlive the instance that they came from.
    pub(crate) fn next_serial(&self) -> u64 {
        self.inner.instances.fetch_add(1, Ordering::Relaxed)
    }
}

fn start_ticker(engine: wasmtime::Engine, tick: Duration) -> std::io::Result<Sender<()>> {
    let (sender, receiver) = channel::<()>();
    thread::Builder::new().name("wasm-ticker".into()).spawn(move || {
        while receiver.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
            engine.increment_epoch();
        }
    })?;
    Ok(sender)
}
