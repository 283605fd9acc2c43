//! Whom `postern proxy` takes its clients for, by what hops say of them: as in Envoy (`envoy_callers.rs`).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::SocketAddr;

use postern_tests_e2e::callers::{
    Client, Row, SERVER, Server, Strangers, bundle, gateway_alone, gateway_and_proxy,
};
use postern_tests_e2e::chaos::Recorder;
use postern_tests_e2e::proxy::Proxy;
use postern_tests_e2e::tutorial::UPSTREAM;
use serde_json::Value;

fn check(door: &str, (sources, rows): (Value, &[Row])) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bundle.json");
    fs::write(&file, bundle(&sources, Strangers::MayRead)).unwrap();
    let upstream = Recorder::start(UPSTREAM).unwrap();
    let further = ["--bundle", file.to_str().unwrap(), "--door", door];
    let proxy = Proxy::start_loaded(SocketAddr::new(SERVER, 0), upstream.addr(), &further).unwrap();
    let log = || proxy.log();
    let server = Server { at: proxy.listen(), upstream: &upstream, log: &log };
    for row in rows {
        let taken_for = Client::plain(row.from).taken_for(&server, row.forwarded).unwrap();
        assert!(taken_for.starts_with(row.taken_for), "{door}: {row:?}: found {taken_for}");
    }
}

#[test]
fn a_trusted_hop_says_for_whom_it_sends() {
    check("module", gateway_and_proxy());
    check("module", gateway_alone());
}

#[test]
fn a_component_hears_the_same() {
    check("component", gateway_and_proxy());
}
