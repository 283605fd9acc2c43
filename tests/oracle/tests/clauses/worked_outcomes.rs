//! §2.4a, row by row: subject S, TCP 80, peers A and B, default deny on.

use postern_tests_oracle::policy::Policy::Cilium;
use postern_tests_oracle::policy::{Policy, kubernetes};
use postern_tests_oracle::port::Protocol;

use crate::support::{
    A, B, HOST, app, clusterwide, endpoints, get, http, ingress, item, network_policy, open, port,
};

fn check(row: &str, policies: &[Policy], expected: [&str; 4]) {
    let found =
        [(A, "/ok"), (A, "/no"), (B, "/ok"), (B, "/no")].map(|(from, path)| get(policies, from, path));
    assert_eq!(found, expected, "{row}");
}

#[test]
fn worked_outcomes() {
    let from = endpoints;
    let p80 = || port(80, Some(Protocol::Tcp));
    let first = || http(from("a"), "/ok");
    let with = |second| [Cilium(ingress(vec![first(), second], Vec::new()))];
    let denying = |deny| [Cilium(ingress(vec![first()], vec![deny]))];
    let alone = || ingress(vec![first()], Vec::new());

    check("one item: from A and HTTP", &[Cilium(alone())], ["pass", "403", "drop", "drop"]);
    check("and from A, L3 only", &with(item(from("a"), &[])), ["pass", "pass", "drop", "drop"]);
    check("and port 80 without a peer", &with(item(None, &[p80()])), ["pass", "pass", "pass", "pass"]);
    check("and from A, port 80", &with(item(from("a"), &[p80()])), ["pass", "pass", "drop", "drop"]);
    check("and from B, another path", &with(http(from("b"), "/no")), ["pass", "403", "403", "pass"]);
    check("and from B, port 80", &with(item(from("b"), &[p80()])), ["pass", "403", "pass", "pass"]);
    let anyone = ingress(vec![http(None, "/ok")], Vec::new());
    check("HTTP without a peer", &[Cilium(anyone)], ["pass", "403", "pass", "403"]);
    check("denied: from A", &denying(item(from("a"), &[])), ["drop"; 4]);
    check("denied: port 80", &denying(item(None, &[p80()])), ["drop"; 4]);
    check("default deny off", &[Cilium(open(alone()))], ["pass"; 4]);
    let closing = Cilium(clusterwide(ingress(vec![item(None, &[])], Vec::new())));
    let both = [Cilium(open(alone())), closing];
    check("default deny off, and on by another", &both, ["pass", "403", "drop", "drop"]);
    let allow_a = kubernetes::Item { peers: Some(vec![kubernetes::Peer::Pods(app("a"))]), ports: None };
    let both = [Cilium(alone()), network_policy(Some(vec![allow_a]))];
    check("and a NetworkPolicy from A", &both, ["pass", "pass", "drop", "drop"]);

    let host = ["/ok", "/no"].map(|path| get(&[Cilium(alone())], HOST, path));
    assert_eq!(host, ["pass", "pass"], "from the host");
}

/// §6: in 2017 the two items of the first policy that was shown acted like one.
#[test]
fn two_gates() {
    let mut policy = ingress(vec![item(endpoints("a"), &[]), http(None, "/ok")], Vec::new());
    check("today", &[Cilium(policy.clone())], ["pass", "pass", "pass", "403"]);
    policy.legacy = true;
    check("in 2017", &[Cilium(policy)], ["pass", "403", "drop", "drop"]);
}
