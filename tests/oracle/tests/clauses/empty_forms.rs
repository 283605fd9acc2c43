//! §2.2: what is left out, and what is empty.

use postern_tests_oracle::http::HttpRule;
use postern_tests_oracle::label::Selector;
use postern_tests_oracle::policy::Policy::Cilium;
use postern_tests_oracle::policy::cilium::{Item, Peers, PortEntry};
use postern_tests_oracle::policy::kubernetes;
use postern_tests_oracle::port::Protocol;

use crate::support::{
    A, B, EAST_A, HOST, OTHER_A, OUTSIDE, OUTSIDE_API, REMOTE_NODE, check_peers, clusterwide, egress,
    endpoints, get, ingress, item, network_policy, port, with_http,
};

const EVERYONE: [&str; 8] = [A, B, OTHER_A, EAST_A, HOST, REMOTE_NODE, OUTSIDE, OUTSIDE_API];

#[test]
fn peers_that_are_left_out_or_empty() {
    let p80 = || port(80, Some(Protocol::Tcp));
    let allow = |item: Item| ingress(vec![item], Vec::new());
    check_peers("no peers, ports: any peer", allow(item(None, &[p80()])), &EVERYONE);
    check_peers("ingress: [{}]", allow(Item::default()), &[HOST]);
    let empty_lists = [
        Peers::Endpoints(Vec::new()),
        Peers::Nodes(Vec::new()),
        Peers::Entities(Vec::new()),
        Peers::Cidrs(Vec::new()),
        Peers::CidrSets(Vec::new()),
        Peers::Groups(Vec::new()),
    ];
    for empty in empty_lists {
        let clause = format!("{empty:?} selects nobody, even with toPorts");
        check_peers(&clause, allow(item(Some(empty.clone()), &[p80()])), &[HOST]);
        check_peers(&clause, allow(item(Some(empty), &[])), &[HOST]);
    }
    // Upstream would let anyone through here (#20067): an empty list is nobody everywhere.
    for empty in [Peers::Services(Vec::new()), Peers::Fqdns(Vec::new())] {
        let clause = format!("{empty:?} selects nobody, even with toPorts");
        check_peers(&clause, egress(vec![item(Some(empty), &[p80()])], Vec::new()), &[]);
    }
    let all = || Some(Peers::Endpoints(vec![Selector::default()]));
    check_peers("fromEndpoints: [{}] in a CNP", allow(item(all(), &[])), &[A, B, HOST]);
    check_peers("the same in a CCNP", clusterwide(allow(item(all(), &[]))), &[A, B, OTHER_A, HOST]);
}

#[test]
fn denials_that_are_empty_turn_default_deny_on_and_deny_nothing() {
    let rest = item(None, &[port(80, None)]);
    for denied in [Item::default(), item(Some(Peers::Endpoints(Vec::new())), &[])] {
        check_peers("§2.2, §2.3", ingress(Vec::new(), vec![denied.clone()]), &[HOST]);
        check_peers("§2.2", ingress(vec![rest.clone()], vec![denied]), &EVERYONE);
    }
}

#[test]
fn ports_and_http_that_are_empty() {
    let mut nothing = item(endpoints("a"), &[]);
    nothing.ports = Some(vec![PortEntry::default()]);
    check_peers("§1.6: an entry without ports permits nothing", ingress(vec![nothing], Vec::new()), &[HOST]);
    let http = |rules| [Cilium(ingress(vec![with_http(endpoints("a"), rules)], Vec::new()))];
    for (clause, rules) in [("§3.1: http: []", Vec::new()), ("§3.1: http: [{}]", vec![HttpRule::default()])]
    {
        let found = [(A, "/x"), (B, "/x")].map(|(from, path)| get(&http(rules.clone()), from, path));
        assert_eq!(found, ["pass", "drop"], "{clause}");
    }
}

/// §2.6: in a NetworkPolicy the same forms mean something else.
#[test]
fn network_policies_that_are_empty() {
    let item = |peers, ports| kubernetes::Item { peers, ports };
    for (clause, ingress, expected) in [
        ("ingress: [{}]", Some(vec![item(None, None)]), ["pass", "pass"]),
        ("from: []", Some(vec![item(Some(Vec::new()), None)]), ["pass", "pass"]),
        ("ports: []", Some(vec![item(None, Some(Vec::new()))]), ["pass", "pass"]),
        ("ingress: []", Some(Vec::new()), ["drop", "drop"]),
        ("no ingress", None, ["drop", "drop"]),
    ] {
        let policies = [network_policy(ingress)];
        assert_eq!([A, OUTSIDE].map(|from| get(&policies, from, "/")), expected, "{clause}");
    }
}
