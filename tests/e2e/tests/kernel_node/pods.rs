//! Endpoints that come and go.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::ensure;
use postern_tests_e2e::node::{Policy, World};
use postern_tests_e2e::proxy::SOON;
use postern_tests_harness::eventually;
use serde_json::Value;

use crate::policies::TUTORIAL;
use crate::support::{is_denied, is_dropped, passes};

/// The device goes and comes back with the same address, while somebody who may not sends a packet every millisecond.
#[test]
fn a_pod_that_restarts() {
    let mut world = World::start(Policy(TUTORIAL)).unwrap();
    let addresses = world.app1().addresses();
    let first = device(&world, "default/app1");
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = addresses
        .map(|to| {
            let (from, stop) = (world.app3().address_like(to), Arc::clone(&stop));
            world.app3().place().spawn(move || {
                let socket = UdpSocket::bind((from, 0)).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    // Refused and unreachable are what it is told meanwhile.
                    drop(socket.send_to(b"probe", (to, 9)));
                    std::thread::sleep(Duration::from_millis(1));
                }
            })
        })
        .into_iter()
        .collect();
    world.restart_app1().unwrap();
    eventually(SOON, || {
        let now = device(&world, "default/app1");
        ensure!(now.is_some() && now != first, "the agent has not seen the new device: {now:?}");
        Ok(())
    })
    .unwrap();
    let place = world.app1().place();
    let came = || [place.counter("Udp", "NoPorts").unwrap(), place.counter6("Udp6NoPorts").unwrap()];
    let unguarded = came();
    let http = world.app1().serve(80).unwrap();
    for to in addresses {
        passes(world.app2(), &http, (to, 80).into(), "/public");
        is_denied(world.app2(), &http, (to, 80).into(), "/private");
        is_dropped(world.app3(), &http, (to, 80).into());
    }
    assert_eq!(came(), unguarded, "nothing came since");
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.join().unwrap().unwrap();
    }
    println!("packets that reached the new pod before it was guarded, one a millisecond: {unguarded:?}");
    assert!(unguarded.iter().all(|count| *count < 2000), "{unguarded:?}");
}

fn device(world: &World, name: &str) -> Option<u64> {
    let status = world.agent.as_ref()?.json("/status").unwrap();
    let endpoints = status.get("endpoints").and_then(Value::as_array).unwrap();
    endpoints.iter().find(|endpoint| endpoint["name"] == name)?["device"].as_u64()
}

#[test]
fn an_endpoint_without_device_is_another_nodes() {
    let world = World::start(Policy(TUTORIAL)).unwrap();
    let status = world.agent.as_ref().unwrap().json("/status").unwrap();
    for (name, here) in [("default/app1", true), ("default/app3", true), ("default/db", false)] {
        assert_eq!(device(&world, name).is_some(), here, "{status}");
        let endpoints = status["endpoints"].as_array().unwrap();
        let endpoint = endpoints.iter().find(|endpoint| endpoint["name"] == name).unwrap();
        assert_eq!(endpoint["enforced"], here);
    }
    assert_eq!(status["problems"], serde_json::json!([]));
    assert_eq!(world.agent.as_ref().unwrap().admin("/readyz").unwrap().status(), Some(200));
}
