//! What the controller says of a policy.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The type of the condition that says whether a policy could be read.
pub const VALID: &str = "Valid";
/// The type of the condition that says on how many of its endpoints a policy is enforced, `n/m` in its message.
pub const ENFORCED: &str = "Enforced";
/// The type of the condition that names the rules of a policy that no data plane enforces, and says why. Such a rule
/// allows nothing, and denies all that it might speak of.
pub const QUARANTINED: &str = "Quarantined";

/// The status of a policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyConditions {
    /// What is known of the policy, one condition of each type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
}
