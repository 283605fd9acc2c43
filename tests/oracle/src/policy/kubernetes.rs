//! `NetworkPolicy`.

use crate::address::Prefix;
use crate::label::Selector;
use crate::port::Protocol;

use super::Direction;

/// One document. What is none is left out.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it carries the annotation that makes it an audit.
    pub audit: bool,
    /// `podSelector`.
    pub subject: Option<Selector>,
    /// `policyTypes`.
    pub types: Option<Vec<Direction>>,
    /// `ingress`.
    pub ingress: Option<Vec<Item>>,
    /// `egress`.
    pub egress: Option<Vec<Item>>,
}

/// One item.
#[derive(Debug, Clone, Default)]
pub struct Item {
    /// `from` or `to`.
    pub peers: Option<Vec<Peer>>,
    /// `ports`.
    pub ports: Option<Vec<Port>>,
}

/// A peer.
#[derive(Debug, Clone)]
pub enum Peer {
    /// `podSelector`, in the policy's namespace.
    Pods(Selector),
    /// `namespaceSelector`.
    Namespaces(Selector),
    /// `namespaceSelector` and `podSelector`.
    Both(Selector, Selector),
    /// `ipBlock` with `except`.
    Block(Prefix, Vec<Prefix>),
}

/// A port.
#[derive(Debug, Clone)]
pub struct Port {
    /// `protocol`; none is TCP.
    pub protocol: Option<Protocol>,
    /// `port`.
    pub port: Option<PortName>,
    /// `endPort`.
    pub end: Option<u16>,
}

/// Which port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortName {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}
