//! A rule: subject, sections, default deny.

use postern_policy_core::labels::NAMESPACE;
use postern_policy_core::policy::{
    Combination, Effect, Item, PeerSelector, Policy, PortRule, PortSelector, Section, Subject,
};
use postern_policy_core::selector::{Operator, Requirement, Selector};
use serde_json::{Map, Value, json};

use super::items;

/// The `spec` of a policy in this namespace.
pub(super) fn spec(policy: &Policy, namespace: &str) -> Map<String, Value> {
    let mut spec = Map::new();
    let (field, subject) = match &policy.subject {
        Subject::Endpoints(subject) => ("endpointSelector", subject),
        Subject::Nodes(subject) => ("nodeSelector", subject),
    };
    // It is pinned to the namespace again when it is read.
    let own = |requirement: &Requirement| {
        requirement.key.key == NAMESPACE && requirement.operator == Operator::In(vec![namespace.to_owned()])
    };
    let requirements = subject.requirements.iter().filter(|requirement| !own(requirement)).cloned();
    spec.insert(field.to_owned(), selector(&Selector { requirements: requirements.collect() }));
    let mut default_deny = Map::new();
    for (name, section) in [("ingress", &policy.ingress), ("egress", &policy.egress)] {
        let merged = match policy.combination {
            Combination::Gates => merge(section),
            Combination::Union | Combination::Ordered { .. } => section.items.clone(),
        };
        let of = |effect: Effect| -> Vec<Value> {
            let items = merged.iter().filter(|item| item.effect == effect);
            items.flat_map(|item| items::item(item, name, namespace)).collect()
        };
        let (mut allowed, denied) = (of(Effect::Allow), of(Effect::Deny));
        if section.default_deny && allowed.is_empty() && denied.is_empty() {
            allowed.push(json!({}));
        }
        let has_items = !allowed.is_empty() || !denied.is_empty();
        if !section.default_deny && has_items {
            default_deny.insert(name.to_owned(), Value::Bool(false));
        }
        for (field, items) in [(name.to_owned(), allowed), (format!("{name}Deny"), denied)] {
            if !items.is_empty() {
                spec.insert(field, Value::Array(items));
            }
        }
    }
    if !default_deny.is_empty() {
        spec.insert("enableDefaultDeny".to_owned(), Value::Object(default_deny));
    }
    spec
}

/// The two gates of the legacy dialect as items that each allow on their own: the peers of all, with the ports
/// of all.
fn merge(section: &Section) -> Vec<Item> {
    let says_nothing =
        |item: &Item| item.peers == PeerSelector::Unnamed && item.ports == PortSelector::AnyOf(Vec::new());
    let items: Vec<&Item> = section.items.iter().filter(|item| !says_nothing(item)).collect();
    let Some(first) = items.first() else { return Vec::new() };
    let terms = items.iter().filter_map(|item| match &item.peers {
        PeerSelector::Unnamed => None,
        PeerSelector::AnyOf(terms) => Some(terms.clone()),
    });
    let ports = items.iter().filter_map(|item| match &item.ports {
        PortSelector::Unnamed => None,
        PortSelector::AnyOf(rules) => Some(rules.clone()),
    });
    let terms: Vec<_> = terms.collect();
    let ports: Vec<Vec<PortRule>> = ports.collect();
    vec![Item {
        id: first.id.clone(),
        effect: Effect::Allow,
        peers: if terms.is_empty() { PeerSelector::Unnamed } else { PeerSelector::AnyOf(terms.concat()) },
        ports: if ports.is_empty() { PortSelector::Unnamed } else { PortSelector::AnyOf(ports.concat()) },
        unenforced: None,
    }]
}

/// `{matchLabels, matchExpressions}`: a single value is a label, everything else an expression.
pub(super) fn selector(selector: &Selector) -> Value {
    let (mut labels, mut expressions) = (Map::new(), Vec::new());
    for Requirement { key, operator } in &selector.requirements {
        let name = key.to_string();
        match operator {
            Operator::In(values) => match values.as_slice() {
                [value] if !labels.contains_key(&name) => {
                    labels.insert(name, Value::from(value.as_str()));
                }
                values => expressions.push(json!({"key": name, "operator": "In", "values": values})),
            },
            Operator::NotIn(values) => {
                expressions.push(json!({"key": name, "operator": "NotIn", "values": values}));
            }
            Operator::Exists => expressions.push(json!({"key": name, "operator": "Exists"})),
            Operator::DoesNotExist => expressions.push(json!({"key": name, "operator": "DoesNotExist"})),
        }
    }
    let mut written = Map::new();
    if !labels.is_empty() {
        written.insert("matchLabels".to_owned(), Value::Object(labels));
    }
    if !expressions.is_empty() {
        written.insert("matchExpressions".to_owned(), Value::Array(expressions));
    }
    Value::Object(written)
}
