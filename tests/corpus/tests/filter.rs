//! What either door says of its decisions: metrics, the header that a client can quote; and who it takes a peer for.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use postern_filter_module::{COMPONENT_WASM, CONNECTION_ROOT_ID, FILTER_WASM, HTTP_ROOT_ID};
use postern_host_vm::{
    ConnectionInfo, ConnectionOutcome, Direction, Engine, Headers, Limits, MetricsStore, Module, Plugin,
    RequestOutcome, Vm,
};

const BUNDLE: &str = r#"{
  "apiVersion": "postern.dev/filter/v1alpha1",
  "versions": {"identities": "i1", "policy": "p1"},
  "report": {"decisionHeader": true},
  "attach": {"direction": "ingress", "endpoint": "default/app1", "port": 80},
  "identities": [{"id": 300, "labels": ["k8s:id=app2"], "addresses": ["10.0.0.2/32"], "spiffe": ["spiffe://td/ns/default/sa/app2"]}],
  "endpoints": [{
    "name": "default/app1",
    "addresses": ["10.0.0.1"],
    "ingress": {
      "defaultDeny": true,
      "rules": [{
        "id": "r.0", "peers": {"only": [300]}, "ports": "all",
        "action": {"http": [{"id": "r.0/0", "path": "/a"}, {"id": "r.0/1", "path": "/b"}]}
      }],
      "audit": {
        "defaultDeny": true,
        "rules": [{
          "id": "t", "peers": {"only": [300]}, "ports": "all",
          "action": {"http": [{"id": "t/0", "path": "/a"}, {"id": "t/1", "path": "/c"}]}
        }]
      }
    },
    "egress": {"defaultDeny": false, "rules": []}
  }]
}"#;

/// The doors to the core.
#[derive(Debug, Clone, Copy)]
enum Door {
    Module,
    Component,
}

/// Does a thing with either door.
fn with_each(test: impl Fn(Door)) {
    [Door::Module, Door::Component].into_iter().for_each(test);
}

impl Door {
    fn module(self) -> &'static Module {
        // Compiling takes longest by far, and every world runs the same ones.
        static MODULE: LazyLock<Module> = LazyLock::new(|| compile(FILTER_WASM));
        static COMPONENT: LazyLock<Module> = LazyLock::new(|| compile(COMPONENT_WASM));
        match self {
            Self::Module => &MODULE,
            Self::Component => &COMPONENT,
        }
    }
}

fn compile(guest: &[u8]) -> Module {
    Module::compile(&Engine::new(Limits::default()).unwrap(), guest).unwrap()
}

struct World {
    vm: Vm,
    metrics: Arc<MetricsStore>,
}

impl World {
    fn new(door: Door, bundle: &str) -> Self {
        let plugin = Plugin {
            name: "postern".to_owned(),
            vm_id: "filter".to_owned(),
            connection_root: Some(CONNECTION_ROOT_ID.to_owned()),
            http_root: HTTP_ROOT_ID.to_owned(),
        };
        let metrics = Arc::new(MetricsStore::new());
        let mut vm = Vm::new(door.module(), Arc::new(plugin), Arc::clone(&metrics)).unwrap();
        vm.configure(bundle.to_owned().into()).unwrap();
        Self { vm, metrics }
    }

    /// The decision id of a denial: empty where the answer has none.
    fn get(&mut self, from: ConnectionInfo, path: &str, headers: &[(&str, &str)]) -> Result<(), String> {
        let mut sent = Headers::new();
        for (name, value) in [(":method", "GET"), (":authority", "app1"), (":path", path)] {
            sent.push(name.as_bytes(), value.as_bytes());
        }
        for (name, value) in headers {
            sent.push(name.as_bytes(), value.as_bytes());
        }
        match self.vm.on_request(&Arc::new(from), &mut sent, true).unwrap() {
            RequestOutcome::Continue { changed: false } => Ok(()),
            RequestOutcome::Respond(answer) => {
                assert_eq!((answer.status.as_u16(), &*answer.body), (403, &b"Access denied\r\n"[..]));
                let only_that = answer.headers.keys().all(|name| name == "x-postern-decision");
                assert!(only_that, "nothing else is told: {:?}", answer.headers);
                let id = answer.headers.get("x-postern-decision");
                Err(id.map_or_else(String::new, |id| id.to_str().unwrap().to_owned()))
            }
            other => panic!("{other:?}"),
        }
    }

    fn counters(&self) -> BTreeMap<String, u64> {
        self.metrics.samples().into_iter().map(|sample| (sample.name, sample.value)).collect()
    }

    #[track_caller]
    fn counted(&self, expected: &[(&str, u64)]) {
        let counters = self.counters();
        for (name, value) in expected {
            assert_eq!(counters.get(*name), Some(value), "{name} in {counters:#?}");
        }
    }
}

fn from(address: &str) -> ConnectionInfo {
    let (source, destination) = (format!("{address}:4000"), "10.0.0.1:8080");
    ConnectionInfo::new(source.parse().unwrap(), destination.parse().unwrap(), Direction::Inbound)
}

#[test]
fn every_decision_is_counted_by_closed_labels_and_by_rule() {
    with_each(|door| {
        let mut world = World::new(door, BUNDLE);
        let mut ids = Vec::new();
        for (path, allowed) in [("/a", true), ("/a", true), ("/b", true), ("/c", false), ("/d", false)] {
            let got = world.get(from("10.0.0.2"), path, &[]);
            assert_eq!(got.is_ok(), allowed, "{path}");
            ids.extend(got.err());
        }
        assert_ne!(ids[0], ids[1]);
        for id in &ids {
            assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
        let allowed = "verdict=allow.reason=allowed-by-rule.layer=L7.direction=ingress";
        let denied = "verdict=deny.reason=no-match.layer=L7.direction=ingress";
        world.counted(&[
            (&format!("postern_requests_total.{allowed}"), 3),
            (&format!("postern_requests_total.{denied}"), 2),
            // /a passes either way, /b would be denied, /c would pass, /d is denied either way.
            (&format!("postern_requests_audited_total.{allowed}.differs=false"), 2),
            (&format!("postern_requests_audited_total.{denied}.differs=true"), 1),
            (&format!("postern_requests_audited_total.{allowed}.differs=true"), 1),
            (&format!("postern_requests_audited_total.{denied}.differs=false"), 1),
            ("postern_rule_hits_total.rule=r%2E0/0", 2),
            ("postern_rule_hits_total.rule=r%2E0/1", 1),
        ]);
    });
}

#[test]
fn what_is_reported_is_what_the_bundle_says() {
    with_each(|door| {
        let report = |fields: &str| BUNDLE.replace(r#""decisionHeader": true"#, fields);
        let mut world = World::new(door, &report(r#""ruleHits": 2"#));
        assert_eq!(
            world.get(from("10.0.0.2"), "/d", &[]),
            Err(String::new()),
            "no header unless it is asked for"
        );
        for path in ["/a", "/b"] {
            world.get(from("10.0.0.2"), path, &[]).unwrap();
        }
        let hits: Vec<_> = world.counters().into_keys().filter(|name| name.contains("rule_hits")).collect();
        assert_eq!(hits, ["postern_rule_hits_total.rule=r%2E0/0"], "the first two names are r.0 and r.0/0");

        let mut quiet = World::new(door, &report(r#""denialsPerSecond": 0"#));
        for _ in 0..3 {
            quiet.get(from("10.0.0.2"), "/d", &[]).unwrap_err();
            quiet.get(from("10.0.0.2"), "/b", &[]).unwrap();
        }
        quiet.counted(&[("postern_denials_not_logged_total", 3), ("postern_audits_not_logged_total", 3)]);
    });
}

#[test]
fn denials_beyond_the_limit_are_counted_not_logged() {
    with_each(|door| {
        const DENIALS: u64 = 500;
        let mut world =
            World::new(door, &BUNDLE.replace(r#""decisionHeader": true"#, r#""denialsPerSecond": 1"#));
        let started = std::time::Instant::now();
        for _ in 0..DENIALS {
            world.get(from("10.0.0.2"), "/d", &[]).unwrap_err();
        }
        // One at once, and one for each second that it took.
        let most = 2 + started.elapsed().as_secs();
        let untold = world.counters().get("postern_denials_not_logged_total").copied().unwrap_or_default();
        assert!(untold < DENIALS && untold + most >= DENIALS, "{untold} of {DENIALS} not logged");
    });
}

#[test]
fn a_peer_is_who_the_configured_sources_say() {
    with_each(|door| {
        let attached = |sources: &str| {
            let port = format!(r#""port": 80, "peerFrom": {sources}}}, "identities": [{{"id": 300"#);
            let (start, rest) = BUNDLE.split_once(r#""port": 80}"#).unwrap();
            let (_, end) = rest.split_once(r#"[{"id": 300"#).unwrap();
            format!("{start}{port}{end}")
        };
        let check = |sources: &str, from: ConnectionInfo, forwarded: &str, allowed: bool| {
            let mut world = World::new(door, &attached(sources));
            let headers: &[_] = if forwarded.is_empty() { &[] } else { &[("x-forwarded-for", forwarded)] };
            let got = world.get(from, "/a", headers);
            assert_eq!(got.is_ok(), allowed, "{sources} {forwarded}");
        };
        let (app2, other) = (|| from("10.0.0.2"), || from("10.0.0.9"));
        let certified = |info: ConnectionInfo, uri: &str| info.with_mtls(Some(uri));
        let ours = "spiffe://td/ns/default/sa/app2";
        check(r#"["source"]"#, certified(other(), ours), "10.0.0.2", false);
        check(r#"["spiffe", "source"]"#, certified(other(), ours), "", true);
        check(r#"["spiffe", "source"]"#, certified(app2(), "spiffe://td/ns/default/sa/x"), "", false);
        check(r#"["spiffe", "source"]"#, app2(), "", true);
        check(r#"["spiffe"]"#, app2(), "", false);
        check(r#"["spiffe"]"#, app2().with_mtls(None), "", false);
        let forwarded = r#"[{"forwardedFor": {"trustedHops": 2, "from": {"only": [2]}}}, "source"]"#;
        check(forwarded, other(), "10.0.0.2, 10.0.0.9", true);
        check(forwarded, other(), "10.0.0.2, 10.0.0.8, 10.0.0.9", false);
        check(forwarded, other(), "10.0.0.2", false);
        check(forwarded, other(), "", false);

        // A connection has no header yet: it is its own address until its requests come.
        let mut world = World::new(door, &attached(r#"["spiffe"]"#));
        let closed = |vm: &mut Vm, info| matches!(vm.on_connection(info).unwrap(), ConnectionOutcome::Closed);
        assert!(closed(&mut world.vm, app2()));
        assert!(!closed(&mut world.vm, certified(other(), ours)));
    });
}

#[test]
fn a_change_of_identities_bites_at_once_and_keeps_the_policy() {
    with_each(|door| {
        let mut world = World::new(door, BUNDLE);
        world.get(from("10.0.0.2"), "/a", &[]).unwrap();
        let moved = BUNDLE.replace("10.0.0.2/32", "10.0.0.3/32").replace("\"i1\"", "\"i2\"");
        world.vm.configure(moved.into()).unwrap();
        world.get(from("10.0.0.2"), "/a", &[]).unwrap_err();
        world.get(from("10.0.0.3"), "/a", &[]).unwrap();
        // The reason of a refusal names what is wrong with it, and what was in force stays.
        world.vm.configure(BUNDLE.replace("\"endpoints\"", "\"ends\"").into()).unwrap_err();
        world.get(from("10.0.0.3"), "/a", &[]).unwrap();
    });
}
