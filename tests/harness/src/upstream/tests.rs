use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::{Answer, Upstream};
use crate::h2c::{self, H2Outcome};
use crate::raw::{RawClient, RawConnection, RawOutcome, Request};

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 31));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 32));
const SOON: Duration = Duration::from_secs(10);

fn start() -> Upstream {
    Upstream::start(SocketAddr::new(SERVER, 0)).unwrap()
}

fn get(upstream: &Upstream, path: &str) -> RawOutcome {
    let request = Request::new("GET", path).header("host", "app1").to_bytes();
    RawClient::request(CLIENT, upstream.addr(), &request, SOON)
}

#[test]
fn answers_as_the_tutorial_does_and_echoes_the_rest() {
    let upstream = start();
    assert_eq!(get(&upstream, "/public").body(), b"{ 'val': 'this is public' }\n");
    assert_eq!(get(&upstream, "/private").body(), b"{ 'val': 'this is private' }\n");
    assert_eq!(get(&upstream, "/a%2Fb?c=d").body(), b"GET /a%2Fb?c=d\n");
}

#[test]
fn remembers_what_reached_it() {
    let upstream = start();
    let request = Request::new("POST", "/x").header("host", "app1").header("x-odd", b"\xff").body("abc");
    let outcome = RawClient::request(CLIENT, upstream.addr(), &request.to_bytes(), SOON);
    assert_eq!(outcome.status(), Some(200));
    let seen = upstream.forget();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("POST", "/x"));
    assert_eq!((seen[0].host.as_deref(), seen[0].body.as_slice()), (Some("app1"), b"abc".as_slice()));
    assert_eq!((seen[0].header("x-odd"), seen[0].peer.ip()), (Some(b"\xff".as_slice()), CLIENT));
    assert_eq!((upstream.count(), upstream.connections()), (0, 1));
}

#[test]
fn a_connection_is_kept_and_routes_can_change_on_it() {
    let upstream = start();
    let request = Request::new("GET", "/x").header("host", "app1").to_bytes();
    let mut connection = RawConnection::open(CLIENT, upstream.addr(), SOON).unwrap();
    assert_eq!(connection.send(&request, SOON).status(), Some(200));
    upstream.respond("GET", "/x", Answer::new(418, "no").header("x-pot", "tea"));
    let outcome = connection.send(&request, SOON);
    assert_eq!((outcome.status(), outcome.header("x-pot")), (Some(418), Some(b"tea".as_slice())));
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn http2_by_prior_knowledge_with_trailers() {
    let upstream = start();
    upstream.respond("POST", "/grpc", Answer::new(200, "frame").trailer("grpc-status", "7"));
    let request = h2c::Request::new("POST", "app1", "/grpc").header("te", "trailers").body("hello");
    let outcome = h2c::request(CLIENT, upstream.addr(), &request, SOON);
    let H2Outcome::Response(response) = outcome else { panic!("{outcome:?}") };
    assert_eq!((response.status, response.body.as_slice()), (200, b"frame".as_slice()));
    assert_eq!(response.trailer("grpc-status"), Some(b"7".as_slice()));
    let seen = upstream.wait_for(1, SOON).unwrap();
    assert!(seen[0].http2);
    assert_eq!((seen[0].peer.ip(), seen[0].body.as_slice()), (CLIENT, b"hello".as_slice()));
    assert_eq!(seen[0].host.as_deref(), Some("app1"));
}

#[test]
fn dropping_closes_connections_and_the_port() {
    let upstream = start();
    let addr = upstream.addr();
    let mut connection = RawConnection::open(CLIENT, addr, SOON).unwrap();
    drop(upstream);
    assert!(connection.receive(false, SOON).is_unanswered());
    assert_eq!(RawClient::request(CLIENT, addr, b"", SOON), RawOutcome::Refused);
}
