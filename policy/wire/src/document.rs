//! The document as it is written: serde types, nothing checked yet.

use std::net::IpAddr;
use std::num::NonZeroU8;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The version this crate reads and writes.
pub const API_VERSION: &str = "postern.dev/filter/v1alpha1";

/// The policies of the workloads behind one proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bundle {
    /// `postern.dev/filter/v1alpha1`.
    pub api_version: String,
    /// The versions of the parts, for people: the filter says which are in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
    /// What is reported, and how much of it.
    #[serde(default, skip_serializing_if = "Report::is_default")]
    pub report: Report,
    /// What is fixed about the traffic that this proxy sees; the rest is taken from each connection.
    #[serde(default, skip_serializing_if = "Attach::is_empty")]
    pub attach: Attach,
    /// Who has which address. Every address that is in none of them is the world, identity 2.
    pub identities: Vec<Identity>,
    /// The workloads whose policy is enforced.
    pub endpoints: Vec<Endpoint>,
}

/// What is reported beside the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Report {
    /// Whether the answer to a denied request carries the id under which the log has it, as `x-postern-decision`.
    pub decision_header: bool,
    /// How many rules have a counter of their own: the first of the bundle. 1,000 at most.
    pub rule_hits: u16,
    /// How many lines for denials each VM logs a second, on average. Those above are counted.
    pub denials_per_second: u16,
}

impl Default for Report {
    fn default() -> Self {
        Self { decision_header: false, rule_hits: 100, denials_per_second: 10 }
    }
}

impl Report {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The versions of the parts of a bundle, which change apart from each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Versions {
    /// Of `identities`.
    pub identities: String,
    /// Of `endpoints`.
    pub policy: String,
}

/// What is fixed about the traffic that a proxy sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attach {
    /// The direction, seen from the workload; or both ends of every connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The name of the one endpoint that the proxy serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The port that policies mean, where the proxy listens on another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The other end's address, where the connection shows the proxy's own: that of a fixed upstream, for egress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// How it is told who sends to a workload, in this order: the first that knows decides, and whom none knows is
    /// the world. By the connection's own address, if this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_from: Option<Vec<PeerSource>>,
}

/// `"spiffe"`, `"source"`, or `{"forwardedFor": {"trustedHops": 2, "from": {"only": [300]}}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum PeerSource {
    /// The SPIFFE URI of the certificate that the proxy has verified. One that nobody is known by is the world's; a
    /// connection without any is asked of the next source.
    Spiffe,
    /// The header `x-forwarded-for` of requests from trusted hops. Others are asked of the next source.
    ForwardedFor(ForwardedFor),
    /// The connection's own address.
    Source,
}

/// Whose `x-forwarded-for` is believed, and which address of it. Where it has not got that many, or what is no
/// address, the request is denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForwardedFor {
    /// How many hops that append to the header are trusted, this proxy included if it appends: the place of the
    /// address, counted from the right.
    pub trusted_hops: NonZeroU8,
    /// Whose header is believed, by the connection's own address.
    pub from: Peers,
}

impl Attach {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Which of a connection's ends are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the workload.
    Ingress,
    /// From the workload.
    Egress,
    /// What the source may send and what the destination may get, whichever of them is among the endpoints.
    Both,
}

/// Who some addresses belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// The number that rules use. 0 stands for nobody and cannot be used.
    pub id: u32,
    /// What it is made of, for people.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Addresses and prefixes, such as `10.0.0.1/32`.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub addresses: Vec<IpNet>,
    /// The SPIFFE URIs of its certificates, such as `spiffe://cluster.local/ns/default/sa/app1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spiffe: Vec<String>,
}

// Who loads a bundle leaves its HTTP rules as text at first: `H` is what they are.
/// One workload and its policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Endpoint"))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint<H = HttpRule> {
    /// `namespace/name`.
    pub name: String,
    /// Its addresses, by which a proxy that serves several workloads knows it.
    pub addresses: Vec<IpAddr>,
    /// For connections to it.
    pub ingress: DirectionPolicy<H>,
    /// For connections from it.
    pub egress: DirectionPolicy<H>,
}

/// The rules of one direction. In the normal tier a denial wins over every allowance, whatever their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "DirectionPolicy"))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    // What is left out is no HTTP rule.
    bound(deserialize = "H: Deserialize<'de>")
)]
pub struct DirectionPolicy<H = HttpRule> {
    /// Whether what no rule allows is dropped.
    pub default_deny: bool,
    /// How the paths of requests to some ports are read: the first entry that a port is in counts. What is in none
    /// is read strictly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<PathProfile>,
    /// The rules.
    pub rules: Vec<Rule<H>>,
    /// What is only tried: decided beside what is enforced, and reported where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit<H>>,
}

/// Rules that are only tried, all of them: also those that are enforced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Audit"))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Audit<H = HttpRule> {
    /// Whether what no rule allows would be dropped.
    pub default_deny: bool,
    /// The rules.
    pub rules: Vec<Rule<H>>,
}

/// How the server behind a port, or behind the ports from `port` to `endPort`, reads paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathProfile {
    /// The protocol.
    pub protocol: Protocol,
    /// The first port.
    pub port: u16,
    /// The last port, if there is more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_port: Option<u16>,
    /// Which readings of a path must be allowed.
    pub profile: Profile,
}

/// Which readings of a path must be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// All that any server is known to make of it.
    Strict,
    /// Those of an Envoy with path normalisation on or off, and of servers that follow RFC 3986.
    Envoy,
    /// The path as it was sent, and no other.
    Raw,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Rule"))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule<H = HttpRule> {
    /// Its name, as denials and logs print it.
    pub id: String,
    /// When it is asked.
    #[serde(default, skip_serializing_if = "Tier::is_normal")]
    pub tier: Tier,
    /// Whom it covers.
    pub peers: Peers,
    /// What it covers.
    pub ports: Ports,
    /// What happens to it.
    pub action: Action<H>,
}

/// When a rule is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// First, one after another: the first that covers a connection decides.
    Admin,
    /// Next, all at once.
    #[default]
    Normal,
    /// Next, where default deny is on.
    Default,
    /// Last, where default deny is off, one after another.
    Baseline,
}

impl Tier {
    fn is_normal(&self) -> bool {
        *self == Self::Normal
    }
}

/// `"any"`, or `{"only": [256, 257]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Peers {
    /// Everyone.
    Any,
    /// These identities: nobody where there are none.
    Only(Vec<u32>),
}

/// `"all"`, or `{"only": [{"protocol": "TCP", "port": 80}]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Ports {
    /// Every port of every protocol.
    All,
    /// These: none where there are none.
    Only(Vec<PortRange>),
}

/// A port, or the ports from `port` to `endPort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortRange {
    /// The protocol.
    pub protocol: Protocol,
    /// The first port.
    pub port: u16,
    /// The last port, if there is more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_port: Option<u16>,
}

/// A protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP, UDP and SCTP.
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// ICMP of IPv4; in place of a port it has a type.
    Icmp,
    /// ICMP of IPv6; in place of a port it has a type.
    IcmpV6,
    /// IGMP. It and those below have no ports: the port is 0.
    Igmp,
    /// IPv4 in IP.
    Ipip,
    /// IPv6 in IP.
    Ipv6,
    /// GRE.
    Gre,
    /// ESP.
    Esp,
    /// AH.
    Ah,
    /// VRRP.
    Vrrp,
}

/// `"allow"`, `"deny"`, or `{"http": [{"id": "…", "method": "GET", "path": "/public"}]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Action"))]
#[serde(rename_all = "lowercase")]
pub enum Action<H = HttpRule> {
    /// It passes.
    Allow,
    /// It is dropped.
    Deny,
    /// The rest of the tier is not asked; only in the tiers `admin` and `baseline`.
    Pass,
    /// Nothing: it would allow something in a way that is not enforced, for this reason.
    Quarantined(String),
    /// Requests pass that one of these matches.
    Http(Vec<H>),
}

// Who loads a bundle does not copy its texts: `S` is what they are.
/// Every field that is given must match. Expressions match the whole value, in RE2's dialect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "HttpRule"))]
#[serde(rename_all = "camelCase", deny_unknown_fields, bound(deserialize = "S: Deserialize<'de>"))]
pub struct HttpRule<S = String> {
    /// Its name.
    pub id: S,
    /// Why it matches nothing, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<S>,
    /// Against the method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<S>,
    /// Against the path, query included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<S>,
    /// Against the authority, port included if the client sends one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<S>,
    /// Each must match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header<S>>,
}

/// A header that must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Header"))]
#[serde(rename_all = "camelCase", deny_unknown_fields, bound(deserialize = "S: Deserialize<'de>"))]
pub struct Header<S = String> {
    /// Compared without regard to case.
    pub name: S,
    /// The exact value, where presence is not enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<S>,
}
