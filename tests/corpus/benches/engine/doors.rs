//! The same request through both doors to the core: the proxy-wasm module and the component.

use std::time::{Duration, Instant};

use postern_filter_module::COMPONENT_WASM;
use postern_host_vm::{Engine, Limits, Module};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Store};

use crate::meter::Meter;
use crate::rules::{self, Shape};
use crate::vm::{self, Guest};
use crate::world::{self, Set};

wasmtime::component::bindgen!({ path: "../../wit", world: "policy" });

use exports::postern::policy::decider::{Address, Connection, Direction, Endpoint, Request, Verdict};

const TURNS: usize = 15;
const REQUESTS: usize = 2_000;
/// More than any call here takes.
const FUEL: u64 = 1 << 60;

/// A table of both, at a few sizes.
pub(crate) fn table() -> String {
    let mut lines = vec![
        "| rules | module, fuel | component, fuel | module, ns | component, ns |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    let component = {
        let engine = Engine::new(Limits::default()).expect("wasmtime runs here");
        Module::compile(&engine, COMPONENT_WASM).expect("the component compiles")
    };
    let module = vm::module();
    for rules in [1, 1_000, 10_000] {
        let set = Set::new(Shape::Segment, rules);
        let path = set.paths.first().expect("there are paths");
        let mut meter = Meter::new(&set);
        // The first one may compile what is compiled on first use.
        meter.request(path);
        let fuel = [meter.request(path).fuel, component_fuel(&set, path)];
        let mut guests = [Guest::new(&module, &set), Guest::new(&component, &set)];
        let mut times = [Vec::new(), Vec::new()];
        // The first turn only warms up.
        for turn in 0..=TURNS {
            for (guest, times) in guests.iter_mut().zip(&mut times) {
                let time = each(guest, &set);
                if turn > 0 {
                    times.push(time);
                }
            }
        }
        let [module, component] = times.map(|mut times| {
            times.sort_unstable();
            times.get(TURNS / 2).expect("there were turns").as_nanos()
        });
        let [in_module, in_component] = fuel;
        lines.push(format!("| {rules} | {in_module} | {in_component} | {module} | {component} |"));
    }
    lines.join("\n")
}

fn each(guest: &mut Guest, set: &Set) -> Duration {
    let start = Instant::now();
    set.paths.iter().cycle().take(REQUESTS).for_each(|path| guest.request(path));
    start.elapsed() / u32::try_from(REQUESTS).expect("they are few")
}

/// What a request takes inside of the component, and what is done there to take in the question and hand out the answer.
fn component_fuel(set: &Set, path: &str) -> u64 {
    let mut config = Config::new();
    config.consume_fuel(true);
    let engine = wasmtime::Engine::new(&config).expect("wasmtime runs here");
    let component = Component::from_binary(&engine, COMPONENT_WASM).expect("the component compiles");
    let mut store = Store::new(&engine, ());
    store.set_fuel(FUEL).expect("fuel is on");
    let policy =
        Policy::instantiate(&mut store, &component, &Linker::new(&engine)).expect("it imports nothing");
    let decider = policy.postern_policy_decider();
    let report = decider.call_configure(&mut store, &set.bundle).expect("it does not trap");
    assert!(report.is_ok(), "it takes the bundle");
    let connection = Connection {
        source: endpoint(world::CLIENT),
        destination: endpoint(world::SERVER),
        direction: Direction::Ingress,
        certificate: None,
    };
    let request = request(path);
    let mut fuel = 0;
    for _ in 0..2 {
        let before = store.get_fuel().expect("fuel is on");
        let judged = decider.call_decide_request(&mut store, &connection, &request);
        assert!(matches!(judged.expect("it does not trap").enforced.verdict, Verdict::Allow), "{path}");
        fuel = before - store.get_fuel().expect("fuel is on");
    }
    fuel
}

fn endpoint(text: &str) -> Endpoint {
    match text.parse().expect("an address") {
        std::net::SocketAddr::V4(end) => {
            Endpoint { address: Address::Ipv4(end.ip().to_bits()), port: end.port() }
        }
        std::net::SocketAddr::V6(_) => panic!("the bench is on IPv4"),
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
