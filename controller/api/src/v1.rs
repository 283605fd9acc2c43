//! `cilium.io/v1`, the dialect of 2017: served, never stored. See [`convert`](crate::convert) for what it means.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::status::PolicyConditions;

/// What a `CiliumNetworkPolicy` of 2017 says, as it was written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "cilium.io",
    version = "v1",
    kind = "CiliumNetworkPolicy",
    plural = "ciliumnetworkpolicies",
    namespaced,
    shortname = "cnp",
    shortname = "ciliumnp",
    doc = "The dialect of 2017: peers and ports of a direction are two gates that must both pass.",
    no_spec,
    status = "PolicyConditions",
    derive = "PartialEq",
    printcolumn(
        name = "Valid",
        type_ = "string",
        description = "Whether the policy could be read; if not, its last good version is in force",
        json_path = ".status.conditions[?(@.type=='Valid')].status"
    ),
    printcolumn(
        name = "Enforced",
        type_ = "string",
        description = "On how many of the selected endpoints the policy is in force",
        json_path = ".status.conditions[?(@.type=='Enforced')].message"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct PolicyBody {
    /// What the policy is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub description: Option<String>,
    /// The rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::any_object")]
    pub spec: Option<Value>,
    /// Whatever else was written, so that it can be refused by name.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}
