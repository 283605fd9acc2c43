//! Guests that behave and guests that do not.

mod cache;
mod calls;
mod components;
mod configure;
mod connections;
mod faults;
mod guests;
mod limits;
mod load;
mod requests;
mod spares;

use std::sync::Arc;
use std::time::Duration;

use crate::{
    CompileError, ConnectionInfo, Direction, Engine, Fault, Headers, Limits, MetricsStore, Module, Plugin,
    RequestOutcome, Vm,
};

fn compile(text: &str) -> Result<Module, CompileError> {
    let limits = Limits { memory_bytes: 4 << 20, call_time: Duration::from_millis(60), ..Limits::default() };
    let engine = Engine::new(limits).unwrap();
    Module::compile(&engine, &wat::parse_str(text).unwrap())
}

fn plugin() -> Arc<Plugin> {
    Arc::new(Plugin {
        name: "test".into(),
        vm_id: "vm".into(),
        connection_root: Some("conn".into()),
        http_root: "http".into(),
    })
}

fn start(text: &str) -> Vm {
    Vm::new(&compile(text).unwrap(), plugin(), Arc::new(MetricsStore::new())).unwrap()
}

fn info() -> ConnectionInfo {
    ConnectionInfo::new("10.0.0.2:4000".parse().unwrap(), "[fd00::1]:80".parse().unwrap(), Direction::Inbound)
}

fn headers(path: &str) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in [(":authority", "host"), (":path", path), (":method", "GET"), ("x-a", "1")] {
        headers.push(name.as_bytes(), value.as_bytes());
    }
    headers
}

fn request(vm: &mut Vm, path: &str) -> Result<RequestOutcome, Fault> {
    vm.on_request(&Arc::new(info()), &mut headers(path), true)
}

#[track_caller]
fn body(outcome: Result<RequestOutcome, Fault>) -> Vec<u8> {
    match outcome {
        Ok(RequestOutcome::Respond(response)) => response.body.to_vec(),
        other => panic!("expected a response, not {other:?}"),
    }
}
