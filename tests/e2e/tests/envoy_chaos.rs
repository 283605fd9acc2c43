//! Whatever happens to the filter in a real Envoy, nothing that policy denies reaches the upstream.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use postern_tests_e2e::chaos::{
    Recorder, TRAPPING_HEADERS, Wire, bootstrap, bytes_everywhere, capped, sizes, storm, trapping,
};
use postern_tests_e2e::tutorial::{APP1, APP2, UPSTREAM};
use postern_tests_harness::raw::Request;
use postern_tests_harness::{Envoy, Options, RawClient, RawOutcome};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);

struct World {
    upstream: Recorder,
    dir: TempDir,
}

impl World {
    fn new() -> World {
        World { upstream: Recorder::start(UPSTREAM).unwrap(), dir: tempfile::tempdir().unwrap() }
    }

    /// The printed bootstrap, with these bytes as its module.
    fn bootstrap(&self, module: &[u8]) -> String {
        let path: PathBuf = self.dir.path().join("postern.wasm");
        std::fs::write(&path, module).unwrap();
        bootstrap::bootstrap(&path, self.upstream.addr()).unwrap()
    }

    /// Nothing but these many requests that policy allows has arrived, and none that was marked as one that must not.
    fn saw_exactly(&self, controls: usize) {
        let heads = self.upstream.heads();
        let shown: Vec<_> = heads.iter().map(|head| String::from_utf8_lossy(head)).collect();
        assert!(heads.iter().all(|head| head.starts_with(b"GET /public HTTP/1.1\r\n")), "{shown:#?}");
        assert_eq!((heads.len(), self.upstream.count("x-must-not: 1")), (controls, 0), "{shown:#?}");
    }
}

fn start(config: &str) -> (Envoy, SocketAddr) {
    let envoy = Envoy::start(config, &Options::default()).unwrap();
    let listener = envoy.listener("postern").unwrap();
    (envoy, listener)
}

fn get(from: IpAddr, to: SocketAddr, path: &str) -> RawOutcome {
    let request = Request::new("GET", path).header("host", "app1").header("connection", "close");
    let request = if path == "/public" { request } else { request.header("x-must-not", "1") };
    RawClient::request(from, to, &request.to_bytes(), SOON)
}

/// A request that the trapping module traps on.
fn trap(to: SocketAddr, path: &str) -> RawOutcome {
    let request = Request::new("GET", path).header("host", "app1").header("x-must-not", "1");
    let request =
        (0..=TRAPPING_HEADERS).fold(request, |request, index| request.header(format!("x-{index}"), "1"));
    RawClient::request(APP2, to, &request.to_bytes(), SOON)
}

fn short(outcome: &RawOutcome) -> String {
    outcome.status().map_or_else(|| format!("{outcome:?}"), |status| status.to_string())
}

#[test]
fn any_byte_anywhere() {
    let world = World::new();
    let config = world.bootstrap(&bootstrap::module().unwrap());
    let (envoy, app1) = start(&config);
    for wire in [Wire::Http1, Wire::Http2] {
        let report = storm(APP2, app1, &world.upstream, &bytes_everywhere(), wire);
        println!("envoy, {wire:?}, every byte: {}", report.unwrap());
    }
    assert_eq!(envoy.stats("wasmcustom.postern_rules_quarantined").unwrap().values().sum::<u64>(), 0);
}

#[test]
fn heads_of_any_size() {
    let world = World::new();
    let printed = world.bootstrap(&bootstrap::module().unwrap());
    for (limits, config) in
        [("as printed", printed.clone()), ("limits lifted", bootstrap::with_large_heads(&printed).unwrap())]
    {
        let (_envoy, app1) = start(&config);
        for wire in [Wire::Http1, Wire::Http2] {
            let report = storm(APP2, app1, &world.upstream, &sizes(), wire);
            println!("envoy, {limits}, {wire:?}, sizes: {}", report.unwrap());
        }
    }
}

/// Empty: started, everything denied. Bad: not started at all.
#[test]
fn bad_configurations() {
    let world = World::new();
    let printed = world.bootstrap(&bootstrap::module().unwrap());
    let (_envoy, app1) = start(&bootstrap::with_configuration(&printed, "").unwrap());
    for path in ["/public", "/private"] {
        let outcome = get(APP2, app1, path);
        println!("envoy, empty configuration, {path}: {}", short(&outcome));
        assert!(outcome.is_unanswered(), "{outcome:?}");
    }
    let nested = "[".repeat(100_000);
    for bad in ["{", "null", "{}", "\u{feff}", nested.as_str()] {
        let config = bootstrap::with_configuration(&printed, bad).unwrap();
        let error = Envoy::validate(&config).unwrap_err();
        assert!(error.contains("postern: configuration refused"), "{error}");
    }
    world.saw_exactly(0);
}

/// What was seen after a trap.
#[derive(Debug)]
struct AfterTrap {
    /// What the request got that trapped.
    trapped: String,
    /// What requests that policy allows got, and how often, until one was served.
    until_served: Vec<(String, usize)>,
    /// How long that took; none if it was not within the time.
    recovered: Option<Duration>,
    served: usize,
}

fn after_trap(app1: SocketAddr, path: &str, patience: Duration) -> AfterTrap {
    let trapped = short(&trap(app1, path));
    let started = Instant::now();
    let mut until_served: Vec<(String, usize)> = Vec::new();
    while started.elapsed() < patience {
        let denied = get(APP2, app1, "/private");
        assert_ne!(denied.status(), Some(200), "{denied:?}");
        let allowed = get(APP2, app1, "/public");
        if allowed.status() == Some(200) {
            return AfterTrap { trapped, until_served, recovered: Some(started.elapsed()), served: 1 };
        }
        let outcome = short(&allowed);
        match until_served.iter_mut().find(|(seen, _)| *seen == outcome) {
            Some((_, count)) => *count += 1,
            None => until_served.push((outcome, 1)),
        }
    }
    AfterTrap { trapped, until_served, recovered: None, served: 0 }
}

#[test]
fn a_trap_lets_nothing_through_and_a_reload_recovers() {
    let module = trapping(&bootstrap::module().unwrap()).unwrap();
    for (policy, recovers) in [("FAIL_CLOSED", false), ("FAIL_RELOAD", true)] {
        let world = World::new();
        let config = bootstrap::with_failure_policy(&world.bootstrap(&module), policy).unwrap();
        let (envoy, app1) = start(&config);
        assert_eq!(get(APP2, app1, "/public").status(), Some(200));
        assert_eq!(get(APP2, app1, "/private").status(), Some(403));
        let mut controls = 1;
        let patience = if recovers { SOON } else { Duration::from_secs(3) };
        for (count, path) in ["/public", "/private", "/public"].into_iter().enumerate() {
            let after = after_trap(app1, path, patience);
            let AfterTrap { trapped, until_served, recovered, .. } = &after;
            println!(
                "envoy, {policy}, trap {} on {path}: answered {trapped}; then {until_served:?}; served after {recovered:?}",
                count + 1
            );
            controls += after.served;
            assert_eq!(after.recovered.is_some(), recovers, "{after:?}\n{}", envoy.log());
            if !recovers {
                break;
            }
        }
        world.saw_exactly(controls);
        for (name, value) in envoy
            .stats("")
            .unwrap()
            .iter()
            .filter(|(name, _)| name.contains("wasm.") && !name.contains("wasmcustom"))
        {
            println!("envoy, {policy}: {name} {value}");
        }
    }
}

#[test]
fn a_module_without_enough_memory_lets_nothing_through() {
    let module = bootstrap::module().unwrap();
    let mut outcomes = Vec::new();
    // From too little to start, over too little for a large head, to enough for all.
    for pages in [0, 1, 4, 32, 64] {
        let world = World::new();
        let config = world.bootstrap(&capped(&module, pages).unwrap());
        let config = bootstrap::with_large_heads(&config).unwrap();
        if Envoy::validate(&config).is_err() {
            outcomes.push(format!("{pages} pages: Envoy refuses the listener"));
            continue;
        }
        let (_envoy, app1) = start(&config);
        let mut controls = 0;
        let mut heard = Vec::new();
        for length in [100, 60 << 10, 256 << 10, 1 << 20, 4 << 20] {
            let request = Request::new("GET", "/private").header("host", "app1").header("x-must-not", "1");
            let request = request.header("x-long", vec![b'v'; length]);
            let outcome = RawClient::request(APP2, app1, &request.to_bytes(), SOON);
            assert_ne!(outcome.status(), Some(200), "{outcome:?}");
            heard.push(short(&outcome));
            let control = get(APP2, app1, "/public");
            controls += usize::from(control.status() == Some(200));
            heard.push(short(&control));
        }
        outcomes.push(format!("{pages} pages: {heard:?}"));
        world.saw_exactly(controls);
    }
    println!("envoy, memory that grows by at most\n{}", outcomes.join("\n"));
    assert!(
        outcomes.iter().any(|outcome| outcome.contains("Closed")),
        "no cap was hit by a request: {outcomes:#?}"
    );
}

#[test]
fn nobody_else_is_let_in_meanwhile() {
    // The workload that may nothing, while the module fails under it.
    let world = World::new();
    let module = trapping(&bootstrap::module().unwrap()).unwrap();
    let (_envoy, app1) = start(&world.bootstrap(&module));
    let stranger = IpAddr::from([127, 0, 10, 3]);
    assert_ne!(stranger, APP1);
    let mut answered = 0;
    for round in 0..200 {
        if round % 20 == 0 {
            trap(app1, "/private");
        }
        let outcome = get(stranger, app1, "/private");
        answered += usize::from(outcome.status() == Some(200));
    }
    assert_eq!(answered, 0);
    world.saw_exactly(0);
}
