//! One rule: what stands in `spec`, or in one of `specs`.

use postern_policy_core::policy::{
    Combination, Direction, Effect, Item, Mode, Policy, RuleId, Section, Subject,
};

use super::{Context, Dialect, List, extras, item, selectors};
use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;
use crate::node::Value;
use crate::selector::{Keys, selector};

/// Reads a rule. The mode is that of the whole object.
pub(super) fn policy(
    spec: &At<'_>,
    id: RuleId,
    namespace: Option<&str>,
    dialect: Dialect,
    mode: Option<Mode>,
    reader: &mut Reader<'_>,
) -> Option<Policy> {
    let mut object = spec.object(reader)?;
    let context = Context { namespace, dialect, of_nodes: object.has("nodeSelector") };
    let subject = subject(&mut object, namespace, reader);
    if let Some(description) = object.take("description", reader) {
        description.string(reader);
    }
    let default_deny = match dialect {
        Dialect::Modern => {
            extras::labels(&mut object, reader);
            extras::log(&mut object, reader);
            default_deny(&mut object, reader)
        }
        Dialect::Legacy => DefaultDeny::default(),
    };
    report_silence(&object, dialect, reader);
    let mut section = |direction: Direction| {
        let mut items: Vec<Item> = Vec::new();
        for list in LISTS.iter().filter(|list| list.direction == direction && list.is_in(dialect)) {
            items.extend(item::items(&mut object, list, &id, &context, reader));
        }
        let default_deny = default_deny.of(direction).unwrap_or(!items.is_empty());
        Section { default_deny, items }
    };
    let (ingress, egress) = (section(Direction::Ingress), section(Direction::Egress));
    let mut known = vec!["endpointSelector", "ingress", "egress", "description"];
    if dialect == Dialect::Modern {
        known.extend(["ingressDeny", "egressDeny", "enableDefaultDeny", "labels", "log"]);
        known.extend(namespace.is_none().then_some("nodeSelector"));
    }
    object.finish(&known, &[], reader);
    let combination = match dialect {
        Dialect::Modern => Combination::Union,
        Dialect::Legacy => Combination::Gates,
    };
    Some(Policy { id, subject: subject?, combination, mode: mode?, ingress, egress })
}

fn subject(rule: &mut Object<'_>, namespace: Option<&str>, reader: &mut Reader<'_>) -> Option<Subject> {
    let given = (rule.has("endpointSelector"), rule.has("nodeSelector"));
    let (pods, nodes) = (rule.take("endpointSelector", reader), rule.take("nodeSelector", reader));
    match (given, &nodes) {
        ((_, true), Some(at)) if namespace.is_some() => {
            let message = "a namespaced policy cannot select nodes";
            let help = "use endpointSelector, which selects pods, or a CiliumClusterwideNetworkPolicy";
            reader.error(at, Code::Conflict, message, help);
            None
        }
        ((true, true), Some(at)) => {
            let message = "the rule has both endpointSelector and nodeSelector";
            reader.error(at, Code::Conflict, message, "keep one, and write a second rule for the other");
            None
        }
        ((false, false), _) => {
            let help = match namespace {
                Some(_) => "add it; `endpointSelector: {}` selects every pod of the namespace",
                None => "add it, or `nodeSelector`; `endpointSelector: {}` selects every pod",
            };
            reader.error(&rule.at, Code::MissingField, "`endpointSelector` is missing", help);
            None
        }
        _ => {
            if let Some(at) = nodes {
                return Some(Subject::Nodes(selector(&at, Keys::Sourced, reader)?));
            }
            let at = pods?;
            let selector = selector(&at, Keys::Sourced, reader)?;
            Some(Subject::Endpoints(selectors::pin(selector, namespace, &at, reader)))
        }
    }
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
