//! The corpus in `postern proxy`.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use postern_tests_corpus::{load, run};
use postern_tests_e2e::engine::{ProxyEngine, check_exclusions};

#[test]
fn every_case_comes_out_in_the_proxy_as_it_must() {
    let scenarios = load().unwrap();
    let mut engine = ProxyEngine::start().unwrap();
    match run(&mut engine, &scenarios) {
        Ok((ran, excluded)) => println!("proxy: {ran} cases, {excluded} excluded"),
        Err(failures) => panic!("{failures}"),
    }
    check_exclusions(&mut engine, &scenarios).unwrap();
}
