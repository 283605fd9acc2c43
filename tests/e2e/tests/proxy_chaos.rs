//! Whatever is thrown at `postern proxy` with the real filter, nothing that policy denies reaches the upstream.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::SocketAddr;

use anyhow::ensure;
use postern_tests_e2e::chaos::{Recorder, Wire, bytes_everywhere, sizes, storm};
use postern_tests_e2e::postern::postern;
use postern_tests_e2e::proxy::{Proxy, SOON, write};
use postern_tests_e2e::tutorial::{APP1, APP2, ARGS, UPSTREAM};
use postern_tests_harness::raw::Request;
use postern_tests_harness::{RawClient, eventually};

const LISTEN: SocketAddr = SocketAddr::new(APP1, 0);

#[test]
fn any_byte_anywhere_and_heads_of_any_size() {
    let upstream = Recorder::start(UPSTREAM).unwrap();
    let proxy = Proxy::start_loaded(LISTEN, upstream.addr(), &ARGS).unwrap();
    for (what, probes) in [("every byte", bytes_everywhere()), ("sizes", sizes())] {
        for wire in [Wire::Http1, Wire::Http2] {
            let report = storm(APP2, proxy.listen(), &upstream, &probes, wire);
            println!("proxy, {wire:?}, {what}: {}", report.unwrap());
        }
    }
    let metrics = proxy.admin("GET", "/metrics");
    let metrics = String::from_utf8_lossy(metrics.body());
    assert!(metrics.contains("postern_proxy_filter_faults_total 0\n"), "{metrics}");
}

#[test]
fn bad_and_empty_configurations_let_nothing_through() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bundle.json");
    let upstream = Recorder::start(UPSTREAM).unwrap();
    let proxy = Proxy::start(LISTEN, upstream.addr(), &["--bundle", path.to_str().unwrap()]).unwrap();
    let get = |path| {
        let request = Request::new("GET", path).header("host", "app1").header("connection", "close");
        RawClient::request(APP2, proxy.listen(), &request.to_bytes(), SOON)
    };
    // Not there, empty, and bad: nothing has ever been loaded.
    assert!(get("/public").is_unanswered());
    let nested = "[".repeat(100_000);
    let bad = ["{", "null", "{}", "\u{feff}", nested.as_str()];
    let mut refused = 0;
    let refuses = || {
        let refusals = || proxy.log().matches("are refused").count();
        let before = refusals();
        proxy.signal("HUP").unwrap();
        eventually(SOON, || {
            ensure!(refusals() > before, "not refused yet: {}", proxy.log());
            Ok(())
        })
        .unwrap();
    };
    for text in bad {
        write(&path, text).unwrap();
        refuses();
        assert!(!proxy.config().unwrap().loaded);
        assert!(get("/public").is_unanswered(), "{text:.20}");
        refused += 1;
    }
    // The same after a good one: the last good policy stays.
    let ran = postern(["bundle"].iter().chain(&ARGS)).unwrap();
    write(&path, &ran.stdout).unwrap();
    proxy.reload(&ran.stdout).unwrap();
    for text in bad {
        write(&path, text).unwrap();
        refuses();
        assert_eq!((get("/public").status(), get("/private").status()), (Some(200), Some(403)), "{text:.20}");
        refused += 1;
    }
    println!("proxy: {refused} bad configurations refused");
    assert_eq!((upstream.total(), upstream.count("GET /private")), (5, 0));
}

#[test]
fn the_compiled_filter_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let upstream = Recorder::start(UPSTREAM).unwrap();
    let cached = ["--module-cache", cache.to_str().unwrap()];
    let args: Vec<&str> = ARGS.iter().chain(&cached).copied().collect();
    for _ in 0..2 {
        let proxy = Proxy::start_loaded(LISTEN, upstream.addr(), &args).unwrap();
        let request = Request::new("GET", "/public").header("host", "app1").to_bytes();
        assert_eq!(RawClient::request(APP2, proxy.listen(), &request, SOON).status(), Some(200));
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 2, "{}", proxy.log());
    }
}
