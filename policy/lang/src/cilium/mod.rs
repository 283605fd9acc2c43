//! `CiliumNetworkPolicy`, in `cilium.io/v2` and in the dialect of 2017, `cilium.io/v1`, and
//! `CiliumClusterwideNetworkPolicy`.

mod http;
mod item;
mod peers;
mod ports;

pub(crate) use peers::names_a_place;
#[cfg(test)]
mod tests;

use postern_policy_core::policy::{
    Combination, Direction, Effect, Item, Mode, Policy, RuleId, Section, Subject,
};

use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;
use crate::metadata::{cluster_metadata, metadata};
use crate::node::Value;
use crate::selector::{Keys, selector};

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

/// The fields of a rule that the real schema has and Postern does not build yet.
const UNSUPPORTED: [&str; 2] = ["labels", "log"];
const UNSUPPORTED_CLUSTERWIDE: [&str; 3] = ["nodeSelector", "labels", "log"];

/// Reads one policy. `None` means that an error was reported.
pub(crate) fn policy(
    mut object: Object<'_>,
    dialect: Dialect,
    scope: Scope,
    reader: &mut Reader<'_>,
) -> Option<Policy> {
    let metadata = match scope {
        Scope::Namespace => metadata(&mut object, reader),
        Scope::Cluster => cluster_metadata(&mut object, reader),
    };
    object.ignore("status");
    if dialect == Dialect::Legacy {
        let at = object.at.clone();
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
    let specs = object.has("specs") && dialect == Dialect::Modern;
    let spec = if specs && !object.has("spec") { None } else { object.require("spec", reader) };
    let known: &[&str] = match dialect {
        Dialect::Modern => &["apiVersion", "kind", "metadata", "spec"],
        Dialect::Legacy => &["apiVersion", "kind", "metadata", "description", "spec"],
    };
    object.finish(known, &["specs"], reader);
    let metadata = metadata?;
    let (id, namespace) = match scope {
        Scope::Namespace => {
            (format!("cnp/{}/{}", metadata.namespace, metadata.name), Some(metadata.namespace.as_str()))
        }
        Scope::Cluster => (format!("ccnp/{}", metadata.name), None),
    };
    rule(&spec?, &RuleId::new(id), namespace, dialect, reader)
}

/// What every part of a rule needs to know of it.
pub(crate) struct Context<'a> {
    /// The namespace of the policy, if it has one.
    pub(crate) namespace: Option<&'a str>,
    pub(crate) dialect: Dialect,
}

fn rule(
    spec: &At<'_>,
    id: &RuleId,
    namespace: Option<&str>,
    dialect: Dialect,
    reader: &mut Reader<'_>,
) -> Option<Policy> {
    let context = Context { namespace, dialect };
    let mut object = spec.object(reader)?;
    if namespace.is_some()
        && let Some(at) = object.take("nodeSelector", reader)
    {
        let message = "a namespaced policy cannot select nodes";
        reader.error(&at, Code::Conflict, message, "use endpointSelector, which selects pods");
    }
    let subject = object
        .require("endpointSelector", reader)
        .and_then(|at| Some(peers::pin(selector(&at, Keys::Sourced, reader)?, namespace, &at, reader)));
    if let Some(description) = object.take("description", reader) {
        description.string(reader);
    }
    let default_deny = match dialect {
        Dialect::Modern => default_deny(&mut object, reader),
        Dialect::Legacy => DefaultDeny::default(),
    };
    report_silence(&object, dialect, reader);
    let mut section = |direction: Direction| {
        let mut items: Vec<Item> = Vec::new();
        for list in LISTS.iter().filter(|list| list.direction == direction && list.is_in(dialect)) {
            items.extend(item::items(&mut object, list, id, &context, reader));
        }
        let default_deny = default_deny.of(direction).unwrap_or(!items.is_empty());
        Section { default_deny, items }
    };
    let (ingress, egress) = (section(Direction::Ingress), section(Direction::Egress));
    let common = ["endpointSelector", "ingress", "egress", "description"];
    let modern = ["ingressDeny", "egressDeny", "enableDefaultDeny"];
    let modern: &[&str] = if dialect == Dialect::Modern { &modern } else { &[] };
    let known = [&common, modern].concat();
    let unsupported: &[&str] = if namespace.is_some() { &UNSUPPORTED } else { &UNSUPPORTED_CLUSTERWIDE };
    object.finish(&known, unsupported, reader);
    let combination = match dialect {
        Dialect::Modern => Combination::Union,
        Dialect::Legacy => Combination::Gates,
    };
    let subject = Subject::Endpoints(subject?);
    Some(Policy { id: id.clone(), subject, combination, mode: Mode::Enforced, ingress, egress })
}

/// A rule without an item in any of its lists would select workloads and leave them as they are.
fn report_silence(rule: &Object<'_>, dialect: Dialect, reader: &mut Reader<'_>) {
    let lists: Vec<At<'_>> =
        LISTS.iter().filter(|list| list.is_in(dialect)).filter_map(|list| rule.get(list.field)).collect();
    let empty = |at: &At<'_>| matches!(&*at.node.value, Value::List(items) if items.is_empty());
    let message = match lists.as_slice() {
        [] => "the rule says nothing: it has no ingress, egress, ingressDeny or egressDeny",
        lists if lists.iter().all(empty) => "the rule says nothing: its lists are empty",
        _ => return,
    };
    reader.error(&rule.at, Code::MissingField, message, "add an item; `ingress: [{}]` denies all ingress");
}

/// One of the four lists of a rule.
pub(crate) struct List {
    pub(crate) field: &'static str,
    pub(crate) direction: Direction,
    pub(crate) effect: Effect,
}

const LISTS: [List; 4] = [
    List { field: "ingress", direction: Direction::Ingress, effect: Effect::Allow },
    List { field: "ingressDeny", direction: Direction::Ingress, effect: Effect::Deny },
    List { field: "egress", direction: Direction::Egress, effect: Effect::Allow },
    List { field: "egressDeny", direction: Direction::Egress, effect: Effect::Deny },
];

impl List {
    fn is_in(&self, dialect: Dialect) -> bool {
        dialect == Dialect::Modern || self.effect == Effect::Allow
    }
}

#[derive(Default)]
struct DefaultDeny {
    ingress: Option<bool>,
    egress: Option<bool>,
}

impl DefaultDeny {
    fn of(&self, direction: Direction) -> Option<bool> {
        match direction {
            Direction::Ingress => self.ingress,
            Direction::Egress => self.egress,
        }
    }
}

fn default_deny(object: &mut Object<'_>, reader: &mut Reader<'_>) -> DefaultDeny {
    let Some(at) = object.take("enableDefaultDeny", reader) else { return DefaultDeny::default() };
    let Some(mut object) = at.object(reader) else { return DefaultDeny::default() };
    let mut direction = |name| object.take(name, reader).and_then(|at| at.boolean(reader));
    let default_deny = DefaultDeny { ingress: direction("ingress"), egress: direction("egress") };
    object.finish(&["ingress", "egress"], &[], reader);
    default_deny
}
