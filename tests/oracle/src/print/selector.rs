//! Selectors.

use super::yaml::{Yaml, list, map, text, texts};
use crate::label::{Expression, Operator, Selector};

pub(super) fn selector(selector: &Selector) -> Yaml {
    let mut fields = Vec::new();
    if !selector.labels.is_empty() {
        fields.push(("matchLabels", texts(&selector.labels)));
    }
    if !selector.expressions.is_empty() {
        fields.push(("matchExpressions", list(selector.expressions.iter().map(expression))));
    }
    map(fields)
}

fn expression(expression: &Expression) -> Yaml {
    let (operator, values) = match &expression.operator {
        Operator::In(values) => ("In", Some(values)),
        Operator::NotIn(values) => ("NotIn", Some(values)),
        Operator::Exists => ("Exists", None),
        Operator::DoesNotExist => ("DoesNotExist", None),
    };
    let mut fields = vec![("key", text(&expression.key)), ("operator", text(operator))];
    fields.extend(values.map(|values| ("values", list(values.iter().map(text)))));
    map(fields)
}
