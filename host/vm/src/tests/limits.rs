//! Every way into a guest is bounded in time, memory and stack.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Fault, headers, info, plugin};
use crate::{ConfigureError, ConnectionOutcome, Engine, Limits, MetricsStore, Module, Vm};

/// Callbacks, with what they take and answer.
const CALLBACKS: [(&str, &str); 12] = [
    ("_initialize", ""),
    ("proxy_on_memory_allocate", "(param i32) (result i32)"),
    ("proxy_on_context_create", "(param i32 i32)"),
    ("proxy_on_vm_start", "(param i32 i32) (result i32)"),
    ("proxy_on_configure", "(param i32 i32) (result i32)"),
    ("proxy_on_new_connection", "(param i32) (result i32)"),
    ("proxy_on_downstream_connection_close", "(param i32 i32)"),
    ("proxy_on_request_headers", "(param i32 i32 i32) (result i32)"),
    ("proxy_on_done", "(param i32) (result i32)"),
    ("proxy_on_log", "(param i32)"),
    ("proxy_on_delete", "(param i32)"),
    ("start", ""),
];

const DEEDS: [(&str, &str); 4] = [
    ("timed_out", "(loop $again (br $again))"),
    ("out_of_memory", "(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))"),
    ("trapped", "unreachable"),
    ("trapped", "(call $deeper)"),
];

/// A guest in which one callback does a deed, and the others nothing.
fn guest(bad: &str, deed: &str) -> String {
    let mut text = String::from(
        r#"(module
        (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
        (memory (export "memory") 2)
        (func (export "proxy_abi_version_0_2_1"))
        (func $deeper (call $deeper))
        "#,
    );
    for (name, types) in CALLBACKS {
        let deed = if name == bad { deed } else { "" };
        // Makes the host allocate in the guest.
        let work = if name == "proxy_on_request_headers" {
            "(drop (call $pairs (i32.const 0) (i32.const 8) (i32.const 12)))"
        } else {
            ""
        };
        let answer = match name {
            "proxy_on_memory_allocate" => "(i32.const 65536)",
            "proxy_on_new_connection" | "proxy_on_request_headers" => "(i32.const 0)",
            _ if types.contains("result") => "(i32.const 1)",
            _ => "",
        };
        let export = if name == "start" { "$start".to_owned() } else { format!("(export {name:?})") };
        text += &format!("(func {export} {types} {deed} {work} {answer})\n");
    }
    if bad == "start" {
        text += "(start $start)";
    }
    text + ")"
}

fn run(module: &Module) -> Result<(), Fault> {
    let mut vm = Vm::new(module, plugin(), Arc::new(MetricsStore::new()))?;
    vm.configure("any".into()).map_err(|error| match error {
        ConfigureError::Fault(fault) => fault,
        ConfigureError::Refused { reason } => Fault::NotStarted(reason),
    })?;
    let ConnectionOutcome::Open(connection) = vm.on_connection(info())? else { panic!("closed") };
    vm.on_request(connection.info(), &mut headers("/"), true)?;
    vm.on_close(connection)
}

#[test]
fn every_callback_is_bounded() {
    let limits = Limits {
        memory_bytes: 1 << 20,
        call_time: Duration::from_millis(50),
        configure_time: Duration::from_millis(50),
        ..Limits::default()
    };
    let engine = Engine::new(limits).unwrap();
    for (name, _) in CALLBACKS {
        for (expected, deed) in DEEDS {
            let module = Module::compile(&engine, &wat::parse_str(guest(name, deed)).unwrap()).unwrap();
            let started = Instant::now();
            let fault = run(&module).expect_err(name);
            assert_eq!(fault.name(), expected, "{name}: {deed}: {fault}");
            assert!(started.elapsed() < Duration::from_secs(2), "{name} took {:?}", started.elapsed());
        }
    }
    run(&Module::compile(&engine, &wat::parse_str(guest("none", "")).unwrap()).unwrap()).unwrap();
}
