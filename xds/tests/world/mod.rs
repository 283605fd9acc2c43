//! A server with everything around it, and a client that says exactly what it is told.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod pki;
pub(crate) mod raw;
pub(crate) mod server;

use std::future::Future;
use std::time::Duration;

use postern_policy_wire::{
    Action, DirectionPolicy, Endpoint, HttpRule, Identity, Peers, PortRange, Ports, Protocol, Rule, Tier,
};
use postern_xds::service::{Backend, Service, ServicePort, TransportProtocol};
use postern_xds::snapshot::NodeSnapshot;

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What comes of a future that must not take long.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.unwrap_or_else(|_| panic!("no {what} within {SOON:?}"))
}

pub(crate) fn identity(id: u32, address: &str) -> Identity {
    Identity {
        id,
        labels: vec![format!("k8s:id=app{id}")],
        addresses: vec![address.parse().unwrap()],
        spiffe: Vec::new(),
    }
}

pub(crate) fn open() -> DirectionPolicy {
    DirectionPolicy { default_deny: false, profiles: Vec::new(), rules: Vec::new(), audit: None }
}

/// To the workload, `peer` may `GET` the paths that `path` matches, on port 80.
pub(crate) fn endpoint(name: &str, address: &str, peer: u32, path: &str) -> Endpoint {
    let request = HttpRule {
        id: "rule/http/0".to_owned(),
        method: Some("GET".to_owned()),
        path: Some(path.to_owned()),
        host: None,
        quarantined: None,
        headers: Vec::new(),
    };
    let rule = Rule {
        id: "rule".to_owned(),
        tier: Tier::Normal,
        peers: Peers::Only(vec![peer]),
        ports: Ports::Only(vec![PortRange { protocol: Protocol::Tcp, port: 80, end_port: None }]),
        action: Action::Http(vec![request]),
    };
    Endpoint {
        name: name.to_owned(),
        addresses: vec![address.parse().unwrap()],
        ingress: DirectionPolicy { default_deny: true, profiles: Vec::new(), rules: vec![rule], audit: None },
        egress: open(),
    }
}

pub(crate) fn service(name: &str) -> Service {
    let backend = Backend { address: "10.0.0.1".parse().unwrap(), port: 8080 };
    let port = ServicePort { port: 80, protocol: TransportProtocol::Tcp, backends: vec![backend] };
    Service { name: name.to_owned(), addresses: vec!["10.96.0.1".parse().unwrap()], ports: vec![port] }
}

/// Two identities, a service, and these endpoints with the path that may be read of each.
pub(crate) fn snapshot(revision: u64, endpoints: &[(&str, &str)]) -> NodeSnapshot {
    let identities = [identity(256, "10.0.0.1/32"), identity(257, "10.0.0.2/32")];
    let numbered = endpoints.iter().enumerate();
    let endpoints =
        numbered.map(|(index, (name, path))| endpoint(name, &format!("10.0.1.{}", index + 1), 257, path));
    NodeSnapshot::new(revision, identities, [service("d/app1-service")], endpoints).unwrap()
}
