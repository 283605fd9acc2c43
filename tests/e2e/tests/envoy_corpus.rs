//! The corpus in a real Envoy, with its path normalisation off and on.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use postern_tests_corpus::{load, run};
use postern_tests_e2e::engine::{EnvoyEngine, Normalisation, check_arrivals, check_exclusions};

#[test]
fn every_case_comes_out_in_envoy_as_it_must() {
    let scenarios = load().unwrap();
    let mut engine = EnvoyEngine::start(&scenarios, Normalisation::Off).unwrap();
    match run(&mut engine, &scenarios) {
        Ok((ran, excluded)) => println!("envoy: {ran} cases, {excluded} excluded"),
        Err(failures) => panic!("{failures}"),
    }
    check_exclusions(&mut engine, &scenarios).unwrap();
}

#[test]
fn where_envoy_rewrites_paths_nothing_arrives_that_policy_denies() {
    let scenarios = load().unwrap();
    let mut engine = EnvoyEngine::start(&scenarios, Normalisation::On).unwrap();
    let (sent, arrived) = check_arrivals(&mut engine, &scenarios).unwrap_or_else(|error| panic!("{error:#}"));
    println!("envoy, paths normalised: {sent} requests, {arrived} arrived");
}
