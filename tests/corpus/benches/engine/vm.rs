//! The module and the component in `host/vm`, as the proxy runs them.

use std::sync::Arc;
use std::time::Duration;

use postern_filter_module::{COMPONENT_WASM, CONNECTION_ROOT_ID, FILTER_WASM, HTTP_ROOT_ID};
use postern_host_vm::{
    Connection, ConnectionInfo, ConnectionOutcome, Direction, Engine, Headers, Limits, MetricsStore, Module,
    Plugin, RequestOutcome, Vm,
};

use crate::clock;
use crate::rules;
use crate::world::{self, Set};

/// The compiled module.
pub(crate) fn module() -> Module {
    compiled(FILTER_WASM)
}

/// The compiled component.
pub(crate) fn component() -> Module {
    compiled(COMPONENT_WASM)
}

/// Compiling takes a second, and every VM shares it. Time is limited, generously: the limit is of the clock on the wall,
/// and what else the machine does must not end a measurement.
fn compiled(guest: &[u8]) -> Module {
    let limits = Limits { call_time: Duration::from_secs(5), ..Limits::default() };
    let engine = Engine::new(limits).expect("wasmtime runs here");
    Module::compile(&engine, guest).expect("the guest compiles")
}

/// A configured VM with one open connection.
pub(crate) struct Guest {
    vm: Vm,
    connection: Connection,
    headers: Headers,
    /// What the configuration took.
    pub(crate) load: Duration,
}

impl Guest {
    /// The error says why the filter does not take the bundle, or cannot decide by it.
    pub(crate) fn new(module: &Module, set: &Set) -> Result<Self, String> {
        let plugin = Plugin {
            name: "bench".to_owned(),
            vm_id: "bench".to_owned(),
            connection_root: Some(CONNECTION_ROOT_ID.to_owned()),
            http_root: HTTP_ROOT_ID.to_owned(),
        };
        let mut vm = Vm::new(module, Arc::new(plugin), Arc::new(MetricsStore::new())).expect("it starts");
        let bundle = set.bundle.clone().into();
        let start = clock::spent();
        vm.configure(bundle).map_err(|error| error.to_string())?;
        let load = clock::spent() - start;
        let [client, server] =
            [world::CLIENT, world::SERVER].map(|address| address.parse().expect("an address"));
        let connection = match vm.on_connection(ConnectionInfo::new(client, server, Direction::Inbound)) {
            Ok(ConnectionOutcome::Open(connection)) => connection,
            other => panic!("the connection is not let in: {other:?}"),
        };
        let mut this = Self { vm, connection, headers: Headers::new(), load };
        set.paths.iter().try_for_each(|path| this.decide(path))?;
        Ok(this)
    }

    /// One request, which must be let through.
    #[inline(never)]
    pub(crate) fn request(&mut self, path: &str) {
        self.decide(path).expect("it was decided before");
    }

    fn decide(&mut self, path: &str) -> Result<(), String> {
        self.headers.clear();
        for (name, value) in rules::HEADERS {
            self.headers.push(name.as_bytes(), value.as_bytes());
        }
        self.headers.push(b":path", path.as_bytes());
        match self.vm.on_request(self.connection.info(), &mut self.headers, true) {
            Ok(RequestOutcome::Continue { changed: false }) => Ok(()),
            other => Err(format!("{path}: {other:?}")),
        }
    }
}
