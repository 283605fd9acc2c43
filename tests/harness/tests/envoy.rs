//! The harness against a real Envoy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use postern_tests_harness::h2c::{self, H2Outcome};
use postern_tests_harness::raw::{RawClient, RawConnection, Request};
use postern_tests_harness::{Envoy, Options, Upstream};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 42));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 43));
const SOON: Duration = Duration::from_secs(20);

/// A bootstrap with one listener on a free port, whose only route does `action`.
fn bootstrap(action: &str, clusters: &str) -> String {
    format!(
        r#"{{"static_resources": {{"listeners": [{{
          "name": "main",
          "address": {{"socket_address": {{"address": "127.0.0.43", "port_value": 0}}}},
          "filter_chains": [{{"filters": [{{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {{
              "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
              "stat_prefix": "main",
              "use_remote_address": true,
              "route_config": {{"virtual_hosts": [{{
                "name": "all", "domains": ["*"],
                "routes": [{{"match": {{"prefix": "/"}}, {action}}}]}}]}},
              "http_filters": [{{
                "name": "envoy.filters.http.router",
                "typed_config": {{"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}}}]
            }}}}]}}]}}], "clusters": [{clusters}]}}}}"#
    )
}

fn direct(body: &str) -> String {
    bootstrap(&format!(r#""direct_response": {{"status": 200, "body": {{"inline_string": "{body}"}}}}"#), "")
}

fn get(path: &str) -> Vec<u8> {
    Request::new("GET", path).header("host", "app1").to_bytes()
}

#[test]
fn two_envoys_answer_side_by_side() {
    let one = Envoy::start(&direct("one"), &Options::default()).unwrap();
    let two = Envoy::start(&direct("two"), &Options::default()).unwrap();
    for (envoy, body) in [(&one, b"one"), (&two, b"two")] {
        let listener = envoy.listener("main").unwrap();
        let outcome = RawClient::request(CLIENT, listener, &get("/"), SOON);
        assert_eq!((outcome.status(), outcome.body()), (Some(200), body.as_slice()), "{outcome:?}");
        let count = envoy.wait_for_stat("http.main.downstream_rq_2xx", 1, SOON).unwrap();
        assert_eq!(count, 1);
    }
    assert!(one.log().contains("starting main dispatch loop"), "{}", one.log());
}

#[test]
fn envoy_forwards_http1_and_http2_to_the_upstream() {
    let upstream = Upstream::start(SocketAddr::new(SERVER, 0)).unwrap();
    let cluster = format!(
        r#"{{"name": "up", "type": "STATIC", "connect_timeout": "5s", "load_assignment": {{"cluster_name": "up",
          "endpoints": [{{"lb_endpoints": [{{"endpoint": {{"address": {{"socket_address":
            {{"address": "{}", "port_value": {}}}}}}}}}]}}]}}}}"#,
        upstream.addr().ip(),
        upstream.addr().port()
    );
    let envoy =
        Envoy::start(&bootstrap(r#""route": {"cluster": "up"}"#, &cluster), &Options::default()).unwrap();
    let listener = envoy.listener("main").unwrap();

    let mut connection = RawConnection::open(CLIENT, listener, SOON).unwrap();
    assert_eq!(connection.send(&get("/public"), SOON).body(), b"{ 'val': 'this is public' }\n");
    assert_eq!(connection.send(&get("/a%2Fb"), SOON).body(), b"GET /a%2Fb\n");
    let outcome = h2c::request(CLIENT, listener, &h2c::Request::new("GET", "app1", "/h2"), SOON);
    let H2Outcome::Response(response) = outcome else { panic!("{outcome:?}") };
    assert_eq!((response.status, response.body.as_slice()), (200, b"GET /h2\n".as_slice()));

    let paths: Vec<String> = upstream.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/public", "/a%2Fb", "/h2"]);
    assert_eq!(upstream.seen()[0].header("x-forwarded-for"), Some(b"127.0.0.42".as_slice()));
}

#[test]
fn a_bad_bootstrap_is_refused_with_what_envoy_says() {
    assert_eq!(Envoy::validate(&direct("fine")), Ok(()));
    let bad = direct("fine").replace("stat_prefix", "stat_prefixx");
    let error = Envoy::validate(&bad).unwrap_err();
    assert!(error.contains("stat_prefixx"), "{error}");
    let error = format!("{:#}", Envoy::start(&bad, &Options::default()).unwrap_err());
    assert!(error.contains("stat_prefixx") && error.contains("ended with"), "{error}");
}
