//! The tutorial in a real Envoy, on the bootstrap that `postern bundle --for envoy` prints.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use postern_tests_e2e::postern::postern;
use postern_tests_e2e::tutorial::{APP1, APP2, APP3, ARGS, DENIED, PUBLIC, UPSTREAM};
use postern_tests_harness::h2c::{self, H2Outcome};
use postern_tests_harness::raw::Request;
use postern_tests_harness::{Envoy, Options, RawClient, RawOutcome, Upstream};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);

/// What the bootstrap is made of.
struct World {
    upstream: Upstream,
    module: PathBuf,
    _dir: TempDir,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let module = dir.path().join("postern.wasm");
        let ran = postern(["filter".as_ref(), "export".as_ref(), "-o".as_ref(), module.as_os_str()]).unwrap();
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        World { upstream: Upstream::start(UPSTREAM).unwrap(), module, _dir: dir }
    }

    fn bootstrap(&self) -> String {
        let listen = SocketAddr::new(APP1, 0).to_string();
        let (upstream, module) = (self.upstream.addr().to_string(), self.module.to_str().unwrap());
        let manifest =
            ["bundle", "--for", "envoy", "--listen", &listen, "--upstream", &upstream, "--module", module];
        let ran = postern(manifest.iter().chain(&ARGS)).unwrap();
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        ran.stdout
    }
}

/// The bootstrap with another value in place of the bundle.
fn with_configuration(bootstrap: &str, value: &str) -> String {
    let (before, rest) = bootstrap.split_once("value: |-\n").unwrap();
    let (_, after) =
        rest.split_once("\n      - name: envoy.filters.network.http_connection_manager").unwrap();
    format!("{before}value: {value}\n      - name: envoy.filters.network.http_connection_manager{after}")
}

fn get(from: IpAddr, to: SocketAddr, path: &str) -> RawOutcome {
    RawClient::request(from, to, &Request::new("GET", path).header("host", "app1").to_bytes(), SOON)
}

#[test]
fn the_tutorial() {
    let world = World::new();
    let mut envoy = Envoy::start(&world.bootstrap(), &Options::default()).unwrap();
    let app1 = envoy.listener("postern").unwrap();

    http1(app1, &world.upstream);
    a_forged_address_changes_nothing(app1, &world.upstream);
    http2(app1, &world.upstream);
    grpc(app1, &world.upstream);

    let line = envoy.wait_for_log("denied connection direction=ingress peer=127.0.10.3", SOON).unwrap();
    assert!(line.contains("layer=L3L4 reason=no-match"), "{line}");
    let line = envoy.wait_for_log("denied request direction=ingress peer=127.0.10.2", SOON).unwrap();
    assert!(line.contains("layer=L7 reason=no-match") && line.contains("/private"), "{line}");
}

fn http1(app1: SocketAddr, upstream: &Upstream) {
    let public = get(APP2, app1, "/public");
    assert_eq!((public.status(), public.body()), (Some(200), PUBLIC), "{public:?}");
    assert_eq!(upstream.forget().len(), 1);

    let private = get(APP2, app1, "/private");
    assert_eq!((private.status(), private.body()), (Some(403), DENIED), "{private:?}");
    assert_eq!(private.header("content-type"), Some(&b"text/plain"[..]));
    let nothing = get(APP3, app1, "/public");
    assert!(nothing.is_unanswered(), "{nothing:?}");
    assert_eq!(upstream.forget(), []);
}

fn a_forged_address_changes_nothing(app1: SocketAddr, upstream: &Upstream) {
    let forged = |from| {
        let request = Request::new("GET", "/public").header("host", "app1");
        let request = request.header("x-forwarded-for", "127.0.10.2").header("x-real-ip", "127.0.10.2");
        RawClient::request(from, app1, &request.to_bytes(), SOON)
    };
    let nothing = forged(APP3);
    assert!(nothing.is_unanswered(), "{nothing:?}");
    assert_eq!(upstream.forget(), []);
    // Nor does forging somebody else's take anything away.
    let request =
        Request::new("GET", "/public").header("host", "app1").header("x-forwarded-for", "127.0.10.3");
    let public = RawClient::request(APP2, app1, &request.to_bytes(), SOON);
    assert_eq!(public.status(), Some(200), "{public:?}");
    assert_eq!(upstream.forget().len(), 1);
}

fn http2(app1: SocketAddr, upstream: &Upstream) {
    let get = |from, path| h2c::request(from, app1, &h2c::Request::new("GET", "app1", path), SOON);
    let public = get(APP2, "/public");
    let response = public.response().unwrap_or_else(|| panic!("{public:?}"));
    assert_eq!((response.status, response.body.as_slice()), (200, PUBLIC));
    assert!(upstream.forget()[0].http2, "the upstream gets HTTP/2 from a client that speaks it");

    let private = get(APP2, "/private");
    let response = private.response().unwrap_or_else(|| panic!("{private:?}"));
    assert_eq!((response.status, response.body.as_slice()), (403, DENIED));
    let nothing = get(APP3, "/public");
    assert!(matches!(nothing, H2Outcome::Closed(_)), "{nothing:?}");
    assert_eq!(upstream.forget(), []);
}

fn grpc(app1: SocketAddr, upstream: &Upstream) {
    let call = h2c::Request::new("POST", "app1", "/shop.Cart/Add")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body([0, 0, 0, 0, 0]);
    let outcome = h2c::request(APP2, app1, &call, SOON);
    let response = outcome.response().unwrap_or_else(|| panic!("{outcome:?}"));
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("grpc-status"), Some(&b"7"[..]), "{response:?}");
    assert_eq!(response.header("content-type"), Some(&b"application/grpc"[..]), "{response:?}");
    assert!(response.body.is_empty() && response.trailers.is_empty(), "trailers only: {response:?}");
    assert_eq!(upstream.forget(), []);
}

/// On a Unix socket there is nobody's address: such a client may what everybody may, and is closed out where rules name peers.
#[test]
fn a_client_without_an_address_may_what_everybody_may() {
    let world = World::new();
    let socket = world.module.with_file_name("envoy.sock");
    let bootstrap = world.bootstrap();
    let (before, rest) = bootstrap.split_once("socket_address: {address: ").unwrap();
    let (_, after) = rest.split_once('}').unwrap();
    let on_socket = format!("{before}pipe: {{path: {socket:?}}}{after}");
    let ask = |path: &str| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let request = Request::new("GET", path).header("host", "app1").header("connection", "close");
        stream.write_all(&request.to_bytes()).unwrap();
        let mut answer = Vec::new();
        // What came before the connection was reset counts.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap().lines().next().map(str::to_owned)
    };
    let mut envoy = Envoy::start(&on_socket, &Options::default()).unwrap();
    assert_eq!(ask("/public"), None, "the rule names its peers");
    envoy.wait_for_log("denied connection", SOON).unwrap();
    assert!(envoy.log().contains("reason=unknown-endpoint"), "{}", envoy.log());
    drop(envoy);

    let named = on_socket.split_once("value: |-\n").unwrap().1;
    let (bundle, _) =
        named.split_once("      - name: envoy.filters.network.http_connection_manager").unwrap();
    let mut bundle: serde_json::Value = serde_json::from_str(bundle).unwrap();
    for rule in bundle["endpoints"][0]["ingress"]["rules"].as_array_mut().unwrap() {
        rule["peers"] = "any".into();
    }
    let anybody = serde_json::to_string(&bundle.to_string()).unwrap();
    let mut envoy = Envoy::start(&with_configuration(&on_socket, &anybody), &Options::default()).unwrap();
    assert_eq!(ask("/public").as_deref(), Some("HTTP/1.1 200 OK"));
    assert_eq!(ask("/private").as_deref(), Some("HTTP/1.1 403 Forbidden"));
    let line = envoy.wait_for_log("denied request", SOON).unwrap();
    assert!(!line.contains("peer=") && line.contains("layer=L7 reason=no-match"), "{line}");
    assert_eq!(world.upstream.forget().len(), 1);
}

#[test]
fn without_a_bundle_everything_is_denied() {
    let world = World::new();
    let config = with_configuration(&world.bootstrap(), "\"\"");
    let mut envoy = Envoy::start(&config, &Options::default()).unwrap();
    let app1 = envoy.listener("postern").unwrap();
    for from in [APP2, APP3] {
        let nothing = get(from, app1, "/public");
        assert!(nothing.is_unanswered(), "{nothing:?}");
    }
    assert_eq!(world.upstream.seen(), []);
    envoy.wait_for_log("postern: no policy loaded yet: everything is denied", SOON).unwrap();
    envoy.wait_for_log("reason=not-loaded", SOON).unwrap();
}

#[test]
fn a_bad_bundle_is_refused_before_envoy_serves() {
    let world = World::new();
    let good = world.bootstrap();
    assert_eq!(Envoy::validate(&good), Ok(()));
    let newer = good.replace("postern.dev/filter/v1alpha1", "postern.dev/filter/v9");
    for (bad, why) in
        [(with_configuration(&good, "'{'"), "EOF while parsing"), (newer, "postern.dev/filter/v9")]
    {
        let error = Envoy::validate(&bad).unwrap_err();
        let line = error.lines().find(|line| line.contains("postern: configuration refused"));
        let line = line.unwrap_or_else(|| panic!("the filter says nothing: {error}"));
        assert!(line.contains(why) && line.contains("everything is denied"), "{line}");
    }
}

#[test]
fn a_missing_module_is_named() {
    let world = World::new();
    std::fs::remove_file(&world.module).unwrap();
    let error = Envoy::validate(&world.bootstrap()).unwrap_err();
    assert!(error.contains(world.module.to_str().unwrap()), "{error}");
}
