//! JSON Schemas, for editors.

use serde_json::{Map, Value, json};

use super::{Enforced, Field, Resource, Takes};

/// The schema of a resource, draft 2020-12.
pub fn json_schema(resource: &Resource) -> Value {
    let metadata = json!({
        "type": "object",
        "description": "What it is called.",
        "required": if resource.kind == "PolicyTest" { json!([]) } else { json!(["name"]) },
        "properties": {
            "name": { "type": "string" },
            "namespace": { "type": "string" },
            "labels": texts(),
            "annotations": texts(),
        },
    });
    let mut schema = object(resource.fields);
    let properties = json!({
        "apiVersion": { "const": resource.version },
        "kind": { "const": resource.kind },
        "metadata": metadata,
        "status": {},
    });
    let mut all = properties.as_object().cloned().unwrap_or_default();
    if let Some(own) = schema.get("properties").and_then(Value::as_object) {
        all.extend(own.clone());
    }
    let mut required = vec![json!("apiVersion"), json!("kind")];
    if resource.kind != "PolicyTest" {
        required.push(json!("metadata"));
    }
    required.extend(schema.get("required").and_then(Value::as_array).into_iter().flatten().cloned());
    let mut document = Map::from_iter([
        ("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema")),
        ("title".to_owned(), json!(format!("{} ({})", resource.kind, resource.version))),
        ("description".to_owned(), json!(resource.about)),
    ]);
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("properties".to_owned(), Value::Object(all));
        fields.insert("required".to_owned(), Value::Array(required));
        document.append(fields);
    }
    Value::Object(document)
}

fn texts() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

fn object(fields: &[Field]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), described(field))).collect();
    let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if let Some(schema) = schema.as_object_mut().filter(|_| !required.is_empty()) {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

fn described(field: &Field) -> Value {
    let mut schema = takes(&field.takes);
    let about = match field.enforced {
        Enforced::Quarantined => format!("{} Not enforced yet: a rule with it is quarantined.", field.about),
        _ => field.about.to_owned(),
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), Value::from(about));
    }
    schema
}

fn takes(takes: &Takes) -> Value {
    match takes {
        Takes::Text => json!({ "type": "string" }),
        Takes::OneOf(words) => json!({ "enum": words }),
        Takes::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Takes::NumberOrText => json!({ "type": ["integer", "string"] }),
        Takes::Boolean => json!({ "type": "boolean" }),
        Takes::Object(fields) => object(fields),
        Takes::Texts => texts(),
        Takes::List(items) => json!({ "type": "array", "items": self::takes(items) }),
        Takes::Anything => json!({}),
    }
}
