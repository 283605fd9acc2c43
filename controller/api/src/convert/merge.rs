//! The two gates of a v1 direction, as the one item of v2 that means the same.
//!
//! Selectors, ports and HTTP rules are carried as they are: both versions read them alike, and the strict reader
//! judges them. Around them only what v1 has is taken, because what v2 alone knows would get a meaning that it does
//! not have where it was written.

use serde_json::{Map, Value, json};

use super::ConvertError;

type Fields = Map<String, Value>;

/// The v2 form of what a v1 policy says. What both read alike comes back as it is.
pub(super) fn body(v1: &Fields) -> Result<Fields, ConvertError> {
    let mut v2 = Fields::new();
    let mut description = None;
    for (key, value) in v1 {
        match key.as_str() {
            "spec" => drop(v2.insert(key.clone(), Value::Object(spec(object(value, "spec")?)?))),
            "description" => description = Some(value),
            _ => return Err(unknown("", key, "description, spec")),
        }
    }
    if let (Some(Value::Object(spec)), Some(description)) = (v2.get_mut("spec"), description) {
        // The rule's own description is nearer to it.
        spec.entry("description").or_insert_with(|| description.clone());
    }
    match v2.contains_key("spec") {
        true => Ok(v2),
        false => Err(ConvertError::field("spec", "it is missing: write what the policy says")),
    }
}

fn spec(v1: &Fields) -> Result<Fields, ConvertError> {
    let mut v2 = Fields::new();
    for (key, value) in v1 {
        let value = match key.as_str() {
            "endpointSelector" | "description" => value.clone(),
            "ingress" => {
                Value::Array(direction(list(value, "spec.ingress")?, "spec.ingress", "fromEndpoints")?)
            }
            "egress" => Value::Array(direction(list(value, "spec.egress")?, "spec.egress", "toEndpoints")?),
            _ => return Err(unknown("spec", key, "endpointSelector, ingress, egress, description")),
        };
        v2.insert(key.clone(), value);
    }
    Ok(v2)
}

/// One direction. An empty list says nothing and is refused by the reader; it is carried.
fn direction(items: &[Value], at: &str, peers_field: &str) -> Result<Vec<Value>, ConvertError> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let (mut peer_gate, mut port_gate): (Option<Vec<Value>>, Vec<Value>) = (None, Vec::new());
    // An entry of no ports is an open gate to the readers of both versions, and is carried for what it says.
    let mut empty_ports = false;
    for (index, item) in items.iter().enumerate() {
        let at = format!("{at}[{index}]");
        for (key, value) in object(item, &at)? {
            let at = format!("{at}.{key}");
            match key.as_str() {
                "toPorts" => {
                    let entries = list(value, &at)?;
                    empty_ports |= entries.is_empty();
                    for (index, entry) in entries.iter().enumerate() {
                        port_gate.push(port_entry(entry, &format!("{at}[{index}]"))?);
                    }
                }
                key if key == peers_field => {
                    peer_gate.get_or_insert_default().extend(list(value, &at)?.iter().cloned());
                }
                _ => {
                    return Err(unknown(
                        at.trim_end_matches(&format!(".{key}")),
                        key,
                        &format!("{peers_field}, toPorts"),
                    ));
                }
            }
        }
    }
    let mut item = Fields::new();
    if let Some(peers) = peer_gate {
        item.insert(peers_field.to_owned(), Value::Array(peers));
    }
    if !port_gate.is_empty() || empty_ports {
        item.insert("toPorts".to_owned(), Value::Array(port_gate));
    }
    Ok(vec![Value::Object(item)])
}

fn port_entry(v1: &Value, at: &str) -> Result<Value, ConvertError> {
    let mut v2 = Fields::new();
    let mut has_http = false;
    for (key, value) in object(v1, at)? {
        let value = match key.as_str() {
            "ports" => Value::Array(list(value, &format!("{at}.ports"))?.to_vec()),
            "rules" => {
                let rules = rules(value, &format!("{at}.rules"))?;
                has_http = rules.get("http").and_then(Value::as_array).is_some_and(|http| !http.is_empty());
                Value::Object(rules)
            }
            _ => return Err(unknown(at, key, "ports, rules")),
        };
        v2.insert(key.clone(), value);
    }
    // Left out, the protocol of a port with HTTP rules is TCP in v1 and any in v2, which then has no HTTP.
    if has_http && let Some(Value::Array(ports)) = v2.get_mut("ports") {
        for port in ports.iter_mut().filter_map(Value::as_object_mut) {
            port.entry("protocol").or_insert_with(|| json!("TCP"));
        }
    }
    Ok(Value::Object(v2))
}

fn rules(v1: &Value, at: &str) -> Result<Fields, ConvertError> {
    let mut v2 = Fields::new();
    for (key, value) in object(v1, at)? {
        if !["http", "HTTP"].contains(&key.as_str()) {
            return Err(unknown(at, key, "http, or HTTP as it was spelt in 2017"));
        }
        let value = list(value, &format!("{at}.{key}"))?.to_vec();
        if v2.insert("http".to_owned(), Value::Array(value)).is_some() {
            return Err(ConvertError::field(at, "both `http` and `HTTP` are given: keep one of the two"));
        }
    }
    Ok(v2)
}

fn object<'v>(value: &'v Value, at: &str) -> Result<&'v Fields, ConvertError> {
    value
        .as_object()
        .ok_or_else(|| ConvertError::field(at, format!("expected a mapping, found {}", found(value))))
}

fn list<'v>(value: &'v Value, at: &str) -> Result<&'v [Value], ConvertError> {
    let problem = || format!("expected a list, found {}; an empty list is `[]`", found(value));
    value.as_array().map(Vec::as_slice).ok_or_else(|| ConvertError::field(at, problem()))
}

fn unknown(at: &str, key: &str, known: &str) -> ConvertError {
    let field = if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
    let problem =
        format!("cilium.io/v1 has no such field here: expected {known}; for more write cilium.io/v2");
    ConvertError::field(field, problem)
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "no value",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
