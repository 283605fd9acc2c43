//! Updates of the filter in a real Envoy, by extension config discovery, while requests go on.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use postern_tests_e2e::chaos::{Recorder, bootstrap};
use postern_tests_e2e::postern::postern;
use postern_tests_e2e::proxy::write;
use postern_tests_e2e::tutorial::{APP1, APP2, INVENTORY, UPSTREAM};
use postern_tests_harness::raw::{RawConnection, Request};
use postern_tests_harness::{Envoy, Options, eventually};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const UPDATES: usize = 20;
const REQUESTS: usize = 2_000;
/// More than Envoy has workers, so that each has some.
const CLIENTS: usize = 8;
const WORKERS: u32 = 2;
/// Rules beside the ones that are asked about: loading them is what a worker does meanwhile.
const RULES: usize = 300;
const HTTP_WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// A bundle that lets `/always` and `/{open}` be read.
fn bundle(dir: &Path, open: &str) -> Value {
    let mut text = String::from(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: rule1}\nspec:\n  \
         endpointSelector: {matchLabels: {id: app1}}\n  ingress:\n  - fromEndpoints:\n    - matchLabels: {id: app2}\n    \
         toPorts:\n    - ports: [{port: \"80\", protocol: TCP}]\n      rules:\n        http:\n",
    );
    for rule in 0..RULES {
        text += &format!("        - {{method: GET, path: \"/svc{rule}/v[0-9]+/items/.*\"}}\n");
    }
    for path in ["always", open] {
        text += &format!("        - {{method: GET, path: /{path}}}\n");
    }
    let policy = dir.join(format!("{open}.yaml"));
    fs::write(&policy, text).unwrap();
    let policy = policy.to_str().unwrap();
    let args = [
        "bundle",
        "--policy",
        policy,
        "--inventory",
        INVENTORY,
        "--workload",
        "default/app1",
        "--port",
        "80",
    ];
    let ran = postern(args).unwrap();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    ran.json().unwrap()
}

/// What Envoy reads: a discovery response with the filter in it.
fn response(version: usize, module: &Path, configuration: &str) -> String {
    json!({
        "version_info": version.to_string(),
        "resources": [{
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": "postern.http",
            "typed_config": {"@type": HTTP_WASM, "config": {
                "name": "postern.http",
                "root_id": "postern.http",
                "failure_policy": "FAIL_RELOAD",
                "vm_config": {
                    "vm_id": "postern",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": module}},
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": configuration,
                },
            }},
        }],
    })
    .to_string()
}

fn envoy(discovery: &Path, upstream: SocketAddr) -> Envoy {
    let deny = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": {"action": "ALLOW", "policies": {}},
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "postern",
        "use_remote_address": true,
        "route_config": {"virtual_hosts": [{"name": "up", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "upstream"}},
        ]}]},
        "http_filters": [
            {"name": "postern.http", "config_discovery": {
                "config_source": {
                    "path_config_source": {"path": discovery},
                    "resource_api_version": "V3",
                },
                "apply_default_config_without_warming": true,
                "default_config": deny,
                "type_urls": [HTTP_WASM, "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"],
            }},
            {"name": "envoy.filters.http.router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            }},
        ],
    });
    let address = |to: SocketAddr| json!({"socket_address": {"address": to.ip(), "port_value": to.port()}});
    let config = json!({
        "node": {"id": "envoy", "cluster": "any"},
        "static_resources": {
            "listeners": [{
                "name": "postern",
                "address": address((APP1, 0).into()),
                // Spreads the connections evenly.
                "connection_balance_config": {"exact_balance": {}},
                "filter_chains": [{"filters": [
                    {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
                ]}],
            }],
            "clusters": [{"name": "upstream", "type": "STATIC", "connect_timeout": "5s", "load_assignment": {
                "cluster_name": "upstream",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(upstream)}}]}],
            }}],
        },
    });
    let options = Options { concurrency: WORKERS, log_level: "warning".to_owned(), ..Options::default() };
    Envoy::start(&config.to_string(), &options).unwrap()
}

/// A client with a connection of its own.
struct Client {
    connection: RawConnection,
}

impl Client {
    fn new(to: SocketAddr) -> Client {
        Client { connection: RawConnection::open(APP2, to, SOON).unwrap() }
    }

    /// The status, and how long it took. Anything but a status is an error.
    fn get(&mut self, path: &str) -> (u16, Duration) {
        let started = Instant::now();
        let request = Request::new("GET", path).header("host", "app1");
        let outcome = self.connection.send(&request.to_bytes(), SOON);
        let status = outcome.status().unwrap_or_else(|| panic!("{path}: {outcome:?}"));
        (status, started.elapsed())
    }
}

#[derive(Debug, Default)]
struct Load {
    requests: AtomicUsize,
    errors: AtomicUsize,
    slowest_us: AtomicUsize,
    enough: AtomicBool,
}

impl Load {
    /// Asks for what is always allowed, and for what sometimes is, until it is enough.
    fn run(&self, to: SocketAddr) {
        let mut client = Client::new(to);
        while !self.enough.load(Ordering::Relaxed) {
            for (path, expected) in [("/always", &[200][..]), ("/a", &[200, 403]), ("/never", &[403])] {
                let (status, time) = client.get(path);
                self.requests.fetch_add(1, Ordering::Relaxed);
                let time = usize::try_from(time.as_micros()).unwrap();
                self.slowest_us.fetch_max(time, Ordering::Relaxed);
                if !expected.contains(&status) {
                    self.errors.fetch_add(1, Ordering::Relaxed);
                    println!("{path} was answered with {status}");
                }
            }
        }
    }
}

#[test]
fn updates_under_load_lose_nothing_and_are_in_force_when_envoy_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let module: PathBuf = dir.path().join("postern.wasm");
    fs::write(&module, bootstrap::module().unwrap()).unwrap();
    let bundles = ["a", "b"].map(|open| bundle(dir.path(), open).to_string());
    let upstream = Recorder::start(UPSTREAM).unwrap();
    let discovery = dir.path().join("ecds.json");
    write(&discovery, &response(0, &module, &bundles[0])).unwrap();
    let envoy = envoy(&discovery, upstream.addr());
    let app1 = envoy.listener("postern").unwrap();
    let reloads = "extension_config_discovery.http_filter.postern.postern.http.config_reload";
    let named = |suffix: &str| {
        let stats = envoy.stats("").unwrap();
        stats.iter().find(|(name, _)| name.ends_with(suffix)).map(|(name, value)| (name.clone(), *value))
    };
    // One for each connection: all of them see the first policy before anything is counted.
    let mut watchers: Vec<Client> = (0..CLIENTS).map(|_| Client::new(app1)).collect();
    for watcher in &mut watchers {
        eventually(SOON, || {
            let status = watcher.get("/a").0;
            ensure!(status == 200, "{status}: {}", envoy.log());
            Ok(())
        })
        .unwrap();
    }
    let (reload, mut reloaded) = named(".config_reload").unwrap_or_else(|| panic!("no {reloads}"));
    println!("Envoy acknowledges by {reload}");

    let load = Load::default();
    let (mut stale, mut first_requests, mut latest) = (0, 0, Duration::ZERO);
    let mut effective = Vec::new();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| load.run(app1));
        }
        for update in 1..=UPDATES {
            let open = update % 2;
            write(&discovery, &response(update, &module, &bundles[open])).unwrap();
            let written = Instant::now();
            reloaded = eventually(SOON, || {
                let now = envoy.stats(&reload)?.get(&reload).copied().unwrap_or_default();
                ensure!(now > reloaded, "{reload} is {now}");
                Ok(now)
            })
            .unwrap();
            effective.push(written.elapsed());
            // The first request on each connection after the acknowledgement.
            let (new, old) = if open == 0 { ("/a", "/b") } else { ("/b", "/a") };
            let acknowledged = Instant::now();
            for watcher in &mut watchers {
                first_requests += 1;
                let mut status = watcher.get(new).0;
                stale += usize::from(status != 200);
                while status != 200 && acknowledged.elapsed() < SOON {
                    status = watcher.get(new).0;
                    latest = latest.max(acknowledged.elapsed());
                }
                assert_eq!(status, 200, "update {update} is not in force");
                // A worker that has taken the new one never goes back to the old one.
                assert_eq!((watcher.get(old).0, watcher.get(new).0), (403, 200), "update {update}");
            }
        }
        let started = Instant::now();
        while load.requests.load(Ordering::Relaxed) < REQUESTS && started.elapsed() < SOON {
            thread::yield_now();
        }
        load.enough.store(true, Ordering::Relaxed);
    });
    effective.sort();
    let requests = load.requests.load(Ordering::Relaxed);
    println!(
        "envoy: {requests} requests during {UPDATES} updates of {RULES} rules, {} errors, the slowest took {} us; \
         from the file to the acknowledgement {:?} (median); first requests after it: {first_requests}, of the old policy: \
         {stale}, the last of them after {latest:?}",
        load.errors.load(Ordering::Relaxed),
        load.slowest_us.load(Ordering::Relaxed),
        effective[UPDATES / 2],
    );
    assert!(requests >= REQUESTS, "only {requests} requests");
    assert_eq!(load.errors.load(Ordering::Relaxed), 0);
    assert_eq!(upstream.count("GET /never"), 0);
    assert_eq!(stale, 0, "first requests after the acknowledgement met the old policy");
    let failures = envoy.stats("").unwrap();
    let bad = |name: &str| name.ends_with(".config_fail") || name.ends_with("postern.downstream_rq_5xx");
    assert_eq!(failures.iter().filter(|(name, value)| bad(name) && **value > 0).count(), 0);
}

#[test]
fn a_refused_update_leaves_the_last_good_one() {
    let dir = tempfile::tempdir().unwrap();
    let module: PathBuf = dir.path().join("postern.wasm");
    fs::write(&module, bootstrap::module().unwrap()).unwrap();
    let good = bundle(dir.path(), "a").to_string();
    let upstream = Recorder::start(UPSTREAM).unwrap();
    let discovery = dir.path().join("ecds.json");
    write(&discovery, &response(0, &module, &good)).unwrap();
    let envoy = envoy(&discovery, upstream.addr());
    let mut client = Client::new(envoy.listener("postern").unwrap());
    eventually(SOON, || {
        ensure!(client.get("/a").0 == 200, "not loaded yet");
        Ok(())
    })
    .unwrap();
    for (version, bad) in ["{", "null", &good.replace("v1alpha1", "v9")].into_iter().enumerate() {
        let failures = || {
            envoy
                .stats("")
                .unwrap()
                .iter()
                .filter(|(name, _)| {
                    name.ends_with(".config_fail") || name.ends_with("postern.http.update_rejected")
                })
                .map(|(_, value)| *value)
                .sum::<u64>()
        };
        let before = failures();
        write(&discovery, &response(version + 1, &module, bad)).unwrap();
        eventually(SOON, || {
            ensure!(failures() > before, "not refused yet: {:#?}", envoy.stats("extension_config_discovery"));
            Ok(())
        })
        .unwrap();
        assert_eq!((client.get("/a").0, client.get("/never").0), (200, 403), "after {bad:.20}");
    }
    assert_eq!(upstream.count("GET /never"), 0);
}
