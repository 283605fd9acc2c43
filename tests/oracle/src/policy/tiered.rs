//! `ClusterNetworkPolicy`.

use crate::address::Prefix;
use crate::label::Selector;
use crate::port::Protocol;

/// One document.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Whether it carries the annotation that makes it an audit.
    pub audit: bool,
    /// `tier`.
    pub tier: Tier,
    /// `priority`: the lower comes first.
    pub priority: u16,
    /// Whom it selects.
    pub subject: Pods,
    /// `ingress`.
    pub ingress: Vec<Rule>,
    /// `egress`.
    pub egress: Vec<Rule>,
}

/// Before or after everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Before.
    Admin,
    /// After.
    Baseline,
}

/// Pods by their namespaces, or by those and by themselves.
#[derive(Debug, Clone)]
pub enum Pods {
    /// `namespaces`.
    Namespaces(Selector),
    /// `pods`: `namespaceSelector` and `podSelector`.
    Pods(Selector, Selector),
}

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// `from` or `to`.
    pub peers: Vec<Peer>,
    /// `protocols`; empty is everything.
    pub protocols: Vec<PortMatch>,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Lets it pass.
    Accept,
    /// Drops it.
    Deny,
    /// Leaves it to the next tier.
    Pass,
}

/// A peer. Only pods may be named on ingress.
#[derive(Debug, Clone)]
pub enum Peer {
    /// `namespaces` or `pods`.
    Pods(Pods),
    /// `nodes`.
    Nodes(Selector),
    /// `networks`.
    Networks(Vec<Prefix>),
    /// `domainNames`.
    DomainNames(Vec<String>),
}

/// One of `protocols`.
#[derive(Debug, Clone)]
pub enum PortMatch {
    /// `tcp`, `udp` or `sctp`: the ports from the first to the second.
    Ports(Protocol, (u16, u16)),
    /// `destinationNamedPort`.
    Named(String),
}
