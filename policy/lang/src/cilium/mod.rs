//! `CiliumNetworkPolicy`, in `cilium.io/v2` and in the dialect of 2017, `cilium.io/v1`, and
//! `CiliumClusterwideNetworkPolicy`.

mod cidrs;
mod extras;
mod fqdn;
mod groups;
mod headers;
mod http;
mod icmp;
mod item;
mod l7;
mod listener;
mod peers;
mod port;
mod ports;
mod rule;
mod selectors;
mod services;
#[cfg(test)]
mod tests;
mod tls;

pub(crate) use selectors::names_a_place;

use postern_policy_core::policy::{Direction, Effect, RuleId};

use crate::decode::{Object, Reader};
use crate::diagnostic::Code;
use crate::document::{Content, Found};
use crate::metadata::{cluster_metadata, metadata, mode};

/// Which of the two is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `cilium.io/v2`: each item allows on its own.
    Modern,
    /// `cilium.io/v1`: peers and ports are two gates; `HTTP` for `http`; the protocol may be left out.
    Legacy,
}

/// Where a policy applies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// In its namespace.
    Namespace,
    /// In all of them.
    Cluster,
}

/// What every part of a rule needs to know of it.
struct Context<'a> {
    /// The namespace of the policy, if it has one.
    namespace: Option<&'a str>,
    dialect: Dialect,
    /// Whether it selects nodes, not workloads.
    of_nodes: bool,
}

/// One of the four lists of a rule.
struct List {
    field: &'static str,
    direction: Direction,
    effect: Effect,
}

/// Reads one object: `spec` is one policy, and each of `specs` is. `None` means that an error was reported.
pub(crate) fn policies<'n>(
    mut object: Object<'n>,
    dialect: Dialect,
    scope: Scope,
    reader: &mut Reader<'_>,
) -> Option<Found<'n>> {
    let at = object.at.clone();
    let mode = mode(&object, reader);
    let metadata = match scope {
        Scope::Namespace => metadata(&mut object, reader),
        Scope::Cluster => cluster_metadata(&mut object, reader),
    };
    object.ignore("status");
    if dialect == Dialect::Legacy {
        reader.warning(
            &at,
            Code::LegacyDialect,
            "cilium.io/v1 is the dialect of 2017: peers and ports are two gates that must both pass",
            "cilium.io/v2 would let each item allow on its own: put fromEndpoints and toPorts into one item \
             to mean the same there",
        );
        if let Some(description) = object.take("description", reader) {
            description.string(reader);
        }
    }
    let several = dialect == Dialect::Modern && object.has("specs");
    let spec = if several && !object.has("spec") { None } else { Some(object.require("spec", reader)) };
    let specs = if several { Some(object.take("specs", reader)) } else { None };
    let known: &[&str] = match dialect {
        Dialect::Modern => &["apiVersion", "kind", "metadata", "spec", "specs"],
        Dialect::Legacy => &["apiVersion", "kind", "metadata", "description", "spec"],
    };
    object.finish(known, &[], reader);

    let metadata = metadata?;
    let (id, namespace) = match scope {
        Scope::Namespace => {
            (format!("cnp/{}/{}", metadata.namespace, metadata.name), Some(metadata.namespace.as_str()))
        }
        Scope::Cluster => (format!("ccnp/{}", metadata.name), None),
    };
    let id = RuleId::new(id);
    let mut rules = Vec::new();
    if let Some(spec) = spec {
        rules.push((at.clone(), spec?, id.clone()));
    }
    if let Some(specs) = specs {
        let specs = specs?;
        let given = specs.list(reader)?;
        if rules.is_empty() && given.is_empty() {
            let message = "the policy says nothing: `specs` is empty";
            reader.error(&specs, Code::MissingField, message, "add a rule, or remove the policy");
        }
        let id = id.child("specs");
        rules.extend(given.into_iter().enumerate().map(|(index, at)| (at.clone(), at, id.child(index))));
    }
    let mut policies = Vec::new();
    for (at, spec, id) in rules {
        policies.push(rule::policy(&spec, id, namespace, dialect, mode, reader).map(|policy| (at, policy)));
    }
    let policies = policies.into_iter().collect::<Option<_>>()?;
    Some(Found { at, id, annotations: metadata.annotations, content: Content::Policies(policies) })
}
