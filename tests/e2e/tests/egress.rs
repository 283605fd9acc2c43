//! Egress through a proxy: the peer is who is behind it, not the proxy.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::net::{IpAddr, SocketAddr};

use postern_tests_e2e::postern::postern;
use postern_tests_e2e::proxy::{Proxy, SOON};
use postern_tests_harness::raw::Request;
use postern_tests_harness::{RawClient, RawOutcome, Upstream};

const WORLD: &str = "\
apiVersion: postern.dev/v1alpha1
kind: Workload
metadata: {name: client, labels: {id: client}}
spec: {addresses: [127.0.16.1]}
---
apiVersion: postern.dev/v1alpha1
kind: Workload
metadata: {name: db, labels: {id: db}}
spec: {addresses: [127.0.16.2]}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {selector: {id: db}, clusterIP: 127.0.16.9}
";

const POLICY: &str = "\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p}
spec:
  endpointSelector: {matchLabels: {id: client}}
  egress: [{toPorts: [{ports: [{port: \"80\"}]}]}]
  egressDeny: [{toEndpoints: [{matchLabels: {id: db}}]}]
";

fn files() -> (tempfile::TempDir, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let (policy, inventory) = (dir.path().join("policy.yaml"), dir.path().join("inventory.yaml"));
    fs::write(&policy, POLICY).unwrap();
    fs::write(&inventory, WORLD).unwrap();
    let (policy, inventory) = (policy.to_string_lossy(), inventory.to_string_lossy());
    let args = ["--policy", &*policy, "--inventory", &*inventory, "--workload", "client", "--port", "80"];
    let args = args.into_iter().chain(["--direction", "egress"]).map(str::to_owned).collect();
    (dir, args)
}

fn get(to: SocketAddr) -> RawOutcome {
    let request = Request::new("GET", "/public").header("host", "db").header("connection", "close");
    RawClient::request(IpAddr::from([127, 0, 16, 1]), to, &request.to_bytes(), SOON)
}

#[test]
fn a_denied_peer_is_denied_behind_a_proxy_with_another_address() {
    let (_dir, args) = files();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // Neither listener has an address that the inventory knows: only the upstream tells who the peer is.
    let anywhere = SocketAddr::from(([127, 0, 99, 1], 0));
    for (address, passes) in [([127, 0, 16, 2], false), ([127, 0, 16, 3], true)] {
        let upstream =
            Upstream::start(SocketAddr::from((address, 0))).unwrap_or_else(|error| panic!("{error:#}"));
        let proxy =
            Proxy::start_loaded(anywhere, upstream.addr(), &args).unwrap_or_else(|error| panic!("{error:#}"));
        let outcome = get(proxy.listen());
        assert_eq!(outcome.status() == Some(200), passes, "{address:?}: {outcome:?}");
        assert_eq!(upstream.count(), usize::from(passes));
    }
}

#[test]
fn a_manifest_for_envoy_names_the_peer() {
    let (_dir, args) = files();
    let envoy =
        ["--for", "envoy", "--listen", "127.0.99.1:8080", "--upstream", "127.0.16.2:5432", "--module", "m"];
    let args = ["bundle"].into_iter().chain(args.iter().map(String::as_str)).chain(envoy);
    let ran = postern(args).unwrap_or_else(|error| panic!("{error:#}"));
    assert!(ran.stdout.contains("\"peer\": \"127.0.16.2\""), "{ran:#?}");
}

#[test]
fn what_could_not_be_followed_is_refused_at_the_start() {
    let (_dir, args) = files();
    let proxy = |upstream: &'static str, policy: Option<&'static str>| {
        let mut args: Vec<String> = args.clone();
        if let (Some(policy), Some(place)) = (policy, args.get_mut(1)) {
            *place = policy.to_owned();
        }
        let start = ["proxy", "--listen", "127.0.99.1:0", "--upstream", upstream].map(str::to_owned);
        postern(start.into_iter().chain(args)).unwrap_or_else(|error| panic!("{error:#}"))
    };
    let ran = proxy("db:5432", None);
    assert_eq!(ran.code, Some(3), "{ran:#?}");
    assert!(ran.stderr.contains("egress policy goes by the upstream's address"), "{ran:#?}");
    let ran = proxy("127.0.16.9:5432", None);
    assert_eq!(ran.code, Some(3), "{ran:#?}");
    assert!(ran.stderr.contains("127.0.16.9 is the address of service default/db"), "{ran:#?}");
    let ran = proxy("127.0.16.2:5432", Some("-"));
    assert_eq!(ran.code, Some(3), "{ran:#?}");
    assert!(ran.stderr.contains("name a file in place of -"), "{ran:#?}");
}
