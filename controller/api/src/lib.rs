//! The custom resources, and what older versions of them mean.
//!
//! The schemas that an API server gets are loose where a policy's own content is: unknown fields are kept, and the
//! strict reader in `policy/lang` judges them, because its errors name the place and the remedy.
#![forbid(unsafe_code)]
#![allow(clippy::duplicated_attributes, reason = "the columns of a definition have the same fields each")]

pub mod convert;
pub mod crd;
pub mod identity;
mod schema;
pub mod status;
pub mod upstream;
pub mod v1;
pub mod v2;

/// The group of the policies.
pub const POLICY_GROUP: &str = "cilium.io";
/// The kind of the namespaced policy.
pub const POLICY_KIND: &str = "CiliumNetworkPolicy";
