//! The project's own daemons in a box: how each is started, and with which credentials.

pub(crate) mod access;
pub(crate) mod controller;
pub(crate) mod engine;
pub(crate) mod node;

/// Where everything of ours is in the cluster.
pub(crate) const NAMESPACE: &str = "postern-system";
/// Where the controller serves, on the management network.
pub(crate) const XDS_PORT: u16 = 15010;
pub(crate) const WEBHOOK_PORT: u16 = 9443;
pub(crate) const CONTROLLER_ADMIN_PORT: u16 = 9903;
/// Where a node's daemons can be asked, in the node's namespace.
pub(crate) const NODE_ADMIN: &str = "127.0.0.1:9902";
pub(crate) const PROXY_ADMIN: &str = "127.0.0.1:9901";
