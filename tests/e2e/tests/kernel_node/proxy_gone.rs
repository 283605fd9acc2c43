//! Without its proxy, what has to be read as HTTP is closed, and nothing else is.

use std::time::Instant;

use anyhow::ensure;
use postern_tests_e2e::node::{Policy, World};
use postern_tests_e2e::proxy::SOON;
use postern_tests_harness::eventually;

use crate::policies::{TUTORIAL, policy};
use crate::support::{is_denied, is_dropped, passes};

#[test]
fn kill_9_of_the_proxy() {
    let plain = policy("plain", "app1", "ingress: [{toPorts: [{ports: [{port: '8080'}]}]}]");
    let mut world = World::start(Policy(&(TUTORIAL.to_owned() + "---\n" + &plain))).unwrap();
    let http = world.app1().serve(80).unwrap();
    let other = world.app1().serve(8080).unwrap();
    let addresses = world.app1().addresses();
    for to in addresses {
        passes(world.app2(), &http, (to, 80).into(), "/public");
    }
    drop(world.proxy.take());
    for to in addresses {
        is_dropped(world.app2(), &http, (to, 80).into());
        let from = world.app2().address_like(to);
        world
            .wait_for_flow("the drop", |flow| {
                flow.is_drop("no-proxy") && flow.is_between(from, to) && flow.port() == Some(80)
            })
            .unwrap();
        for from in [world.app2(), world.app3()] {
            passes(from, &other, (to, 8080).into(), "/any");
        }
    }
    let begun = Instant::now();
    world.start_proxy().unwrap();
    for to in addresses {
        eventually(SOON, || {
            let outcome = world.app2().get((to, 80).into(), "/public")?;
            ensure!(outcome.status() == Some(200), "{outcome:?}");
            Ok(())
        })
        .unwrap();
        println!("the proxy is back after {:?}", begun.elapsed());
        is_denied(world.app2(), &http, (to, 80).into(), "/private");
    }
}
