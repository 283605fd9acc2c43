//! What is and is not a filter.

use super::guests::{module, obedient};
use super::{CompileError, compile, plugin};
use crate::{Engine, Fault, Limits, MetricsStore, Module, Plugin, Vm};
use std::sync::Arc;

const CONTINUE: &str =
    r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))"#;

#[test]
fn a_vm_may_move_between_threads() {
    fn send<T: Send>() {}
    fn share<T: Send + Sync>() {}
    send::<Vm>();
    share::<Module>();
}

#[test]
fn not_wasm_is_refused() {
    let engine = Engine::new(Limits::default()).unwrap();
    for bytes in [&b""[..], b"#!/bin/sh", b"\0asm\x01\0\0\0garbage"] {
        assert!(matches!(Module::compile(&engine, bytes), Err(CompileError::NotWasm(_))), "{bytes:?}");
    }
}

#[test]
fn a_missing_export_is_named() {
    for (export, name) in [
        ("proxy_abi_version_0_2_1", "proxy_abi_version_0_2_1"),
        ("proxy_on_memory_allocate", "proxy_on_memory_allocate"),
        ("proxy_on_request_headers", "proxy_on_request_headers"),
    ] {
        let text = module("", CONTINUE).replace(export, "elsewhere");
        assert!(matches!(compile(&text), Err(CompileError::MissingExport(n)) if n == name), "{export}");
    }
}

#[test]
fn an_unknown_import_is_named() {
    let Err(error) = compile(&module(r#"(import "env" "proxy_fly" (func))"#, CONTINUE)) else {
        panic!("linked");
    };
    assert!(error.to_string().contains("env.proxy_fly"), "{error}");
}

#[test]
fn types_must_fit() {
    let import = r#"(import "env" "proxy_done" (func (param i64)))"#;
    assert!(matches!(compile(&module(import, CONTINUE)), Err(CompileError::WrongType(_))));
    let export = CONTINUE.replace("i32 i32 i32", "i32 i32");
    let module = compile(&module("", &export)).unwrap();
    assert!(matches!(
        Vm::new(&module, plugin(), Arc::new(MetricsStore::new())),
        Err(Fault::NotStarted(text)) if text.contains("proxy_on_")
    ));
}

#[test]
fn a_filter_of_requests_alone_lets_connections_go_on() {
    let module = compile(&module("", CONTINUE)).unwrap();
    let plugin = Plugin { connection_root: None, ..plugin().as_ref().clone() };
    let mut vm = Vm::new(&module, plugin.into(), Arc::new(MetricsStore::new())).unwrap();
    assert!(matches!(vm.on_connection(super::info()), Ok(crate::ConnectionOutcome::Open(_))));
}

#[test]
fn too_much_memory_at_start_is_a_fault() {
    let module =
        compile(&obedient().replace("(memory (export \"memory\") 16)", "(memory (export \"memory\") 100)"));
    let vm = Vm::new(&module.unwrap(), plugin(), Arc::new(MetricsStore::new()));
    assert!(matches!(vm, Err(Fault::OutOfMemory { .. })));
}
