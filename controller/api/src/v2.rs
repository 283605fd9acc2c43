//! `cilium.io/v2`: the version that is stored.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::status::PolicyConditions;

/// What a `CiliumNetworkPolicy` says, as it was written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "cilium.io",
    version = "v2",
    kind = "CiliumNetworkPolicy",
    plural = "ciliumnetworkpolicies",
    namespaced,
    shortname = "cnp",
    shortname = "ciliumnp",
    doc = "What may reach the pods of a namespace, and what they may reach.",
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
    /// The rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::any_object")]
    pub spec: Option<Value>,
    /// Several rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::any_objects")]
    pub specs: Option<Value>,
    /// Whatever else was written, so that it can be refused by name.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// What a `CiliumClusterwideNetworkPolicy` says, as it was written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "cilium.io",
    version = "v2",
    kind = "CiliumClusterwideNetworkPolicy",
    plural = "ciliumclusterwidenetworkpolicies",
    shortname = "ccnp",
    shortname = "ciliumccnp",
    doc = "What may reach the pods of every namespace, and what they may reach.",
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
pub struct ClusterwidePolicyBody {
    /// The rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::any_object")]
    pub spec: Option<Value>,
    /// Several rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::any_objects")]
    pub specs: Option<Value>,
    /// Whatever else was written, so that it can be refused by name.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// What a `CiliumCIDRGroup` says, as it was written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "cilium.io",
    version = "v2",
    kind = "CiliumCIDRGroup",
    plural = "ciliumcidrgroups",
    shortname = "ccg",
    doc = "A named set of prefixes outside the cluster that policies refer to.",
    no_spec,
    derive = "PartialEq",
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct CidrGroupBody {
    /// The prefixes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::any_object")]
    pub spec: Option<Value>,
    /// Whatever else was written, so that it can be refused by name.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}
