//! What the imports of one instance see and change.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use wasmtime::{Memory, TypedFunc};

use crate::connection::ConnectionInfo;
use crate::headers::Headers;
use crate::metrics::{Metric, MetricsStore};
use crate::module::Plugin;
use crate::response::LocalResponse;
use crate::shared::SharedData;

/// The root contexts; those of connections and requests come after.
pub(crate) const CONNECTION_ROOT: u32 = 1;
pub(crate) const HTTP_ROOT: u32 = 2;
pub(crate) const FIRST_STREAM: u32 = 3;

pub(crate) struct Host {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) metrics: Arc<MetricsStore>,
    pub(crate) shared: Arc<SharedData>,
    pub(crate) memory_limit: MemoryLimit,
    /// Set once the instance exists.
    pub(crate) door: Option<Door>,
    /// What the plugin configuration buffer shows.
    pub(crate) configuration: Bytes,
    /// The context that host calls are about.
    pub(crate) effective: u32,
    pub(crate) connections: HashMap<u32, Arc<ConnectionInfo>>,
    /// The connection context that the guest wants closed.
    pub(crate) closed: Option<u32>,
    pub(crate) exchange: Option<Exchange>,
    /// The guest's metrics: its ids are positions in here.
    pub(crate) defined: Vec<Arc<Metric>>,
    pub(crate) log: GuestLog,
    /// Where replies are put together.
    pub(crate) scratch: Vec<u8>,
    /// Whether a call that is not implemented was already reported.
    pub(crate) reported_unimplemented: bool,
}

/// How the host reaches into the guest.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) memory: Memory,
    /// Shared: to call it, a handle is taken for each reply.
    pub(crate) allocate: Arc<TypedFunc<u32, u32>>,
}

/// The request that the guest is looking at.
pub(crate) struct Exchange {
    pub(crate) context: u32,
    pub(crate) connection: Arc<ConnectionInfo>,
    pub(crate) headers: Headers,
    pub(crate) changed: bool,
    pub(crate) response: Option<LocalResponse>,
    pub(crate) reset: bool,
}

impl Host {
    pub(crate) fn new(
        plugin: Arc<Plugin>,
        metrics: Arc<MetricsStore>,
        shared: Arc<SharedData>,
        memory: usize,
    ) -> Self {
        Self {
            plugin,
            metrics,
            shared,
            memory_limit: MemoryLimit::new(memory),
            door: None,
            configuration: Bytes::new(),
            effective: 0,
            connections: HashMap::new(),
            closed: None,
            exchange: None,
            defined: Vec::new(),
            log: GuestLog::default(),
            scratch: Vec::new(),
            reported_unimplemented: false,
        }
    }

    /// The request, if it is what the effective context is about.
    pub(crate) fn exchange(&mut self) -> Option<&mut Exchange> {
        self.exchange.as_mut().filter(|exchange| exchange.context == self.effective)
    }

    pub(crate) fn request_headers(&self) -> Option<&Headers> {
        self.exchange.as_ref().filter(|e| e.context == self.effective).map(|e| &e.headers)
    }

    /// The connection that the effective context is, or belongs to.
    pub(crate) fn connection(&self) -> Option<&ConnectionInfo> {
        match &self.exchange {
            Some(exchange) if exchange.context == self.effective => Some(&exchange.connection),
            _ => self.connections.get(&self.effective).map(Arc::as_ref),
        }
    }

    /// Whether a context is alive.
    pub(crate) fn has_context(&self, id: u32) -> bool {
        id == HTTP_ROOT
            || (id == CONNECTION_ROOT && self.plugin.connection_root.is_some())
            || self.connections.contains_key(&id)
            || self.exchange.as_ref().is_some_and(|exchange| exchange.context == id)
    }

    /// The root id of the effective context.
    pub(crate) fn effective_root(&self) -> &str {
        let connection = self.effective == CONNECTION_ROOT || self.connections.contains_key(&self.effective);
        match &self.plugin.connection_root {
            Some(root) if connection => root,
            _ => &self.plugin.http_root,
        }
    }
}

/// The guest's last warnings and errors: they say why it refuses or fails.
#[derive(Default)]
pub(crate) struct GuestLog {
    lines: VecDeque<String>,
}

impl GuestLog {
    const KEPT: usize = 4;

    pub(crate) fn clear(&mut self) {
        self.lines.clear();
    }

    pub(crate) fn keep(&mut self, line: &str) {
        if self.lines.len() == Self::KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    pub(crate) fn reason(&self) -> Option<String> {
        let lines: Vec<_> = self.lines.iter().map(String::as_str).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }
}

/// Bounds the linear memory, and remembers that it had to.
pub(crate) struct MemoryLimit {
    bytes: usize,
    denied: bool,
}

impl MemoryLimit {
    /// Elements of all tables: a Rust module has some hundreds.
    const TABLE_ELEMENTS: usize = 100_000;

    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes, denied: false }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn denied(&self) -> bool {
        self.denied
    }

    pub(crate) fn reset(&mut self) {
        self.denied = false;
    }
}

impl wasmtime::ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired <= self.bytes;
        self.denied |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= Self::TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}
