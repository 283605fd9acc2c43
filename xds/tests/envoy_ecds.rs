//! A real Envoy that has its filters' configuration from the server, by extension config discovery.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod world;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use postern_policy_wire::Identity;
use postern_tests_harness::raw::Request;
use postern_tests_harness::{Envoy, Options, RawClient, RawOutcome, Upstream, eventually};
use postern_xds::server::{ClientKind, Event, Report};
use postern_xds::snapshot::NodeSnapshot;
use serde_json::{Value, json};
use tempfile::TempDir;
use world::pki::Pki;
use world::server::{Server, Snapshots};
use world::{SOON, endpoint, identity};

const APP1: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 11, 1));
const APP2: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 11, 2));
const APP3: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 11, 3));

const NETWORK_WASM: &str = "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm";
const HTTP_WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const NETWORK_RBAC: &str = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC";
const HTTP_RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";

/// What app2 may read of app1; app3 may do nothing.
fn policy(revision: u64, path: &str, more: Option<Identity>) -> NodeSnapshot {
    let identities = [identity(256, "127.0.11.1/32"), identity(257, "127.0.11.2/32")];
    let identities = identities.into_iter().chain(more);
    NodeSnapshot::new(revision, identities, [], [endpoint("default/app1", "127.0.11.1", 257, path)]).unwrap()
}

struct World {
    pki: Pki,
    snapshots: Snapshots,
    server: Server,
    upstream: Upstream,
    module: PathBuf,
    _dir: TempDir,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let module = dir.path().join("postern.wasm");
        std::fs::write(&module, postern_filter_module::FILTER_WASM).unwrap();
        let (pki, snapshots) = (Pki::new(), Snapshots::default());
        let server = Server::start(&pki, &snapshots);
        let upstream = Upstream::start(SocketAddr::new(APP1, 0)).unwrap();
        World { pki, snapshots, server, upstream, module, _dir: dir }
    }

    fn wait_for(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Report {
        let mut seen = Vec::new();
        let found = eventually(SOON, || {
            while let Ok(report) = self.server.reports.try_recv() {
                if wanted(&report.event) {
                    return Ok(report);
                }
                seen.push(report.event);
            }
            Err(anyhow::anyhow!("no {what} yet, but {seen:?}"))
        });
        found.unwrap()
    }

    fn acked(&mut self, revision: u64) -> Report {
        self.wait_for(&format!("ack of {revision}"), |event| *event == Event::Acked { revision })
    }

    /// `allowed` answers app2 and `denied` does not; app3 gets nothing at all.
    fn enforces(&self, envoy: &Envoy, allowed: &str, denied: &str) {
        let to = envoy.listener("postern").unwrap();
        // Envoy acknowledges on its main thread; its workers follow.
        eventually(SOON, || {
            let outcome = get(APP2, to, allowed);
            ensure!(outcome.status() == Some(200), "{allowed}: {outcome:?}");
            let outcome = get(APP2, to, denied);
            ensure!(outcome.status() == Some(403), "{denied}: {outcome:?}");
            Ok(())
        })
        .with_context(|| envoy.log())
        .unwrap();
        self.upstream.forget();
        let outcome = get(APP2, to, denied);
        assert_eq!(outcome.body(), b"Access denied\r\n", "{outcome:?}");
        let outcome = get(APP3, to, allowed);
        assert!(outcome.is_unanswered(), "{outcome:?}");
        assert_eq!(self.upstream.seen(), []);
    }
}

fn get(from: IpAddr, to: SocketAddr, path: &str) -> RawOutcome {
    let request = Request::new("GET", path).header("host", "app1").header("connection", "close");
    RawClient::request(from, to, &request.to_bytes(), SOON)
}

/// A filter that is configured by discovery, and denies everything until it is.
fn discovered(name: &str, wasm: &str, rbac: &str) -> Value {
    let mut deny = json!({"@type": rbac, "rules": {"action": "ALLOW", "policies": {}}});
    if rbac == NETWORK_RBAC {
        deny["stat_prefix"] = "not_loaded".into();
    }
    json!({"name": name, "config_discovery": {
        "config_source": {"ads": {}, "resource_api_version": "V3"},
        "apply_default_config_without_warming": true,
        "default_config": deny,
        "type_urls": [wasm, rbac],
    }})
}

fn cluster(name: &str, to: SocketAddr) -> Value {
    let address = json!({"socket_address": {"address": to.ip(), "port_value": to.port()}});
    json!({"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": {
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
    }})
}

fn bootstrap(world: &World, token: &str, module: &Path) -> String {
    let mut xds = cluster("xds", world.server.addr);
    xds["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }});
    xds["transport_socket"] = json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {"validation_context": {
            "trusted_ca": {"inline_string": world.pki.authority()},
            "match_typed_subject_alt_names": [{"san_type": "IP_ADDRESS", "matcher": {"exact": "127.0.0.1"}}],
        }},
    }});
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "postern",
        "use_remote_address": true,
        "route_config": {"virtual_hosts": [{"name": "up", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "upstream"}},
        ]}]},
        "http_filters": [
            discovered("postern.http", HTTP_WASM, HTTP_RBAC),
            {"name": "envoy.filters.http.router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            }},
        ],
    });
    json!({
        "node": {"id": "envoy-of-app1", "cluster": "any", "metadata": {
            "postern.dev/node": "node1",
            "postern.dev/workload": "default/app1",
            "postern.dev/direction": "ingress",
            "postern.dev/port": 80,
            "postern.dev/module": module,
        }},
        "dynamic_resources": {"ads_config": {
            "api_type": "DELTA_GRPC",
            "transport_api_version": "V3",
            "set_node_on_first_message_only": true,
            "grpc_services": [{
                "envoy_grpc": {"cluster_name": "xds"},
                "initial_metadata": [{"key": "authorization", "value": format!("Bearer {token}")}],
            }],
        }},
        "static_resources": {
            "listeners": [{
                "name": "postern",
                "address": {"socket_address": {"address": APP1, "port_value": 0}},
                "filter_chains": [{"filters": [
                    discovered("postern.connection", NETWORK_WASM, NETWORK_RBAC),
                    {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
                ]}],
            }],
            "clusters": [xds, cluster("upstream", world.upstream.addr())],
        },
    })
    .to_string()
}

#[test]
fn envoy_enforces_what_the_server_sends() {
    let mut world = World::new();
    let envoy =
        Envoy::start(&bootstrap(&world, "token-of-node1", &world.module), &Options::default()).unwrap();
    let app1 = envoy.listener("postern").unwrap();
    let report = world.wait_for("connection", |event| *event == Event::Connected);
    assert_eq!((report.node.as_str(), report.kind), ("node1", ClientKind::Envoy));
    assert_eq!(report.workload.as_deref(), Some("default/app1"));

    // Nothing is known yet, and nothing passes.
    let outcome = get(APP2, app1, "/public");
    assert!(outcome.is_unanswered() || outcome.status() == Some(403), "{outcome:?}");
    assert_eq!(world.upstream.seen(), []);

    world.snapshots.publish("node1", policy(1, "/public", None));
    world.acked(1);
    world.enforces(&envoy, "/public", "/private");

    world.snapshots.publish("node1", policy(2, "/private", None));
    world.acked(2);
    world.enforces(&envoy, "/private", "/public");

    // No address has two identities: the filter refuses the bundle, and Envoy says so.
    world.snapshots.publish("node1", policy(3, "/public", Some(identity(258, "127.0.11.2/32"))));
    for plugin in ["postern.connection", "postern.http"] {
        let refusal = world.wait_for(
            "refusal",
            |event| matches!(event, Event::Refused { resources, revision: 3, .. } if *resources == [plugin]),
        );
        let Event::Refused { detail, .. } = refusal.event else { panic!("{refusal:?}") };
        assert!(detail.contains("asm"), "{detail}");
    }
    let except = world.wait_for("the rest", |event| matches!(event, Event::AckedExcept { revision: 3, .. }));
    assert!(matches!(except.event, Event::AckedExcept { refused, .. } if refused.len() == 2));
    world.enforces(&envoy, "/private", "/public");

    world.snapshots.publish("node1", policy(4, "/public", None));
    world.acked(4);
    world.enforces(&envoy, "/public", "/private");
}

#[test]
fn an_envoy_that_is_not_let_in_denies_everything() {
    let world = World::new();
    world.snapshots.publish("node1", policy(1, "/public", None));
    let envoy = Envoy::start(&bootstrap(&world, "wrong", &world.module), &Options::default()).unwrap();
    envoy.wait_for_stat("cluster.xds.upstream_rq_total", 1, SOON).unwrap();
    let app1 = envoy.listener("postern").unwrap();
    let outcome = get(APP2, app1, "/public");
    assert!(outcome.is_unanswered() || outcome.status() == Some(403), "{outcome:?}");
    assert_eq!(world.upstream.seen(), []);
}
