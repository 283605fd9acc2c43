//! `CiliumNetworkPolicy` and `CiliumClusterwideNetworkPolicy`.

use crate::address::Prefix;
use crate::http::HttpRule;
use crate::label::Selector;
use crate::port::Protocol;

/// One document.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its namespace; none for a cluster-wide one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The dialect of 2017, `cilium.io/v1`: two gates.
    pub legacy: bool,
    /// Whether it carries the annotation that makes it an audit.
    pub audit: bool,
    /// `spec`.
    pub spec: Option<Rule>,
    /// `specs`.
    pub specs: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Whom it selects.
    pub subject: Subject,
    /// `ingress`.
    pub ingress: Option<Vec<Item>>,
    /// `ingressDeny`.
    pub ingress_deny: Option<Vec<Item>>,
    /// `egress`.
    pub egress: Option<Vec<Item>>,
    /// `egressDeny`.
    pub egress_deny: Option<Vec<Item>>,
    /// `enableDefaultDeny.ingress`.
    pub deny_ingress: Option<bool>,
    /// `enableDefaultDeny.egress`.
    pub deny_egress: Option<bool>,
}

/// Whom a rule selects.
#[derive(Debug, Clone)]
pub enum Subject {
    /// `endpointSelector`.
    Endpoints(Selector),
    /// `nodeSelector`.
    Nodes(Selector),
}

/// One item of a list.
#[derive(Debug, Clone, Default)]
pub struct Item {
    /// The peers; none where no field names any.
    pub peers: Option<Peers>,
    /// `toPorts`.
    pub ports: Option<Vec<PortEntry>>,
    /// `icmps`.
    pub icmps: Option<Vec<Icmp>>,
    /// `authentication.mode`.
    pub authentication: Option<Authentication>,
}

/// The one field of an item that names peers: `from…` or `to…`.
#[derive(Debug, Clone)]
pub enum Peers {
    /// `Endpoints`.
    Endpoints(Vec<Selector>),
    /// `Nodes`.
    Nodes(Vec<Selector>),
    /// `Entities`.
    Entities(Vec<Entity>),
    /// `CIDR`.
    Cidrs(Vec<Prefix>),
    /// `CIDRSet`.
    CidrSets(Vec<CidrSet>),
    /// `toServices`.
    Services(Vec<ServiceRef>),
    /// `toFQDNs`, by `matchPattern`.
    Fqdns(Vec<String>),
    /// `Groups`, by the names of AWS security groups.
    Groups(Vec<String>),
}

/// One of the entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entity {
    /// Anyone.
    All,
    /// What is outside the cluster.
    World,
    /// What is in the cluster.
    Cluster,
    /// What is in any cluster.
    ClusterMesh,
    /// The subject's node.
    Host,
    /// Other nodes.
    RemoteNode,
    /// The API server.
    KubeApiserver,
    /// Cilium's own ingress.
    Ingress,
    /// Its health checks.
    Health,
    /// Endpoints without labels yet.
    Init,
    /// Pods that it does not manage.
    Unmanaged,
    /// Nobody.
    None,
}

/// Every entity and its name.
pub const ENTITIES: [(Entity, &str); 12] = [
    (Entity::All, "all"),
    (Entity::World, "world"),
    (Entity::Cluster, "cluster"),
    (Entity::ClusterMesh, "cluster-mesh"),
    (Entity::Host, "host"),
    (Entity::RemoteNode, "remote-node"),
    (Entity::KubeApiserver, "kube-apiserver"),
    (Entity::Ingress, "ingress"),
    (Entity::Health, "health"),
    (Entity::Init, "init"),
    (Entity::Unmanaged, "unmanaged"),
    (Entity::None, "none"),
];

/// One of a CIDR set.
#[derive(Debug, Clone)]
pub struct CidrSet {
    /// The prefixes.
    pub of: CidrSource,
    /// Those that are left out.
    pub except: Vec<Prefix>,
}

/// Where the prefixes of a CIDR set come from.
#[derive(Debug, Clone)]
pub enum CidrSource {
    /// `cidr`.
    Prefix(Prefix),
    /// `cidrGroupRef`.
    Group(String),
    /// `cidrGroupSelector`.
    Groups(Selector),
}

/// One of `toServices`.
#[derive(Debug, Clone)]
pub enum ServiceRef {
    /// `k8sService`: namespace and name.
    Named(String, String),
    /// `k8sServiceSelector`, in a namespace or in all.
    Labels(Selector, Option<String>),
}

/// One of `toPorts`.
#[derive(Debug, Clone, Default)]
pub struct PortEntry {
    /// `ports`; not written where there are none and `written` is false.
    pub ports: Option<Vec<Port>>,
    /// `rules.http`.
    pub http: Option<Vec<HttpRule>>,
    /// What is asked for beside that cannot be done.
    pub beyond: Option<Beyond>,
}

/// What a `toPorts` entry may ask for that is not enforced: all of it is void then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// `serverNames`.
    ServerNames,
    /// `terminatingTLS`.
    TerminatingTls,
    /// `originatingTLS`.
    OriginatingTls,
    /// `listener`.
    Listener,
    /// `rules.dns`.
    Dns,
}

/// One of `ports`.
#[derive(Debug, Clone)]
pub struct Port {
    /// Which.
    pub port: PortName,
    /// `endPort`.
    pub end: Option<u16>,
    /// `protocol`; none where it is left out, which is `ANY`.
    pub protocol: Option<PortProtocol>,
}

/// Which port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortName {
    /// By number; 0 is every one.
    Number(u16),
    /// By name.
    Name(String),
    /// Left out, which a protocol without ports may.
    Absent,
}

/// A protocol in a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortProtocol {
    /// `ANY`.
    Any,
    /// This one.
    Only(Protocol),
}

/// One of `icmps.fields`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Icmp {
    /// Of IPv6; left out for IPv4 unless `family_written`.
    pub v6: bool,
    /// Whether IPv4 is written too.
    pub family_written: bool,
    /// The type.
    pub number: u8,
    /// The type's name, written instead of the number.
    pub name: Option<&'static str>,
}

/// Types that have a name: whether they are of IPv6, their number and the name.
pub const ICMP_NAMES: [(bool, u8, &str); 4] = [
    (false, 0, "EchoReply"),
    (false, 8, "EchoRequest"),
    (true, 128, "EchoRequest"),
    (true, 129, "EchoReply"),
];

/// `authentication.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// `disabled`.
    Disabled,
    /// `required`.
    Required,
    /// `test-always-fail`.
    AlwaysFail,
}
