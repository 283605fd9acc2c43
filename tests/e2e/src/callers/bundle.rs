//! Who is who: a bundle in which everybody may read one path and nobody else's, so that what is let through tells whom
//! a request was taken for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

/// A workload, by address and by certificate.
pub const A: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 11, 2));
/// Another one.
pub const B: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 11, 3));
/// A hop whose `x-forwarded-for` is believed.
pub const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 11, 4));
/// The same on IPv6.
pub const V6_GATEWAY: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
/// Nobody's.
pub const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 11, 5));
/// What [`A`] shows.
pub const SPIFFE_A: &str = "spiffe://td/ns/default/sa/a";
/// What [`B`] shows.
pub const SPIFFE_B: &str = "spiffe://td/ns/default/sa/b";

/// The names of all, each the one path that it may read.
pub(super) const NAMES: [&str; 4] = ["a", "b", "gateway", "world"];

/// What whoever is none of the others gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strangers {
    /// A path of their own.
    MayRead,
    /// Nothing: their connections are dropped.
    AreDropped,
}

/// The bundle, with these sources for who sends. Every denial is logged, and answered with the id that the log has.
#[must_use]
pub fn bundle(peer_from: &Value, strangers: Strangers) -> String {
    let rule = |id: u32, name: &str| {
        let http = json!([{"id": format!("{name}/http/0"), "method": "GET", "path": format!("/{name}")}]);
        rule(id, name, &json!({"http": http}))
    };
    let last = if strangers == Strangers::MayRead { NAMES.len() } else { NAMES.len() - 1 };
    let rules = NAMES.iter().zip([301, 302, 300, 2]).take(last).map(|(name, id)| rule(id, name));
    with_rules(peer_from, &rules.collect::<Vec<_>>())
}

/// A bundle by which [`A`] may connect, and nobody else.
#[must_use]
pub fn bundle_of_connections(peer_from: &Value) -> String {
    with_rules(peer_from, &[rule(301, "a", &json!("allow"))])
}

fn rule(id: u32, name: &str, action: &Value) -> Value {
    json!({
        "id": name,
        "peers": {"only": [id]},
        "ports": {"only": [{"protocol": "TCP", "port": 80}]},
        "action": action,
    })
}

fn with_rules(peer_from: &Value, rules: &[Value]) -> String {
    let identity = |id: u32, addresses: &[&str], spiffe: &[&str]| {
        let addresses: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
        json!({"id": id, "labels": [format!("k8s:id={id}")], "addresses": addresses, "spiffe": spiffe})
    };
    json!({
        "apiVersion": "postern.dev/filter/v1alpha1",
        "report": {"decisionHeader": true, "denialsPerSecond": 10_000},
        "attach": {"direction": "ingress", "endpoint": "default/app1", "port": 80, "peerFrom": peer_from},
        "identities": [
            identity(300, &["127.0.11.4/32", "::1/128"], &[]),
            identity(301, &["127.0.11.2/32", "2001:db8::a/128"], &[SPIFFE_A]),
            identity(302, &["127.0.11.3/32", "2001:db8::b/128"], &[SPIFFE_B]),
        ],
        "endpoints": [{
            "name": "default/app1",
            "addresses": [],
            "ingress": {"defaultDeny": true, "rules": rules},
            "egress": {"defaultDeny": false, "rules": []},
        }],
    })
    .to_string()
}
