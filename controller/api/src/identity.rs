//! `PosternIdentity`: the number of an identity, kept where it survives every controller.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a number stands for: labels, or a node. The object's name is the number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "identities.postern.dev",
    version = "v1alpha1",
    kind = "PosternIdentity",
    plural = "posternidentities",
    shortname = "pid",
    derive = "PartialEq",
    doc = "The number of an identity. Written by the controller; do not edit.",
    printcolumn(name = "Node", type_ = "string", json_path = ".spec.node"),
    printcolumn(name = "Labels", type_ = "string", json_path = ".spec.labels"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct PosternIdentitySpec {
    /// Every label of the workloads with this identity, as `source:key=value`, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The node, where the identity is a node's: it then has no labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub node: Option<String>,
}
