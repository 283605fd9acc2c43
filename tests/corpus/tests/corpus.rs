//! The corpus on the engines that need nothing but this workspace.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use postern_tests_corpus::engine::{BundleEngine, Engine, NativeEngine, WasmEngine};
use postern_tests_corpus::{load, run};

fn check(engine: &mut dyn Engine) {
    let scenarios = load().unwrap_or_else(|error| panic!("{error:#}"));
    match run(engine, &scenarios) {
        Ok((ran, excluded)) => println!("engine {}: {ran} cases, {excluded} excluded", engine.name()),
        Err(failures) => panic!("{failures}"),
    }
}

#[test]
fn native() {
    check(&mut NativeEngine::default());
}

#[test]
fn bundle() {
    check(&mut BundleEngine::default());
}

#[test]
fn wasm() {
    check(&mut WasmEngine::module().unwrap_or_else(|error| panic!("{error:#}")));
}

#[test]
fn component() {
    check(&mut WasmEngine::component().unwrap_or_else(|error| panic!("{error:#}")));
}
