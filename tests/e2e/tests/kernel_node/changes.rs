//! Policy changes under open connections.

use std::time::{Duration, Instant};

use postern_tests_e2e::node::{Echo, Policy, World};
use postern_tests_e2e::proxy::SOON;
use postern_tests_harness::raw::{RawConnection, Request};

use crate::policies::{TUTORIAL, app1_closed, app2_to_app1};
use crate::support::{Stream, is_dropped};

const NOTHING: Duration = Duration::from_millis(1500);

#[test]
fn the_next_request_of_an_open_connection() {
    let world = World::start(Policy(TUTORIAL)).unwrap();
    let http = world.app1().serve(80).unwrap();
    for to in world.app1().addresses() {
        let from = world.app2().address_like(to);
        let open = move || RawConnection::open(from, (to, 80).into(), SOON).unwrap();
        let mut connection = world.app2().place().run(open).unwrap();
        let mut status = |path: &str| {
            connection.send(&Request::new("GET", path).header("host", "app1").to_bytes(), SOON).status()
        };
        assert_eq!((status("/public"), status("/private")), (Some(200), Some(403)));
        world.load(Policy(&TUTORIAL.replace("/public", "/private"))).unwrap();
        assert_eq!((status("/public"), status("/private")), (Some(403), Some(200)));
        world.load(Policy(TUTORIAL)).unwrap();
        assert_eq!((status("/public"), status("/private")), (Some(200), Some(403)));
    }
    http.forget();
    // The whole allowance goes: nothing of the open connection arrives.
    for to in world.app1().addresses() {
        world.load(Policy(TUTORIAL)).unwrap();
        let from = world.app2().address_like(to);
        let open = move || RawConnection::open(from, (to, 80).into(), SOON).unwrap();
        let mut connection = world.app2().place().run(open).unwrap();
        let request = Request::new("GET", "/public").header("host", "app1").to_bytes();
        assert_eq!(connection.send(&request, SOON).status(), Some(200));
        http.forget();
        world.load(Policy(&app1_closed())).unwrap();
        let outcome = connection.send(&request, NOTHING);
        assert_ne!(outcome.status(), Some(200), "{outcome:?}");
        assert_eq!(http.forget(), []);
        is_dropped(world.app2(), &http, (to, 80).into());
    }
}

#[test]
fn a_revoked_stream_is_cut() {
    let world = World::start(Policy(&app2_to_app1())).unwrap();
    let echo = Echo::start(world.app1().place(), 7).unwrap();
    for (number, to) in world.app1().addresses().into_iter().enumerate() {
        let (from, port) = (world.app2().address_like(to), (to, 7).into());
        let mut stream = Stream::open(world.app2().place(), port);
        assert!(stream.echoes(b"before", SOON));
        // A policy that says the same cuts nothing.
        world.load(Policy(&app2_to_app1().replace("plain", "other"))).unwrap();
        assert!(stream.echoes(b"unchanged", SOON));

        let begun = Instant::now();
        world.load(Policy(&app1_closed())).unwrap();
        println!("revoked and confirmed in {:?}", begun.elapsed());
        assert!(!stream.echoes(b"after", NOTHING));
        // Once it is granted again, the cut stream may go on: its peer sends again what was lost. Not before.
        let came = |bytes: &[u8]| {
            echo.received().iter().any(|came| came.from.ip() == from && came.bytes.starts_with(bytes))
        };
        assert!(came(b"before") && came(b"unchanged") && !came(b"after"));
        world.wait_for_flow("the cut", |flow| flow.is_drop("flow-cut") && flow.is_between(from, to)).unwrap();

        // From plain to HTTP: an open stream cannot enter the proxy, and must not pass it by.
        world.load(Policy(&app2_to_app1())).unwrap();
        let mut stream = Stream::open(world.app2().place(), port);
        assert!(stream.echoes(b"again", SOON), "granting opens again");
        world.load(Policy(&TUTORIAL.replace("\"80\"", "\"7\""))).unwrap();
        assert!(!stream.echoes(b"GET /private HTTP/1.1\r\nhost: a\r\n\r\n", NOTHING));
        assert!(came(b"again") && !came(b"GET"));

        world.load(Policy(&app2_to_app1())).unwrap();
        let mut stream = Stream::open(world.app2().place(), port);
        assert!(stream.echoes(b"at last", SOON));
        assert_eq!(echo.connections().len(), 3 * (number + 1));
    }
}
