//! Updates of the filter in a real Envoy, by extension config discovery, while requests go on.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use postern_tests_e2e::chaos::{Recorder, bootstrap};
use postern_tests_e2e::proxy::write;
use postern_tests_e2e::tutorial::{APP1, UPSTREAM};
use postern_tests_e2e::updates::{CLIENTS, Client, Load, REQUESTS, RULES, SOON, UPDATES, bundle};
use postern_tests_harness::{Envoy, Options, eventually};
use serde_json::json;

const WORKERS: u32 = 2;
const HTTP_WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

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

#[test]
fn updates_under_load_lose_nothing_and_are_in_force_when_envoy_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let module: PathBuf = dir.path().join("postern.wasm");
    fs::write(&module, bootstrap::module().unwrap()).unwrap();
    let bundles = ["a", "b"].map(|open| bundle(dir.path(), open).unwrap().to_string());
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
    let mut watchers: Vec<Client> = (0..CLIENTS).map(|_| Client::new(app1).unwrap()).collect();
    for watcher in &mut watchers {
        eventually(SOON, || {
            let status = watcher.get("/a").unwrap().0;
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
            scope.spawn(|| load.run(app1).unwrap());
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
                let mut status = watcher.get(new).unwrap().0;
                stale += usize::from(status != 200);
                while status != 200 && acknowledged.elapsed() < SOON {
                    status = watcher.get(new).unwrap().0;
                    latest = latest.max(acknowledged.elapsed());
                }
                assert_eq!(status, 200, "update {update} is not in force");
                // A worker that has taken the new one never goes back to the old one.
                assert_eq!(
                    (watcher.get(old).unwrap().0, watcher.get(new).unwrap().0),
                    (403, 200),
                    "update {update}"
                );
            }
        }
        load.finish();
    });
    effective.sort();
    let (requests, errors) = (load.requests(), load.errors());
    println!(
        "envoy: {requests} requests during {UPDATES} updates of {RULES} rules, {errors} errors, the slowest took {:?}; \
         from the file to the acknowledgement {:?} (median); first requests after it: {first_requests}, of the old policy: \
         {stale}, the last of them after {latest:?}",
        load.slowest(),
        effective[UPDATES / 2],
    );
    assert!(requests >= REQUESTS, "only {requests} requests");
    assert_eq!(errors, 0);
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
    let good = bundle(dir.path(), "a").unwrap().to_string();
    let upstream = Recorder::start(UPSTREAM).unwrap();
    let discovery = dir.path().join("ecds.json");
    write(&discovery, &response(0, &module, &good)).unwrap();
    let envoy = envoy(&discovery, upstream.addr());
    let mut client = Client::new(envoy.listener("postern").unwrap()).unwrap();
    eventually(SOON, || {
        ensure!(client.get("/a").unwrap().0 == 200, "not loaded yet");
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
        assert_eq!(
            (client.get("/a").unwrap().0, client.get("/never").unwrap().0),
            (200, 403),
            "after {bad:.20}"
        );
    }
    assert_eq!(upstream.count("GET /never"), 0);
}
