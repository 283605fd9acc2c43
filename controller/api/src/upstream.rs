//! `ClusterNetworkPolicy`: defined by the network policy API group of Kubernetes, whose own definition a cluster is to
//! have. What stands here is only what the controller reads and writes of it.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::status::PolicyConditions;

/// What a `ClusterNetworkPolicy` says, as it was written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "policy.networking.k8s.io",
    version = "v1alpha2",
    kind = "ClusterNetworkPolicy",
    plural = "clusternetworkpolicies",
    doc = "What administrators decide before everybody else's policies, or after them.",
    no_spec,
    status = "PolicyConditions",
    derive = "PartialEq"
)]
pub struct ClusterNetworkPolicyBody {
    /// The rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::any_object")]
    pub spec: Option<Value>,
    /// Whatever else was written, so that it can be refused by name.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}
