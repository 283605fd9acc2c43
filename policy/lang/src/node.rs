//! The tree of a YAML document, with the place of everything in it.

use std::rc::Rc;

use crate::source::Span;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Rc<Value>,
    /// How many nodes this one stands for once aliases are followed: what bounds the work of a walk.
    pub(crate) weight: usize,
}

#[derive(Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the document; keys are unique.
    Map(Vec<(Key, Node)>),
}

#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Without quotes, YAML gives some texts another type than string.
    pub(crate) plain: bool,
}

/// What YAML's core schema makes of a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    String,
    Null,
    Bool(bool),
    Integer(i64),
    /// A number that no field takes.
    Float,
}

impl Scalar {
    pub(crate) fn kind(&self) -> Type {
        if !self.plain {
            return Type::String;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Type::Null,
            "true" | "True" | "TRUE" => Type::Bool(true),
            "false" | "False" | "FALSE" => Type::Bool(false),
            text => number(text),
        }
    }
}

fn number(text: &str) -> Type {
    let integer = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(digits), _) => i64::from_str_radix(digits, 16),
        (_, Some(digits)) => i64::from_str_radix(digits, 8),
        _ => text.parse(),
    };
    // `1e3` is a number to YAML, `inf` and `nan` are not without their dot.
    let starts_as_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    match integer {
        Ok(integer) => Type::Integer(integer),
        Err(_) if starts_as_number && text.parse::<f64>().is_ok() => Type::Float,
        Err(_) => Type::String,
    }
}

/// How much of a text is shown where something else was expected.
const MAX_SHOWN: usize = 80;

impl Node {
    /// What the node is, for the sentence "expected …, found …".
    pub(crate) fn found(&self) -> String {
        match &*self.value {
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
            Value::Scalar(scalar) => match scalar.kind() {
                Type::String if scalar.text.len() > MAX_SHOWN => {
                    format!("the text {:?}…", scalar.text.chars().take(MAX_SHOWN).collect::<String>())
                }
                Type::String => format!("the text {:?}", scalar.text),
                Type::Null => "no value".to_owned(),
                Type::Bool(_) => format!("the boolean {}", scalar.text),
                Type::Integer(_) | Type::Float => format!("the number {}", scalar.text),
            },
        }
    }
}
