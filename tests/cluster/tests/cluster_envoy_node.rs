//! Envoy in place of the bundled proxy on a node without a controller: its filters are configured by files.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod envoy_node;

use std::net::IpAddr;

use envoy_node::World;
use envoy_node::ask::{Answer, Got};

const ACCESS_DENIED: &str = "Access denied";

/// The tutorial, by both families: app2 may read `/public`, app3 nothing.
fn is_guarded(world: &World) {
    for (server, client) in world.app1.address().both().into_iter().zip(world.app2.address().both()) {
        let got = |path| world.get(&world.app2, server, path);
        world.soon(|| got("/public"), &Answer::new(200, "{ 'val': 'this is public' }"));
        assert_eq!(got("/private"), Got::Answer(Answer::new(403, ACCESS_DENIED)));
        assert_eq!(
            got("/client"),
            Got::Answer(Answer::new(200, &client.to_string())),
            "the client's own address"
        );
        assert_eq!(world.get(&world.app3, server, "/public"), Got::Nothing);
    }
}

fn denied_at_app1(world: &World, reason: &str, client: IpAddr) -> bool {
    world.flows().iter().any(|flow| {
        let source = flow["source"].as_str().unwrap_or_default();
        flow["reason"] == reason && source.contains(&client.to_string())
    })
}

#[test]
fn envoy_enforces_the_tutorial_and_nothing_passes_without_it() {
    let mut world = World::create();
    world.start_envoy();
    is_guarded(&world);
    // Dropped in the kernel, before Envoy.
    let app3 = world.app3.address();
    world.until(|world| app3.both().iter().all(|client| denied_at_app1(world, "policy-denied", *client)));

    // Two clients that keep their connections share none to the server.
    let clients = [&world.app2, &world.app4];
    let server = world.app1.address().v4.into();
    let said = world.get_thrice_at_once(&clients, server, "/client");
    for (pod, answers) in clients.iter().zip(said) {
        assert_eq!(answers, [pod.address().v4.to_string().as_str(); 3]);
    }
    // Nor do they stay when their client has gone.
    assert!(world.connections("total") > 0);
    world.until(|world| world.connections("active") == 0);

    world.kill_envoy();
    let app2 = world.app2.address();
    for address in world.app1.address().both() {
        assert_eq!(world.get(&world.app2, address, "/public"), Got::Nothing);
    }
    world.until(|world| app2.both().iter().all(|client| denied_at_app1(world, "no-proxy", *client)));

    world.start_envoy();
    is_guarded(&world);
    // Envoy reads its files again: the new policy is in force without a restart.
    world.load("/private");
    world.soon(
        || world.get(&world.app2, server, "/private"),
        &Answer::new(200, "{ 'val': 'this is private' }"),
    );
    assert_eq!(world.get(&world.app2, server, "/public"), Got::Answer(Answer::new(403, ACCESS_DENIED)));
}

#[test]
fn a_node_that_is_made_anew_finds_envoy() {
    let mut world = World::create();
    world.start_envoy();
    is_guarded(&world);
    world.make_node_anew();
    is_guarded(&world);
}

#[test]
fn envoy_without_a_configuration_of_the_filter_lets_nothing_pass() {
    let mut world = World::create();
    world.forget_filters();
    world.start_envoy();
    for address in world.app1.address().both() {
        // The network filter's default closes the connection before a request is read.
        assert_eq!(world.get(&world.app2, address, "/public"), Got::Nothing);
        assert_eq!(world.served(), "");
    }
}
