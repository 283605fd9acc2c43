//! What clients say of themselves, in the metadata of their xDS node.

/// What all keys begin with.
pub(crate) const PREFIX: &str = "postern.dev/";
/// The node that the client believes to be: refused if it has proved to be another.
pub(crate) const NODE: &str = "postern.dev/node";
/// `node` or `proxy`; Envoy says nothing.
pub(crate) const KIND: &str = "postern.dev/kind";
/// The one workload that an Envoy serves, `namespace/name`.
pub(crate) const WORKLOAD: &str = "postern.dev/workload";
/// The direction of the traffic that an Envoy sees, from the workload.
pub(crate) const DIRECTION: &str = "postern.dev/direction";
/// The port that policies mean, where Envoy listens on another.
pub(crate) const PORT: &str = "postern.dev/port";
/// Where the module is in Envoy's file system.
pub(crate) const MODULE: &str = "postern.dev/module";
