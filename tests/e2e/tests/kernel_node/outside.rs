//! What is not on the node: the world, another node's pods; and the node itself.

use postern_tests_e2e::node::{Policy, World, no_policy};

use crate::policies::{TUTORIAL, policy};
use crate::support::{is_denied, is_dropped, passes};

const HTTP_TO_ALL: &str =
    "egress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{path: /public}]}}]}]";
const TO_DB: &str = "egress: [{toEndpoints: [{matchLabels: {id: db}}]}]";

#[test]
fn egress_to_the_outside() {
    let world = World::start(no_policy()).unwrap();
    let (app2, app3) = (world.app2(), world.app3());
    let (http, other) = (world.serve_outside(80).unwrap(), world.serve_outside(8080).unwrap());
    let outside = [world.world(), world.db()].concat();
    for address in &outside {
        passes(app2, &http, (*address, 80).into(), "/any");
    }
    world.load(Policy(&policy("http", "app2", HTTP_TO_ALL))).unwrap();
    for address in &outside {
        passes(app2, &http, (*address, 80).into(), "/public");
        is_denied(app2, &http, (*address, 80).into(), "/private");
        is_dropped(app2, &other, (*address, 8080).into());
        passes(app3, &other, (*address, 8080).into(), "/any");
    }
    world.load(Policy(&policy("plain", "app2", TO_DB))).unwrap();
    for (address, known) in world.db().map(|a| (a, true)).into_iter().chain(world.world().map(|a| (a, false)))
    {
        for (server, port) in [(&http, 80), (&other, 8080)] {
            if known {
                passes(app2, server, (address, port).into(), "/any");
            } else {
                is_dropped(app2, server, (address, port).into());
            }
        }
    }
    world
        .wait_for_flow("the drop", |flow| {
            flow.is_drop("policy-denied") && flow.is_at("default/app2", "egress")
        })
        .unwrap();
}

#[test]
fn ingress_from_the_outside() {
    let spec = "ingress: [{fromEndpoints: [{matchLabels: {id: db}}], \
        toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{path: /public}]}}]}]";
    let world = World::start(Policy(&policy("http", "app1", spec))).unwrap();
    let http = world.app1().serve(80).unwrap();
    let request = |path: &str, from: std::net::IpAddr, to: std::net::IpAddr, seconds: u64| {
        let head = format!("GET {path} HTTP/1.1\r\nhost: app1\r\nconnection: close\r\n\r\n");
        let deadline = std::time::Duration::from_secs(seconds);
        let client = move || {
            postern_tests_harness::RawClient::request(from, (to, 80).into(), head.as_bytes(), deadline)
        };
        world.outside().run(client).unwrap()
    };
    for (index, to) in world.app1().addresses().into_iter().enumerate() {
        let public = request("/public", world.db()[index], to, 20);
        assert_eq!(public.status(), Some(200), "{public:?}");
        assert_eq!(http.forget()[0].peer.ip().to_canonical(), world.db()[index]);
        let private = request("/private", world.db()[index], to, 20);
        assert_eq!(private.status(), Some(403), "{private:?}");
        let before = http.connections();
        let nothing = request("/public", world.world()[index], to, 2);
        assert_eq!(nothing, postern_tests_harness::RawOutcome::Timeout);
        // An address of a pod here does not come from there.
        let spoofed = world.app3().addresses()[index];
        let prefix = if spoofed.is_ipv4() { "32" } else { "128 nodad" };
        let outside = postern_tests_e2e::node::Place::clone(world.outside());
        let add = format!("address add {spoofed}/{prefix} dev lo");
        let status = outside
            .run(move || std::process::Command::new("ip").args(add.split(' ')).status())
            .unwrap()
            .unwrap();
        assert!(status.success());
        let nothing = request("/public", spoofed, to, 2);
        assert_eq!(nothing, postern_tests_harness::RawOutcome::Timeout);
        world
            .wait_for_flow("the spoof", |flow| flow.is_drop("spoofed") && flow.is_between(spoofed, to))
            .unwrap();
        assert_eq!((http.forget(), http.connections()), (vec![], before));
    }
}

#[test]
fn the_node_itself_reaches_its_pods() {
    let world = World::start(Policy(TUTORIAL)).unwrap();
    let app1 = world.app1();
    let (http, other) = (app1.serve(80).unwrap(), app1.serve(8080).unwrap());
    let own = world.node_net().unwrap().addresses().both();
    for (address, own) in app1.addresses().into_iter().zip(own) {
        for (server, port) in [(&http, 80), (&other, 8080)] {
            let outcome = world.get_from_node((address, port).into(), "/private", false).unwrap();
            assert_eq!(outcome.status(), Some(200), "{outcome:?}");
            assert_eq!(server.forget()[0].peer.ip().to_canonical(), own);
        }
    }
    let proxied = world.flows().unwrap().into_iter().filter(|flow| flow.get("verdict") == "redirected");
    assert_eq!(proxied.count(), 0, "nothing of it went through the proxy");
}

/// What the node's own servers answer to a client's address goes to the client, not to the proxy: so it asks them from the
/// node's own.
#[test]
fn http_rules_hold_towards_the_node_itself() {
    let world = World::start(Policy(&policy("http", "app2", HTTP_TO_ALL))).unwrap();
    let http = world.serve_on_node(80).unwrap();
    for address in world.node_net().unwrap().addresses().both() {
        let public = world.app2().get((address, 80).into(), "/public").unwrap();
        assert_eq!(public.status(), Some(200), "{public:?}");
        assert_eq!(http.forget().len(), 1);
        let private = world.app2().get((address, 80).into(), "/private").unwrap();
        assert_eq!(private.status(), Some(403), "{private:?}");
        assert_eq!(http.forget(), []);
    }
}
