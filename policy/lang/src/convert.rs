//! Conversion: what a policy of an older or a foreign dialect says, as a `CiliumNetworkPolicy` of `cilium.io/v2`.
//!
//! The checked model is written out again, so the result means what the original means, by construction. What
//! carries no meaning, such as comments, is lost.

mod items;
mod spec;

use postern_policy_core::policy::Policy;
use serde_json::{Map, Value, json};

use crate::decode::{At, Reader};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Kind, policies_of, version_and_kind};
use crate::node::{Node, Type, Value as Tree};
use crate::source::SourceFile;
use crate::yaml;

/// What became of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Converted {
    /// It was written in another dialect.
    Changed {
        /// What it was, such as `cilium.io/v1 CiliumNetworkPolicy`.
        from: String,
        /// What it is now.
        document: Value,
    },
    /// It is what it was: a policy of `cilium.io/v2`, or no policy at all.
    Kept {
        /// What it is.
        kind: String,
        /// The same values; comments are lost.
        document: Value,
    },
}

impl Converted {
    /// The document.
    pub fn document(&self) -> &Value {
        match self {
            Self::Changed { document, .. } | Self::Kept { document, .. } => document,
        }
    }
}

/// Converts every document of a file. With an error among the diagnostics the list is not complete and must not be
/// used in place of the file.
pub fn convert(file: &SourceFile) -> (Vec<Converted>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let documents = yaml::documents(file, &mut diagnostics);
    let mut reader = Reader::new(file, &mut diagnostics);
    reader.expect_documents(&documents, "a policy");
    let converted =
        documents.iter().flat_map(|node| document(&At::document(node), None, &mut reader)).collect();
    (converted, diagnostics)
}

fn document<'n>(at: &At<'n>, of_list: Option<Kind<'n>>, reader: &mut Reader<'_>) -> Vec<Converted> {
    let Some(mut object) = at.object(reader) else { return Vec::new() };
    let Some(kind) = version_and_kind(&mut object, of_list, reader) else { return Vec::new() };
    if let Some(of_list) = kind.of_items() {
        let items = object.require("items", reader).and_then(|items| items.list(reader));
        return items.into_iter().flatten().flat_map(|at| document(&at, of_list, reader)).collect();
    }
    let what = kind.to_string();
    let foreign = matches!(
        (kind.version, kind.name),
        ("cilium.io/v1", "CiliumNetworkPolicy") | ("networking.k8s.io/v1", "NetworkPolicy")
    );
    if !foreign {
        if kind.name == "ClusterNetworkPolicy" {
            let message =
                "a ClusterNetworkPolicy has a tier and a priority, which no CiliumNetworkPolicy has";
            reader.error(at, Code::Conflict, message, "leave it as it is: it is read as it is");
        }
        let mut document = json!({"apiVersion": kind.version, "kind": kind.name});
        if let (Some(document), Value::Object(written)) = (document.as_object_mut(), value(at.node)) {
            document.extend(written);
        }
        return vec![Converted::Kept { kind: what, document }];
    }
    let errors_before = reader.errors();
    let policies = policies_of(at, of_list, reader);
    if reader.errors() != errors_before {
        return Vec::new();
    }
    // What is not enforced is not in the model as it was written: leaving it out would open what it narrows.
    if let Some((rule, why)) = policies.iter().flat_map(Policy::quarantined).next() {
        let message = format!("{rule} cannot be converted: {why}");
        reader.error(at, Code::Conflict, message, "write the cilium.io/v2 policy by hand");
        return Vec::new();
    }
    let changed = |policy: &Policy| Converted::Changed { from: what.clone(), document: written(at, policy) };
    policies.iter().map(changed).collect()
}

/// The object: what it is called and described as stays.
fn written(at: &At<'_>, policy: &Policy) -> Value {
    let original = value(at.node);
    let mut metadata = original.get("metadata").cloned().unwrap_or_else(|| json!({}));
    // The rest is of the object that it was, and would keep this one from being applied.
    if let Some(fields) = metadata.as_object_mut() {
        fields.retain(|field, _| ["name", "namespace", "labels", "annotations"].contains(&field.as_str()));
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        // What kubectl applied last was something else.
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    let namespace = metadata.get("namespace").and_then(Value::as_str).unwrap_or("default").to_owned();
    let described = original.get("description").or_else(|| original.pointer("/spec/description"));
    let mut spec = Map::new();
    if let Some(text) = described {
        spec.insert("description".to_owned(), text.clone());
    }
    spec.extend(spec::spec(policy, &namespace));
    json!({
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": metadata,
        "spec": spec,
    })
}

/// A tree as it was written.
fn value(node: &Node) -> Value {
    match &*node.value {
        Tree::List(items) => items.iter().map(value).collect(),
        Tree::Map(entries) => {
            Value::Object(entries.iter().map(|(key, node)| (key.text.clone(), value(node))).collect())
        }
        Tree::Scalar(scalar) => match scalar.kind() {
            Type::Null => Value::Null,
            Type::Bool(value) => Value::Bool(value),
            Type::Integer(number) => Value::from(number),
            Type::Float => scalar.text.parse::<f64>().map_or(Value::Null, Value::from),
            Type::String => Value::from(scalar.text.as_str()),
        },
    }
}

#[cfg(test)]
mod tests;
