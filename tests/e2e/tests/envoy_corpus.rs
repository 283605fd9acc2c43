//! The corpus in a real Envoy.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use postern_tests_corpus::{load, run};
use postern_tests_e2e::engine::{EnvoyEngine, check_exclusions};

#[test]
fn every_case_comes_out_in_envoy_as_it_must() {
    let scenarios = load().unwrap();
    let mut engine = EnvoyEngine::start(&scenarios).unwrap();
    match run(&mut engine, &scenarios) {
        Ok((ran, excluded)) => println!("envoy: {ran} cases, {excluded} excluded"),
        Err(failures) => panic!("{failures}"),
    }
    check_exclusions(&mut engine, &scenarios).unwrap();
}
