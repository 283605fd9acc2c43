//! The state of the cluster, and what each node is told of it. No client, no clock, no IO; one writer.
//!
//! [`Index::apply`] takes what was seen of the cluster, in any order, and publishes what follows through `watch`
//! values ([`Outputs`]); nothing is published before every kind of object was listed once.
//!
//! # Identities, and what is safe
//!
//! An identity's number is used once its `PosternIdentity` has come back from the API server, and never before, on
//! whichever replica. So a number means one thing for as long as any node may remember it, whoever leads. Until then:
//!
//! - The workload itself is enforced at once: its own policy follows from its labels and needs no number.
//! - Its addresses have identity 5, `reserved:init`. No allowance by label covers it, and every denial that names
//!   peers does, whichever they are: a pod that is too new is taken for whoever is denied.
//! - An address that two owners claim has identity 5 too and is taken from both: neither is mistaken for the other.
//!
//! A new number reaches a node's addresses only once its agent has acknowledged the policies that name it, since
//! agents take identities first. Policies name every number there is, with or without workloads; only deleting the
//! object ends that. So a pod that comes, goes or moves changes who has which address, and its peers' policies stay
//! as they are.
//!
//! # Prefixes
//!
//! A prefix that anything names is an identity whose number follows from the prefix alone, so nobody keeps it. It
//! splits the addresses of a wider one, so nodes get it as they get a new number: with the policies that name it, and
//! until then its addresses are the wider one's. When nobody names it any more it stays until every node that
//! follows has the policies that do without it.
//!
//! A CIDR group that cannot be read is reported. The group as it was read before stays in force; one that never was
//! allows nobody, and what is denied to it is denied to everybody outside the cluster.
//!
//! # Policies that cannot be read
//!
//! One that was read before stays in force as it was. One that never was closes the workloads that it selects, in the
//! directions it speaks of, if that much can be read of it; else it is only reported. No other object is affected.
#![forbid(unsafe_code)]

mod addresses;
mod backends;
mod cidr_groups;
mod event;
mod index;
mod nodes;
mod numbers;
mod objects;
mod outputs;
mod policies;
mod prefixes;
mod services;
mod status;

pub use event::{
    Change, CidrGroupObject, Event, Kind, ObjectKey, ObjectRef, PolicyChange, PolicyKey, PolicyKind,
    PolicyObject,
};
pub use index::{Changes, Config, Index, Refused};
pub use numbers::{IdentityRequest, NumberError};
pub use objects::ObjectError;
pub use outputs::{Outputs, Sizes};
pub use status::{InForce, PolicyStatus};
