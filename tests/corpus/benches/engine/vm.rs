//! The module in `host/vm`, as the proxy runs it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postern_filter_module::{CONNECTION_ROOT_ID, FILTER_WASM, HTTP_ROOT_ID};
use postern_host_vm::{
    Connection, ConnectionInfo, ConnectionOutcome, Direction, Engine, Headers, Limits, MetricsStore, Module,
    Plugin, RequestOutcome, Vm,
};

use crate::rules;
use crate::world::{self, Set};

/// The compiled module: compiling takes a second, and every VM shares it.
pub(crate) fn module() -> Module {
    let engine = Engine::new(Limits::default()).expect("wasmtime runs here");
    Module::compile(&engine, FILTER_WASM).expect("the module compiles")
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
    pub(crate) fn new(module: &Module, set: &Set) -> Self {
        let plugin = Plugin {
            name: "bench".to_owned(),
            vm_id: "bench".to_owned(),
            connection_root: Some(CONNECTION_ROOT_ID.to_owned()),
            http_root: HTTP_ROOT_ID.to_owned(),
        };
        let mut vm = Vm::new(module, Arc::new(plugin), Arc::new(MetricsStore::new())).expect("it starts");
        let bundle = set.bundle.clone().into();
        let start = Instant::now();
        vm.configure(bundle).expect("the filter takes the bundle");
        let load = start.elapsed();
        let [client, server] =
            [world::CLIENT, world::SERVER].map(|address| address.parse().expect("an address"));
        let connection = match vm.on_connection(ConnectionInfo::new(client, server, Direction::Inbound)) {
            Ok(ConnectionOutcome::Open(connection)) => connection,
            other => panic!("the connection is not let in: {other:?}"),
        };
        Self { vm, connection, headers: Headers::new(), load }
    }

    /// One request, which must be let through.
    #[inline(never)]
    pub(crate) fn request(&mut self, path: &str) {
        self.headers.clear();
        for (name, value) in rules::HEADERS {
            self.headers.push(name.as_bytes(), value.as_bytes());
        }
        self.headers.push(b":path", path.as_bytes());
        let outcome = self.vm.on_request(self.connection.info(), &mut self.headers, true);
        assert!(matches!(outcome, Ok(RequestOutcome::Continue { changed: false })), "{path}: {outcome:?}");
    }
}
