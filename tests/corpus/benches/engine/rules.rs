//! The rule sets that are measured: the same ones each time.

use std::fmt::Write as _;

/// What the paths of a set look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Plain text.
    Exact,
    /// A first segment that tells the rule, then an expression.
    Segment,
    /// `.*` before what tells the rule, and after it.
    Anything,
}

pub(crate) const SHAPES: [Shape; 3] = [Shape::Exact, Shape::Segment, Shape::Anything];

/// One workload, and the one client that the policy means.
pub(crate) const INVENTORY: &str = "\
apiVersion: postern.dev/v1alpha1
kind: Workload
metadata: {name: server, labels: {id: server}}
spec: {addresses: [127.0.10.1]}
---
apiVersion: postern.dev/v1alpha1
kind: Workload
metadata: {name: client, labels: {id: client}}
spec: {addresses: [127.0.0.1]}
";

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Segment => "segment and expression",
            Self::Anything => "many `.*`",
        }
    }

    /// The expression of a rule.
    pub(crate) fn expression(self, rule: usize) -> String {
        match self {
            Self::Exact => self.path(rule),
            Self::Segment => format!("/svc{rule:05}/v[0-9]+/items/[a-z0-9-]+/details"),
            Self::Anything => format!("/tenants/.*/svc{rule:05}/.*"),
        }
    }

    /// A path of some 60 bytes that this rule allows, and no other.
    pub(crate) fn path(self, rule: usize) -> String {
        match self {
            Self::Exact => format!("/svc{rule:05}/v1/items/7f3a-0123456789-abcdef-0123456789/all"),
            Self::Segment => format!("/svc{rule:05}/v1/items/7f3a-0123456789-abcdef-0123456/details"),
            Self::Anything => format!("/tenants/0123456789/units/abc/svc{rule:05}/items/0123456789ab"),
        }
    }
}

/// A policy that allows GET on so many paths.
pub(crate) fn policy(shape: Shape, rules: usize) -> String {
    let mut text = "\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: bench}
spec:
  endpointSelector: {matchLabels: {id: server}}
  ingress:
  - fromEndpoints: [{matchLabels: {id: client}}]
    toPorts:
    - ports: [{port: \"80\", protocol: TCP}]
      rules:
        http:
"
    .to_owned();
    for rule in 0..rules {
        let path = shape.expression(rule);
        writeln!(text, "        - {{method: GET, path: \"{path}\"}}").expect("a string takes everything");
    }
    text
}

/// The header block of a request as browsers and their proxies send it, without the path.
pub(crate) const HEADERS: [(&str, &str); 11] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "server.example.com"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br"),
    ("cookie", "session=0123456789abcdef0123456789abcdef"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-proto", "http"),
    ("x-request-id", "6f1f2c9e-5f0a-4f7c-9d3b-2f8f5a6c7d8e"),
];
