//! One living instance of a module, and the callbacks that it exports.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::{Instance as WasmInstance, InstancePre, Store, TypedFunc, WasmParams, WasmResults};

use crate::abi::{PEER_REMOTE, action};
use crate::connection::ConnectionInfo;
use crate::fault::Fault;
use crate::headers::Headers;
use crate::host::{CONNECTION_ROOT, Door, Exchange, FIRST_STREAM, HTTP_ROOT, Host};
use crate::metrics::MetricsStore;
use crate::module::{Module, Plugin};
use crate::response::RequestOutcome;

pub(crate) struct Instance {
    store: Store<Host>,
    exports: Exports,
    limits: Ticks,
    next_context: u32,
}

/// The exports, looked up once. What a module does not export is not called.
struct Exports {
    context_create: TypedFunc<(u32, u32), ()>,
    vm_start: Option<TypedFunc<(u32, u32), u32>>,
    configure: Option<TypedFunc<(u32, u32), u32>>,
    new_connection: Option<TypedFunc<u32, u32>>,
    downstream_close: Option<TypedFunc<(u32, u32), ()>>,
    request_headers: TypedFunc<(u32, u32, u32), u32>,
    done: Option<TypedFunc<u32, u32>>,
    log: Option<TypedFunc<u32, ()>>,
    delete: Option<TypedFunc<u32, ()>>,
}

/// Time limits, in ticks of the engine's clock.
#[derive(Clone, Copy)]
struct Ticks {
    call: u64,
    configure: u64,
}

/// A configuration that was not taken.
pub(crate) enum NotTaken {
    /// By the first root: the guest is as it was before.
    Refused(String),
    /// By the second root, after the first had taken it: the guest is in between.
    HalfRefused(String),
    Fault(Fault),
}

impl Instance {
    /// Instantiates, creates the root contexts and starts the VM; does not configure.
    pub(crate) fn start(
        module: &Module,
        code: &InstancePre<Host>,
        plugin: &Arc<Plugin>,
        metrics: &Arc<MetricsStore>,
    ) -> Result<Self, Fault> {
        let engine = &module.engine;
        let limits = engine.limits();
        let ticks =
            Ticks { call: engine.ticks(limits.call_time), configure: engine.ticks(limits.configure_time) };
        let host = Host::new(plugin.clone(), metrics.clone(), module.shared.clone(), limits.memory_bytes);
        let mut store = Store::new(engine.wasm(), host);
        store.limiter(|host| &mut host.memory_limit);
        store.set_epoch_deadline(ticks.configure);
        let instance = match code.instantiate(&mut store) {
            Ok(instance) => instance,
            Err(error) => return Err(Fault::from_call(&error, store.data())),
        };
        let exports = Exports::find(&mut store, &instance)?;
        if plugin.connection_root.is_some() && exports.new_connection.is_none() {
            return Err(missing("proxy_on_new_connection"));
        }
        let mut this = Self { store, exports, limits: ticks, next_context: FIRST_STREAM };
        this.initialize(&instance)?;
        for root in this.roots() {
            let create = &this.exports.context_create;
            call(&mut this.store, create, root, (root, 0))?;
            if let Some(start) = &this.exports.vm_start
                && call(&mut this.store, start, root, (root, 0))? == 0
            {
                return Err(Fault::NotStarted(this.reason()));
            }
        }
        Ok(this)
    }

    /// Gives every root the configuration.
    pub(crate) fn configure(&mut self, configuration: &Bytes) -> Result<(), NotTaken> {
        let Some(configure) = &self.exports.configure else { return Ok(()) };
        let size = u32::try_from(configuration.len())
            .map_err(|_| NotTaken::Refused("it is larger than 4 GiB".into()))?;
        let before = std::mem::replace(&mut self.store.data_mut().configuration, configuration.clone());
        self.store.data_mut().log.clear();
        for (position, root) in self.roots().into_iter().enumerate() {
            self.store.set_epoch_deadline(self.limits.configure);
            match call(&mut self.store, configure, root, (root, size)) {
                Ok(0) if position > 0 => return Err(NotTaken::HalfRefused(self.reason())),
                Ok(0) => {
                    self.store.data_mut().configuration = before;
                    return Err(NotTaken::Refused(self.reason()));
                }
                Ok(_) => {}
                Err(fault) => return Err(NotTaken::Fault(fault)),
            }
        }
        Ok(())
    }

    /// Shows the guest a new connection. `None`: the guest closed it.
    pub(crate) fn open(&mut self, info: &Arc<ConnectionInfo>) -> Result<Option<u32>, Fault> {
        let id = self.create(CONNECTION_ROOT, |host, id| {
            host.connections.insert(id, info.clone());
        })?;
        let Some(new_connection) = &self.exports.new_connection else {
            return Err(missing("proxy_on_new_connection"));
        };
        let action = call(&mut self.store, new_connection, id, id)?;
        if self.store.data_mut().closed.take() == Some(id) {
            self.finish_connection(id)?;
            return Ok(None);
        }
        expect_continue(action)?;
        Ok(Some(id))
    }

    /// Tells the guest that the client has gone.
    pub(crate) fn close(&mut self, id: u32) -> Result<(), Fault> {
        let host = self.store.data_mut();
        host.memory_limit.reset();
        host.log.clear();
        self.store.set_epoch_deadline(self.limits.call);
        if let Some(close) = &self.exports.downstream_close {
            call(&mut self.store, close, id, (id, PEER_REMOTE))?;
        }
        self.finish_connection(id)
    }

    /// Shows the guest a request. The headers come back as it left them, also after a fault.
    pub(crate) fn request(
        &mut self,
        info: &Arc<ConnectionInfo>,
        headers: &mut Headers,
        end_of_stream: bool,
    ) -> Result<RequestOutcome, Fault> {
        let outcome = self.run_request(info, headers, end_of_stream);
        if let Some(exchange) = self.store.data_mut().exchange.take() {
            *headers = exchange.headers;
        }
        outcome
    }

    fn run_request(
        &mut self,
        connection: &Arc<ConnectionInfo>,
        headers: &mut Headers,
        end_of_stream: bool,
    ) -> Result<RequestOutcome, Fault> {
        let count = u32::try_from(headers.len()).unwrap_or(u32::MAX);
        let id = self.create(HTTP_ROOT, |host, context| {
            host.exchange = Some(Exchange {
                context,
                connection: connection.clone(),
                headers: std::mem::take(headers),
                changed: false,
                response: None,
                reset: false,
            });
        })?;
        let request_headers = &self.exports.request_headers;
        let action = call(&mut self.store, request_headers, id, (id, count, u32::from(end_of_stream)))?;
        let outcome = match &mut self.store.data_mut().exchange {
            Some(exchange) if exchange.reset => RequestOutcome::Reset,
            Some(exchange) => match exchange.response.take() {
                Some(response) => RequestOutcome::Respond(response),
                None => {
                    expect_continue(action)?;
                    RequestOutcome::Continue { changed: exchange.changed }
                }
            },
            // Taken by nobody but the caller of this function.
            None => return Err(Fault::Paused),
        };
        self.finish(id)?;
        Ok(outcome)
    }

    /// Creates a context for a stream, registered before the guest first hears of it.
    fn create(&mut self, root: u32, register: impl FnOnce(&mut Host, u32)) -> Result<u32, Fault> {
        let host = self.store.data_mut();
        // Ids wrap around after four thousand million streams; long-lived connections keep theirs.
        let mut id = self.next_context;
        while host.has_context(id) {
            id = id.wrapping_add(1).max(FIRST_STREAM);
        }
        self.next_context = id.wrapping_add(1).max(FIRST_STREAM);
        host.memory_limit.reset();
        host.log.clear();
        host.closed = None;
        register(host, id);
        self.store.set_epoch_deadline(self.limits.call);
        call(&mut self.store, &self.exports.context_create, id, (id, root))?;
        Ok(id)
    }

    fn finish_connection(&mut self, id: u32) -> Result<(), Fault> {
        let finished = self.finish(id);
        self.store.data_mut().connections.remove(&id);
        finished
    }

    fn finish(&mut self, id: u32) -> Result<(), Fault> {
        if let Some(done) = &self.exports.done {
            call(&mut self.store, done, id, id)?;
        }
        for last in [&self.exports.log, &self.exports.delete].into_iter().flatten() {
            call(&mut self.store, last, id, id)?;
        }
        Ok(())
    }

    /// A reactor has `_initialize`, a command `_start`; either prepares the guest's runtime.
    fn initialize(&mut self, instance: &WasmInstance) -> Result<(), Fault> {
        for name in ["_initialize", "_start"] {
            if let Ok(function) = instance.get_typed_func::<(), ()>(&mut self.store, name) {
                return call(&mut self.store, &function, 0, ());
            }
        }
        Ok(())
    }

    fn roots(&self) -> Vec<u32> {
        let connection = self.store.data().plugin.connection_root.as_ref().map(|_| CONNECTION_ROOT);
        connection.into_iter().chain([HTTP_ROOT]).collect()
    }

    fn reason(&self) -> String {
        self.store.data().log.reason().unwrap_or_else(|| "it gave no reason in its log".into())
    }
}

/// Calls into the guest about one context.
fn call<P: WasmParams, R: WasmResults>(
    store: &mut Store<Host>,
    function: &TypedFunc<P, R>,
    context: u32,
    parameters: P,
) -> Result<R, Fault> {
    store.data_mut().effective = context;
    function.call(&mut *store, parameters).map_err(|error| Fault::from_call(&error, store.data()))
}

fn expect_continue(action: u32) -> Result<(), Fault> {
    match action {
        action::CONTINUE => Ok(()),
        action::PAUSE => Err(Fault::Paused),
        other => Err(Fault::BadAction(other)),
    }
}

fn missing(name: &str) -> Fault {
    Fault::NotStarted(format!("it does not export `{name}` with the type of ABI 0.2.1"))
}

impl Exports {
    fn find(store: &mut Store<Host>, instance: &WasmInstance) -> Result<Self, Fault> {
        let memory = instance.get_memory(&mut *store, "memory").ok_or_else(|| missing("memory"))?;
        let allocate = match optional(store, instance, "proxy_on_memory_allocate")? {
            Some(allocate) => allocate,
            None => required(store, instance, "malloc")?,
        };
        store.data_mut().door = Some(Door { memory, allocate: Arc::new(allocate) });
        Ok(Self {
            context_create: required(store, instance, "proxy_on_context_create")?,
            vm_start: optional(store, instance, "proxy_on_vm_start")?,
            configure: optional(store, instance, "proxy_on_configure")?,
            new_connection: optional(store, instance, "proxy_on_new_connection")?,
            downstream_close: optional(store, instance, "proxy_on_downstream_connection_close")?,
            request_headers: required(store, instance, "proxy_on_request_headers")?,
            done: optional(store, instance, "proxy_on_done")?,
            log: optional(store, instance, "proxy_on_log")?,
            delete: optional(store, instance, "proxy_on_delete")?,
        })
    }
}

fn required<P: WasmParams, R: WasmResults>(
    store: &mut Store<Host>,
    instance: &WasmInstance,
    name: &str,
) -> Result<TypedFunc<P, R>, Fault> {
    optional(store, instance, name)?.ok_or_else(|| missing(name))
}

/// An export that may be absent, but not be of another type.
fn optional<P: WasmParams, R: WasmResults>(
    store: &mut Store<Host>,
    instance: &WasmInstance,
    name: &str,
) -> Result<Option<TypedFunc<P, R>>, Fault> {
    match instance.get_func(&mut *store, name) {
        None => Ok(None),
        Some(function) => function.typed(&*store).map(Some).map_err(|_| missing(name)),
    }
}
