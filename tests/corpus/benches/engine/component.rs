//! The component in a host of its own that counts instructions by wasmtime's fuel, as `meter` does for the module.

use std::net::SocketAddr;

use postern_filter_module::COMPONENT_WASM;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

use crate::rules;
use crate::world::{self, Set};

wasmtime::component::bindgen!({ path: "../../wit", world: "policy" });

use exports::postern::policy::decider::{Address, Connection, Direction, Endpoint, Request, Verdict};

/// More than any call here takes.
const FUEL: u64 = 1 << 60;

/// An instance with a configuration.
pub(crate) struct Meter {
    store: Store<()>,
    policy: Policy,
    connection: Connection,
}

/// The component, compiled so that it counts.
pub(crate) fn compiled() -> Component {
    let mut config = Config::new();
    config.consume_fuel(true);
    let engine = Engine::new(&config).expect("wasmtime runs here");
    Component::from_binary(&engine, COMPONENT_WASM).expect("the component compiles")
}

impl Meter {
    pub(crate) fn new(component: &Component, set: &Set) -> Self {
        let engine = component.engine();
        let mut store = Store::new(engine, ());
        store.set_fuel(FUEL).expect("fuel is on");
        let policy =
            Policy::instantiate(&mut store, component, &Linker::new(engine)).expect("it imports nothing");
        let report = policy.postern_policy_decider().call_configure(&mut store, &set.bundle);
        assert!(report.expect("it does not trap").is_ok(), "it takes the bundle");
        let connection = Connection {
            source: endpoint(world::CLIENT),
            destination: endpoint(world::SERVER),
            direction: Direction::Ingress,
            certificate: None,
        };
        Self { store, policy, connection }
    }

    /// The fuel of one request, which must be let through.
    pub(crate) fn request(&mut self, path: &str) -> u64 {
        let request = request(path);
        let before = self.store.get_fuel().expect("fuel is on");
        let decider = self.policy.postern_policy_decider();
        let judged = decider.call_decide_request(&mut self.store, &self.connection, &request);
        assert!(matches!(judged.expect("it does not trap").enforced.verdict, Verdict::Allow), "{path}");
        before - self.store.get_fuel().expect("fuel is on")
    }
}

fn endpoint(text: &str) -> Endpoint {
    match text.parse().expect("an address") {
        SocketAddr::V4(end) => Endpoint { address: Address::Ipv4(end.ip().to_bits()), port: end.port() },
        SocketAddr::V6(_) => panic!("the bench is on IPv4"),
    }
}

fn request(path: &str) -> Request {
    let value = |wanted: &str| {
        let found = rules::HEADERS.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| value.as_bytes().to_vec())
    };
    let others = rules::HEADERS.iter().filter(|(name, _)| ![":method", ":authority"].contains(name));
    Request {
        method: value(":method").expect("there is one"),
        path: Some(path.as_bytes().to_vec()),
        authority: value(":authority"),
        headers: others.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect(),
    }
}
