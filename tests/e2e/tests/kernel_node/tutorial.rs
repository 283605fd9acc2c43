//! The tutorial, with packets of both families.

use postern_tests_e2e::node::{Policy, World, no_policy};

use crate::policies::TUTORIAL;
use crate::support::{is_denied, is_dropped, passes};

#[test]
fn the_tutorial() {
    let world = World::start(no_policy()).unwrap();
    let (app1, app2, app3) = (world.app1(), world.app2(), world.app3());
    let (http, other) = (app1.serve(80).unwrap(), app1.serve(8080).unwrap());
    for address in app1.addresses() {
        for from in [app2, app3] {
            passes(from, &http, (address, 80).into(), "/public");
            passes(from, &http, (address, 80).into(), "/private");
            passes(from, &other, (address, 8080).into(), "/public");
        }
    }
    world.load(Policy(TUTORIAL)).unwrap();
    for address in app1.addresses() {
        let (port80, port8080) = ((address, 80).into(), (address, 8080).into());
        passes(app2, &http, port80, "/public");
        is_denied(app2, &http, port80, "/private");
        is_dropped(app2, &other, port8080);
        let segments = app1.place().counter("Tcp", "InSegs").unwrap();
        is_dropped(app3, &http, port80);
        let arrived = app1.place().counter("Tcp", "InSegs").unwrap() - segments;
        assert_eq!(arrived, 0, "not one segment of app3's reached app1's namespace");

        for (from, port) in [(app3, 80), (app2, 8080)] {
            let from = from.address_like(address);
            world
                .wait_for_flow("the drop", |flow| {
                    flow.is_drop("policy-denied")
                        && flow.is_at("default/app1", "ingress")
                        && flow.is_between(from, address)
                        && flow.port() == Some(port)
                })
                .unwrap();
        }
        let from = app2.address_like(address);
        let redirected = |flow: &postern_tests_e2e::node::Flow| {
            flow.get("verdict") == "redirected" && flow.is_between(from, address)
        };
        world.wait_for_flow("what goes to the proxy", redirected).unwrap();
    }
    // The other way nothing is restricted.
    let back = app3.serve(80).unwrap();
    for address in app3.addresses() {
        passes(app1, &back, (address, 80).into(), "/any");
    }
    world.load(no_policy()).unwrap();
    for address in app1.addresses() {
        passes(app3, &http, (address, 80).into(), "/private");
    }
}
