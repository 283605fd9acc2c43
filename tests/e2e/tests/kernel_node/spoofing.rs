//! What a pod can do to its own packets.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use postern_tests_e2e::node::{Policy, World};
use postern_tests_harness::{RawClient, RawOutcome};
use socket2::{Domain, Socket, Type};

use crate::policies::TUTORIAL;
use crate::support::is_dropped;

const NOTHING: Duration = Duration::from_millis(1500);
const SOON: Duration = Duration::from_secs(10);

#[test]
fn another_pods_address() {
    let world = World::start(Policy(TUTORIAL)).unwrap();
    let http = world.app1().serve(80).unwrap();
    for to in world.app1().addresses() {
        // By its own address, which finds the gateway's hardware address: that too cannot be asked for by another's.
        is_dropped(world.app3(), &http, (to, 80).into());
        let from = world.app2().address_like(to);
        let prefix = if from.is_ipv4() { "32" } else { "128 nodad" };
        let add = format!("address add {from}/{prefix} dev eth0");
        let attempt = move || {
            assert!(Command::new("ip").args(add.split_whitespace()).status().unwrap().success());
            RawClient::request(from, (to, 80).into(), b"GET /public HTTP/1.1\r\nhost: a\r\n\r\n", NOTHING)
        };
        let outcome = world.app3().place().run(attempt).unwrap();
        assert_eq!(outcome, RawOutcome::Timeout);
        assert_eq!(http.connections(), 0);
        world
            .wait_for_flow("the drop", |flow| {
                flow.is_drop("spoofed") && flow.is_at("default/app3", "egress") && flow.is_between(from, to)
            })
            .unwrap();
    }
}

#[test]
fn a_mark_of_its_own() {
    let world = World::start(Policy(TUTORIAL)).unwrap();
    let (http, other) = (world.app1().serve(80).unwrap(), world.app1().serve(8080).unwrap());
    let node = world.serve_on_node(80).unwrap();
    let link = world.node_net().unwrap().addresses().both();
    for (to, own) in world.app1().addresses().into_iter().zip(link) {
        for mark in [0x200, 0xa00, 0xf00] {
            for (from, port) in [(world.app3(), 80), (world.app2(), 8080)] {
                assert!(!connects(from.place(), (to, port).into(), mark), "{to} {port} {mark:#x}");
            }
            // What is not restricted is not disturbed either.
            assert!(connects(world.app3().place(), (own, 80).into(), mark), "{own} {mark:#x}");
        }
    }
    // A client is connected before the server has counted it.
    postern_tests_harness::eventually(SOON, || {
        anyhow::ensure!(node.connections() == 6, "{} of 6", node.connections());
        Ok(())
    })
    .unwrap();
    assert_eq!((http.connections(), other.connections()), (0, 0));
}

fn connects(place: &postern_tests_e2e::node::Place, to: SocketAddr, mark: u32) -> bool {
    place
        .run(move || {
            let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
            socket.set_mark(mark).unwrap();
            socket.connect_timeout(&to.into(), NOTHING).is_ok()
        })
        .unwrap()
}
