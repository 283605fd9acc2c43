//! Protocols: UDP and ICMP in the kernel; HTTP/2, gRPC and large bodies through the proxy.

use std::time::Duration;

use postern_tests_e2e::node::{Echo, Policy, World, no_policy, ping};
use postern_tests_harness::Answer;
use postern_tests_harness::h2c;
use postern_tests_harness::raw::Request;

use crate::policies::{TUTORIAL, app2_to_app1, policy};
use crate::support::datagram;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn udp_and_icmp() {
    let world = World::start(no_policy()).unwrap();
    let (app1, app2, app3) = (world.app1(), world.app2(), world.app3());
    let (open, other) = (Echo::start(app1.place(), 7).unwrap(), Echo::start(app1.place(), 9).unwrap());
    let pings =
        || app1.place().counter("Icmp", "InEchos").unwrap() + app1.place().counter6("Icmp6InEchos").unwrap();
    let expect = |policy: &str, seven: bool, nine: bool, icmp: bool| {
        for (to, from) in app1.addresses().into_iter().zip(app2.addresses()) {
            for (server, port, passes) in [(&open, 7, seven), (&other, 9, nine)] {
                let before = server.received().len();
                assert_eq!(datagram(app2, (to, port).into(), b"hello"), passes, "{policy}: {to} {port}");
                let came: Vec<_> = server.received().split_off(before);
                assert_eq!(came.len(), usize::from(passes));
                assert!(came.iter().all(|came| came.from.ip() == from));
            }
            let before = pings();
            assert_eq!(ping(app2.place(), to).unwrap(), icmp, "{policy}: {to}");
            assert_eq!(pings() - before, u64::from(icmp));
        }
    };
    expect("none", true, true, true);
    world.load(Policy(&app2_to_app1())).unwrap();
    expect("addresses alone", true, true, true);
    for to in app1.addresses() {
        let before = (open.received().len(), pings());
        assert!(!datagram(app3, (to, 7).into(), b"hello") && !ping(app3.place(), to).unwrap());
        assert_eq!((open.received().len(), pings()), before);
    }
    let ports = |protocol: &str| {
        let ports = format!("ingress: [{{toPorts: [{{ports: [{{port: '7', protocol: {protocol}}}]}}]}}]");
        policy("ports", "app1", &ports)
    };
    world.load(Policy(&ports("UDP"))).unwrap();
    expect("a UDP port", true, false, false);
    world.load(Policy(&ports("TCP"))).unwrap();
    expect("a TCP port", false, false, false);
    world.load(Policy(&ports("ANY"))).unwrap();
    expect("a port of any protocol", true, false, false);
    // App1's own questions are answered whatever its ingress says.
    let back = Echo::start(app2.place(), 7).unwrap();
    for to in app2.addresses() {
        assert!(datagram(app1, (to, 7).into(), b"hello") && ping(app1.place(), to).unwrap());
    }
    assert_eq!(back.received().len(), 2);
}

#[test]
fn forms_of_http() {
    let world = World::start(Policy(&TUTORIAL.replace("method: GET", "method: GET|POST"))).unwrap();
    let (app1, app2) = (world.app1(), world.app2());
    let http = app1.serve(80).unwrap();
    let grpc = Answer::new(200, b"\0\0\0\0\0").header("content-type", "application/grpc");
    http.respond("POST", "/public", grpc.trailer("grpc-status", "0"));
    for to in app1.addresses() {
        let from = app2.address_like(to);
        let ask = move |method: &'static str, path: &'static str, body: Vec<u8>| {
            let request = h2c::Request::new(method, "app1", path).header("te", "trailers").body(body);
            app2.place().run(move || h2c::request(from, (to, 80).into(), &request, LONG)).unwrap()
        };
        let called = ask("POST", "/public", b"\0\0\0\0\0".to_vec());
        let response = called.response().unwrap_or_else(|| panic!("{called:?}"));
        assert_eq!((response.status, response.trailer("grpc-status")), (200, Some(&b"0"[..])));
        let seen = http.forget();
        assert!(seen[0].http2 && seen[0].peer.ip().to_canonical() == from, "{seen:?}");
        assert_eq!(ask("GET", "/private", Vec::new()).status(), Some(403));
        assert_eq!(http.forget(), []);
    }
    let large: Vec<u8> = (0..10_u32 << 20).map(|index| index.to_le_bytes()[1]).collect();
    http.respond("POST", "/public", Answer::new(200, &large));
    for to in app1.addresses() {
        let request = Request::new("POST", "/public").header("host", "app1").body(&large);
        let outcome = app2.send((to, 80).into(), request.to_bytes(), LONG).unwrap();
        assert!(outcome.status() == Some(200) && outcome.body() == large, "10 MiB come back whole");
        assert!(http.forget()[0].body == large, "10 MiB arrive whole");
    }
}
