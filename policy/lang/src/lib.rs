//! The languages that policies are written in.
//!
//! A [`SourceFile`](source::SourceFile) becomes [`Policy`](postern_policy_core::policy::Policy) values of the
//! core's model, or [`Diagnostic`](diagnostic::Diagnostic)s that name file, line, column and field, say what was
//! expected and what to do. Reading is strict: an unknown field, a wrong type or a bad expression is an
//! error; a field of the real schema that Postern does not build yet is an error too, and says so.
#![forbid(unsafe_code)]

mod cidr;
mod cidr_group;
mod cilium;
mod cluster;
pub mod convert;
mod decode;
pub mod diagnostic;
mod document;
pub mod inventory;
mod kubernetes;
pub mod lint;
mod metadata;
mod node;
pub mod reference;
mod salvage;
mod selector;
pub mod source;
mod yaml;
pub mod yaml_text;

pub use document::{Policies, load_policies};
pub use salvage::salvage;
