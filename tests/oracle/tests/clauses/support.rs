//! A small world, and policies in few words.

use std::collections::BTreeMap;
use std::net::IpAddr;

use postern_tests_oracle::address::Prefix;
use postern_tests_oracle::evaluate::{Question, Verdict, answer};
use postern_tests_oracle::http::{HttpRule, Request};
use postern_tests_oracle::label::Selector;
use postern_tests_oracle::pattern::Pattern;
use postern_tests_oracle::policy::cilium::{
    self, Item, Peers, Port, PortEntry, PortName, PortProtocol, Rule, Subject,
};
use postern_tests_oracle::policy::{Policy, kubernetes};
use postern_tests_oracle::port::{Protocol, Target};
use postern_tests_oracle::world::{
    BackendForm, Backends, CidrGroup, ContainerPort, Namespace, Node, Service, Workload, World,
};

pub(crate) const S: &str = "10.0.0.1";
pub(crate) const A: &str = "10.0.0.2";
pub(crate) const B: &str = "10.0.0.3";
/// As A, in another namespace.
pub(crate) const OTHER_A: &str = "10.0.0.4";
/// As A, in another cluster.
pub(crate) const EAST_A: &str = "10.0.0.5";
pub(crate) const HOST: &str = "192.168.0.1";
pub(crate) const REMOTE_NODE: &str = "192.168.0.2";
pub(crate) const OUTSIDE: &str = "203.0.113.9";
pub(crate) const OUTSIDE_API: &str = "198.51.100.1";

pub(crate) fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn world() -> World {
    let workload = |namespace: &str, name: &str, app: &str, address: &str, cluster: Option<&str>| Workload {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        labels: texts(&[("app", app), ("pod-template-hash", "x")]),
        addresses: vec![address.parse().unwrap()],
        node: Some("n0".to_owned()),
        service_account: None,
        cluster: cluster.map(str::to_owned),
        ports: vec![
            ContainerPort { name: "web".to_owned(), port: 80, protocol: Protocol::Tcp },
            ContainerPort { name: "dns".to_owned(), port: 53, protocol: Protocol::Udp },
        ],
        as_pod: false,
    };
    let node = |name: &str, role: &str, address: &str| Node {
        name: name.to_owned(),
        labels: texts(&[("role", role)]),
        addresses: vec![address.parse().unwrap()],
    };
    let mut b = workload("default", "b", "b", B, None);
    b.ports[0].port = 8080;
    World {
        workloads: vec![
            workload("default", "s", "s", S, None),
            workload("default", "a", "a", A, None),
            b,
            workload("other", "a", "a", OTHER_A, None),
            workload("default", "east", "a", EAST_A, Some("east")),
        ],
        namespaces: vec![Namespace { name: "other".to_owned(), labels: texts(&[("team", "x")]) }],
        nodes: vec![node("n0", "worker", HOST), node("n1", "worker", REMOTE_NODE)],
        services: vec![
            Service {
                namespace: "default".to_owned(),
                name: "a".to_owned(),
                labels: texts(&[("kind", "pods")]),
                backends: Backends::Selector(texts(&[("app", "a")])),
            },
            Service {
                namespace: "default".to_owned(),
                name: "ext".to_owned(),
                labels: texts(&[("kind", "bare")]),
                backends: Backends::Addresses(
                    vec![OUTSIDE.parse().unwrap(), B.parse().unwrap()],
                    BackendForm::Slices,
                ),
            },
        ],
        groups: vec![CidrGroup {
            name: "g".to_owned(),
            labels: texts(&[("set", "one")]),
            prefixes: vec![prefix("203.0.113.0/24")],
            among_policies: false,
        }],
        api_servers: vec![OUTSIDE_API.parse().unwrap(), REMOTE_NODE.parse().unwrap()],
    }
}

pub(crate) fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap()
}

pub(crate) fn app(name: &str) -> Selector {
    Selector::label("app", name)
}

/// `fromEndpoints` or `toEndpoints`.
pub(crate) fn endpoints(name: &str) -> Option<Peers> {
    Some(Peers::Endpoints(vec![app(name)]))
}

pub(crate) fn port(number: u16, protocol: Option<Protocol>) -> Port {
    Port { port: PortName::Number(number), end: None, protocol: protocol.map(PortProtocol::Only) }
}

pub(crate) fn named(name: &str, protocol: Option<Protocol>) -> Port {
    Port { port: PortName::Name(name.to_owned()), ..port(0, protocol) }
}

/// Peers, and ports if any.
pub(crate) fn item(peers: Option<Peers>, ports: &[Port]) -> Item {
    let entry = PortEntry { ports: Some(ports.to_vec()), ..PortEntry::default() };
    Item { peers, ports: (!ports.is_empty()).then(|| vec![entry]), ..Item::default() }
}

/// Peers, TCP 80 and GET of one path.
pub(crate) fn http(peers: Option<Peers>, path: &str) -> Item {
    let text = |text: &str| Some(Pattern::Text(text.to_owned()));
    with_http(peers, vec![HttpRule { method: text("GET"), path: text(path), ..HttpRule::default() }])
}

pub(crate) fn with_http(peers: Option<Peers>, rules: Vec<HttpRule>) -> Item {
    let mut item = item(peers, &[port(80, Some(Protocol::Tcp))]);
    item.ports.as_mut().unwrap()[0].http = Some(rules);
    item
}

/// A policy on S with these lists of ingress items, allowing and denying.
pub(crate) fn ingress(allow: Vec<Item>, deny: Vec<Item>) -> cilium::Policy {
    let list = |items: Vec<Item>| (!items.is_empty()).then_some(items);
    let rule = Rule {
        subject: Subject::Endpoints(app("s")),
        ingress: list(allow),
        ingress_deny: list(deny),
        egress: None,
        egress_deny: None,
        deny_ingress: None,
        deny_egress: None,
    };
    cilium::Policy {
        namespace: Some("default".to_owned()),
        name: "p".to_owned(),
        legacy: false,
        audit: false,
        spec: Some(rule),
        specs: Vec::new(),
    }
}

/// The same of egress.
pub(crate) fn egress(allow: Vec<Item>, deny: Vec<Item>) -> cilium::Policy {
    let mut policy = ingress(allow, deny);
    let rule = policy.spec.as_mut().unwrap();
    (rule.egress, rule.egress_deny) = (rule.ingress.take(), rule.ingress_deny.take());
    policy
}

/// The same in no namespace.
pub(crate) fn clusterwide(policy: cilium::Policy) -> cilium::Policy {
    cilium::Policy { namespace: None, ..policy }
}

/// The same with `enableDefaultDeny: {ingress: false}`.
pub(crate) fn open(mut policy: cilium::Policy) -> cilium::Policy {
    policy.spec.as_mut().unwrap().deny_ingress = Some(false);
    policy
}

pub(crate) fn network_policy(ingress: Option<Vec<kubernetes::Item>>) -> Policy {
    Policy::Kubernetes(kubernetes::Policy {
        namespace: "default".to_owned(),
        name: "np".to_owned(),
        audit: false,
        subject: Some(app("s")),
        types: None,
        ingress,
        egress: None,
    })
}

/// What happens to a packet: `TCP/80`.
pub(crate) fn connect(policies: &[Policy], from: &str, to: &str, target: Target) -> Verdict {
    ask(policies, from, to, target, None)
}

pub(crate) fn tcp(port: u16) -> Target {
    Target { protocol: Protocol::Tcp, port }
}

pub(crate) fn udp(port: u16) -> Target {
    Target { protocol: Protocol::Udp, port }
}

/// What a client sees of GET to S: `pass`, `403`, or `drop`.
pub(crate) fn get(policies: &[Policy], from: &str, path: &str) -> &'static str {
    if connect(policies, from, S, tcp(80)) == Verdict::Deny {
        return "drop";
    }
    let request = Request {
        method: "GET".to_owned(),
        path: Some(path.to_owned()),
        host: "s".to_owned(),
        headers: Vec::new(),
    };
    match ask(policies, from, S, tcp(80), Some(request)) {
        Verdict::Allow => "pass",
        Verdict::Deny => "403",
        Verdict::Redirect => panic!("a request is never redirected"),
    }
}

fn ask(policies: &[Policy], from: &str, to: &str, target: Target, request: Option<Request>) -> Verdict {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let question = Question { from: address(from), to: address(to), target, request };
    answer(&world(), policies, &question)
}

/// Holds each row's policy against peers of S: the ones that it lets connect to TCP 80, and no others.
pub(crate) fn check_peers(clause: &str, policy: cilium::Policy, expected: &[&str]) {
    let policies = [Policy::Cilium(policy.clone())];
    let egress = policy.spec.is_some_and(|rule| rule.egress.is_some() || rule.egress_deny.is_some());
    for peer in [A, B, OTHER_A, EAST_A, HOST, REMOTE_NODE, OUTSIDE, OUTSIDE_API] {
        let (from, to) = if egress { (S, peer) } else { (peer, S) };
        let passes = connect(&policies, from, to, tcp(80)) != Verdict::Deny;
        assert_eq!(passes, expected.contains(&peer), "{clause}: {peer}");
    }
}
