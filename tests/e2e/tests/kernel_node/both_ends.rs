//! Egress, and both ends at once.

use postern_tests_e2e::node::{Policy, World};

use crate::policies::policy;
use crate::support::{is_denied, is_dropped, passes};

const EGRESS: &str = "egress: [{toEndpoints: [{matchLabels: {id: app1}}], \
    toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{path: /out}, {path: /both}]}}]}]";
const INGRESS: &str = "ingress: [{fromEndpoints: [{matchLabels: {id: app2}}], \
    toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{path: /in}, {path: /both}]}}]}]";

#[test]
fn both_ends_must_allow() {
    let egress = policy("egress", "app2", EGRESS);
    let world = World::start(Policy(&egress)).unwrap();
    let (app1, app2, app3) = (world.app1(), world.app2(), world.app3());
    let (http, other) = (app1.serve(80).unwrap(), app1.serve(8080).unwrap());
    for address in app1.addresses() {
        let to = (address, 80).into();
        passes(app2, &http, to, "/out");
        is_denied(app2, &http, to, "/in");
        is_dropped(app2, &other, (address, 8080).into());
        passes(app3, &http, to, "/in");
    }
    world.load(Policy(&(egress + &policy("ingress", "app1", INGRESS)))).unwrap();
    for address in app1.addresses() {
        let to = (address, 80).into();
        passes(app2, &http, to, "/both");
        is_denied(app2, &http, to, "/out");
        is_denied(app2, &http, to, "/in");
        is_dropped(app3, &http, to);
    }
    // Plain at one end, HTTP at the other: either way the request is read.
    for (subject, spec, path) in [("app2", EGRESS, "/out"), ("app1", INGRESS, "/in")] {
        let plain = match subject {
            "app1" => policy("plain", "app2", "egress: [{toEndpoints: [{matchLabels: {id: app1}}]}]"),
            _ => policy("plain", "app1", "ingress: [{fromEndpoints: [{matchLabels: {id: app2}}]}]"),
        };
        world.load(Policy(&(policy("http", subject, spec) + &plain))).unwrap();
        for address in app1.addresses() {
            passes(app2, &http, (address, 80).into(), path);
            is_denied(app2, &http, (address, 80).into(), "/other");
        }
    }
}

#[test]
fn a_deny_rule_is_stronger() {
    let allow = policy("allow", "app1", "ingress: [{toPorts: [{ports: [{port: '80'}]}]}]");
    let deny = policy("deny", "app1", "ingressDeny: [{fromEndpoints: [{matchLabels: {id: app3}}]}]");
    let world = World::start(Policy(&(allow + &deny))).unwrap();
    let (app1, app2, app3) = (world.app1(), world.app2(), world.app3());
    let http = app1.serve(80).unwrap();
    for address in app1.addresses() {
        passes(app2, &http, (address, 80).into(), "/any");
        is_dropped(app3, &http, (address, 80).into());
        let from = app3.address_like(address);
        world
            .wait_for_flow("the drop", |flow| flow.is_drop("rule-denied") && flow.is_between(from, address))
            .unwrap();
    }
}
