//! The annotations of an object whose other metadata must stay as it is.

use serde_json::{Map, Value};

use super::ConvertError;

/// Metadata, and its annotations apart.
pub(super) struct Annotations {
    metadata: Map<String, Value>,
    annotations: Map<String, Value>,
}

impl Annotations {
    pub(super) fn of(metadata: Value) -> Result<Self, ConvertError> {
        let Value::Object(mut metadata) = metadata else {
            return Err(ConvertError::field("metadata", "expected a mapping"));
        };
        let annotations = match metadata.get_mut("annotations").map(Value::take) {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(annotations)) => annotations,
            Some(_) => return Err(ConvertError::field("metadata.annotations", "expected a mapping")),
        };
        Ok(Self { metadata, annotations })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.annotations.is_empty()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.annotations.contains_key(name)
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.annotations.insert(name.to_owned(), Value::from(value));
    }

    /// Takes one away. One that is no text says nothing.
    pub(super) fn remove(&mut self, name: &str) -> Option<String> {
        match self.annotations.shift_remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn into_metadata(mut self) -> Value {
        if self.annotations.is_empty() {
            self.metadata.shift_remove("annotations");
        } else {
            self.metadata.insert("annotations".to_owned(), Value::Object(self.annotations));
        }
        Value::Object(self.metadata)
    }
}
