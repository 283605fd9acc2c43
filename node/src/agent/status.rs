//! What the agent says of itself.

use serde::Serialize;

/// The state of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Whether something has been applied yet.
    pub applied: bool,
    /// The endpoints, by name.
    pub endpoints: Vec<EndpointStatus>,
    /// Prefixes that have an identity.
    pub identities: usize,
    /// Services.
    pub services: usize,
    /// HTTP rules that do not compile, by name.
    pub quarantined: Vec<String>,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointStatus {
    /// `namespace/name`.
    pub name: String,
    /// The device that leads to it, once there is one.
    pub device: Option<u32>,
    /// Entries of its policy in the kernel.
    pub entries: usize,
    /// Whether its policy is in force.
    pub enforced: bool,
}
