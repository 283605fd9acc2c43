//! What the server tells of its clients.

use std::fmt;

use crate::resource::ResourceType;

/// A kind of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientKind {
    /// `postern node`.
    Node,
    /// `postern proxy`.
    Proxy,
    /// Envoy, or whatever else does not say what it is.
    Envoy,
}

impl fmt::Display for ClientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClientKind::Node => "node",
            ClientKind::Proxy => "proxy",
            ClientKind::Envoy => "envoy",
        })
    }
}

/// Something happened to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The node that it has proved to be.
    pub node: String,
    /// What it is.
    pub kind: ClientKind,
    /// The one workload that it serves, if it said so.
    pub workload: Option<String>,
    /// Which stream this is: no two of one server have the same number.
    pub stream: u64,
    /// What happened.
    pub event: Event,
}

/// What happened to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Its stream is open.
    Connected,
    /// It has acknowledged everything that it subscribed to, up to this revision of its node's snapshot.
    Acked {
        /// The revision.
        revision: u64,
    },
    /// It has acknowledged everything of this revision but what it refused, which it does not have.
    AckedExcept {
        /// The revision.
        revision: u64,
        /// What it refused, by type and name.
        refused: Vec<(ResourceType, String)>,
    },
    /// It refused a response. What was in it counts as refused if it was one resource, or if the type's
    /// resources are taken together; otherwise each is sent again by itself, and refused or taken so.
    Refused {
        /// The type.
        resource_type: ResourceType,
        /// What the response had, changed or removed.
        resources: Vec<String>,
        /// The revision that the response was made of.
        revision: u64,
        /// The client's reason.
        detail: String,
    },
    /// Its stream has ended. What it has stays in force at the client.
    Disconnected,
}
