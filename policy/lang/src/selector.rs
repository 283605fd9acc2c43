//! Label selectors.

use postern_policy_core::labels::LabelKey;
use postern_policy_core::selector::{Operator, Requirement, Selector};

use crate::decode::{At, Reader};
use crate::diagnostic::Code;

/// Where a selector's keys come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Keys may carry a source, such as `reserved:` or `k8s:`; without one, any source will do.
    Sourced,
    /// Plain Kubernetes keys.
    Kubernetes,
}

impl Keys {
    fn parse(self, key: &str) -> LabelKey {
        match self {
            Self::Sourced => LabelKey::parse(key),
            Self::Kubernetes => LabelKey::k8s(key),
        }
    }
}

/// Reads `{matchLabels, matchExpressions}`.
pub(crate) fn selector(at: &At<'_>, keys: Keys, reader: &mut Reader<'_>) -> Option<Selector> {
    let mut object = at.object(reader)?;
    let labels = object.take("matchLabels", reader);
    let expressions = object.take("matchExpressions", reader);
    object.finish(&["matchLabels", "matchExpressions"], &[], reader);

    let mut requirements: Vec<Option<Requirement>> = Vec::new();
    if let Some(labels) = labels {
        for (key, value) in labels.object(reader)?.entries() {
            let key = checked_key(key, &value, keys, reader);
            let value = value.string(reader).and_then(|text| checked_value(text, &value, reader));
            requirements.push(key.zip(value).map(|(key, value)| Requirement::equals(key, value)));
        }
    }
    if let Some(expressions) = expressions {
        for at in expressions.list(reader)? {
            requirements.push(expression(&at, keys, reader));
        }
    }
    Some(Selector { requirements: requirements.into_iter().collect::<Option<_>>()? })
}

fn expression(at: &At<'_>, keys: Keys, reader: &mut Reader<'_>) -> Option<Requirement> {
    let mut object = at.object(reader)?;
    let key = object
        .require("key", reader)
        .and_then(|at| at.string(reader).and_then(|key| checked_key(key, &at, keys, reader)));
    let operator = object.require("operator", reader);
    let values = object.take("values", reader);
    object.finish(&["key", "operator", "values"], &[], reader);

    let operator_at = operator?;
    let operator = operator_at.string(reader)?;
    let given = match &values {
        Some(at) => at.list(reader)?,
        None => Vec::new(),
    };
    let mut texts = Vec::new();
    for value in &given {
        texts.push(value.string(reader).and_then(|text| checked_value(text, value, reader))?);
    }
    let operator = match (operator, texts.is_empty()) {
        ("In", false) => Operator::In(texts),
        ("NotIn", false) => Operator::NotIn(texts),
        ("Exists", true) => Operator::Exists,
        ("DoesNotExist", true) => Operator::DoesNotExist,
        ("In" | "NotIn", true) => {
            let message = format!("operator {operator} needs at least one value");
            reader.error(values.as_ref().unwrap_or(at), Code::InvalidValue, message, "list the values");
            return None;
        }
        ("Exists" | "DoesNotExist", false) => {
            let message = format!("operator {operator} takes no values");
            reader.error(values.as_ref().unwrap_or(at), Code::InvalidValue, message, "remove `values`");
            return None;
        }
        _ => {
            let message = format!("there is no operator {operator:?}");
            let help = "expected one of In, NotIn, Exists, DoesNotExist";
            reader.error(&operator_at, Code::InvalidValue, message, help);
            return None;
        }
    };
    Some(Requirement { key: key?, operator })
}

fn is_label_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

fn is_label_text(text: &str) -> bool {
    text.len() <= 63
        && text.chars().all(is_label_char)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn checked_key(text: &str, at: &At<'_>, keys: Keys, reader: &mut Reader<'_>) -> Option<LabelKey> {
    let key = keys.parse(text);
    let (prefix, name) = key.key.rsplit_once('/').unwrap_or(("x", &key.key));
    // A namespace's label travels under a prefix of its own, with its own slash.
    let prefix_ok = prefix.len() <= 253 && prefix.chars().all(|c| is_label_char(c) || c == '/');
    if prefix_ok && !prefix.is_empty() && is_label_text(name) {
        return Some(key);
    }
    reader.error(
        at,
        Code::InvalidValue,
        format!("{text:?} is not a label key"),
        "expected `name`, `prefix/name` or `source:name`, of letters, digits, `-`, `_` and `.`",
    );
    None
}

fn checked_value(text: &str, at: &At<'_>, reader: &mut Reader<'_>) -> Option<String> {
    if text.is_empty() || is_label_text(text) {
        return Some(text.to_owned());
    }
    reader.error(
        at,
        Code::InvalidValue,
        format!("{text:?} is not a label value"),
        "expected at most 63 letters, digits, `-`, `_` and `.`, starting and ending with a letter or digit",
    );
    None
}
